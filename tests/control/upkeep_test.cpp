// SPDX-License-Identifier: Apache-2.0
//
// What an operator does to a running cluster, and what befalls it when nobody does: members are replaced one after the
// other while IDs are served, and a full quota stops every write until somebody makes space.
#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <thread>

#include "tests/control/bed/etcd_fixture.hpp"
#include "tests/control/stage.hpp"

namespace gnomon::bed {
namespace {

using namespace std::chrono_literals;

class Upkeep : public Etcd {};
INSTANTIATE_TEST_SUITE_P(Versions, Upkeep, testing::Values("3.5"), version_name);

// Learner, promotion, removal. Two of the three addresses that the daemons know are gone at the end.
TEST_P(Upkeep, MembersAreReplacedWhileIdsAreServed) {
  Stage stage({.etcd = {.version = GetParam(), .members = 3, .heartbeat = 50ms, .election_timeout = 300ms}});
  ASSERT_TRUE(stage.set_up());
  const auto leader = stage.etcd().wait_for_leader();
  ASSERT_TRUE(leader.has_value()) << stage.etcd().logs();
  for (const std::size_t member : {*leader, (*leader + 1) % 3}) {
    stage.mark();
    stage.etcd().replace_member(member);
    ASSERT_TRUE(stage.wait_renewed()) << stage.etcd().logs();
    stage.expect_served("a member is replaced");
  }
  stage.expect_promises_kept();
}

TEST_P(Upkeep, AFullQuotaStopsServiceAtTheCeilingUntilThereIsSpace) {
  const EtcdOptions options{.version = GetParam(), .quota_backend_bytes = 2 << 20};
  Stage stage({.etcd = options, .window = 3s});
  ASSERT_TRUE(stage.set_up());
  ASSERT_TRUE(stage.wait_renewed());
  stage.etcd().fill_quota();
  ASSERT_TRUE(stage.etcd().has_alarm());
  stage.mark();
  const auto since = std::chrono::system_clock::now();
  const support::Ledger received = stage.expect_runs_out(since);

  // To make space takes one deletion and a compaction at its revision: what comes after is read from there.
  stage.keep_chronicle(stage.etcd().revision() + 2);
  stage.etcd().clear_alarm();
  ASSERT_TRUE(stage.wait_served()) << "nobody has to start them again\n" << stage.etcd().logs();
  ASSERT_TRUE(stage.wait_renewed()) << stage.etcd().logs();
  stage.expect_below_ceilings_of(received, since);
  for (const std::size_t j : {0U, 1U})
    EXPECT_TRUE(stage.daemon(j).alive()) << end_of(stage.daemon(j).log());
  stage.expect_promises_kept();
}

}  // namespace
}  // namespace gnomon::bed
