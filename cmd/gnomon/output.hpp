// SPDX-License-Identifier: Apache-2.0
//
// Where commands write to and how they end. Results go to standard output and nothing else does, so that `gnomon id -n
// 1000 | ...` is safe; what went wrong goes to standard error, as one line that says what to do.
#pragma once

#include <ostream>
#include <string_view>

#include "cmd/exit_code.hpp"

namespace gnomon::cmd {

struct Output {
  std::ostream& out;
  std::ostream& err;
  bool json = false;

  /// Prints "gnomon: TEXT" and passes the code through.
  [[nodiscard]] ExitCode fail(ExitCode code, std::string_view text) const {
    err << "gnomon: " << text << '\n';
    return code;
  }
};

}  // namespace gnomon::cmd
