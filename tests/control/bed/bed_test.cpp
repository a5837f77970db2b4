// SPDX-License-Identifier: Apache-2.0
//
// What the bed of etcd clusters is worth: each thing that it says it does to real members is seen to have happened, by
// etcd's own tools. What gnomon makes of it is for other tests.
#include <gtest/gtest.h>

#include <stdexcept>
#include <string>
#include <vector>

#include "tests/control/bed/etcd_fixture.hpp"
#include "tests/control/bed/etcdctl_fields.hpp"

namespace gnomon::bed {
namespace {

using namespace std::chrono_literals;

std::size_t occurrences(const std::string& text, const std::string& what) {
  std::size_t n = 0;
  for (std::size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + what.size()))
    ++n;
  return n;
}

std::uint64_t cluster_id(const EtcdCluster& etcd) {
  return number(etcd.must_etcdctl({"member", "list", "-w", "fields"}), "ClusterID");
}

class EtcdInNamespaces : public Etcd {
 protected:
  void SetUp() override { skip_unless_available({.version = GetParam(), .home = EtcdHome::kNamespaces}); }
};

INSTANTIATE_TEST_SUITE_P(Versions, Etcd, testing::ValuesIn(kVersions), version_name);
INSTANTIATE_TEST_SUITE_P(Versions, EtcdInNamespaces, testing::ValuesIn(kVersions), version_name);

// --- processes

TEST_P(Etcd, IsTheVersionThatWasAskedForAndTakesLargeTransactions) {
  EtcdCluster& etcd = start({.max_txn_ops = 1024});
  const std::string told = etcd.must_etcdctl({"endpoint", "status", "-w", "fields"});
  EXPECT_EQ(field(told, "Version").value_or("").substr(0, 3), GetParam());
  EXPECT_NE(support::slurp("/proc/" + std::to_string(etcd.process(0).pid()) + "/cmdline").find("--max-txn-ops=1024"),
            std::string::npos);
  EXPECT_EQ(etcd.url("here"), "etcd:http://127.0.0.1:" + std::to_string(etcd.client_port(0)) + "/here");
}

TEST_P(Etcd, AKilledMemberComesBackWithItsData) {
  EtcdCluster& etcd = start({});
  etcd.put("a", "1");
  etcd.kill_hard(0);
  EXPECT_NE(etcd.etcdctl({"get", "a"}, {.endpoints = etcd.endpoints(), .limit = 300ms}).exit.code, 0);
  etcd.start_member(0);
  ASSERT_TRUE(etcd.wait_healthy()) << etcd.logs();
  EXPECT_EQ(etcd.get("a").value_or(EtcdKey{}).value, "1");
}

TEST_P(Etcd, TwoClustersAtOnceAreStrangers) {
  EtcdCluster& one = start({});
  EtcdCluster& other = start({});
  one.put("a", "of one");
  EXPECT_FALSE(other.get("a").has_value());
}

TEST_P(Etcd, ADeadLeaderIsFollowedByAnother) {
  EtcdCluster& etcd = start({.members = 3});
  const auto first = etcd.wait_for_leader();
  ASSERT_TRUE(first.has_value()) << etcd.logs();
  etcd.kill_hard(*first);
  const auto second = etcd.wait_for_leader(30s, first);
  ASSERT_TRUE(second.has_value()) << etcd.logs();
  EXPECT_NE(*second, *first);
  etcd.put("a", "1");
  etcd.start_member(*first);
  ASSERT_TRUE(etcd.wait_healthy()) << etcd.logs();
  // A member that has just come back may be healthy and still behind.
  const EtcdctlAccess to_it{.endpoints = {etcd.endpoint(*first)}};
  EXPECT_EQ(field(etcd.must_etcdctl({"get", "a", "-w", "fields"}, to_it), "Value"), "1");
}

TEST_P(Etcd, APausedLeaderIsFollowedByAnotherAndKnowsItLater) {
  EtcdCluster& etcd = start({.members = 3});
  const auto first = etcd.wait_for_leader();
  ASSERT_TRUE(first.has_value()) << etcd.logs();
  etcd.pause(*first);
  // Its port is open, and nobody answers.
  EXPECT_NE(etcd.etcdctl({"get", "a"}, {.endpoints = {etcd.endpoint(*first)}, .limit = 300ms}).exit.code, 0);
  const auto second = etcd.wait_for_leader(30s, first);
  ASSERT_TRUE(second.has_value()) << etcd.logs();
  etcd.put("a", "1");
  etcd.resume(*first);
  ASSERT_TRUE(etcd.wait_healthy()) << etcd.logs();
  EXPECT_EQ(field(etcd.must_etcdctl({"get", "a", "-w", "fields"}, {.endpoints = {etcd.endpoint(*first)}}), "Value"),
            "1");
}

TEST_P(Etcd, StoppedAndStartedAllKeepTheirData) {
  EtcdCluster& etcd = start({.members = 3});
  etcd.put("a", "1");
  etcd.stop_all();
  EXPECT_THROW((void)etcd.process(0), std::logic_error);
  etcd.start_all();
  ASSERT_TRUE(etcd.wait_healthy()) << etcd.logs();
  EXPECT_EQ(etcd.get("a").value_or(EtcdKey{}).value, "1");
}

// --- what an operator does

TEST_P(Etcd, ARestoreBringsThePastBack) {
  EtcdCluster& etcd = start({.members = 3});
  etcd.put("a", "1");
  const std::uint64_t revision = etcd.revision();
  const std::uint64_t id = cluster_id(etcd);
  etcd.snapshot(etcd.folder() / "backup");
  etcd.put("a", "2");
  etcd.put("b", "1");
  ASSERT_EQ(etcd.revision(), revision + 2);

  etcd.restore_from(etcd.folder() / "backup", ClusterId::kSame);
  EXPECT_EQ(etcd.get("a").value_or(EtcdKey{}).value, "1");
  EXPECT_FALSE(etcd.get("b").has_value());
  EXPECT_EQ(etcd.revision(), revision);
  EXPECT_EQ(cluster_id(etcd), id);

  // The revisions that were seen before come again, with other contents.
  etcd.put("c", "1");
  EXPECT_EQ(etcd.get("c").value_or(EtcdKey{}).mod_revision, revision + 1);

  etcd.restore_from(etcd.folder() / "backup", ClusterId::kNew);
  EXPECT_FALSE(etcd.get("c").has_value());
  EXPECT_NE(cluster_id(etcd), id);
}

TEST_P(Etcd, AReplacedMemberHasTheData) {
  EtcdCluster& etcd = start({.members = 3});
  etcd.put("a", "1");
  const auto leader = etcd.wait_for_leader();
  ASSERT_TRUE(leader.has_value()) << etcd.logs();
  const std::size_t dead = (*leader + 1) % 3;
  const std::vector<std::string> before = etcd.endpoints();
  etcd.replace_member(*leader);  // it runs and leads
  etcd.kill_hard(dead);
  etcd.replace_member(dead);

  EXPECT_EQ(etcd.endpoints()[(*leader + 2) % 3], before[(*leader + 2) % 3]);
  for (const std::size_t member : {*leader, dead}) {
    EXPECT_NE(etcd.endpoint(member), before[member]);
    const EtcdctlAccess to_it{.endpoints = {etcd.endpoint(member)}};
    EXPECT_EQ(field(etcd.must_etcdctl({"get", "a", "--consistency=s", "-w", "fields"}, to_it), "Value"), "1");
    EXPECT_NE(etcd.etcdctl({"get", "a"}, {.endpoints = {before[member]}, .limit = 300ms}).exit.code, 0);
  }
  const std::string members = etcd.must_etcdctl({"member", "list", "-w", "fields"});
  EXPECT_EQ(occurrences(members, "\"Name\""), 3U) << members;
  EXPECT_EQ(occurrences(members, "\"IsLearner\" : false"), 3U) << members;
}

TEST_P(Etcd, TheOnlyMemberCanBeReplaced) {
  EtcdCluster& etcd = start({});
  etcd.put("a", "1");
  const std::string before = etcd.endpoint(0);
  etcd.replace_member(0);
  EXPECT_NE(etcd.endpoint(0), before);
  EXPECT_EQ(etcd.get("a").value_or(EtcdKey{}).value, "1");
}

TEST_P(Etcd, AFullQuotaRefusesUntilTheAlarmIsCleared) {
  EtcdCluster& etcd = start({.quota_backend_bytes = 2 << 20});
  etcd.put("a", "1");
  EXPECT_FALSE(etcd.has_alarm());
  etcd.fill_quota();
  EXPECT_TRUE(etcd.has_alarm());
  EXPECT_NE(etcd.etcdctl({"put", "a", "2"}).text.find("database space exceeded"), std::string::npos);
  EXPECT_EQ(etcd.get("a").value_or(EtcdKey{}).value, "1");
  etcd.clear_alarm();
  EXPECT_FALSE(etcd.has_alarm());
  etcd.put("a", "3");
  EXPECT_EQ(etcd.get("a").value_or(EtcdKey{}).value, "3");
}

TEST_P(Etcd, CompactionEndsTheHistory) {
  EtcdCluster& etcd = start({});
  etcd.put("a", "1");
  const std::string revision = std::to_string(etcd.revision());
  etcd.put("a", "2");
  EXPECT_EQ(field(etcd.must_etcdctl({"get", "a", "--rev=" + revision, "-w", "fields"}), "Value"), "1");
  etcd.compact();
  EXPECT_NE(etcd.etcdctl({"get", "a", "--rev=" + revision}).text.find("compacted"), std::string::npos);
  EXPECT_EQ(etcd.get("a").value_or(EtcdKey{}).value, "2");
}

TEST_P(Etcd, UsersAreAskedForTheirPasswordAndKeptToTheirPrefix) {
  EtcdCluster& etcd = start({.users = {{.name = "gnomon", .password = "secret", .prefix = "gnomon/"}}});
  const auto put = [&](const std::string& key, const std::string& user) {
    return etcd.etcdctl({"put", key, "1"}, {.user = user});
  };
  EXPECT_EQ(put("gnomon/a", "gnomon:secret").exit.code, 0);
  EXPECT_NE(put("other/a", "gnomon:secret").text.find("permission denied"), std::string::npos);
  EXPECT_NE(put("gnomon/a", "gnomon:wrong").text.find("authentication failed"), std::string::npos);
  EXPECT_EQ(etcd.get("gnomon/a").value_or(EtcdKey{}).version, 1U);  // as root
  EXPECT_FALSE(etcd.get("other/a").has_value());
}

// --- partitions

TEST_P(EtcdInNamespaces, TheMajorityGoesOnAndTheMinorityAnswersNobody) {
  EtcdCluster& etcd = start({.members = 3, .home = EtcdHome::kNamespaces, .hosts = 1});
  const auto first = etcd.wait_for_leader();
  ASSERT_TRUE(first.has_value()) << etcd.logs();
  etcd.put("a", "1");
  const EtcdctlAccess to_cut_off{.endpoints = {etcd.endpoint(*first)}, .host = 0, .limit = 500ms};
  ASSERT_EQ(etcd.etcdctl({"get", "a"}, to_cut_off).exit.code, 0);

  etcd.cut_off({*first}, CutFrom::kMembers);
  const auto second = etcd.wait_for_leader(30s, first);
  ASSERT_TRUE(second.has_value()) << etcd.logs();
  etcd.put("a", "2");
  // It is reached, but it can't commit; what it has is the past.
  EXPECT_NE(etcd.etcdctl({"put", "a", "3"}, to_cut_off).exit.code, 0);
  const std::string stale = etcd.must_etcdctl({"get", "a", "--consistency=s", "-w", "fields"}, to_cut_off);
  EXPECT_EQ(field(stale, "Value"), "1");

  etcd.cut_off({*first}, CutFrom::kEverything);
  EXPECT_NE(etcd.etcdctl({"get", "a", "--consistency=s"}, to_cut_off).exit.code, 0);
  EXPECT_EQ(etcd.etcdctl({"get", "a"}, {.endpoints = {etcd.endpoint(*second)}, .host = 0}).exit.code, 0);

  etcd.heal();
  ASSERT_TRUE(etcd.wait_healthy()) << etcd.logs();
  EXPECT_EQ(field(etcd.must_etcdctl({"get", "a", "-w", "fields"}, to_cut_off), "Value"), "2");
}

TEST_P(EtcdInNamespaces, AHostIsCutOffByItself) {
  EtcdCluster& etcd = start({.home = EtcdHome::kNamespaces, .hosts = 2});
  etcd.put("a", "1");
  etcd.cut_off_host(0);
  EXPECT_NE(etcd.etcdctl({"get", "a"}, {.host = 0, .limit = 300ms}).exit.code, 0);
  EXPECT_EQ(etcd.etcdctl({"get", "a"}, {.host = 1}).exit.code, 0);
  etcd.heal();
  EXPECT_EQ(etcd.etcdctl({"get", "a"}, {.host = 0}).exit.code, 0);
}

TEST_P(EtcdInNamespaces, AMemberIsReplacedThereToo) {
  EtcdCluster& etcd = start({.members = 3, .home = EtcdHome::kNamespaces});
  etcd.put("a", "1");
  etcd.replace_member(1);
  const EtcdctlAccess to_it{.endpoints = {etcd.endpoint(1)}};
  EXPECT_EQ(field(etcd.must_etcdctl({"get", "a", "--consistency=s", "-w", "fields"}, to_it), "Value"), "1");
}

}  // namespace
}  // namespace gnomon::bed
