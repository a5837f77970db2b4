// SPDX-License-Identifier: Apache-2.0
//
// Who may ask: the access options and the file of keys, turned into the policy that the workers read.
//
// The file has one key per line, `KEY_ID HEX` (an id of 1 to 65535 and 32 hexadecimal digits); blank lines and what
// follows a '#' are passed over. It must belong to the daemon's user or root, and nobody else may have any access to
// it: a key that others can read authenticates nobody.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <tl/expected.hpp>

#include "cmd/options/settings.hpp"
#include "oracle/serve/gate.hpp"
#include "oracle/wire/auth.hpp"

namespace gnomon::cmd {

/// Errors are sentences with the file's name and the line.
[[nodiscard]] tl::expected<std::vector<wire::Key>, std::string> parse_keys(std::string_view text,
                                                                           const std::string& name);
[[nodiscard]] tl::expected<std::vector<wire::Key>, std::string> read_keys(const std::string& path);

/// Reads the file of keys, if one is named. `version` of the policy is left at 0.
[[nodiscard]] tl::expected<serve::AccessPolicy, std::string> access_policy(const Settings& settings);

}  // namespace gnomon::cmd
