// SPDX-License-Identifier: Apache-2.0
//
// gnomon control recover and adopt, on a store of many hosts. It is changed for all of them at once, whether their
// daemons run or not, so what is said before differs from what is said of a database.
#include <fmt/core.h>
#include <unistd.h>

#include <filesystem>

#include "cmd/gnomon/control_parts.hpp"
#include "cmd/gnomon/etcd_access.hpp"
#include "cmd/text/json.hpp"
#include "cmd/text/rfc3339.hpp"
#include "control/shared_state.hpp"

namespace gnomon::cmd {
namespace {

bool exists(const std::string& path) { return ::access(path.c_str(), F_OK) == 0; }

void print_recovery(const control::SharedRecoveryReport& report, const std::string& url, const Output& output) {
  if (output.json) {
    JsonWriter json;
    json.begin_object().key("store").text(url).key("epoch").number(report.epoch + 0U);
    json.key("entries").number(std::uint64_t{report.entries}).key("rights").number(std::uint64_t{report.released});
    json.key("unreadable").number(std::uint64_t{report.unreadable}).key("left").begin_array();
    for (const std::string& entry : report.left)
      json.text(entry);
    json.end_array().key("journal_was_whole").boolean(report.journal_was_whole);
    json.key("was_sealed").boolean(report.sealed.has_value()).key("floor").text(rfc3339(report.floor));
    output.out << json.end_object().str() << '\n';
    return;
  }
  output.out << fmt::format("recovered {}: epoch {}, {} entries{}\n", url, report.epoch, report.entries,
                            report.sealed ? ", its seal is taken away" : "");
  output.out << fmt::format("{} machine ids were taken back, each at its highest known ceiling; {} could not be read\n",
                            report.released, report.unreadable);
  output.out << fmt::format("no window of any id starts before {}\n", rfc3339(report.floor));
  if (report.journal_was_whole) output.out << "this host's journal counted, and begins anew\n";
  for (const std::string& entry : report.left)
    output.out << fmt::format("left as it is: {}\n", entry);
  output.out << "Start gnomond on every host where it does not run any more; until that instant they answer not_leased "
                "or wait.\ngnomon cluster --direct shows whether all are back.\n";
}

/// A seal says why somebody is here; a floor that is far ahead says why this does not help.
std::string findings(const control::MetaView& view, time::SmearedUtc floor) {
  std::string out;
  if (view.sealed) out += control::refusal_of(*view.sealed).text + ".\n";
  if (!view.meta) out += "The store does not say which one it is: it gets a new identity.\n";
  if (view.meta && view.meta->facts.floor > floor)
    out += fmt::format("Its floor is {} already, and is not lowered by this.\n", rfc3339(view.meta->facts.floor));
  return out;
}

}  // namespace

ExitCode recover_etcd(const ControlPlace& place, const ControlOptions& options, std::istream& in,
                      const Output& output) {
  const std::string& url = place.settings().store.url;
  const auto store = open_etcd(place.settings());
  if (!store) return output.fail(store.error().code, store.error().text);
  const auto view = control::view_meta(**store);
  if (!view && view.error().kind == control::StateErrorKind::kUnreachable) return refuse(output, view.error());
  const control::RecoveryLimits limits = shared_limits_of(place.configuration);
  const auto paths = control::SharedPaths::of(place.directory, place.settings().server.instance);
  const bool journal = exists(paths.journal);
  output.err << fmt::format(
      "This makes {} usable again after it went back: it was put back from a backup, or lost "
      "writes.\n{}",
      url, view ? findings(*view, limits.floor()) : view.error().text + ".\n");
  output.err << fmt::format(
      "It stops every gnomond of every host that uses this store: each loses its rights at its next commit and has to "
      "start again. Stop them before, if you can.\n"
      "The epoch is raised, and under no machine id an ID is issued for a time before {} What counts "
      "is the longest of any host.\nThis host's clock must be right: a floor that is too high can't be lowered "
      "again.\n{}\n",
      limits_text(limits),
      journal
          ? fmt::format("This host's journal {} counts, too.", paths.journal)
          : fmt::format("There is no journal {} here: run this on a host that had a gnomond on this store, if there "
                        "is one.",
                        paths.journal));
  if (!agreed(options, "recover", in, output)) return output.fail(ExitCode::kRefused, "nothing was changed");
  const bool directory = exists(place.directory);
  const auto report = control::recover_shared(**store, directory ? &paths : nullptr, limits, options.epoch_above);
  if (!report) return refuse(output, report.error());
  give_to_owner(place.directory, {paths.journal, paths.lock});
  print_recovery(*report, url, output);
  return ExitCode::kOk;
}

ExitCode adopt_etcd(const ControlPlace& place, const ControlOptions& options, std::istream& in, const Output& output) {
  const std::string& url = place.settings().store.url;
  if (!exists(place.directory))
    return output.fail(ExitCode::kRefused, fmt::format("there is no state directory {}, so no journal belongs to "
                                                       "another store: gnomond may be started; or say with "
                                                       "--state-dir where it keeps its state",
                                                       place.directory));
  const auto store = open_etcd(place.settings());
  if (!store) return output.fail(store.error().code, store.error().text);
  const auto paths = control::SharedPaths::of(place.directory, place.settings().server.instance);
  output.err << fmt::format(
      "From now on this host (instance {}) belongs to {}; what its journal {} tells of another store is put aside.\n"
      "If this is the same store, put back from a backup, nothing would know any more what it lost, and IDs could be "
      "issued twice: then run gnomon control recover instead.\n",
      place.settings().server.instance, url, paths.journal);
  if (!agreed(options, "adopt", in, output)) return output.fail(ExitCode::kRefused, "nothing was changed");
  const auto adopted = control::adopt_shared(**store, paths);
  if (!adopted) return refuse(output, adopted.error());
  give_to_owner(place.directory, {paths.journal, paths.lock, adopted->aside});
  const control::StoreIdentity& identity = adopted->meta.identity;
  if (output.json) {
    JsonWriter json;
    json.begin_object().key("store").text(url).key("id").text(lease::hex_of(identity.id));
    json.key("epoch").number(identity.epoch + 0U).key("aside").text(adopted->aside).end_object();
    output.out << json.str() << '\n';
  } else {
    output.out << fmt::format("this host belongs to store {} now, epoch {}; gnomond may be started\n",
                              lease::hex_of(identity.id), identity.epoch);
    if (!adopted->aside.empty()) output.out << fmt::format("kept aside: {}\n", adopted->aside);
  }
  return ExitCode::kOk;
}

}  // namespace gnomon::cmd
