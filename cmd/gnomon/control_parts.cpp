// SPDX-License-Identifier: Apache-2.0
#include "cmd/gnomon/control_parts.hpp"

#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <istream>
#include <utility>

#include "cmd/options/directories.hpp"
#include "cmd/text/json.hpp"
#include "cmd/text/rfc3339.hpp"
#include "control/shared_state.hpp"
#include "oracle/lease/heal.hpp"
#include "platform/system_error.hpp"

namespace gnomon::cmd {
namespace {

bool is_default(const Configuration& configuration, std::string_view section, std::string_view key) {
  return configuration.origins[find_option(section, key).value_or(0)].kind == Origin::Kind::kDefault;
}

}  // namespace

ReadOr<ControlPlace> place_of(const ControlOptions& options) {
  StorePlace place;
  place.config = options.config;
  place.instance = options.instance;
  place.store = options.store;
  place.flags = options.flags;
  auto configuration = configuration_of(place);
  if (!configuration) return tl::make_unexpected(configuration.error());
  const auto directory = state_directory(configuration->settings);
  if (!directory) return tl::make_unexpected(ReadFailure{ExitCode::kUsage, directory.error()});
  return ControlPlace{std::move(*configuration), *directory};
}

control::RecoveryLimits limits_of(const Configuration& configuration) {
  const auto& rights = configuration.settings.rights;
  const auto now =
      std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::system_clock::now().time_since_epoch());
  return {.now = {now.count()},
          .window = is_default(configuration, "rights", "window_ms") ? lease::kLongestWindow
                                                                     : time::milliseconds(rights.window_ms),
          .max_lead = is_default(configuration, "rights", "max_lead_ms") ? lease::kLongestLead
                                                                         : time::milliseconds(rights.max_lead_ms)};
}

control::RecoveryLimits shared_limits_of(const Configuration& configuration) {
  control::RecoveryLimits limits = limits_of(configuration);
  const auto& store = configuration.settings.store;
  const auto stated = [&configuration](std::string_view key, std::int64_t ms, time::Duration longest) {
    return is_default(configuration, "store", key) ? longest : time::milliseconds(ms);
  };
  limits.apart = control::unnoticed_lead(
      limits.max_lead, stated("clock_tolerance_ms", store.clock_tolerance_ms, control::kLongestTolerance),
      stated("heartbeat_ms", store.heartbeat_ms, control::kLongestHeartbeat));
  return limits;
}

std::string limits_text(const control::RecoveryLimits& limits) {
  const bool shared = limits.apart != time::Duration{};
  return fmt::format(
      "{}: the system clock's now, and the longest window ({}) and lead ({}) that may have been in use{}. State them "
      "with --rights-window-ms{} --rights-max-lead-ms{} if they were shorter.",
      rfc3339(limits.floor()), human_duration(limits.window), human_duration(limits.max_lead),
      shared ? fmt::format(", and what a clock may have been ahead unnoticed ({})", human_duration(limits.apart)) : "",
      shared ? "," : " and", shared ? ", --store-clock-tolerance-ms and --store-heartbeat-ms" : "");
}

std::optional<ExitCode> cannot_ask(const ControlOptions& options, const Output& output) {
  if (!output.json || options.yes) return std::nullopt;
  constexpr std::string_view kText = "nothing was changed: with --json nothing is asked; add --yes to agree";
  JsonWriter json;
  output.out << json.begin_object().key("error").text(kText).end_object().str() << '\n';
  return output.fail(ExitCode::kRefused, kText);
}

bool agreed(const ControlOptions& options, std::string_view word, std::istream& in, const Output& output) {
  if (options.yes) return true;
  output.err << fmt::format("Type {} to go on: ", word);
  output.err.flush();
  std::string answer;
  return std::getline(in, answer) && answer == word;
}

void give_to_owner(const std::string& directory, const std::vector<std::string>& files) {
  if (::geteuid() != 0) return;
  struct stat info{};
  if (::stat(directory.c_str(), &info) != 0) return;
  for (const std::string& file : files)
    if (::lchown(file.c_str(), info.st_uid, info.st_gid) != 0 && errno != ENOENT)
      std::fputs(
          ("gnomon: " + platform::system_error("give " + file + " to the owner of its directory").text + "\n").c_str(),
          stderr);
}

void give_to_owner(const control::StatePaths& paths, std::vector<std::string> others) {
  for (const std::string& file : {paths.database, paths.database + "-wal", paths.lock, paths.journal})
    others.push_back(file);
  give_to_owner(std::filesystem::absolute(paths.database).parent_path().string(), others);
}

ExitCode refuse(const Output& output, const control::StateError& error) {
  const bool gone = error.kind == control::StateErrorKind::kUnreachable;
  return output.fail(gone ? ExitCode::kUnreachable : ExitCode::kRefused, error.text);
}

}  // namespace gnomon::cmd
