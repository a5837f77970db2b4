// SPDX-License-Identifier: Apache-2.0
//
// gnomond's command line: the option table as flags, and a few flags that make it print something and end.
#pragma once

#include <optional>
#include <ostream>
#include <string>
#include <variant>
#include <vector>

#include "cmd/exit_code.hpp"
#include "cmd/options/resolve.hpp"

namespace gnomon::cmd {

/// What to run: the configuration, and what it takes to read it again on SIGHUP.
struct DaemonArguments {
  Configuration configuration;
  std::optional<std::string> config_file;  // none: the default place
  std::vector<FlagText> flags;
  std::string ready_file;  // empty: none
};

/// The program is done already: with this code.
using Parsed = std::variant<DaemonArguments, ExitCode>;

[[nodiscard]] Parsed parse_daemon_command_line(int argc, const char* const* argv, std::ostream& out, std::ostream& err);

}  // namespace gnomon::cmd
