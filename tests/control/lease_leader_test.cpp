// SPDX-License-Identifier: Apache-2.0
//
// A change of etcd's leader lengthens no lease. Where a lease is one of etcd's own, a new leader counts every TTL from
// its beginning again, and whoever waits for a dead holder waits for all of it once more with each election. Here the
// expiry is an instant that stands in the store, so an election is none of its business.
//
// A holder is killed, then the leader is killed or paused. From then on what `get` says is left only falls, and says
// the same end all the time; a successor is let in no earlier than that, and as soon as etcd has a leader to commit it.
// Beside them a holder that is alive loses nothing.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <string>
#include <thread>
#include <vector>

#include "tests/control/bed/etcd_fixture.hpp"
#include "tests/control/lease_hosts.hpp"
#include "tests/control/stage.hpp"
#include "tests/support/eventually.hpp"

namespace gnomon::bed {
namespace {

using namespace std::chrono_literals;

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;
using std::chrono::nanoseconds;

constexpr milliseconds kTtl{8000};
constexpr auto kSettled = 300ms;  // until what a killed process had under way is done
/// Between the clocks that are compared here: the hosts' intervals, which are two bounds wide, and a slewed clock.
constexpr nanoseconds kClocks = 3 * kClockBound + 50ms;
/// An election takes some 300 ms, a daemon's way to another member as much; no machine is 20 times as busy.
constexpr auto kLatest = 20 * (300ms + 300ms + kClockBound);
constexpr time::Duration kPatience = time::seconds(120);

const EtcdOptions kThree{.members = 3, .heartbeat = 50ms, .election_timeout = 300ms};

/// What `get` said between two moments of this test's clock.
struct Look {
  Clock::time_point before;
  Clock::time_point after;
  nanoseconds remaining{};
};

nanoseconds from(time::Duration duration) { return nanoseconds(duration.ns); }

class LeaseLeader : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    std::string why;
    if (!LeaseHosts::available(kThree, &why)) GTEST_SKIP() << why;
  }

  static void take_away(EtcdCluster& etcd, std::size_t leader) {
    if (std::string(GetParam()) == "Killed")
      etcd.kill_hard(leader);
    else
      etcd.pause(leader);
  }
  static void give_back(EtcdCluster& etcd, std::size_t leader) {
    if (std::string(GetParam()) == "Killed")
      etcd.start_member(leader);
    else
      etcd.resume(leader);
  }

  // Until the lease is somebody else's; who can't be asked meanwhile says nothing.
  static void look_on(client::LeaseClient& asker, const std::string& name, std::uint64_t token,
                      const std::atomic<bool>& ends, std::vector<Look>& looks) {
    while (!ends) {
      const auto before = Clock::now();
      const auto lease = asker.get(name);
      if (lease && lease->token == token) looks.push_back({before, Clock::now(), from(lease->remaining)});
      std::this_thread::sleep_for(20ms);
    }
  }

  static void expect_one_end(const std::vector<Look>& looks) {
    Clock::time_point earliest_end = Clock::time_point::max();  // that a look later than it would contradict
    nanoseconds last = nanoseconds::max();
    for (const Look& look : looks) {
      EXPECT_LE(look.remaining, last) << "more is left than before";
      last = look.remaining;
      if (look.remaining <= 0ns) continue;
      EXPECT_LE(look.before + look.remaining, earliest_end) << "the lease ends later than was said before";
      earliest_end = std::min(earliest_end, look.after + look.remaining + kClocks);
    }
  }
};

INSTANTIATE_TEST_SUITE_P(Ways, LeaseLeader, testing::Values("Killed", "Paused"),
                         [](const auto& way) { return std::string(way.param); });

TEST_P(LeaseLeader, ADeadHoldersTimeRunsOutAndALivingOnesDoesNot) {
  LeaseHosts hosts({.etcd = kThree, .hosts = 2});
  ASSERT_TRUE(hosts.set_up());
  const auto asker = hosts.client(0);
  const auto other = hosts.client(1);
  std::atomic<int> lost{0};
  const auto living = other->open_session(
      {.ttl = time::milliseconds(kTtl.count()), .label = "living", .on_lost = [&](const std::string&) { ++lost; }});
  ASSERT_TRUE(living) << living.error().text;
  const auto kept = (*living)->acquire("living");
  ASSERT_TRUE(kept) << kept.error().text;

  for (int round = 0; round < (support::full_size() ? 20 : 1); ++round) {
    const std::string name = "dying/" + std::to_string(round);
    const std::string who = "holder-" + std::to_string(round);
    const auto holder = hosts.hold(0, name, kTtl, who);
    ASSERT_TRUE(support::eventually([&] { return !hosts.begun_by(who).empty(); })) << holder->log() << hosts.logs();
    const std::uint64_t token = hosts.begun_by(who).front().token;
    const auto leader = hosts.etcd().wait_for_leader();
    ASSERT_TRUE(leader.has_value()) << hosts.etcd().logs();
    holder->send_signal(SIGKILL);
    (void)holder->wait_exit(20s);
    std::this_thread::sleep_for(kSettled);

    const auto first_before = Clock::now();
    const auto first = asker->get(name);
    ASSERT_TRUE(first) << first.error().text;
    ASSERT_GT(from(first->remaining), kTtl / 4) << "this machine is too slow to show anything";
    const auto certain_until = first_before + from(first->remaining);
    const auto free_at = Clock::now() + from(first->free_in);

    std::atomic<bool> ends{false};
    std::vector<Look> looks{{first_before, Clock::now(), from(first->remaining)}};
    std::thread watcher([&] { look_on(*asker, name, token, ends, looks); });
    take_away(hosts.etcd(), *leader);
    const auto changed_at = Clock::now();
    const auto session = other->open_session({.ttl = time::milliseconds(kTtl.count()), .label = "next"});
    std::uint64_t next = 0;
    Clock::time_point taken_at;
    if (session) {
      const auto lease = (*session)->acquire(name, {.wait_for = kPatience});
      taken_at = Clock::now();
      next = lease ? lease->token() : 0;
      EXPECT_TRUE(lease) << lease.error().text;
    }
    ends = true;
    watcher.join();
    ASSERT_TRUE(session) << session.error().text;
    ASSERT_NE(next, 0U) << hosts.logs();

    EXPECT_GT(next, token);
    EXPECT_GE(taken_at, certain_until) << "it was taken over before it had expired";
    EXPECT_LE(taken_at, std::max(free_at, changed_at) + kLatest) << "an expiry began anew with the new leader";
    expect_one_end(looks);
    const auto after_the_change =
        std::count_if(looks.begin(), looks.end(), [&](const Look& look) { return look.before > changed_at + 500ms; });
    EXPECT_GT(after_the_change, 0)
        << "nobody could say how long it is held until it was not: etcd has had no leader for "
           "longer than the lease\n"
        << hosts.etcd().logs();
    EXPECT_TRUE(kept->holds()) << "the living holder lost its lease";
    std::printf("%zu looks, %ld of them after the change; taken over %.3f s after the end\n", looks.size(),
                static_cast<long>(after_the_change), std::chrono::duration<double>(taken_at - certain_until).count());
    give_back(hosts.etcd(), *leader);
    ASSERT_TRUE(hosts.etcd().wait_healthy()) << hosts.etcd().logs();
  }
  EXPECT_EQ(lost, 0);
  EXPECT_TRUE(kept->holds());
  const auto verdict = asker->validate("living", kept->token());
  ASSERT_TRUE(verdict) << verdict.error().text;
  EXPECT_EQ(*verdict, client::TokenVerdict::kCurrent);
}

}  // namespace
}  // namespace gnomon::bed
