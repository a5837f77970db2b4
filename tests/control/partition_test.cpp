// SPDX-License-Identifier: Apache-2.0
//
// Members that are alive and can't hear one another: the leader is cut off and goes on believing in itself, a minority
// answers daemons and can't commit, the majority is out of reach for a while. In each case the daemons serve
// throughout. Silence, not refusal: frames are lost and nobody says so (bed/switched_network.hpp).
//
// It takes root and network namespaces; skipped in plain sight where there are none.
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

const EtcdOptions kApart{.version = "3.5",
                         .members = 3,
                         .home = EtcdHome::kNamespaces,
                         .hosts = 2,
                         .heartbeat = 50ms,
                         .election_timeout = 300ms};

class Partition : public testing::Test {
 protected:
  void SetUp() override {
    std::string why;
    if (!EtcdCluster::available(kApart, &why)) GTEST_SKIP() << why;
  }

  // Each daemon has another member first, so that some daemon is at home with the one that is cut off.
  [[nodiscard]] static std::vector<std::string> urls_of(const EtcdCluster& etcd) {
    const std::vector<std::string> at = etcd.endpoints();
    return {EtcdCluster::url_of({at[0], at[1], at[2]}), EtcdCluster::url_of({at[1], at[2], at[0]})};
  }
};

TEST_F(Partition, TheLeaderIsCutOffFromEverybody) {
  Stage stage({.etcd = kApart});
  stage.set_urls(urls_of(stage.etcd()));
  ASSERT_TRUE(stage.set_up());
  for (int round = 0; round < rounds(); ++round) {
    const auto leader = stage.etcd().wait_for_leader();
    ASSERT_TRUE(leader.has_value()) << stage.etcd().logs();
    stage.mark();
    stage.etcd().cut_off({*leader}, CutFrom::kEverything);
    std::this_thread::sleep_for(outage_within(stage.window()));
    stage.expect_served("the leader is cut off");
    ASSERT_TRUE(stage.wait_renewed()) << "two members are a majority\n" << stage.etcd().logs();
    stage.etcd().heal();
    ASSERT_TRUE(stage.etcd().wait_healthy()) << stage.etcd().logs();
    stage.expect_served("it is back");
  }
  stage.expect_promises_kept();
}

// The leader of yesterday still answers those who ask it, and a daemon has it first on its list.
TEST_F(Partition, AMinorityThatStillAnswersIsLeft) {
  Stage stage({.etcd = kApart});
  stage.set_urls(urls_of(stage.etcd()));
  ASSERT_TRUE(stage.set_up());
  for (int round = 0; round < rounds(); ++round) {
    const std::size_t minority = static_cast<std::size_t>(round) % 2;  // first on the list of daemon 0, or of daemon 1
    stage.mark();
    stage.etcd().cut_off({minority}, CutFrom::kMembers);
    std::this_thread::sleep_for(outage_within(stage.window()));
    stage.expect_served("a minority is by itself");
    ASSERT_TRUE(stage.wait_renewed()) << "both daemons have to go on over other members\n" << stage.etcd().logs();
    stage.expect_served("they went on over the others");
    stage.etcd().heal();
    ASSERT_TRUE(stage.etcd().wait_healthy()) << stage.etcd().logs();
  }
  stage.expect_promises_kept();
}

TEST_F(Partition, TheMajorityIsOutOfReachForLessThanTheWindow) {
  Stage stage({.etcd = kApart});
  stage.set_urls(urls_of(stage.etcd()));
  ASSERT_TRUE(stage.set_up());
  for (int round = 0; round < rounds(); ++round) {
    ASSERT_TRUE(stage.wait_renewed()) << stage.etcd().logs();
    stage.mark();
    const auto began = Clock::now();
    stage.etcd().cut_off({0, 2}, CutFrom::kEverything);
    std::this_thread::sleep_for(outage_within(stage.window()));
    stage.expect_served("the majority is out of reach");
    stage.etcd().heal();
    const EtcdctlAccess to_the_majority{.endpoints = {stage.etcd().endpoint(0)}, .limit = 1s};
    while (Clock::now() < began + 60s && stage.etcd().etcdctl({"put", "bed/probe", ""}, to_the_majority).exit.code != 0)
      support::nap();
    const auto away = Clock::now() - began;
    std::printf("etcd was out of reach for %ld ms\n",
                static_cast<long>(std::chrono::duration_cast<std::chrono::milliseconds>(away).count()));
    ASSERT_TRUE(stage.wait_renewed()) << stage.etcd().logs();
    if (away < stage.window() / 2)  // else this machine was too slow to say anything
      stage.expect_served("it is back");
    ASSERT_TRUE(stage.wait_served());
  }
  stage.expect_promises_kept();
}

}  // namespace
}  // namespace gnomon::bed
