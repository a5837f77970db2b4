// SPDX-License-Identifier: Apache-2.0
//
// gnomon control recover and adopt, on a store of one host: the database and journal of its daemon.
#include "cmd/gnomon/control.hpp"

#include <fmt/core.h>

#include <utility>

#include "cmd/gnomon/control_parts.hpp"
#include "cmd/options/directories.hpp"
#include "cmd/text/json.hpp"
#include "cmd/text/rfc3339.hpp"
#include "control/state.hpp"

namespace gnomon::cmd {
namespace {

control::StatePaths paths_of(const ControlPlace& place) {
  return control::StatePaths::of(database_path(place.settings(), place.directory));
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

ExitCode recover_sqlite(const ControlPlace& place, const ControlOptions& options, std::istream& in,
                        const Output& output) {
  if (options.epoch_above != 0)
    return output.fail(ExitCode::kUsage, "--epoch-above is for an etcd: a database and its journal tell all epochs");
  const control::StatePaths paths = paths_of(place);
  const control::RecoveryLimits limits = limits_of(place.configuration);
  output.err << fmt::format(
      "This rebuilds {} from what can still be read of it and of its journal.\n"
      "The epoch is raised, and no ID is issued for a time before {}\nThis machine's clock must be right, and no "
      "gnomond "
      "may be running on a copy of this state.\n",
      paths.database, limits_text(limits));
  if (!agreed(options, "recover", in, output)) return output.fail(ExitCode::kRefused, "nothing was changed");
  const auto report = control::recover(paths, limits);
  if (!report) return refuse(output, report.error());
  give_to_owner(paths, report->aside);
  print_recovery(*report, paths, output);
  return ExitCode::kOk;
}

ExitCode adopt_sqlite(const ControlPlace& place, const ControlOptions& options, std::istream& in,
                      const Output& output) {
  const control::StatePaths paths = paths_of(place);
  output.err << fmt::format(
      "This binds {} to this machine. If the machine that it came from still issues IDs from its original, both will "
      "issue "
      "the same IDs.\nGo on only if the original is out of use for good, and this machine's clock is right: leases are "
      "granted again once the longest TTL has passed from now.\n",
      paths.database);
  if (!agreed(options, "adopt", in, output)) return output.fail(ExitCode::kRefused, "nothing was changed");
  const control::RecoveryLimits limits = limits_of(place.configuration);
  const auto epoch = control::adopt(paths, limits);
  if (!epoch) return refuse(output, epoch.error());
  give_to_owner(paths, {});
  if (output.json) {
    JsonWriter json;
    json.begin_object().key("database").text(paths.database).key("epoch").number(*epoch + 0U).end_object();
    output.out << json.str() << '\n';
  } else {
    output.out << fmt::format("{} belongs to this machine now, epoch {}; gnomond may be started\n", paths.database,
                              *epoch);
  }
  return ExitCode::kOk;
}

}  // namespace

ExitCode run_recover(const ControlOptions& options, std::istream& in, const Output& output) {
  if (const auto refused = cannot_ask(options, output)) return *refused;
  const auto place = place_of(options);
  if (!place) return output.fail(place.error().code, place.error().text);
  return is_etcd(place->settings().store.url) ? recover_etcd(*place, options, in, output)
                                              : recover_sqlite(*place, options, in, output);
}

ExitCode run_adopt(const ControlOptions& options, std::istream& in, const Output& output) {
  if (const auto refused = cannot_ask(options, output)) return *refused;
  const auto place = place_of(options);
  if (!place) return output.fail(place.error().code, place.error().text);
  return is_etcd(place->settings().store.url) ? adopt_etcd(*place, options, in, output)
                                              : adopt_sqlite(*place, options, in, output);
}

}  // namespace gnomon::cmd
