// SPDX-License-Identifier: Apache-2.0
//
// One option's value: from text (environment, flag, default), checked against its row, and put into the settings.
// Values from the file arrive typed (read_toml.hpp) and meet the same check.
#pragma once

#include <string>
#include <string_view>

#include <tl/expected.hpp>

#include "cmd/options/settings.hpp"
#include "cmd/options/table.hpp"

namespace gnomon::cmd {

/// Reads what an environment variable or a flag says. The entries of a list are separated by the row's separator, and
/// "" is the empty list. The error is what is wrong, without the option's name. Bounds are not checked here.
[[nodiscard]] tl::expected<Value, std::string> parse_value(const OptionRow& row, std::string_view text);

/// What is wrong with a value of the row's type, or "".
[[nodiscard]] std::string fault_of(const OptionRow& row, const Value& value);

/// As a flag would say it: parse_value reads it back.
[[nodiscard]] std::string text_of(const OptionRow& row, const Value& value);
/// As the file would say it.
[[nodiscard]] std::string toml_of(const Value& value);

void assign(const OptionRow& row, const Value& value, Settings& settings);
[[nodiscard]] Value value_in(const OptionRow& row, Settings& settings);

}  // namespace gnomon::cmd
