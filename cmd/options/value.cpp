// SPDX-License-Identifier: Apache-2.0
#include "cmd/options/value.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "cmd/options/checks.hpp"
#include "cmd/text/suggest.hpp"

namespace gnomon::cmd {
namespace {

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t'))
    text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t'))
    text.remove_suffix(1);
  return text;
}

std::vector<std::string_view> entries_of(std::string_view text, char separator) {
  std::vector<std::string_view> out;
  if (trimmed(text).empty()) return out;
  while (true) {
    const std::size_t end = text.find(separator);
    out.push_back(trimmed(text.substr(0, end)));
    if (end == std::string_view::npos) return out;
    text.remove_prefix(end + 1);
  }
}

tl::expected<std::int64_t, std::string> parse_integer(std::string_view text) {
  std::int64_t value = 0;
  const char* end = text.data() + text.size();
  const auto [stopped, fault] = std::from_chars(text.data(), end, value);
  if (fault == std::errc{} && stopped == end && !text.empty()) return value;
  if (fault == std::errc::result_out_of_range)
    return tl::make_unexpected(fmt::format("'{}' is out of every range", text));
  return tl::make_unexpected(fmt::format("'{}' is no integer", text));
}

/// Parses each entry; stops at the first that is wrong.
template <typename Entry, typename Parse>
tl::expected<Value, std::string> parse_list(const OptionRow& row, std::string_view text, Parse parse) {
  std::vector<Entry> out;
  for (const std::string_view word : entries_of(text, row.separator)) {
    const auto entry = parse(word);
    if (!entry) return tl::make_unexpected(entry.error());
    out.push_back(*entry);
  }
  return Value(std::move(out));
}

std::string integer_fault(const OptionRow& row, std::int64_t value) {
  if (value >= row.min && value <= row.max) return {};
  return fmt::format("{} is out of range ({} to {}{}{})", value, row.min, row.max, row.unit.empty() ? "" : " ",
                     row.unit);
}

std::string text_fault(const OptionRow& row, const std::string& value) {
  if (row.fault != nullptr) return row.fault(value);
  if (row.choices.empty()) return {};
  const auto choices = row.choice_list();
  if (std::find(choices.begin(), choices.end(), value) != choices.end()) return {};
  return fmt::format("'{}' is not one of {}{}", value, row.type_text(), did_you_mean(value, choices));
}

/// Entries may not repeat: a doubled address, CPU or machine id is always a mistake.
template <typename Entry, typename Name>
std::string repeat_fault(const std::vector<Entry>& entries, Name name) {
  for (auto it = entries.begin(); it != entries.end(); ++it)
    if (std::find(entries.begin(), it, *it) != it) return fmt::format("{} is listed twice", name(*it));
  return {};
}

std::string layouts_fault(const std::vector<id::Layout>& layouts) {
  for (auto it = layouts.begin(); it != layouts.end(); ++it) {
    const auto clash = std::find_if(layouts.begin(), it, [&](const id::Layout& other) {
      return other.number == it->number || other.name() == it->name();
    });
    if (clash != it) return fmt::format("layouts {} and {} share a name or a number", text_of(*clash), text_of(*it));
  }
  return {};
}

template <typename Entry, typename Text>
std::string join(const std::vector<Entry>& entries, std::string_view separator, Text text) {
  std::string out;
  for (const Entry& entry : entries)
    out += fmt::format("{}{}", out.empty() ? "" : separator, text(entry));
  return out;
}

std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + "\"";
}

/// Of a boolean or an integer, which every source writes alike.
std::string scalar_text(const Value& value) {
  if (const auto* flag = std::get_if<bool>(&value)) return *flag ? "true" : "false";
  return fmt::format("{}", std::get<std::int64_t>(value));
}

std::string toml_of_layout(const id::Layout& layout) {
  const std::string text = text_of(layout);
  const std::size_t epoch = text.find(':', text.find(':') + 1) + 1;
  const std::size_t bits = text.rfind(':');
  const std::size_t unit = text.rfind(':', bits - 1);
  return fmt::format("{{ number = {}, name = {}, epoch = {}, unit = {}, bits = [{}, {}, {}] }}", layout.number.value,
                     quoted(layout.name()), quoted(text.substr(epoch, unit - epoch)),
                     quoted(text.substr(unit + 1, bits - unit - 1)), layout.time_bits, layout.machine_bits,
                     layout.sequence_bits);
}

}  // namespace

tl::expected<Value, std::string> parse_value(const OptionRow& row, std::string_view text) {
  switch (row.type()) {
    case OptionType::kBool:
      if (text == "true") return Value(true);
      if (text == "false") return Value(false);
      return tl::make_unexpected(fmt::format("'{}' is neither true nor false", text));
    case OptionType::kInteger: return parse_integer(text).map([](std::int64_t value) { return Value(value); });
    case OptionType::kChoice:
    case OptionType::kText: return Value(std::string(text));
    case OptionType::kIntegerList: return parse_list<std::int64_t>(row, text, parse_integer);
    case OptionType::kTextList:
      return parse_list<std::string>(
          row, text, [](std::string_view word) -> tl::expected<std::string, std::string> { return std::string(word); });
    case OptionType::kLayoutList: return parse_list<id::Layout>(row, text, parse_layout);
  }
  return tl::make_unexpected(std::string("unknown type"));
}

std::string fault_of(const OptionRow& row, const Value& value) {
  if (const auto* number = std::get_if<std::int64_t>(&value)) return integer_fault(row, *number);
  if (const auto* text = std::get_if<std::string>(&value)) return text_fault(row, *text);
  if (const auto* numbers = std::get_if<std::vector<std::int64_t>>(&value)) {
    for (const std::int64_t number : *numbers)
      if (std::string fault = integer_fault(row, number); !fault.empty()) return fault;
    return repeat_fault(*numbers, [](std::int64_t number) { return fmt::format("{}", number); });
  }
  if (const auto* texts = std::get_if<std::vector<std::string>>(&value)) {
    for (const std::string& text : *texts)
      if (std::string fault = text_fault(row, text); !fault.empty()) return fault;
    return repeat_fault(*texts, [](const std::string& text) { return fmt::format("'{}'", text); });
  }
  if (const auto* layouts = std::get_if<std::vector<id::Layout>>(&value)) return layouts_fault(*layouts);
  return {};
}

std::string text_of(const OptionRow& row, const Value& value) {
  const std::string_view between(&row.separator, 1);
  if (const auto* text = std::get_if<std::string>(&value)) return *text;
  if (const auto* numbers = std::get_if<std::vector<std::int64_t>>(&value))
    return join(*numbers, between, [](std::int64_t number) { return fmt::format("{}", number); });
  if (const auto* texts = std::get_if<std::vector<std::string>>(&value))
    return join(*texts, between, [](const std::string& text) { return text; });
  if (const auto* layouts = std::get_if<std::vector<id::Layout>>(&value))
    return join(*layouts, between, [](const id::Layout& layout) { return text_of(layout); });
  return scalar_text(value);
}

std::string toml_of(const Value& value) {
  if (const auto* text = std::get_if<std::string>(&value)) return quoted(*text);
  if (const auto* numbers = std::get_if<std::vector<std::int64_t>>(&value))
    return fmt::format("[{}]", join(*numbers, ", ", [](std::int64_t number) { return fmt::format("{}", number); }));
  if (const auto* texts = std::get_if<std::vector<std::string>>(&value))
    return fmt::format("[{}]", join(*texts, ", ", [](const std::string& text) { return quoted(text); }));
  if (const auto* layouts = std::get_if<std::vector<id::Layout>>(&value))
    return fmt::format("[{}]", join(*layouts, ", ", toml_of_layout));
  return scalar_text(value);
}

void assign(const OptionRow& row, const Value& value, Settings& settings) {
  std::visit([&](auto* field) { *field = std::get<std::remove_pointer_t<decltype(field)>>(value); },
             row.field(settings));
}

Value value_in(const OptionRow& row, Settings& settings) {
  return std::visit([](auto* field) { return Value(*field); }, row.field(settings));
}

}  // namespace gnomon::cmd
