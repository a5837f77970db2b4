// SPDX-License-Identifier: Apache-2.0
#include "cmd/gnomon/control.hpp"

#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <optional>
#include <utility>

#include "cmd/options/directories.hpp"
#include "cmd/text/json.hpp"
#include "cmd/text/rfc3339.hpp"
#include "control/state.hpp"
#include "platform/system_error.hpp"

namespace gnomon::cmd {
namespace {

constexpr std::int64_t kLongestWindowMs = 600'000;  // of rights.window_ms, by the option table
constexpr std::int64_t kLongestLeadMs = 60'000;

struct Place {
  Configuration configuration;
  control::StatePaths paths;
};

tl::expected<Place, std::string> place_of(const ControlOptions& options) {
  const auto sources = gather(options.config, options.flags);
  auto configuration = sources ? resolve(*sources) : tl::make_unexpected(sources.error());
  if (!configuration) return tl::make_unexpected(configuration.error().front());
  const auto directory = state_directory(configuration->settings);
  if (!directory) return tl::make_unexpected(directory.error());
  auto paths = control::StatePaths::of(database_path(configuration->settings, *directory));
  return Place{std::move(*configuration), std::move(paths)};
}

/// A program that reads JSON can't be asked, and must not be left waiting: it has to agree beforehand.
std::optional<ExitCode> cannot_ask(const ControlOptions& options, const Output& output) {
  if (!output.json || options.yes) return std::nullopt;
  constexpr std::string_view kText = "nothing was changed: with --json nothing is asked; add --yes to agree";
  JsonWriter json;
  output.out << json.begin_object().key("error").text(kText).end_object().str() << '\n';
  return output.fail(ExitCode::kRefused, kText);
}

/// True if the operator agrees. Without --yes the answer is read, and only the word itself counts.
bool agreed(const ControlOptions& options, std::string_view word, std::istream& in, const Output& output) {
  if (options.yes) return true;
  output.err << fmt::format("Type {} to go on: ", word);
  output.err.flush();
  std::string answer;
  return std::getline(in, answer) && answer == word;
}

bool is_default(const Configuration& configuration, std::string_view section, std::string_view key) {
  return configuration.origins[find_option(section, key).value_or(0)].kind == Origin::Kind::kDefault;
}

/// What nobody stated is taken at the longest that was ever possible: too high a floor costs waiting, too low a one
/// uniqueness.
control::RecoveryLimits limits_of(const Configuration& configuration) {
  const auto& rights = configuration.settings.rights;
  const bool window_unknown = is_default(configuration, "rights", "window_ms");
  const bool lead_unknown = is_default(configuration, "rights", "max_lead_ms");
  const auto now =
      std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::system_clock::now().time_since_epoch());
  return {.now = {now.count()},
          .window = time::milliseconds(window_unknown ? kLongestWindowMs : rights.window_ms),
          .max_lead = time::milliseconds(lead_unknown ? kLongestLeadMs : rights.max_lead_ms)};
}

void print_recovery(const control::RecoveryReport& report, const control::StatePaths& paths, const Output& output) {
  if (output.json) {
    JsonWriter json;
    json.begin_object().key("database").text(paths.database).key("epoch").number(report.epoch + 0U);
    json.key("entries_kept").number(std::uint64_t{report.entries_kept}).key("rows_lost").number(report.rows_lost);
    json.key("database_was_whole").boolean(report.database_was_whole);
    json.key("journal_was_whole").boolean(report.journal_was_whole).key("rights").number(std::uint64_t{report.rights});
    json.key("floor").text(rfc3339(report.floor)).key("aside").begin_array();
    for (const std::string& file : report.aside)
      json.text(file);
    output.out << json.end_array().end_object().str() << '\n';
    return;
  }
  output.out << fmt::format("recovered {}: epoch {}, {} entries kept, {} rows lost\n", paths.database, report.epoch,
                            report.entries_kept, report.rows_lost);
  output.out << fmt::format("the database was {}, its journal {}\n", report.database_was_whole ? "whole" : "damaged",
                            report.journal_was_whole ? "whole" : "missing or damaged");
  output.out << fmt::format("{} machine ids are known; no window of any id starts before {}\n", report.rights,
                            rfc3339(report.floor));
  for (const std::string& file : report.aside)
    output.out << fmt::format("kept aside: {}\n", file);
  output.out << "gnomond may be started; until that instant it answers not_leased or waits.\n";
}

/// Run by root on the state of another user, what was written belongs to root, and the daemon could not open it: so the
/// files go to whoever owns the directory.
void give_to_owner(const control::StatePaths& paths, const std::vector<std::string>& others) {
  if (::geteuid() != 0) return;
  struct stat directory{};
  const std::string parent = std::filesystem::absolute(paths.database).parent_path().string();
  if (::stat(parent.c_str(), &directory) != 0) return;
  std::vector<std::string> files = others;
  for (const std::string& file : {paths.database, paths.database + "-wal", paths.lock, paths.journal})
    files.push_back(file);
  for (const std::string& file : files)
    if (::lchown(file.c_str(), directory.st_uid, directory.st_gid) != 0 && errno != ENOENT)
      std::fputs(
          ("gnomon: " + platform::system_error("give " + file + " to the owner of its directory").text + "\n").c_str(),
          stderr);
}

ExitCode refusal(const Output& output, const control::StateError& error) {
  return output.fail(ExitCode::kRefused, error.text);
}

}  // namespace

ExitCode run_recover(const ControlOptions& options, std::istream& in, const Output& output) {
  if (const auto refused = cannot_ask(options, output)) return *refused;
  const auto place = place_of(options);
  if (!place) return output.fail(ExitCode::kUsage, place.error());
  const control::RecoveryLimits limits = limits_of(place->configuration);
  output.err << fmt::format(
      "This rebuilds {} from what can still be read of it and of its journal.\n"
      "The epoch is raised, and no ID is issued for a time before {}: the system clock's now, and the longest window "
      "({}) "
      "and lead ({}) that may have been in use. State them with --rights-window-ms and --rights-max-lead-ms if they "
      "were "
      "shorter.\nThis machine's clock must be right, and no gnomond may be running on a copy of this state.\n",
      place->paths.database, rfc3339(limits.now + limits.window + limits.max_lead), human_duration(limits.window),
      human_duration(limits.max_lead));
  if (!agreed(options, "recover", in, output)) return output.fail(ExitCode::kRefused, "nothing was changed");
  const auto report = control::recover(place->paths, limits);
  if (!report) return refusal(output, report.error());
  give_to_owner(place->paths, report->aside);
  print_recovery(*report, place->paths, output);
  return ExitCode::kOk;
}

ExitCode run_adopt(const ControlOptions& options, std::istream& in, const Output& output) {
  if (const auto refused = cannot_ask(options, output)) return *refused;
  const auto place = place_of(options);
  if (!place) return output.fail(ExitCode::kUsage, place.error());
  output.err << fmt::format(
      "This binds {} to this machine. If the machine that it came from still issues IDs from its original, both will "
      "issue "
      "the same IDs.\nGo on only if the original is out of use for good.\n",
      place->paths.database);
  if (!agreed(options, "adopt", in, output)) return output.fail(ExitCode::kRefused, "nothing was changed");
  const control::RecoveryLimits limits = limits_of(place->configuration);
  const auto epoch =
      control::adopt(place->paths, control::this_machine(), limits.now + limits.window + limits.max_lead);
  if (!epoch) return refusal(output, epoch.error());
  give_to_owner(place->paths, {});
  if (output.json) {
    JsonWriter json;
    json.begin_object().key("database").text(place->paths.database).key("epoch").number(*epoch + 0U).end_object();
    output.out << json.str() << '\n';
  } else {
    output.out << fmt::format("{} belongs to this machine now, epoch {}; gnomond may be started\n",
                              place->paths.database, *epoch);
  }
  return ExitCode::kOk;
}

}  // namespace gnomon::cmd
