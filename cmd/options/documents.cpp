// SPDX-License-Identifier: Apache-2.0
#include "cmd/options/documents.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <string_view>

#include "cmd/options/table.hpp"
#include "cmd/options/value.hpp"
#include "oracle/page/counters.hpp"

namespace gnomon::cmd {
namespace {

constexpr std::size_t kHelpWidth = 100;
constexpr std::string_view kCustomLayoutSample =
    "# [[ids.custom]]\n"
    "# number = 16\n"
    "# name = \"orders\"\n"
    "# epoch = 2024-01-01\n"
    "# unit = \"1ms\"\n"
    "# bits = [41, 10, 12]\n";

/// Breaks a text at blanks and starts each line with `indent`.
std::string wrapped(std::string_view text, std::string_view indent) {
  std::string out;
  while (!text.empty()) {
    std::size_t length = text.size();
    if (indent.size() + length > kHelpWidth) {
      length = text.rfind(' ', kHelpWidth - indent.size());
      if (length == std::string_view::npos) length = text.size();
    }
    out += fmt::format("{}{}\n", indent, text.substr(0, length));
    text.remove_prefix(std::min(length + 1, text.size()));
  }
  return out;
}

std::string default_note(const OptionRow& row) {
  return row.default_text.empty() ? "empty"
                                  : fmt::format("{}{}{}", row.default_text, row.unit.empty() ? "" : " ", row.unit);
}

std::string toml_default(const OptionRow& row) {
  const auto value = parse_value(row, row.default_text);
  return value ? toml_of(*value) : std::string();
}

/// A '|' would end the cell of a Markdown table.
std::string cell(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '|') out += '\\';
    out += c;
  }
  return out;
}

template <typename Visit>
void each_row_of(std::string_view section, Visit visit) {
  for (const OptionRow& row : option_table())
    if (row.section == section) visit(row);
}

}  // namespace

std::string option_help() {
  std::string out;
  for (const SectionInfo& section : option_sections()) {
    out += fmt::format("\n[{}] {}\n", section.name, section.help);
    each_row_of(section.name, [&](const OptionRow& row) {
      out += fmt::format("  {}{}   ({}; default {})\n", row.flag(),
                         row.type() == OptionType::kBool ? "[=BOOL]" : " VALUE", row.type_text(), default_note(row));
      out += wrapped(row.help, "      ");
    });
  }
  return out;
}

std::string sample_configuration() {
  std::string out =
      "# Configuration of gnomond: every option, at its default. Printed by `gnomond --print-config`.\n"
      "# A flag (--section-key) wins over the environment (GNOMON_SECTION_KEY), and that over this file.\n"
      "# `gnomond --check-config` says what is wrong with it.\n";
  for (const SectionInfo& section : option_sections()) {
    out += fmt::format("\n[{}]\n{}", section.name, wrapped(section.help, "# "));
    std::string tables;
    each_row_of(section.name, [&](const OptionRow& row) {
      if (row.type() == OptionType::kLayoutList) {  // TOML wants tables after the plain keys of their section
        tables += "\n" + wrapped(row.help, "# ") + std::string(kCustomLayoutSample);
        return;
      }
      out += "\n" + wrapped(row.help, "# ");
      out +=
          wrapped(fmt::format("({}{})", row.type_text(), row.reloadable ? "; can be changed with SIGHUP" : ""), "# ");
      out += fmt::format("# {} = {}\n", row.key, toml_default(row));
    });
    out += tables;
  }
  return out;
}

std::string option_reference() {
  std::string out =
      "# Options of gnomond\n\n"
      "Printed by `gnomond --print-reference` from the option table (cmd/options/table.cpp); a test compares the "
      "two.\n\n"
      "An option `section.key` stands in the file as `key` under `[section]`, in the environment as "
      "`GNOMON_SECTION_KEY` and "
      "on\nthe command line as `--section-key`. Flags win over the environment, the environment over the file, the "
      "file over "
      "the\ndefaults. The file is `/etc/gnomon/gnomond.toml` unless `--config` or `GNOMON_CONFIG` names another. In "
      "the "
      "environment\nand in flags the entries of a list are separated by commas. Anything unknown, of a wrong type, out "
      "of "
      "range or\ncontradictory is refused at the start with its place, and the exit code is 2. Options marked ↻ are "
      "taken "
      "over by SIGHUP.\n";
  for (const SectionInfo& section : option_sections()) {
    out += fmt::format("\n## {}\n\n{}\n\n| option | value | default | what it does |\n|---|---|---|---|\n",
                       section.name, section.help);
    each_row_of(section.name, [&](const OptionRow& row) {
      out += fmt::format("| `{}`{} | {} | {} | {} |\n", row.name(), row.reloadable ? " ↻" : "", cell(row.type_text()),
                         row.default_text.empty() ? "" : fmt::format("`{}`", cell(row.default_text)), cell(row.help));
    });
  }
  return out;
}

std::string counter_reference() {
  std::string out =
      "# Counters of gnomond\n\n"
      "Printed by `gnomond --print-counters` from the counter table (oracle/page/counters.hpp); a test compares the "
      "two.\n\n"
      "Each worker counts for itself. `gnomon status` shows the sums and the rates; the metrics endpoint has each as\n"
      "`gnomon_<counter>_total{worker=\"N\"}`.\n\n"
      "| counter | what it counts |\n|---|---|\n";
  for (const page::CounterInfo& counter : page::kCounterTable)
    out += fmt::format("| `{}` | {} |\n", counter.name, counter.help);
  return out;
}

}  // namespace gnomon::cmd
