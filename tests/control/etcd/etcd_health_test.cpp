// SPDX-License-Identifier: Apache-2.0
//
// What is said about a cluster that is not well. The scripted etcd knows neither members nor alarms, so this is also
// the case in which their list can't be had; with them it runs against a real etcd.
#include "control/etcd/etcd_health.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/control/etcd/fake_etcd.hpp"

namespace gnomon::control {
namespace {

using testing::HasSubstr;

EtcdOptions options(const std::vector<std::string>& endpoints) {
  EtcdOptions options;
  options.endpoints = endpoints;
  options.deadline = time::seconds(5);  // the dead one refuses at once
  return options;
}

const EtcdMember& at(const EtcdHealth& health, const std::string& endpoint) {
  static const EtcdMember kNone;
  const auto found = std::find_if(health.members.begin(), health.members.end(),
                                  [&](const EtcdMember& member) { return member.endpoint == endpoint; });
  EXPECT_NE(found, health.members.end()) << endpoint;
  return found == health.members.end() ? kNone : *found;
}

TEST(EtcdHealth, EachEndpointIsToldByItself) {
  FakeCluster cluster;
  FakeMember a(cluster);
  FakeMember b(cluster);
  FakeMember dead(cluster);
  b.lose_leader();
  dead.stop();
  const auto health = ask_health(options({dead.endpoint(), a.endpoint(), b.endpoint()}));
  ASSERT_TRUE(health) << health.error().text;
  ASSERT_EQ(health->members.size(), 3U);
  EXPECT_EQ(health->cluster_id, cluster.id());
  EXPECT_EQ(health->revision, cluster.revision());
  EXPECT_TRUE(health->leader_known);
  EXPECT_TRUE(at(*health, a.endpoint()).reachable);
  EXPECT_TRUE(at(*health, a.endpoint()).is_leader);
  EXPECT_EQ(at(*health, a.endpoint()).version, "3.5.16");
  EXPECT_TRUE(at(*health, b.endpoint()).reachable) << "a member without a leader says so itself";
  EXPECT_EQ(at(*health, b.endpoint()).leader_id, 0U);
  EXPECT_FALSE(at(*health, dead.endpoint()).reachable);
  EXPECT_THAT(at(*health, dead.endpoint()).error, HasSubstr(dead.endpoint()));
  EXPECT_NE(health->members_error, "");
  EXPECT_NE(health->alarms_error, "");
}

TEST(EtcdHealth, NoLeaderAnywhereIsNoticed) {
  FakeCluster cluster;
  FakeMember a(cluster);
  a.lose_leader();
  const auto health = ask_health(options({a.endpoint()}));
  ASSERT_TRUE(health);
  EXPECT_FALSE(health->leader_known);
  EXPECT_THAT(health->members_error, HasSubstr("no leader"));
}

TEST(EtcdHealth, EndpointOfAnotherClusterIsNamed) {
  FakeCluster ours(0xa);
  FakeCluster other(0xb);
  FakeMember a(ours);
  FakeMember b(other);
  const auto health = ask_health(options({a.endpoint(), b.endpoint()}));
  ASSERT_TRUE(health);
  const bool a_first = health->cluster_id == ours.id();
  EXPECT_THAT(at(*health, a_first ? b.endpoint() : a.endpoint()).error, HasSubstr("belongs to cluster"));
  EXPECT_EQ(at(*health, a_first ? a.endpoint() : b.endpoint()).error, "");
}

TEST(EtcdHealth, NobodyThereIsAnAnswer) {
  FakeCluster cluster;
  FakeMember a(cluster);
  a.stop();
  const auto health = ask_health(options({a.endpoint()}));
  ASSERT_TRUE(health);
  EXPECT_EQ(health->cluster_id, 0U);
  EXPECT_FALSE(health->leader_known);
  EXPECT_FALSE(at(*health, a.endpoint()).reachable);
}

}  // namespace
}  // namespace gnomon::control
