// SPDX-License-Identifier: Apache-2.0
//
// What gnomon cluster concludes from a store that is made up here: who is alive, whose clock contradicts whose, which
// member of etcd is ill, and what it says on the last line.
#include "cmd/gnomon/cluster_view.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/cmd/json_check.hpp"
#include "tests/cmd/json_field.hpp"
#include "tests/cmd/store_entries.hpp"

namespace gnomon::cmd {
namespace {

using lease::Standing;
using time::milliseconds;
using time::seconds;

/// A clock's word at an instant, 50 ms either way.
time::SmearedInterval word(time::SmearedUtc t) { return {t - milliseconds(50), t + milliseconds(50)}; }

struct Host {
  std::uint8_t byte;
  const char* name;
  time::Duration offset;  // of its clock
  Standing standing = Standing::kMember;
  bool alive = true;
};

/// Two looks, two seconds apart, at hosts that write a session each: every one has seen all that was written before it
/// read its clock. The first look is at kNow - 2 s.
ClusterFacts looks_at(const std::vector<Host>& hosts) {
  ClusterFacts facts{};
  facts.url = "etcd:https://a:2379,https://b:2379,https://c:2379";
  facts.source = "gnomond on /run/gnomon/main.sock";
  facts.between = seconds(2);
  Entries meta;
  meta.identity(3);
  facts.meta = meta.list("meta/", 1000);
  std::uint64_t revision = 100;
  for (int look = 0; look < 2; ++look) {
    Entries entries;
    const time::SmearedUtc read = kNow - seconds(look == 0 ? 3 : 1);
    for (const Host& host : hosts) {
      const bool again = look == 1 && !host.alive;
      const time::SmearedUtc at = again ? kNow - seconds(3) : read;
      const std::uint64_t own = again ? 100 + static_cast<std::uint64_t>(&host - hosts.data()) : revision;
      entries.session(host.byte, host.name, host.standing, own - 1, word(at + host.offset), std::nullopt, own);
      ++revision;
    }
    facts.looks.push_back({entries.list("session/", revision), look == 0 ? kNow - seconds(2) : kNow});
  }
  return facts;
}

StoreMembers three_members() {
  StoreMembers out;
  out.cluster = 0xcdf818194e3a8c32;
  out.leader_known = true;
  for (const char* name : {"m1", "m2", "m3"}) {
    StoreMember& member = out.members.emplace_back();
    member.id = 0x100 + out.members.size();
    member.name = name;
    member.endpoint = std::vector<std::string>{"a:2379", "b:2379", "c:2379"}[out.members.size() - 1];
    member.reachable = true;
    member.version = "3.5.16";
    member.db_size = 20'500'000;
    member.db_size_in_use = 900'000;
    member.raft_term = 4;
    member.raft_index = 120'345;
  }
  out.members[0].leader = true;
  return out;
}

std::string last_line(const ClusterView& view) {
  std::string text = cluster_text(view);
  text.pop_back();
  return text.substr(text.rfind('\n') + 1);
}

const SessionRow& row_of(const ClusterView& view, const std::string& name) {
  for (const SessionRow& row : view.sessions)
    if (row.name == name) return row;
  ADD_FAILURE() << "no row of " << name;
  return view.sessions.front();
}

const std::vector<Host> kThree{{0xaa, "host-a", {}}, {0xbb, "host-b", {}}, {0xcc, "host-c", {}}};

std::vector<Host> three_with(time::Duration offset_of_c) {
  std::vector<Host> hosts = kThree;
  hosts[2].offset = offset_of_c;
  return hosts;
}

TEST(ClusterText, OfAGoodDay) {
  ClusterFacts facts = looks_at(kThree);
  facts.members = three_members();
  const ClusterView view = view_cluster(facts);
  EXPECT_TRUE(view.problems.empty());
  EXPECT_EQ(cluster_text(view), R"(store    etcd:https://a:2379,https://b:2379,https://c:2379
         id 11111111111111111111111111111111, epoch 3, revision 1000
         lineage 22222222222222222222222222222222
         read from gnomond on /run/gnomon/main.sock

members  3 of etcd cluster cdf818194e3a8c32
  name              role       version     db size     in use    term  raft index  endpoint
  m1                leader     3.5.16      20.5 MB   900.0 kB       4      120345  a:2379
  m2                follower   3.5.16      20.5 MB   900.0 kB       4      120345  b:2379
  m3                follower   3.5.16      20.5 MB   900.0 kB       4      120345  c:2379

sessions 3, looked at twice, 2.000s apart
  standing  life       earliest      latest   true time  agrees      holder
  member    alive       -1.050s  -950.000ms        none  3 of 3      host-a
  member    alive       -1.050s  -950.000ms        none  3 of 3      host-b
  member    alive       -1.050s  -950.000ms        none  3 of 3      host-c
  earliest and latest are what its clock said at its last heartbeat, minus this host's clock now: a
  right clock's word is some seconds old and no more

healthy
)");
}

TEST(ClusterText, OfABadDay) {
  std::vector<Host> hosts = three_with(seconds(86'400));
  hosts.push_back({0xdd, "host-d", {}, Standing::kMember, false});
  ClusterFacts facts = looks_at(hosts);
  Entries meta;
  meta.identity(3).put(std::string(control::kSealKey),
                       control::encode_seal({1, "host-a: a window is gone"}, nonce_of(1)), 9);
  facts.meta = meta.list("meta/", 1000);
  facts.members = three_members();
  facts.members->members[2].reachable = false;
  facts.members->members[2].error = "cannot reach c:2379: connection refused; is etcd running there?";
  facts.members->members[1].version = "3.4.23";
  facts.members->alarms = {"NOSPACE at m2"};
  EXPECT_EQ(cluster_text(view_cluster(facts)), R"(store    etcd:https://a:2379,https://b:2379,https://c:2379
         id 11111111111111111111111111111111, epoch 3, revision 1000
         lineage 22222222222222222222222222222222
         read from gnomond on /run/gnomon/main.sock
         ! sealed: every daemon refuses this store until gnomon control recover, because: host-a: a
           window is gone (at 1970-01-01T00:00:01Z)

members  3 of etcd cluster cdf818194e3a8c32
  name              role       version     db size     in use    term  raft index  endpoint
  m1                leader     3.5.16      20.5 MB   900.0 kB       4      120345  a:2379
  m2                follower   3.4.23      20.5 MB   900.0 kB       4      120345  b:2379
  m3                away       3.5.16            -          -       -           -  c:2379
          ! cannot reach c:2379: connection refused; is etcd running there?
          ! alarm NOSPACE at m2

sessions 4, looked at twice, 2.000s apart
  standing  life       earliest      latest   true time  agrees      holder
  member    alive       -1.050s  -950.000ms        none  2 of 3      host-a
          ! its clock is 23h 59m behind that of host-c, at least
  member    alive       -1.050s  -950.000ms        none  2 of 3      host-b
          ! its clock is 23h 59m behind that of host-c, at least
  member    alive      +23h 59m    +23h 59m        none  1 of 3      host-c
          ! its clock is 23h 59m ahead of that of host-a, at least
          ! its clock is 23h 59m ahead of that of host-b, at least
          ! most clocks contradict it: it is outvoted and gets no rights until its clock is right
  member    silent      -3.050s     -2.950s        none  -           host-d
  earliest and latest are what its clock said at its last heartbeat, minus this host's clock now: a
  right clock's word is some seconds old and no more

advice   NOSPACE: etcd takes no write until its data is below the quota again: compact, defragment
         every member, then etcdctl alarm disarm
         etcd releases before 3.4.32 are for tests only, because their members can come to disagree
         about revisions after a crash (etcd issue 14211); upgrade to 3.5: m2 (3.4.23)
         the members run different versions of etcd: finish the upgrade, one member at a time
         2 of 3 voting members answer: the next one that fails stops every commit

wrong: the store is sealed; member m3 does not answer; alarm NOSPACE at m2; the clock of host-c would be outvoted; host-d gave no sign of life for 2.000s
)");
}

TEST(ClusterView, RightClocksAgreeWhateverLiesBetween) {
  for (const std::int64_t ms : {0, 40, -40}) {
    const ClusterView view = view_cluster(looks_at(three_with(milliseconds(ms))));
    for (const SessionRow& row : view.sessions) {
      EXPECT_TRUE(row.clashes.empty()) << row.name;
      EXPECT_EQ(row.voters, 2U);
      EXPECT_EQ(row.outlook, Standing::kMember);
    }
    EXPECT_EQ(last_line(view), "healthy");
  }
}

TEST(ClusterView, TheOddOneOfThreeIsOutvoted) {
  for (const std::int64_t s : {86'400, -86'400}) {
    const ClusterView view = view_cluster(looks_at(three_with(seconds(s))));
    EXPECT_EQ(row_of(view, "host-c").outlook, Standing::kOutvoted) << s;
    EXPECT_EQ(row_of(view, "host-c").clashes.size(), 2U);
    EXPECT_EQ(row_of(view, "host-c").clashes.front().ahead, s > 0);
    EXPECT_EQ(row_of(view, "host-a").outlook, Standing::kMember);
    EXPECT_EQ(row_of(view, "host-a").clashes.front().ahead, s < 0);
    EXPECT_EQ(last_line(view), "wrong: the clock of host-c would be outvoted");
  }
}

TEST(ClusterView, OfTwoThatDisagreeBothFail) {
  std::vector<Host> hosts{{0xaa, "host-a", {}}, {0xbb, "host-b", seconds(60)}};
  const ClusterView view = view_cluster(looks_at(hosts));
  for (const SessionRow& row : view.sessions)
    EXPECT_EQ(row.outlook, Standing::kTied) << row.name;
}

TEST(ClusterView, ANewcomerHasNoSayOnMembers) {
  std::vector<Host> hosts{{0xaa, "host-a", {}}, {0xbb, "host-b", seconds(60), Standing::kJoining}};
  const ClusterView view = view_cluster(looks_at(hosts));
  EXPECT_EQ(row_of(view, "host-a").voters, 0U);
  EXPECT_EQ(row_of(view, "host-a").outlook, Standing::kMember);
  EXPECT_EQ(row_of(view, "host-b").voters, 1U);
  EXPECT_EQ(row_of(view, "host-b").outlook, Standing::kTied);
}

/// The canary of this file: without the comparison of `seen` with the revision, this would accuse somebody. The words
/// were read a minute apart, which says nothing, since nobody saw the other's.
TEST(ClusterView, WordsWithoutAnOrderContradictNothing) {
  Entries entries;
  entries.session(0xaa, "host-a", Standing::kMember, 5, word(kNow - seconds(60)), std::nullopt, 10);
  entries.session(0xbb, "host-b", Standing::kMember, 5, word(kNow), std::nullopt, 11);
  ClusterFacts facts = looks_at({});
  facts.looks = {{entries.list("session/", 20), kNow}};
  EXPECT_TRUE(row_of(view_cluster(facts), "host-a").clashes.empty());
  Entries ordered;
  ordered.session(0xaa, "host-a", Standing::kMember, 11, word(kNow - seconds(60)), std::nullopt, 12);
  ordered.session(0xbb, "host-b", Standing::kMember, 5, word(kNow), std::nullopt, 11);
  facts.looks = {{ordered.list("session/", 20), kNow}};
  EXPECT_EQ(row_of(view_cluster(facts), "host-a").clashes.size(), 1U) << "with an order it does";
}

TEST(ClusterView, TrueTimesAreComparedIfBothHaveOne) {
  const time::Interval early{{1'000}, {2'000}};
  const time::Interval late{{3'000}, {4'000}};
  for (const bool both : {true, false}) {
    Entries entries;
    entries.session(0xaa, "host-a", Standing::kMember, 5, word(kNow), late, 10);
    entries.session(0xbb, "host-b", Standing::kMember, 10, word(kNow), both ? std::optional(early) : std::nullopt, 11);
    ClusterFacts facts = looks_at({});
    facts.looks = {{entries.list("session/", 20), kNow}};
    const ClusterView view = view_cluster(facts);
    EXPECT_EQ(row_of(view, "host-b").clashes.size(), both ? 1U : 0U);
    if (both) {
      EXPECT_TRUE(row_of(view, "host-b").clashes.front().true_time);
      EXPECT_EQ(row_of(view, "host-b").clashes.front().by, time::nanoseconds(1'000));
    }
  }
}

TEST(ClusterView, WhoDidNotMoveIsSilentAndHasNoVote) {
  std::vector<Host> hosts = kThree;
  hosts[1].alive = false;
  hosts[1].offset = seconds(86'400);
  const ClusterView view = view_cluster(looks_at(hosts));
  EXPECT_EQ(row_of(view, "host-b").sign, Sign::kSilent);
  EXPECT_EQ(row_of(view, "host-a").voters, 1U);
  EXPECT_TRUE(row_of(view, "host-a").clashes.empty());
  EXPECT_EQ(last_line(view), "wrong: host-b gave no sign of life for 2.000s");
}

TEST(ClusterView, OneLookSaysNothingOfLife) {
  ClusterFacts facts = looks_at(kThree);
  facts.looks.erase(facts.looks.begin());
  const ClusterView view = view_cluster(facts);
  for (const SessionRow& row : view.sessions)
    EXPECT_EQ(row.sign, Sign::kUnknown);
  EXPECT_TRUE(view.problems.empty());
}

TEST(ClusterView, WhoeverSteppedDownIsNamed) {
  std::vector<Host> hosts = kThree;
  hosts[0].standing = Standing::kOutvoted;
  EXPECT_EQ(last_line(view_cluster(looks_at(hosts))), "wrong: host-a has stepped down (outvoted)");
}

TEST(ClusterView, AStoreThatIsBehindWhatWasSeenWentBack) {
  Entries entries;
  entries.session(0xaa, "host-a", Standing::kMember, 500, word(kNow), std::nullopt, 10);
  ClusterFacts facts = looks_at({});
  facts.looks = {{entries.list("session/", 300), kNow}};
  EXPECT_EQ(last_line(view_cluster(facts)),
            "wrong: host-a has seen revision 500, but the store is at 300: it went back");
}

TEST(ClusterView, AnUnreadableSessionIsNamedAndHidesNobody) {
  ClusterFacts facts = looks_at(kThree);
  facts.looks.back().sessions.entries.push_back({lease::session_key(nonce_of(0xee)), "session 9 x", {1}});
  const ClusterView view = view_cluster(facts);
  EXPECT_EQ(view.sessions.size(), 3U);
  EXPECT_EQ(view.problems.size(), 1U);
  EXPECT_NE(last_line(view).find("wrong: a session can't be read (session/eeee"), std::string::npos) << last_line(view);
}

TEST(ClusterView, AFloorThatNobodyCanReachIsWrong) {
  ClusterFacts facts = looks_at(kThree);
  Entries meta;
  meta.identity(3).floor(kNow + seconds(86'400));
  facts.meta = meta.list("meta/", 1000);
  EXPECT_EQ(last_line(view_cluster(facts)),
            "wrong: no machine id can be taken before 2026-03-02T12:00:00Z (meta/floor)");
  Entries after_recovery;
  after_recovery.identity(3).floor(kNow + seconds(600));
  facts.meta = after_recovery.list("meta/", 1000);
  EXPECT_EQ(last_line(view_cluster(facts)), "healthy") << "as after every recovery";
}

TEST(ClusterView, ThisHostsClockIsMentionedAndJudgesNobody) {
  ClusterFacts facts = looks_at(kThree);
  facts.looks.back().now = kNow - seconds(3600);
  const ClusterView view = view_cluster(facts);
  EXPECT_TRUE(view.problems.empty());
  ASSERT_EQ(view.advice.size(), 1U);
  EXPECT_NE(view.advice.front().find("3 of 3 sessions say a time that this host's own clock has not reached"),
            std::string::npos);
}

TEST(ClusterMembers, VersionsBeforeTheRepairedOneAreForTests) {
  const std::vector<std::pair<const char*, bool>> cases{{"3.4.23", true},  {"3.4.31", true},  {"3.4.32", false},
                                                        {"3.4.40", false}, {"3.5.16", false}, {"3.3.27", true},
                                                        {"3.10.0", false}, {"", false},       {"devel", false}};
  for (const auto& [version, advised] : cases) {
    ClusterFacts facts = looks_at(kThree);
    facts.members = three_members();
    for (StoreMember& member : facts.members->members)
      member.version = version;
    const ClusterView view = view_cluster(facts);
    EXPECT_EQ(view.advice.size(), advised ? 1U : 0U) << version;
    EXPECT_TRUE(view.problems.empty()) << version << ": advice is no fault";
  }
}

TEST(ClusterMembers, WhatIsIllIsOnTheLastLine) {
  const auto judged = [](const auto& change) {
    ClusterFacts facts = looks_at(kThree);
    facts.members = three_members();
    change(*facts.members);
    return last_line(view_cluster(facts));
  };
  EXPECT_EQ(judged([](StoreMembers& m) { m.members[1].reachable = false; }), "wrong: member m2 does not answer");
  EXPECT_EQ(judged([](StoreMembers& m) { m.leader_known = false; }),
            "wrong: etcd has no leader: nothing can be committed");
  EXPECT_EQ(judged([](StoreMembers& m) { m.alarms = {"NOSPACE at m1"}; }), "wrong: alarm NOSPACE at m1");
  EXPECT_EQ(judged([](StoreMembers& m) { m.members[0].complaints = {"etcdserver: no leader"}; }),
            "wrong: member m1 reports: etcdserver: no leader");
  EXPECT_EQ(judged([](StoreMembers& m) { m.members[2].asked = m.members[2].reachable = false; }), "healthy")
      << "who was not asked is not accused";
  EXPECT_EQ(judged([](StoreMembers& m) { m.members[2].learner = true; }), "healthy");
}

TEST(ClusterMembers, AStoreThatCantBeReadStillHasMembers) {
  ClusterFacts facts = looks_at({});
  facts.meta.reset();
  facts.looks.clear();
  facts.unread = "the etcd cluster has no leader: at least two of its members must run and reach each other";
  facts.members = three_members();
  const ClusterView view = view_cluster(facts);
  EXPECT_EQ(last_line(view), "wrong: the store could not be read");
  EXPECT_NE(cluster_text(view).find("\nmembers  3 of etcd cluster"), std::string::npos);
  EXPECT_TRUE(JsonCheck::valid(cluster_json(view)));
}

TEST(ClusterView, AStoreOfOneHostHasNeitherMembersNorSessions) {
  ClusterFacts facts = looks_at({});
  facts.url = "sqlite:/var/lib/gnomon/gnomon.db";
  const std::string text = cluster_text(view_cluster(facts));
  EXPECT_EQ(text.find("members"), std::string::npos) << text;
  EXPECT_EQ(text.find("sessions"), std::string::npos) << text;
  EXPECT_NE(text.find("\nhealthy\n"), std::string::npos) << text;
}

TEST(ClusterJson, HasEverything) {
  ClusterFacts facts = looks_at(three_with(seconds(86'400)));
  facts.members = three_members();
  const std::string json = cluster_json(view_cluster(facts));
  EXPECT_TRUE(JsonCheck::valid(json)) << json;
  EXPECT_EQ(json_field(json, "healthy"), "false");
  EXPECT_EQ(json_field(json, "epoch"), "3");
  EXPECT_EQ(json_field(json, "cluster"), "cdf818194e3a8c32");
  EXPECT_NE(json.find(R"("outlook":"outvoted")"), std::string::npos) << json;
  EXPECT_NE(json.find(R"("against":[{"holder":"host-a","ahead":true,"by_ns":)"), std::string::npos) << json;
  EXPECT_NE(json.find(R"("problems":["the clock of host-c would be outvoted"])"), std::string::npos) << json;
  EXPECT_TRUE(JsonCheck::valid(cluster_json(view_cluster(looks_at({})))));
}

}  // namespace
}  // namespace gnomon::cmd
