// SPDX-License-Identifier: Apache-2.0
#include "cmd/options/resolve.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <map>
#include <string_view>

#include "cmd/options/read_toml.hpp"
#include "cmd/options/value.hpp"
#include "cmd/text/suggest.hpp"

namespace gnomon::cmd {
namespace {

/// What `gnomon lease run` tells its command, which may well be a daemon.
constexpr std::array<std::string_view, 3> kTold{"GNOMON_LEASE_NAME", "GNOMON_LEASE_TOKEN", "GNOMON_LEASE_SESSION"};

/// GNOMON_<SECTION>_<KEY> must be an option if SECTION is one of ours: a typo there is as silent as one in the file.
/// Other GNOMON_ variables (GNOMON_CONFIG, those of the tests) are somebody else's.
Reading read_environment(const std::vector<std::pair<std::string, std::string>>& environment) {
  std::map<std::string, std::size_t, std::less<>> rows;
  std::vector<std::string_view> names;
  for (std::size_t i = 0; i < option_table().size(); ++i)
    rows.emplace(option_table()[i].environment(), i);
  names.reserve(rows.size());
  for (const auto& [name, row] : rows)
    names.push_back(name);

  Reading out;
  for (const auto& [name, text] : environment) {
    const Origin origin{.kind = Origin::Kind::kEnvironment, .name = name};
    if (const auto found = rows.find(name); found != rows.end()) {
      const OptionRow& row = option_table()[found->second];
      auto value = parse_value(row, text);
      if (value)
        out.assignments.push_back({found->second, std::move(*value), origin});
      else
        out.problems.push_back(fmt::format("{}: {}: {}", origin.text(), row.name(), value.error()));
      continue;
    }
    if (std::find(kTold.begin(), kTold.end(), name) != kTold.end()) continue;
    const bool ours = std::any_of(option_table().begin(), option_table().end(), [&](const OptionRow& row) {
      const std::string any = row.environment();
      return name.starts_with(any.substr(0, std::string_view("GNOMON_").size() + row.section.size() + 1));
    });
    if (ours)
      out.problems.push_back(fmt::format("{}: there is no such option{}", origin.text(), did_you_mean(name, names)));
  }
  return out;
}

Reading read_flags(const std::vector<FlagText>& flags) {
  Reading out;
  for (const FlagText& flag : flags) {
    const OptionRow& row = option_table()[flag.row];
    const Origin origin{.kind = Origin::Kind::kFlag, .name = row.flag()};
    auto value = parse_value(row, flag.text);
    if (value)
      out.assignments.push_back({flag.row, std::move(*value), origin});
    else
      out.problems.push_back(fmt::format("{}: {}", origin.text(), value.error()));
  }
  return out;
}

void take_over(Reading reading, Configuration& configuration, Problems& problems) {
  problems.insert(problems.end(), reading.problems.begin(), reading.problems.end());
  for (Assignment& assignment : reading.assignments) {
    const OptionRow& row = option_table()[assignment.row];
    if (const std::string fault = fault_of(row, assignment.value); !fault.empty()) {
      const bool named = assignment.origin.kind == Origin::Kind::kFlag;
      problems.push_back(fmt::format("{}: {}{}", assignment.origin.text(), named ? "" : row.name() + ": ", fault));
      continue;
    }
    assign(row, assignment.value, configuration.settings);
    configuration.origins[assignment.row] = std::move(assignment.origin);
  }
}

}  // namespace

std::string Origin::text() const {
  switch (kind) {
    case Kind::kDefault: return "default";
    case Kind::kFile: return line == 0 ? name : fmt::format("{}:{}:{}", name, line, column);
    case Kind::kEnvironment: return "environment " + name;
    case Kind::kFlag: return name;
  }
  return name;
}

tl::expected<Configuration, Problems> resolve(const ConfigSources& sources) {
  Configuration out;
  out.origins.resize(option_table().size());
  Problems problems;
  for (const OptionRow& row : option_table()) {
    const auto value = parse_value(row, row.default_text);
    if (!value || !fault_of(row, *value).empty()) {  // a wrong table: tests/cmd checks every row
      problems.push_back(fmt::format("{}: its default '{}' is not allowed", row.name(), row.default_text));
      continue;
    }
    assign(row, *value, out.settings);
  }
  if (sources.file) take_over(read_toml(sources.file->text, sources.file->name), out, problems);
  take_over(read_environment(sources.environment), out, problems);
  take_over(read_flags(sources.flags), out, problems);
  if (problems.empty()) problems = contradictions(out);
  if (!problems.empty()) return tl::make_unexpected(std::move(problems));
  return out;
}

}  // namespace gnomon::cmd
