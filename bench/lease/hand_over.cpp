// SPDX-License-Identifier: Apache-2.0
//
// From a release to the next holder. One session holds the name, another one waits for it in the queue; what is timed
// begins when the first sends its release, and ends when the second
//
//   is granted   has the answer to its acquisition
//   holds        has renewed its session after that: before, a queued grant does not count
//
// Both sessions are served by one gnomond, or by two on one etcd; there the release has to come by the second one's
// watch. Next to it etcd's own lock, where the waiter is told by a watch of the member's, and two bare transactions in
// a row, the release's and the grant's: nobody can be faster who commits both.
#include <fmt/core.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "bench/control_plane/etcd_access.hpp"
#include "bench/lease/bare_lane.hpp"
#include "bench/lease/desk_alone.hpp"
#include "bench/lease/etcd_lane.hpp"
#include "bench/lease/gnomon_lane.hpp"
#include "bench/lease/leased_daemon.hpp"
#include "bench/lease/parts.hpp"
#include "control/etcd/etcd_channels.hpp"
#include "control/shared_state.hpp"
#include "tests/control/bed/etcd_cluster.hpp"
#include "tests/support/child_process.hpp"
#include "tests/support/eventually.hpp"
#include "tests/support/scratch_folder.hpp"

namespace gnomon::bench {
namespace {

constexpr int kPerRound = 5;  // of each
constexpr int kSettleMs = 3;  // between the waiter's coming and the release
constexpr time::Duration kLongestWait = time::seconds(30);

struct HandOver {
  double granted_us = 0;
  double holds_us = 0;
};

double us_since(std::int64_t begun_ns) { return static_cast<double>(now_ns() - begun_ns) / 1e3; }

class GnomonPair {
 public:
  GnomonPair(const std::string& holders, const std::string& waiters, std::string name)
      : holder_(holders), waiter_(waiters), name_(std::move(name)) {
    holder_.open(held_by_);
    waiter_.open(waited_by_);
  }
  HandOver run() {
    const std::uint64_t token = holder_.acquire(held_by_, name_);
    std::int64_t begun_ns = 0;
    HandOver out;
    std::uint64_t granted = 0;
    std::int64_t granted_ns = 0;
    std::int64_t holds_ns = 0;
    std::thread waits([&] {
      granted = waiter_.acquire(waited_by_, name_, kLongestWait);
      granted_ns = now_ns();
      waiter_.renew(waited_by_);
      holds_ns = now_ns();
    });
    if (!support::eventually([&] { return holder_.waiters(name_) == 1; })) die("nobody came to wait for a lease");
    support::nap(kSettleMs);
    begun_ns = now_ns();
    holder_.release(held_by_, name_, token);
    waits.join();
    out.granted_us = static_cast<double>(granted_ns - begun_ns) / 1e3;
    out.holds_us = static_cast<double>(holds_ns - begun_ns) / 1e3;
    waiter_.release(waited_by_, name_, granted);
    return out;
  }

 private:
  LeaseStub holder_;
  LeaseStub waiter_;
  std::string name_;
  std::string held_by_ = new_session_id();
  std::string waited_by_ = new_session_id();
};

class EtcdPair {
 public:
  EtcdPair(const std::shared_ptr<grpc::Channel>& holders, const std::shared_ptr<grpc::Channel>& waiters)
      : holder_(holders, "holder"), waiter_(waiters, "waiter") {}
  HandOver run() {
    const std::string key = holder_.lock(kName);
    std::string granted;
    std::int64_t granted_ns = 0;
    std::thread waits([&] {
      granted = waiter_.lock(kName);
      granted_ns = now_ns();
    });
    if (!support::eventually([&] { return holder_.queue_of(kName) == 2; })) die("nobody came to wait for a lock");
    support::nap(kSettleMs);
    const std::int64_t begun_ns = now_ns();
    holder_.unlock(key);
    waits.join();
    const double took_us = static_cast<double>(granted_ns - begun_ns) / 1e3;
    waiter_.unlock(granted);
    return {took_us, took_us};
  }

 private:
  static constexpr const char* kName = "handed/over";
  EtcdLane holder_;
  EtcdLane waiter_;
};

class BarePair {
 public:
  BarePair(BareLane::Commit commit, const CommandShapes& shapes) : lane_(std::move(commit), "bare/handed/", shapes) {}
  HandOver run() {
    lane_.run(Command::kAcquire, 0);
    const std::int64_t begun_ns = now_ns();
    lane_.run(Command::kRelease, 0);
    lane_.run(Command::kAcquire, 0);
    const double granted_us = us_since(begun_ns);
    lane_.run(Command::kRenew, 0);
    const double holds_us = us_since(begun_ns);
    lane_.run(Command::kRelease, 0);
    return {granted_us, holds_us};
  }

 private:
  BareLane lane_;
};

struct Way {
  std::string name;
  std::function<HandOver()> run;
  std::vector<double> granted_us{};
  std::vector<double> holds_us{};
};

void take_turns(std::vector<Way>& ways, int rounds) {
  std::vector<Way*> order;
  order.reserve(ways.size());
  for (Way& way : ways)
    order.push_back(&way);
  std::mt19937_64 random{1};
  for (int round = -1; round < rounds * kPerRound; ++round) {
    std::shuffle(order.begin(), order.end(), random);
    for (Way* const way : order) {
      const HandOver took = way->run();
      if (round < 0) continue;
      way->granted_us.push_back(took.granted_us);
      way->holds_us.push_back(took.holds_us);
    }
  }
}

void print(const std::string& what, const std::vector<double>& values, const std::vector<double>& base) {
  std::vector<double> us = values;
  std::vector<double> ratios;
  ratios.reserve(us.size());
  for (std::size_t i = 0; i < us.size(); ++i)
    ratios.push_back(us[i] / base[i]);
  fmt::print("  {:<42} {:>8.0f} {:>8.0f} - {:<6.0f} {:>8.0f} {:>7.2f} {:>6.2f} - {:.2f}\n", what, quantile(us, 0.5),
             quantile(us, 0.1), quantile(us, 0.9), quantile(us, 0.99), quantile(ratios, 0.5), quantile(ratios, 0.1),
             quantile(ratios, 0.9));
}

void report(const std::string& title, const std::vector<Way>& ways) {
  fmt::print("\n{}\n", title);
  for (const bool granted : {true, false}) {
    fmt::print("{:<44} {:>8} {:>17} {:>8} {:>7} {:>13}\n",
               granted ? "from the release until it is granted" : "from the release until it holds", "p50 us",
               "p10 - p90", "p99", "ratio", "p10 - p90");
    for (const Way& way : ways)
      print(way.name, granted ? way.granted_us : way.holds_us,
            granted ? ways.front().granted_us : ways.front().holds_us);
  }
  std::fflush(stdout);
}

void measure_on(const std::string& version, std::size_t members, int rounds) {
  bed::EtcdCluster etcd({.version = version, .members = members});
  etcd.start();
  const auto leader = etcd.wait_for_leader();
  if (!leader) die("etcd found no leader");
  const std::string at = etcd.endpoint(*leader);
  const std::string url = bed::EtcdCluster::url_of({at});
  const support::ScratchFolder folder;
  const LeasedDaemon first(folder.path() / "first", url);
  const LeasedDaemon second(folder.path() / "second", url);
  const auto channel = [&] { return must(control::EtcdDialer::open(options_for(url))).dial().front().channel; };

  const auto own = store_for(options_for(bed::EtcdCluster::url_of({at}, "alone")));
  control::SharedState state =
      must(control::open_shared(*own, control::SharedPaths::of(folder.path().string(), "alone"), "bench"));
  DeskLane desk(*own, state.meta.facts);
  const CommandShapes shapes = shapes_of(desk);

  BarePair bare(bare_etcd(channel()), shapes);
  GnomonPair on_one(first.server(), first.server(), "handed/one");
  GnomonPair on_two(first.server(), second.server(), "handed/two");
  EtcdPair theirs(channel(), channel());
  std::vector<Way> ways{{"bare transactions in a row", [&] { return bare.run(); }},
                        {"gnomond", [&] { return on_one.run(); }},
                        {"the waiter at another gnomond", [&] { return on_two.run(); }},
                        {"etcd: Unlock, Lock", [&] { return theirs.run(); }}};
  take_turns(ways, rounds);
  report(fmt::format("hand-over on etcd {}, {} members, {} of each", version, members, rounds * kPerRound), ways);
}

}  // namespace

void measure_hand_over(int rounds) { measure_on(bed::etcd_binaries().back().version, 3, rounds); }

}  // namespace gnomon::bench
