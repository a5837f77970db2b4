// SPDX-License-Identifier: Apache-2.0
//
// gnomon cluster: how the store and its daemons are. What the store holds is asked of a daemon or of etcd; how etcd's
// members are, of each of them.
#include <algorithm>
#include <chrono>
#include <thread>
#include <utility>

#include "cmd/gnomon/cluster_view.hpp"
#include "cmd/gnomon/etcd_access.hpp"
#include "cmd/gnomon/shared_view.hpp"
#include "cmd/gnomon/store_reader.hpp"

namespace gnomon::cmd {
namespace {

time::SmearedUtc now_utc() {
  return {std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::system_clock::now().time_since_epoch())
              .count()};
}

/// A session is written once in a heartbeat; one that was not in twice that time is silent.
double interval_of(const ClusterOptions& options, const ReadOr<Settings>& settings) {
  constexpr double kDefault = 2;
  if (options.interval_s) return *options.interval_s;
  return settings ? std::max(kDefault, 2e-3 * static_cast<double>(settings->store.heartbeat_ms)) : kDefault;
}

/// The daemon's store is known, but not with which certificates: that stands in its configuration.
void ask_members(const ReadOr<Settings>& settings, ClusterFacts& facts) {
  if (!settings) {
    facts.no_members = "not asked: the configuration is wrong: " + settings.error().text;
    return;
  }
  if (!is_etcd(settings->store.url)) {
    facts.no_members =
        "not asked: store.url of the configuration read here names no etcd; say which with --config or --store";
    return;
  }
  auto members = etcd_members(*settings);
  if (members) {
    facts.members = std::move(*members);
    return;
  }
  facts.no_members = members.error().text;
  facts.members_silent = members.error().code == ExitCode::kUnreachable;
}

/// Both looks, and what meta/ says. Sessions come first: what the store says of itself is then not older.
ReadOr<void> read_store(StoreReader& reader, double interval_s, ClusterFacts& facts) {
  const std::size_t looks = interval_s > 0 && is_etcd(facts.url) ? 2 : 1;
  std::vector<SessionLook> taken;
  const auto begin = std::chrono::steady_clock::now();
  for (std::size_t i = 0; i < looks; ++i) {
    if (i != 0) std::this_thread::sleep_for(std::chrono::duration<double>(interval_s));
    auto sessions = reader.list(lease::kSessionPrefix);
    if (!sessions) return tl::make_unexpected(sessions.error());
    taken.push_back({std::move(*sessions), now_utc()});
  }
  const auto between = std::chrono::steady_clock::now() - begin;
  auto meta = reader.list("meta/");
  if (!meta) return tl::make_unexpected(meta.error());
  facts.meta = std::move(*meta);
  facts.looks = std::move(taken);
  facts.between = {std::chrono::duration_cast<std::chrono::nanoseconds>(between).count()};
  return {};
}

}  // namespace

ExitCode run_cluster(const ClusterOptions& options, const Output& output) {
  const auto reader = open_reader(options.place);
  if (!reader) return output.fail(reader.error().code, reader.error().text);
  ClusterFacts facts{};
  facts.url = (*reader)->url();
  facts.source = (*reader)->source();
  const auto settings = settings_of(options.place);
  const auto read = read_store(**reader, interval_of(options, settings), facts);
  if (is_etcd(facts.url)) ask_members(settings, facts);
  // When the store does not answer, its members are what one wants to see; without them there is nothing to show.
  if (!read && !facts.members) return output.fail(read.error().code, read.error().text);
  if (!read) facts.unread = read.error().text;
  const ClusterView view = view_cluster(std::move(facts));
  output.out << (output.json ? cluster_json(view) : cluster_text(view));
  return view.problems.empty() ? ExitCode::kOk : ExitCode::kRefused;
}

}  // namespace gnomon::cmd
