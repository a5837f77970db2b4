// SPDX-License-Identifier: Apache-2.0
//
// The configuration file. Strict on purpose: a key that is not in the table, or a number in quotes, is refused with its
// line and column instead of being ignored or converted, because a setting that silently does nothing is found in the
// worst moment. Duplicate keys are refused by TOML itself.
#pragma once

#include <string>
#include <string_view>

#include "cmd/options/source.hpp"

namespace gnomon::cmd {

/// `name` is how messages call the file.
[[nodiscard]] Reading read_toml(std::string_view text, const std::string& name);

}  // namespace gnomon::cmd
