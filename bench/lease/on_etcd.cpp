// SPDX-License-Identifier: Apache-2.0
//
// Lease commands on etcd: one session, and 16 at once.
//
//   bare transaction    the generated stub; as many compares, puts and deletes as the command, as long. Ratios are to
//   it the desk alone      the rules and the store's client in one thread: no socket, no service (one session only)
//   gnomond             the service, over the Unix socket
//   etcd's own          v3lock Lock and Unlock, LeaseKeepAlive; LeaseGrant and LeaseRevoke
//
// The naive comparison is with the latency that etcd's page states, or with a put of one key: a grant compares five
// keys. And a keep-alive of etcd looks a hundred times cheaper than a renewal, because it commits nothing.
//
// Clusters: each version of etcd that is here, with one and three members. 3.4 syncs its log to disk, in /var/tmp; 3.5
// is told not to and lies in memory, which leaves the least to hide behind. TMPDIR puts both elsewhere.
#include <fmt/core.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "bench/control_plane/etcd_access.hpp"
#include "bench/lease/bare_lane.hpp"
#include "bench/lease/commit_count.hpp"
#include "bench/lease/contest.hpp"
#include "bench/lease/desk_alone.hpp"
#include "bench/lease/etcd_lane.hpp"
#include "bench/lease/gnomon_lane.hpp"
#include "bench/lease/leased_daemon.hpp"
#include "bench/lease/on_disk.hpp"
#include "bench/lease/parts.hpp"
#include "control/etcd/etcd_channels.hpp"
#include "control/shared_state.hpp"
#include "tests/control/bed/etcd_cluster.hpp"
#include "tests/support/scratch_folder.hpp"

namespace gnomon::bench {
namespace {

// A desk of the bench's own, below keys of its own in the same cluster.
struct OwnDesk {
  OwnDesk(const std::string& url, const std::string& folder)
      : store(store_for(options_for(url))),
        state(must(control::open_shared(*store, control::SharedPaths::of(folder, "alone"), "bench"))) {}
  std::unique_ptr<control::EtcdStore> store;
  control::SharedState state;
};

class Field {
 public:
  Field(std::string leader, const std::string& folder, std::string server)
      : leader_(std::move(leader)),
        server_(std::move(server)),
        own_(bed::EtcdCluster::url_of({leader_}, "alone"), folder),
        desk_(std::make_unique<DeskLane>(*own_.store, own_.state.meta.facts)),
        shapes_(shapes_of(*desk_)) {}

  void contest(const std::string& where, std::size_t sessions, int rounds) {
    const std::string title =
        fmt::format("{}: {} session{} at once, {} rounds", where, sessions, sessions == 1 ? "" : "s", rounds);
    const std::size_t each = sessions == 1 ? kEachAlone : kEach;
    Contest lasting(contenders(sessions, true), {Command::kAcquire, Command::kRenew, Command::kRelease}, each);
    lasting.run(rounds);
    lasting.report(title);
    // Afterwards, for sessions that were closed are cleaned up for seconds.
    Contest passing(contenders(sessions, false), {Command::kOpen, Command::kClose}, each);
    passing.run(rounds);
    passing.report(title);
  }

 private:
  [[nodiscard]] std::shared_ptr<grpc::Channel> channel() const {
    return must(control::EtcdDialer::open(options_for(bed::EtcdCluster::url_of({leader_})))).dial().front().channel;
  }
  [[nodiscard]] std::vector<Contender> contenders(std::size_t sessions, bool lasting) {
    std::vector<Contender> out;
    Contender& bare = out.emplace_back(Contender{"bare transaction of the same size", {}});
    const int turn = ++turns_;
    for (std::size_t i = 0; i < sessions; ++i)
      bare.lanes.push_back(
          std::make_unique<BareLane>(bare_etcd(channel()), fmt::format("bare/{}/{:02}/", turn, i), shapes_));
    if (lasting && sessions == 1) {
      Contender& alone = out.emplace_back(Contender{"the desk alone, on the store", {}});
      alone.lanes.push_back(std::make_unique<DeskLane>(*own_.store, own_.state.meta.facts));
    }
    Contender& ours = out.emplace_back(Contender{"gnomond", {}});
    for (std::size_t i = 0; i < sessions; ++i)
      ours.lanes.push_back(std::make_unique<GnomonLane>(server_, fmt::format("{}-{:02}", turn, i)));
    Contender& theirs = out.emplace_back(
        Contender{lasting ? "etcd: Lock, LeaseKeepAlive, Unlock" : "etcd: LeaseGrant, LeaseRevoke", {}});
    for (std::size_t i = 0; i < sessions; ++i)
      theirs.lanes.push_back(std::make_unique<EtcdLane>(channel(), fmt::format("{}-{:02}", turn, i)));
    return out;
  }

  std::string leader_;
  std::string server_;
  OwnDesk own_;
  std::unique_ptr<DeskLane> desk_;
  CommandShapes shapes_;
  int turns_ = 0;
};

bool measure_on(const std::string& version, std::size_t members, int rounds) {
  bed::EtcdCluster etcd({.version = version, .members = members});
  etcd.start();
  const auto leader = etcd.wait_for_leader();
  if (!leader) die("etcd found no leader");
  // Everybody talks to the leader: by way of another member would be one hop more, for some and not for others.
  const std::string at = etcd.endpoint(*leader);
  const std::string url = bed::EtcdCluster::url_of({at});
  const support::ScratchFolder folder;
  const LeasedDaemon daemon(folder.path() / "daemon", url);
  const auto store = store_for(options_for(url));
  const std::string where = fmt::format("etcd {}, {} member{}, {}", version, members, members == 1 ? "" : "s",
                                        version == "3.4" ? "syncing to disk" : "in memory, syncing nothing");
  fmt::print("\n=== {}\n", where);
  bool fine = count_commits(daemon, store.get(), 1, kCounted);
  fine = count_commits(daemon, store.get(), kAtOnce, kCounted) && fine;
  Field field(at, folder.path().string(), daemon.server());
  field.contest(where, 1, rounds);
  field.contest(where, kAtOnce, rounds);
  return fine;
}

}  // namespace

bool measure_on_etcd(int rounds) {
  bool fine = true;
  for (const bed::EtcdBinary& binary : bed::etcd_binaries()) {
    const OnDisk on_disk(binary.version == "3.4");
    for (const std::size_t members : {std::size_t{1}, std::size_t{3}})
      fine = measure_on(binary.version, members, rounds) && fine;
  }
  return fine;
}

}  // namespace gnomon::bench
