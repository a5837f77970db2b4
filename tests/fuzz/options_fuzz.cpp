// SPDX-License-Identifier: Apache-2.0
//
// A libFuzzer target: any text as the configuration, from the file, the environment and the flags. A daemon that reads
// something else than was written serves under another's machine id, or to the whole world. Demanded:
//
//   - what is refused has a reason, each a sentence of its own that is not empty;
//   - what is accepted is within the bounds of the table, row by row, and names its origin;
//   - it is the same when it is said once more, all by flags, or all by a file.
//
// Input: lines. "env NAME VALUE" and "flag NAME VALUE" are what they say, all others are the file.
#include <algorithm>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "cmd/options/checks.hpp"
#include "cmd/options/resolve.hpp"
#include "cmd/options/value.hpp"
#include "tests/fuzz/fuzzer.hpp"

namespace gnomon::fuzz {
namespace {

using namespace cmd;  // NOLINT(google-build-using-namespace)

constexpr std::size_t kMaxInput = 4096;

ConfigSources sources_in(std::string_view text) {
  ConfigSources sources;
  std::string file;
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    const std::size_t begin = line.find(' ') + 1;
    const std::size_t end = std::min(line.find(' ', begin), line.size());
    const std::string name(line.substr(begin, end - begin));
    const std::string value(line.substr(std::min(end + 1, line.size())));
    if (line.starts_with("env ")) {
      sources.environment.emplace_back(name, value);
    } else if (line.starts_with("flag ")) {
      for (std::size_t row = 0; row < option_table().size(); ++row)
        if (option_table()[row].flag() == name) sources.flags.push_back({row, value});
    } else {
      file.append(line).append("\n");
    }
  }
  if (!file.empty()) sources.file = ConfigSources::File{"g.toml", file};
  return sources;
}

bool same(Settings& one, Settings& other) {
  for (const OptionRow& row : option_table())
    if (value_in(row, one) != value_in(row, other)) return false;
  return true;
}

/// The environment may hold what is no UTF-8, or no single line; a file may not.
bool a_file_can_say(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c >= 0x20 && c <= 0x7e; });
}
/// Flags cut a list at its separator, and blanks off its entries; a file need not.
bool flags_can_say(const OptionRow& row, const Value& value) {
  const auto* const entries = std::get_if<std::vector<std::string>>(&value);
  return entries == nullptr || std::all_of(entries->begin(), entries->end(), [&](const std::string& entry) {
           constexpr std::string_view kBlanks = " \t";
           return !entry.empty() && entry.find(row.separator) == std::string::npos &&
                  kBlanks.find(entry.front()) == std::string_view::npos &&
                  kBlanks.find(entry.back()) == std::string_view::npos;
         });
}

void judge_said_once_more(Settings& settings) {
  ConfigSources by_flags;
  std::string file;
  std::string_view section;
  bool by_flags_too = true;
  bool by_file_too = true;
  for (std::size_t i = 0; i < option_table().size(); ++i) {
    const OptionRow& row = option_table()[i];
    const Value value = value_in(row, settings);
    by_flags.flags.push_back({i, text_of(row, value)});
    by_flags_too = by_flags_too && flags_can_say(row, value);
    by_file_too = by_file_too && a_file_can_say(by_flags.flags.back().text);
    if (row.section != section) file += "[" + std::string(row.section) + "]\n";
    section = row.section;
    file += std::string(row.key) + " = " + toml_of(value) + "\n";
  }
  if (by_flags_too) {
    auto again = resolve(by_flags);
    demand(again.has_value(), "what was accepted is refused when flags say it");
    demand(same(again->settings, settings), "what was accepted is something else when flags say it");
  }
  if (!by_file_too) return;
  ConfigSources by_file;
  by_file.file = ConfigSources::File{"again.toml", file};
  auto again = resolve(by_file);
  demand(again.has_value(), "what was accepted is refused when a file says it");
  demand(same(again->settings, settings), "what was accepted is something else when a file says it");
}

}  // namespace

Plan plan() {
  return {.longest = kMaxInput,
          .outcomes = {"accepted", "refused", "by file", "by environment", "by flag"},
          .changed_inputs = 4000};
}

std::map<std::string, Input> seeds() { return {}; }

}  // namespace gnomon::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace gnomon::fuzz;  // NOLINT(google-build-using-namespace)
  if (size > kMaxInput) return -1;
  const std::string text(reinterpret_cast<const char*>(data), size);
  auto configuration = gnomon::cmd::resolve(sources_in(text));
  if (!configuration) {
    demand(!configuration.error().empty(), "a configuration is refused without a reason");
    for (const std::string& problem : configuration.error())
      demand(!problem.empty(), "a configuration is refused without a reason");
    note("refused");
    return 0;
  }
  note("accepted");
  using Kind = gnomon::cmd::Origin::Kind;
  for (std::size_t i = 0; i < gnomon::cmd::option_table().size(); ++i) {
    const auto& row = gnomon::cmd::option_table()[i];
    const gnomon::cmd::Value value = gnomon::cmd::value_in(row, configuration->settings);
    demand(gnomon::cmd::fault_of(row, value).empty(), "an option is accepted that is out of its bounds");
    const gnomon::cmd::Origin& origin = configuration->origins.at(i);
    demand(!origin.text().empty(), "an option comes from nowhere");
    if (origin.kind == Kind::kFile) note("by file");
    if (origin.kind == Kind::kEnvironment) note("by environment");
    if (origin.kind == Kind::kFlag) note("by flag");
  }
  const auto layouts = gnomon::cmd::served_layouts(configuration->settings);
  demand(layouts ? !layouts->empty() : !layouts.error().empty(), "no layouts, and no reason");
  judge_said_once_more(configuration->settings);
  return 0;
}
