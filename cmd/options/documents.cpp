// SPDX-License-Identifier: Apache-2.0
#include "cmd/options/documents.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <string_view>

#include "cmd/lease_figures.hpp"
#include "cmd/options/table.hpp"
#include "cmd/options/value.hpp"
#include "cmd/text/wrap.hpp"
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

std::string in_lines(std::string_view text, std::string_view indent) {
  return wrapped(text, kHelpWidth, indent, indent);
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

/// The counters from `first` up to `end`.
std::string counter_rows(std::string_view title, std::string_view text, page::Counter first, page::Counter end) {
  std::string out = fmt::format("\n## {}\n\n{}\n\n| counter | what it counts |\n|---|---|\n", title, text);
  for (const page::CounterInfo& info : page::kCounterTable)
    if (info.counter >= first && info.counter < end) out += fmt::format("| `{}` | {} |\n", info.name, info.help);
  return out;
}

/// Of the first `count` values of an enumeration.
template <typename Reason>
std::string names(std::size_t count) {
  std::string out;
  for (std::size_t i = 0; i < count; ++i)
    out += fmt::format("{}`{}`", i == 0 ? "" : ", ", text_of(static_cast<Reason>(i)));
  return out;
}

std::string lease_rows() {
  std::string out =
      "\n## Leases\n\nOf the whole daemon, as `gnomon_lease_<counter>_total`, and what is there at a moment as "
      "`gnomon_lease_<figure>`; calls by\ntheir method as `gnomon_lease_calls_total{method=\"NAME\"}`, refusals and "
      "faults by their reason as\n`gnomon_lease_refused_total{reason=\"NAME\"}`. From the tables of "
      "cmd/lease_figures.hpp.\n\n| counter | what it counts |\n|---|---|\n";
  for (const LeaseFigure& figure : kLeaseCounters)
    out += fmt::format("| `{}` | {} |\n", figure.name, figure.help);
  out += "\n| figure | what it says |\n|---|---|\n";
  for (const LeaseFigure& figure : kLeaseLevels)
    out += fmt::format("| `{}` | {} |\n", figure.name, figure.help);
  return out + "\n" +
         in_lines("Reasons of refusals: " + names<lease::Refusal>(lease::kRefusals) +
                      ". Reasons of faults, which lie with the daemon, its clock or its store: " +
                      names<control::DeskFault>(control::kDeskFaults) + ".",
                  "");
}

}  // namespace

std::string option_help() {
  std::string out;
  for (const SectionInfo& section : option_sections()) {
    out += fmt::format("\n[{}] {}\n", section.name, section.help);
    each_row_of(section.name, [&](const OptionRow& row) {
      out += fmt::format("  {}{}   ({}; default {})\n", row.flag(),
                         row.type() == OptionType::kBool ? "[=BOOL]" : " VALUE", row.type_text(), default_note(row));
      out += in_lines(row.help, "      ");
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
    out += fmt::format("\n[{}]\n{}", section.name, in_lines(section.help, "# "));
    std::string tables;
    each_row_of(section.name, [&](const OptionRow& row) {
      if (row.type() == OptionType::kLayoutList) {  // TOML wants tables after the plain keys of their section
        tables += "\n" + in_lines(row.help, "# ") + std::string(kCustomLayoutSample);
        return;
      }
      out += "\n" + in_lines(row.help, "# ");
      out +=
          in_lines(fmt::format("({}{})", row.type_text(), row.reloadable ? "; can be changed with SIGHUP" : ""), "# ");
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
      "environment\nand in flags the entries of a list are separated by commas, where its row names nothing else. "
      "Anything unknown, of a wrong\ntype, out of range or contradictory is refused at the start with its place, and "
      "the exit code is 2. Options marked ↻ are taken\nover by SIGHUP.\n";
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
      "`gnomon_<counter>_total{worker=\"N\"}`.\n";
  out += counter_rows("Requests", "However they come, through kernel sockets or DPDK ports.", page::Counter::kDatagrams,
                      page::Counter::kFrames);
  out += counter_rows(
      "Frames",
      "With DPDK ports only; with kernel sockets these stay 0, because the kernel does all that and counts it itself.\n"
      "Each frame is counted once: `frames` = `datagrams` + `arp_replies` + `ndp_replies` + `echo_replies` +\n"
      "`address_conflicts` + the sum of the `dropped_*` below. `announcements` are sent unasked.",
      page::Counter::kFrames, page::Counter::kCount);
  return out + lease_rows();
}

}  // namespace gnomon::cmd
