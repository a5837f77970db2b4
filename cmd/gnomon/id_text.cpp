// SPDX-License-Identifier: Apache-2.0
#include "cmd/gnomon/id_text.hpp"

#include <fmt/core.h>

#include <charconv>
#include <cstdint>

namespace gnomon::cmd {

std::optional<id::Id> parse_id(std::string_view text) {
  int base = 10;
  if (text.starts_with("0x") || text.starts_with("0X")) {
    base = 16;
    text.remove_prefix(2);
  }
  const bool negative = base == 10 && text.starts_with('-');
  if (negative) {
    std::int64_t value = 0;
    const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (fault != std::errc{} || end != text.data() + text.size()) return std::nullopt;
    return id::Id{static_cast<std::uint64_t>(value)};
  }
  std::uint64_t value = 0;
  const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (text.empty() || fault != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return id::Id{value};
}

std::string no_id_text(std::string_view text) {
  return fmt::format("'{}' is no 64-bit ID: write it in decimal, or in hexadecimal after 0x", text);
}

}  // namespace gnomon::cmd
