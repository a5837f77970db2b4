// SPDX-License-Identifier: Apache-2.0
//
// gnomon's command line: which commands and options there are, and which function each of them runs. The only file of
// gnomon that knows CLI11, with its parts command_line_*.
#pragma once

#include <istream>
#include <ostream>

#include "cmd/exit_code.hpp"

namespace gnomon::cmd {

[[nodiscard]] ExitCode run_command_line(int argc, const char* const* argv, std::istream& in, std::ostream& out,
                                        std::ostream& err);

}  // namespace gnomon::cmd
