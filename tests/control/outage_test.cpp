// SPDX-License-Identifier: Apache-2.0
//
// etcd is away, and clients don't notice: whatever happens to its processes, each daemon issues IDs all the time as
// long as the outage is shorter than what its window bridges, stops at the end of the window if it is longer, and comes
// back by itself. Partitions are in partition_test.cpp, what operators do in upkeep_test.cpp.
#include <gtest/gtest.h>

#include <chrono>
#include <cstdio>
#include <string>
#include <thread>

#include "tests/control/bed/etcd_fixture.hpp"
#include "tests/control/stage.hpp"

namespace gnomon::bed {
namespace {

using namespace std::chrono_literals;

using Clock = std::chrono::steady_clock;

const EtcdOptions kThree{.members = 3, .heartbeat = 50ms, .election_timeout = 300ms};

class Outage : public Etcd {
 protected:
  [[nodiscard]] StageOptions staged(EtcdOptions etcd) const {
    etcd.version = GetParam();
    return {.etcd = etcd};
  }
};
class LeaderOutage : public Outage {};

INSTANTIATE_TEST_SUITE_P(Versions, LeaderOutage, testing::ValuesIn(kVersions), version_name);
INSTANTIATE_TEST_SUITE_P(Versions, Outage, testing::Values("3.5"), version_name);

TEST_P(LeaderOutage, KilledAndStartedAgain) {
  Stage stage(staged(kThree));
  ASSERT_TRUE(stage.set_up());
  for (int round = 0; round < rounds(); ++round) {
    const auto leader = stage.etcd().wait_for_leader();
    ASSERT_TRUE(leader.has_value()) << stage.etcd().logs();
    stage.mark();
    stage.etcd().kill_hard(*leader);
    std::this_thread::sleep_for(outage_within(stage.window()));
    stage.expect_served("the leader is dead");
    ASSERT_TRUE(stage.wait_renewed()) << "two members are a majority\n" << stage.etcd().logs();
    stage.etcd().start_member(*leader);
    ASSERT_TRUE(stage.etcd().wait_healthy()) << stage.etcd().logs();
    stage.expect_served("it comes back");
  }
  stage.expect_promises_kept();
}

TEST_P(Outage, ThePausedLeaderIsWokenAgain) {
  Stage stage(staged(kThree));
  ASSERT_TRUE(stage.set_up());
  for (int round = 0; round < rounds(); ++round) {
    const auto leader = stage.etcd().wait_for_leader();
    ASSERT_TRUE(leader.has_value()) << stage.etcd().logs();
    stage.mark();
    stage.etcd().pause(*leader);
    std::this_thread::sleep_for(outage_within(stage.window()));
    stage.expect_served("the leader is paused");
    stage.etcd().resume(*leader);  // what was sent to it meanwhile is done now, or not at all
    ASSERT_TRUE(stage.wait_renewed()) << stage.etcd().logs();
    stage.expect_served("it goes on");
  }
  stage.expect_promises_kept();
}

TEST_P(Outage, AllMembersAreStoppedForLessThanTheWindow) {
  Stage stage(staged(kThree));
  ASSERT_TRUE(stage.set_up());
  for (int round = 0; round < rounds(); ++round) {
    stage.mark();
    const auto began = Clock::now();
    stage.etcd().stop_all();
    std::this_thread::sleep_for(2s);
    stage.etcd().start_all();
    ASSERT_TRUE(stage.wait_renewed()) << stage.etcd().logs();
    const auto away = Clock::now() - began;
    if (away >= stage.window() * 2 / 3) {
      std::printf("this machine was too slow: etcd was away for longer than a window is sure to bridge\n");
      ASSERT_TRUE(stage.wait_served());
      continue;
    }
    stage.expect_served("all members are stopped and started");
  }
  stage.expect_promises_kept();
}

TEST_P(Outage, LongerThanTheWindow) {
  StageOptions options = staged(kThree);
  options.window = 3s;
  Stage stage(options);
  ASSERT_TRUE(stage.set_up());
  for (int round = 0; round < rounds(); ++round) {
    ASSERT_TRUE(stage.wait_renewed());
    stage.mark();
    stage.etcd().stop_all();
    const auto since = std::chrono::system_clock::now();
    const support::Ledger received = stage.expect_runs_out(since);
    stage.etcd().start_all();
    ASSERT_TRUE(stage.wait_served()) << "nobody has to help\n" << stage.etcd().logs();
    ASSERT_TRUE(stage.wait_renewed()) << stage.etcd().logs();
    stage.expect_below_ceilings_of(received, since);
    std::printf("%lu IDs without etcd, then not_leased, then service again\n",
                static_cast<unsigned long>(received.ids()));
  }
  stage.expect_promises_kept();
}

}  // namespace
}  // namespace gnomon::bed
