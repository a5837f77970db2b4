// SPDX-License-Identifier: Apache-2.0
//
// Errors from the operating system, as values: what failed, on what, and what to do.
#pragma once

#include <string>
#include <string_view>

namespace gnomon::platform {

struct SystemError {
  int code = 0;      // errno
  std::string text;  // complete sentence
};

/// "cannot WHAT: REASON", plus a remedy for the codes that have a usual one. Reads errno unless given.
[[nodiscard]] SystemError system_error(std::string_view what);
[[nodiscard]] SystemError system_error(std::string_view what, int code);

}  // namespace gnomon::platform
