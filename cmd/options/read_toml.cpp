// SPDX-License-Identifier: Apache-2.0
#include "cmd/options/read_toml.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include <tl/expected.hpp>
#include <toml++/toml.h>

#include "cmd/options/checks.hpp"
#include "cmd/options/table.hpp"
#include "cmd/text/suggest.hpp"

namespace gnomon::cmd {
namespace {

using Read = tl::expected<Value, std::string>;

std::string_view type_name(const toml::node& node) {
  switch (node.type()) {
    case toml::node_type::table: return "a table";
    case toml::node_type::array: return "a list";
    case toml::node_type::string: return "a text";
    case toml::node_type::integer: return "an integer";
    case toml::node_type::floating_point: return "a number with a fraction";
    case toml::node_type::boolean: return "a boolean";
    case toml::node_type::date:
    case toml::node_type::time:
    case toml::node_type::date_time: return "a date or time";
    case toml::node_type::none: break;
  }
  return "nothing";
}

Read wrong_type(std::string_view wanted, const toml::node& node) {
  return tl::make_unexpected(fmt::format("must be {}, and is {}", wanted, type_name(node)));
}

/// A text, or an integer as its digits: a layout may be named either way.
std::optional<std::string> text_or_number(const toml::node& node) {
  if (auto text = node.value_exact<std::string>()) return text;
  if (const auto number = node.value_exact<std::int64_t>()) return fmt::format("{}", *number);
  return std::nullopt;
}

Read read_integers(const toml::node& node) {
  if (!node.is_array()) return wrong_type("a list of integers", node);
  std::vector<std::int64_t> out;
  for (const toml::node& entry : *node.as_array()) {
    const auto number = entry.value_exact<std::int64_t>();
    if (!number)
      return wrong_type("a list of integers", entry).map_error([](const std::string& text) {
        return text + " in one place";
      });
    out.push_back(*number);
  }
  return Value(std::move(out));
}

Read read_texts(const toml::node& node) {
  if (!node.is_array()) return wrong_type(R"(a list of texts, as in ["a", "b"])", node);
  std::vector<std::string> out;
  for (const toml::node& entry : *node.as_array()) {
    auto text = text_or_number(entry);
    if (!text)
      return wrong_type("a list of texts", entry).map_error([](const std::string& words) {
        return words + " in one place";
      });
    out.push_back(std::move(*text));
  }
  return Value(std::move(out));
}

/// The five keys of one custom layout, turned into the form that flags use, so that both forms meet one parser.
tl::expected<id::Layout, std::string> read_layout(const toml::table& table) {
  static constexpr std::array<std::string_view, 5> kKeys{"number", "name", "epoch", "unit", "bits"};
  for (auto&& [key, node] : table) {
    const std::string_view word = key.str();
    if (std::find(kKeys.begin(), kKeys.end(), word) == kKeys.end())
      return tl::make_unexpected(fmt::format("unknown key '{}'{}", word, did_you_mean(word, kKeys)));
  }
  std::string text;
  for (const std::string_view key : kKeys) {
    const toml::node* node = table.get(key);
    if (node == nullptr) return tl::make_unexpected(fmt::format("'{}' is missing", key));
    std::string word;
    if (key == "bits") {
      const auto* bits = node->as_array();
      if (bits == nullptr)
        return tl::make_unexpected(fmt::format("'bits' must be a list, and is {}", type_name(*node)));
      for (const toml::node& width : *bits)
        word += fmt::format("{}{}", word.empty() ? "" : "/", text_or_number(width).value_or("?"));
    } else if (const auto date = node->value_exact<toml::date>()) {
      word = fmt::format("{:04}-{:02}-{:02}", date->year, date->month, date->day);
    } else if (const auto plain = text_or_number(*node)) {
      word = *plain;
    } else {
      return tl::make_unexpected(fmt::format("'{}' must not be {}", key, type_name(*node)));
    }
    text += fmt::format("{}{}", text.empty() ? "" : ":", word);
  }
  return parse_layout(text);
}

Read read_layouts(const toml::node& node) {
  if (!node.is_array()) return wrong_type("a list of tables: write [[ids.custom]] with two brackets", node);
  std::vector<id::Layout> out;
  for (const toml::node& entry : *node.as_array()) {
    if (!entry.is_table()) return wrong_type("a list of tables", entry);
    const auto layout = read_layout(*entry.as_table());
    if (!layout) return tl::make_unexpected(layout.error());
    out.push_back(*layout);
  }
  return Value(std::move(out));
}

Read read_node(const OptionRow& row, const toml::node& node) {
  switch (row.type()) {
    case OptionType::kBool:
      if (const auto flag = node.value_exact<bool>()) return Value(*flag);
      return wrong_type("true or false", node);
    case OptionType::kInteger:
      if (const auto number = node.value_exact<std::int64_t>()) return Value(*number);
      return wrong_type("an integer", node);
    case OptionType::kChoice:
    case OptionType::kText:
      if (auto text = node.value_exact<std::string>()) return Value(std::move(*text));
      return wrong_type("a text in quotes", node);
    case OptionType::kIntegerList: return read_integers(node);
    case OptionType::kTextList: return read_texts(node);
    case OptionType::kLayoutList: return read_layouts(node);
  }
  return wrong_type("of a known type", node);
}

Origin origin_at(const std::string& name, const toml::source_region& region) {
  return {.kind = Origin::Kind::kFile,
          .name = name,
          .line = static_cast<std::uint32_t>(region.begin.line),
          .column = static_cast<std::uint32_t>(region.begin.column)};
}

std::string unknown_section(std::string_view word) {
  std::vector<std::string_view> names;
  for (const SectionInfo& section : option_sections())
    names.push_back(section.name);
  return fmt::format("there is no section [{}]{}", word, did_you_mean(word, names));
}

/// Names the likely key of this section, else the section where such a key exists.
std::string unknown_key(std::string_view section, std::string_view key) {
  std::vector<std::string_view> here;
  std::string elsewhere;
  for (const OptionRow& row : option_table()) {
    if (row.section == section) here.push_back(row.key);
    if (row.key == key) elsewhere = fmt::format(" (it belongs to section [{}])", row.section);
  }
  const std::string meant = did_you_mean(key, here);
  return fmt::format("there is no option '{}' in [{}]{}", key, section, meant.empty() ? elsewhere : meant);
}

void read_section(std::string_view section, const toml::table& table, const std::string& name, Reading& out) {
  for (auto&& [key, node] : table) {
    const Origin origin = origin_at(name, key.source());
    const auto row = find_option(section, key.str());
    if (!row) {
      out.problems.push_back(fmt::format("{}: {}", origin.text(), unknown_key(section, key.str())));
      continue;
    }
    auto value = read_node(option_table()[*row], node);
    if (!value) {
      out.problems.push_back(fmt::format("{}: {} {}", origin.text(), option_table()[*row].name(), value.error()));
      continue;
    }
    out.assignments.push_back({*row, std::move(*value), origin});
  }
}

}  // namespace

Reading read_toml(std::string_view text, const std::string& name) {
  Reading out;
  toml::table root;
  try {
    root = toml::parse(text);
  } catch (const toml::parse_error& error) {
    out.problems.push_back(fmt::format("{}: {}", origin_at(name, error.source()).text(), error.description()));
    return out;
  }
  for (auto&& [key, node] : root) {
    const Origin origin = origin_at(name, key.source());
    const bool known = std::any_of(option_sections().begin(), option_sections().end(),
                                   [&](const SectionInfo& section) { return section.name == key.str(); });
    if (!known)
      out.problems.push_back(fmt::format("{}: {}", origin.text(), unknown_section(key.str())));
    else if (!node.is_table())
      out.problems.push_back(
          fmt::format("{}: '{}' is a section: write [{}] on a line of its own", origin.text(), key.str(), key.str()));
    else
      read_section(key.str(), *node.as_table(), name, out);
  }
  return out;
}

}  // namespace gnomon::cmd
