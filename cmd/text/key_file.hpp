// SPDX-License-Identifier: Apache-2.0
//
// The file of shared keys, for the daemon and for the tools that ask it: one key per line, `KEY_ID HEX` (an id of 1 to
// 65535 and 32 hexadecimal digits); blank lines and what follows a '#' are passed over.
//
// It must belong to the user or root, and nobody else may have any access to it: a key that others can read
// authenticates nobody.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <tl/expected.hpp>

#include "oracle/wire/auth.hpp"

namespace gnomon::cmd {

/// Errors are sentences with the file's name and the line; they never repeat what may be a secret.
[[nodiscard]] tl::expected<std::vector<wire::Key>, std::string> parse_keys(std::string_view text,
                                                                           const std::string& name);
[[nodiscard]] tl::expected<std::vector<wire::Key>, std::string> read_keys(const std::string& path);

}  // namespace gnomon::cmd
