// SPDX-License-Identifier: Apache-2.0
#include "cmd/options/flags.hpp"

#include <fmt/core.h>

#include <string>

#include <CLI/CLI.hpp>

#include "cmd/options/table.hpp"

namespace gnomon::cmd {
namespace {

/// What stands behind the flag in help and completion; choices as "a|b".
std::string placeholder(const OptionRow& row) {
  switch (row.type()) {
    case OptionType::kBool: return "true|false";
    case OptionType::kChoice: return std::string(row.choices);
    case OptionType::kInteger: return row.unit.empty() ? "N" : std::string(row.unit);
    case OptionType::kText:
      return row.key == "dir" ? "DIR" : row.key.ends_with("file") || row.key == "socket" ? "FILE" : "TEXT";
    case OptionType::kIntegerList: return fmt::format("N{}...", row.separator);
    case OptionType::kTextList:
    case OptionType::kLayoutList: return fmt::format("TEXT{}...", row.separator);
  }
  return "VALUE";
}

bool is_list(OptionType type) {
  return type == OptionType::kIntegerList || type == OptionType::kTextList || type == OptionType::kLayoutList;
}

}  // namespace

void add_option_flags(CLI::App& app, std::string_view only_section) {
  for (const OptionRow& row : option_table()) {
    if (!only_section.empty() && row.section != only_section) continue;
    auto* option =
        app.add_option(row.flag(), CLI::callback_t([](const CLI::results_t&) { return true; }), std::string(row.help));
    option->type_name(placeholder(row))->group(std::string(row.section));
    if (row.type() == OptionType::kBool) option->expected(0, 1);
    if (is_list(row.type())) option->expected(1)->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  }
}

std::vector<FlagText> given_flags(const CLI::App& app) {
  std::vector<FlagText> out;
  for (std::size_t i = 0; i < option_table().size(); ++i) {
    const OptionRow& row = option_table()[i];
    const auto* option = app.get_option_no_throw(row.flag());
    if (option == nullptr || option->count() == 0) continue;
    std::string text;
    for (const std::string& word : option->results())
      text += (text.empty() ? std::string() : std::string(1, row.separator)) + word;
    if (row.type() == OptionType::kBool && text.empty()) text = "true";
    out.push_back({i, text});
  }
  return out;
}

}  // namespace gnomon::cmd
