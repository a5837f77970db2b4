// SPDX-License-Identifier: Apache-2.0
//
// What is said about a cluster that is not well. Where a test tells the scripted etcd neither members nor alarms, this
// is also the case in which their list can't be had; with a healthy one's it runs against a real etcd.
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

/// `urls`: where its clients are to find it.
void add_member(etcdserverpb::MemberListResponse& to, std::uint64_t id, const std::string& name,
                const std::vector<std::string>& urls) {
  etcdserverpb::Member& member = *to.add_members();
  member.set_id(id);
  member.set_name(name);
  for (const std::string& url : urls)
    member.add_client_urls(url);
}

// It can't say who it is: so the others' list has to.
TEST(EtcdHealth, MemberThatDoesNotAnswerIsNamedByTheAddressItClaims) {
  FakeCluster cluster;
  FakeMember a(cluster);
  FakeMember dead(cluster);
  etcdserverpb::MemberListResponse members;
  add_member(members, a.id(), "db-1", {"http://" + a.endpoint()});
  add_member(members, 0x3, "db-3", {"http://1" + dead.endpoint()});  // the end of its address is that of the dead one
  add_member(members, 0x2, "db-2", {"http://10.0.0.2:2379", "http://" + dead.endpoint()});
  cluster.tell_health(members, {});
  dead.stop();
  const auto health = ask_health(options({dead.endpoint(), a.endpoint()}));
  ASSERT_TRUE(health) << health.error().text;
  EXPECT_EQ(health->members_error, "");
  ASSERT_EQ(health->members.size(), 3U) << "nobody is listed twice";
  const EtcdMember& silent = at(*health, dead.endpoint());
  EXPECT_EQ(silent.name, "db-2");
  EXPECT_EQ(silent.id, 0x2U);
  EXPECT_FALSE(silent.reachable);
  EXPECT_THAT(silent.error, HasSubstr(dead.endpoint()));
  EXPECT_EQ(at(*health, a.endpoint()).name, "db-1");
  EXPECT_TRUE(at(*health, a.endpoint()).reachable);
  EXPECT_EQ(at(*health, "").name, "db-3");
  EXPECT_THAT(at(*health, "").error, HasSubstr("none of the configured endpoints"));
}

TEST(EtcdHealth, AlarmsComeWithTheMembersThatRaisedThem) {
  FakeCluster cluster;
  FakeMember a(cluster);
  etcdserverpb::AlarmResponse alarms;
  const auto raise = [&alarms](std::uint64_t member, etcdserverpb::AlarmType type) {
    alarms.add_alarms()->set_member_id(member);
    alarms.mutable_alarms(alarms.alarms_size() - 1)->set_alarm(type);
  };
  raise(a.id(), etcdserverpb::NOSPACE);
  raise(0x2, etcdserverpb::CORRUPT);
  raise(0x2, static_cast<etcdserverpb::AlarmType>(7));  // of a later etcd
  cluster.tell_health({}, alarms);
  const auto health = ask_health(options({a.endpoint()}));
  ASSERT_TRUE(health) << health.error().text;
  EXPECT_EQ(health->alarms_error, "");
  ASSERT_EQ(health->alarms.size(), 3U);
  EXPECT_EQ(health->alarms[0].member_id, a.id());
  EXPECT_EQ(health->alarms[0].name, "NOSPACE");
  EXPECT_EQ(health->alarms[1].member_id, 0x2U);
  EXPECT_EQ(health->alarms[1].name, "CORRUPT");
  EXPECT_EQ(health->alarms[2].name, "alarm 7");
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
