// SPDX-License-Identifier: Apache-2.0
//
// Several agents on one store: how they join, how they vote on each other's clocks, what a mad clock can't do, and what
// they do about a store that lost its memory.
#include <string>

#include "control/agent/hold_against.hpp"
#include "tests/control/agent/rack.hpp"

namespace gnomon::control {
namespace {

using lease::Standing;
using time::milliseconds;
using time::seconds;
using Kind = effect::Note::Kind;

constexpr time::Duration kDay = seconds(86'400);

TEST(AgentMembership, TheFirstOneJoinsAtOnce) {
  Rack rack;
  rack.add();
  EXPECT_LE(rack.until([&] { return rack.holds(0); }), milliseconds(300));
  EXPECT_EQ(rack.standing(0), Standing::kMember);
  EXPECT_EQ(rack[0].notes(Kind::kClocksAgree), 1);
  EXPECT_EQ(rack.sessions(), 1U);
}

TEST(AgentMembership, NoRightIsAskedForBeforeTheVoteHasPassed) {
  Rack rack;
  rack.add();
  rack.until([&] { return rack.holds(0); });
  // A member that is there and never answers: its session moves, and has never seen the new one.
  Scenario& silent = rack[0];
  silent.list_silent = true;
  rack.add();
  rack.run_for(milliseconds(500));
  EXPECT_FALSE(rack.holds(1));
  EXPECT_EQ(rack[1].take_transcript().find("commit take"), std::string::npos);
}

TEST(AgentMembership, LaterOnesJoinAsSoonAsTheOthersHaveAnswered) {
  Rack rack;
  rack.add();
  rack.until([&] { return rack.holds(0); });
  rack.run_for(seconds(5));
  rack.add();
  EXPECT_LE(rack.until([&] { return rack.holds(1); }), milliseconds(1500)) << "without a watch: by the next heartbeat";
  rack.add();
  rack.run_for(milliseconds(60));
  for (int i = 0; i < 3; ++i)
    rack[static_cast<std::size_t>(i)].feed(event::SessionsAsk{});
  EXPECT_LE(rack.until([&] { return rack.holds(2); }), milliseconds(300)) << "with one";
}

TEST(AgentMembership, ColdStartOfManyAtOnce) {
  Rack rack;
  for (int i = 0; i < 7; ++i)
    rack.add();
  EXPECT_LE(rack.until([&] {
    for (std::size_t i = 0; i < 7; ++i)
      if (!rack.holds(i)) return false;
    return true;
  }),
            seconds(5));
  EXPECT_EQ(rack.sessions(), 7U);
}

// The others would take it for dead, and a mad clock would find nobody to contradict it.
TEST(AgentMembership, WhoWaitsForAMachineIdRenewsItsSession) {
  const AgentOptions options{.machine_ids = 1, .heartbeat = milliseconds(200)};
  Rack rack;
  rack.add(options);
  rack.until([&] { return rack.holds(0); });
  rack.add(options);
  rack.until([&] { return rack[1].notes(Kind::kIdsExhausted) == 1; });
  ASSERT_EQ(rack.standing(1), Standing::kMember);
  Nonce incarnation{};
  incarnation.fill(0x11);
  const auto session = [&] { return rack.store.get(lease::session_key(incarnation))->value().modified; };
  for (int beat = 0; beat < 20; ++beat) {
    const Revision before = session();
    EXPECT_LE(rack.until([&] { return session() > before; }), milliseconds(300));
  }
  EXPECT_FALSE(rack.holds(1));
}

TEST(AgentMembership, ADeadSessionDelaysANewOneOnceAndIsClearedAway) {
  Rack rack;
  rack.add();
  rack.until([&] { return rack.holds(0); });
  rack.kill(0);
  rack.add();
  const time::Duration joined = rack.until([&] { return rack.holds(1); });
  EXPECT_GE(joined, seconds(2)) << "two heartbeats are left for an answer";
  EXPECT_LE(joined, milliseconds(2500));
  EXPECT_EQ(rack.sessions(), 2U);
  EXPECT_LE(rack.until([&] { return rack.sessions() == 1; }, seconds(120)), seconds(100));
  EXPECT_TRUE(rack.holds(1));
}

TEST(AgentMembership, AStoppedDaemonTakesItsSessionAlong) {
  Rack rack;
  rack.add();
  rack.until([&] { return rack.holds(0); });
  rack[0].feed(event::StopRequested{});
  rack.run_for(seconds(1));
  ASSERT_TRUE(rack[0].stopped);
  EXPECT_EQ(rack.sessions(), 0U);
}

TEST_F(ThreeMembers, HoldForHours) {
  for (int minute = 0; minute < 120; ++minute) {
    rack.run_for(seconds(60));
    for (std::size_t i = 0; i < 3; ++i) {
      ASSERT_TRUE(rack.holds(i));
      ASSERT_EQ(rack.standing(i), Standing::kMember);
      ASSERT_EQ(rack[i].notes(Kind::kOutvoted), 0);
    }
  }
}

TEST_F(ThreeMembers, AClockThatIsADayAheadGetsNoRights) {
  const time::SmearedUtc before = rack.highest_ceiling();
  Scenario& mad = rack.add();
  mad.now = mad.now + kDay;
  rack.run_for(seconds(60));
  EXPECT_FALSE(rack.holds(3));
  EXPECT_LE(rack.highest_ceiling(), before + seconds(70)) << "nothing was poisoned";
  for (std::size_t i = 0; i < 3; ++i)
    EXPECT_EQ(rack.standing(i), Standing::kMember) << "a newcomer bothers no member";
}

TEST_F(ThreeMembers, AClockThatIsADayBehindGetsNoRights) {
  Scenario& mad = rack.add();
  mad.now = mad.now + -kDay;
  rack.run_for(seconds(60));
  EXPECT_FALSE(rack.holds(3));
  for (std::size_t i = 0; i < 3; ++i)
    EXPECT_EQ(rack.standing(i), Standing::kMember);
}

TEST_F(ThreeMembers, AClockThatJumpsADayAheadCommitsNothingOfIt) {
  rack[1].now = rack[1].now + kDay;  // and its timeline followed: it had insisted on it
  rack.run_for(seconds(20));
  EXPECT_LE(rack.highest_ceiling(), rack[0].now + seconds(10)) << "no ceiling of tomorrow was ever committed";
  EXPECT_FALSE(rack.holds(1)) << static_cast<int>(rack[1].view().vote.verdict) << rack[1].view().vote.text;
  EXPECT_EQ(rack.standing(1), Standing::kJoining) << "it has to pass like a new one";
  EXPECT_EQ(rack[1].published[0].count, 0U) << "its rights were given back";
  EXPECT_EQ(rack[1].notes(Kind::kOutvoted), 1);
  EXPECT_TRUE(rack.holds(0) && rack.holds(2));

  rack[1].now = rack[0].now;  // repaired
  EXPECT_LE(rack.until([&] { return rack.holds(1); }), seconds(15)) << "and nobody had to do anything";
}

// The timeline insisted on tomorrow and stands there; the clock behind it was set right.
TEST_F(ThreeMembers, ARepairedClockLeavesTheFalseFutureBeforeAnythingIsTaken) {
  Scenario& mad = rack[1];
  mad.now = mad.now + kDay;
  rack.run_for(seconds(20));
  ASSERT_FALSE(rack.holds(1));
  mad.ordering = mint::OrderingState::kBehind;
  mad.lead = kDay;
  const std::uint64_t era = mad.era.value;
  rack.run_for(seconds(20));
  EXPECT_LE(rack.highest_ceiling(), rack[0].now + seconds(15)) << "nothing of tomorrow was ever committed";
  EXPECT_GT(mad.era.value, era);
  EXPECT_LE(rack.until([&] { return rack.holds(1); }), seconds(15));
}

/// A daemon that was alone with a clock of tomorrow and issued IDs there, until others came and outvoted it.
struct IssuedTomorrow {
  void start(AgentOptions options, bool deaf) {
    Scenario& mad = rack.add(std::move(options));
    rack.until([&] { return rack.holds(0); });
    mad.now = mad.now + kDay;
    rack.run_for(seconds(20));
    ASSERT_TRUE(rack.holds(0)) << "nobody contradicts it";
    if (deaf) mad.deaf = {0};
    mad.used[mad.published[0].slots[0].machine.value] = mad.now;
    for (std::size_t i = 1; i < 4; ++i)
      rack.add().now = mad.now - kDay;
    rack.until([&] { return rack.holds(1) && rack.holds(2) && rack.holds(3) && !rack.holds(0); });
    rack.run_for(seconds(20));
    ASSERT_EQ(mad.notes(Kind::kOutvoted), 1);
    ASSERT_EQ(mad.published[0].count, 0U);
    mad.ordering = mint::OrderingState::kBehind;  // set right; the timeline stands in tomorrow
    mad.lead = kDay;
  }
  Rack rack;
};

TEST(AgentMembership, ByPolicyRotateARepairedClockTakesFreshIdsAtOnce) {
  IssuedTomorrow scene;
  scene.start({.lead_policy = mint::LeadPolicy::kRotate}, false);
  Rack& rack = scene.rack;
  const mint::RightSet& set = rack[0].published[0];
  const mint::Era era = set.era;
  EXPECT_LE(rack.until([&] { return rack.holds(0); }), seconds(15));
  ASSERT_EQ(set.count, 1U);
  EXPECT_GT(set.era, era);
  EXPECT_NE(set.slots[0].machine.value, 0) << "that one is issued up to tomorrow";
  EXPECT_LE(set.slots[0].ceiling, rack[1].now + seconds(11));
  EXPECT_EQ(rack[0].notes(Kind::kRotating), 1);
  EXPECT_EQ(rack[0].notes(Kind::kBehindItsIds), 0);
  EXPECT_TRUE(rack.holds(1) && rack.holds(2) && rack.holds(3));
}

// In order, and no era is left that a worker which never acknowledged may still serve from.
TEST(AgentMembership, ByPolicyRefuseOrWithADeafWorkerItWaitsUntilItsClockIsThereAndSaysSoOnce) {
  for (const bool rotates : {false, true}) {
    SCOPED_TRACE(rotates);
    IssuedTomorrow scene;
    scene.start({.lead_policy = rotates ? mint::LeadPolicy::kRotate : mint::LeadPolicy::kRefuse}, rotates);
    Rack& rack = scene.rack;
    const std::uint64_t era = rack[0].era.value;
    rack.run_for(seconds(15));
    rack[0].list_unavailable = true;  // something else is said meanwhile
    rack.run_for(seconds(5));
    rack[0].list_unavailable = false;
    rack.run_for(seconds(15));
    EXPECT_FALSE(rack.holds(0));
    EXPECT_EQ(rack[0].era.value, era);
    EXPECT_EQ(rack[0].notes(Kind::kBehindItsIds), 1);
    EXPECT_GT(rack[0].notes(Kind::kStoreUnavailable), 0);
    for (std::size_t i = 1; i < 4; ++i)
      rack[i].now = rack[i].now + kDay;
    rack[0].lead = {};
    EXPECT_LE(rack.until([&] { return rack.holds(0); }), seconds(15));
    EXPECT_GT(rack[0].era.value, era);
    EXPECT_EQ(rack[0].notes(Kind::kRotating), rotates ? 1 : 0);
  }
}

TEST_F(ThreeMembers, AClockThatDriftsIsOutvoted) {
  rack.drift(2, milliseconds(1));  // 5 %
  const time::Duration noticed = rack.until([&] { return !rack.holds(2); }, seconds(120));
  EXPECT_GT(noticed, seconds(20)) << "as long as the intervals meet it is not mad";
  EXPECT_LT(noticed, seconds(65)) << "two tolerances, and the age of a heartbeat";
  EXPECT_EQ(rack.standing(2), Standing::kOutvoted);
  rack.run_for(seconds(30));
  EXPECT_TRUE(rack.holds(0) && rack.holds(1));
  EXPECT_EQ(rack[0].notes(Kind::kOutvoted) + rack[1].notes(Kind::kOutvoted), 0);
}

TEST_F(ThreeMembers, ATrueTimeThatDriftsAwayIsOutvotedToo) {
  const auto tell = [&](std::size_t host, time::Duration off) {
    const time::Tai truth{rack[host].now.ns + off.ns};
    rack[host].truth = time::Interval{truth, truth}.widened(time::microseconds(100));
  };
  const auto run = [&](time::Duration span, time::Duration off_of_the_third) {
    for (time::Duration gone; gone < span; gone = gone + milliseconds(20)) {
      for (std::size_t i = 0; i < 3; ++i)  // of the tick to come
        tell(i, milliseconds(20) + (i == 2 ? off_of_the_third : time::Duration{}));
      rack.run_for(milliseconds(20));
    }
  };
  run(seconds(10), {});
  EXPECT_TRUE(rack.holds(0) && rack.holds(1) && rack.holds(2));
  for (int i = 1; i <= 200; ++i)  // too slowly for a jump; the ordering timeline stays right
    run(milliseconds(20), milliseconds(20 * i));
  run(seconds(5), seconds(4));
  EXPECT_EQ(rack.standing(2), Standing::kOutvoted);
  EXPECT_TRUE(rack.holds(0) && rack.holds(1));
}

TEST(AgentMembership, OfTwoThatDriftApartBothStop) {
  Rack rack;
  rack.add();
  rack.add();
  rack.until([&] { return rack.holds(0) && rack.holds(1); }, seconds(5));
  ASSERT_TRUE(rack.holds(0) && rack.holds(1));
  rack.drift(1, milliseconds(1));
  rack.until([&] { return !rack.holds(0) && !rack.holds(1); }, seconds(120));
  rack.run_for(seconds(40));
  EXPECT_FALSE(rack.holds(0));
  EXPECT_FALSE(rack.holds(1));
  EXPECT_EQ(rack[0].published[0].count + rack[1].published[0].count, 0U);

  rack.drift(1, {});
  rack[1].now = rack[0].now;
  EXPECT_LE(rack.until([&] { return rack.holds(0) && rack.holds(1); }), seconds(15));
}

TEST(AgentMembership, OfTwoTheOneWhoseClockJumpsStops) {
  Rack rack;
  rack.add();
  rack.add();
  ASSERT_LE(rack.until([&] { return rack.holds(0) && rack.holds(1); }), seconds(5));
  rack[1].now = rack[1].now + kDay;
  rack.run_for(seconds(20));
  EXPECT_FALSE(rack.holds(1)) << "a jump is evidence against the one that jumped";
  EXPECT_TRUE(rack.holds(0));
}

TEST_F(ThreeMembers, GoOnThroughAnOutageAndAfterIt) {
  for (std::size_t i = 0; i < 3; ++i)
    rack[i].list_unavailable = rack[i].commit_away = true;
  rack.run_for(seconds(6));
  for (std::size_t i = 0; i < 3; ++i)
    EXPECT_GT(rack[i].published[0].slots[0].ceiling, rack[i].now) << "two thirds of the window are always left";
  rack.run_for(seconds(60));
  for (std::size_t i = 0; i < 3; ++i)
    EXPECT_LT(rack[i].published[0].slots[0].ceiling, rack[i].now);
  for (std::size_t i = 0; i < 3; ++i)
    rack[i].list_unavailable = rack[i].commit_away = false;
  EXPECT_LE(rack.until([&] {
    for (std::size_t i = 0; i < 3; ++i)
      if (rack[i].published[0].count == 0 || rack[i].published[0].slots[0].ceiling <= rack[i].now) return false;
    return true;
  }),
            seconds(5));
  rack.run_for(seconds(10));
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_TRUE(rack.holds(i));
    EXPECT_EQ(rack[i].notes(Kind::kOutvoted), 0);
  }
}

TEST_F(ThreeMembers, LostAnswersOfSessionsAreSettledByReading) {
  using Fate = Scenario::Fate;
  rack[0].fates_for_all = true;
  for (int round = 0; round < 200; ++round) {
    const Fate fate = round % 4 == 0   ? Fate::kLostAfter
                      : round % 4 == 1 ? Fate::kLostBefore
                      : round % 4 == 2 ? Fate::kSilentAfter
                                       : Fate::kDone;
    rack[0].fates.push_back(fate);
  }
  for (int second = 0; second < 300 && !rack[0].stopped; ++second) {
    rack.run_for(seconds(1));
    if (second % 7 == 0 && !rack[0].in_flight.empty()) rack[0].land(0);
  }
  ASSERT_FALSE(rack[0].stopped) << rack[0].stopped->text;
  EXPECT_TRUE(rack[0].fates.empty()) << "all of them were met";
  rack.run_for(seconds(15));
  EXPECT_TRUE(rack.holds(0));
  EXPECT_EQ(rack.sessions(), 3U);
}

// A store without space: it reads, and no write comes home. What stands there stays this process's own.
TEST(AgentMembership, AStoreThatOnlyReadsMakesNobodyACopy) {
  for (const bool copied : {false, true}) {
    SCOPED_TRACE(copied);
    Rack rack;
    rack.add({.window = seconds(600)});
    rack.until([&] { return rack.holds(0); });
    rack.run_for(seconds(5));
    Scenario& host = rack[0];
    host.fates_for_all = true;
    host.fates.assign(200, Scenario::Fate::kLostBefore);
    EXPECT_LE(rack.until([&] { return host.fates.empty() || host.stopped; }, seconds(300)), seconds(300));
    ASSERT_FALSE(host.stopped) << host.stopped->text;
    ASSERT_EQ(host.in_flight.size(), 200U);
    EXPECT_TRUE(rack.holds(0));
    const Entry session = rack.store.list(lease::kSessionPrefix)->entries.front();
    if (copied) {
      ASSERT_TRUE(rack.store.commit({{}, {{session.key, session.value + " "}}, {}}));
    }
    rack.run_for(seconds(5));
    ASSERT_EQ(host.stopped.has_value(), copied);
    if (copied)
      EXPECT_NE(host.stopped->text.find("a copy of this process"), std::string::npos) << host.stopped->text;
    else
      EXPECT_GT(rack.store.get(session.key)->value().modified, session.modified) << "it is renewed again";
  }
}

TEST_F(ThreeMembers, AStoreThatForgetsIsSealedByWhoNotices) {
  const MemoryStore::Image old = rack.store.image();
  rack.run_for(seconds(8));
  rack.store.restore(old);
  rack.run_for(seconds(5));
  for (std::size_t i = 0; i < 3; ++i) {
    ASSERT_TRUE(rack[i].stopped) << i;
    EXPECT_TRUE(rack[i].stopped->failed);
    EXPECT_EQ(rack[i].published[0].count, 0U);
    EXPECT_NE(rack[i].take_transcript().find("seal: the store went back in time"), std::string::npos);
  }
}

TEST_F(ThreeMembers, AStoreThatForgetsIsNoticedThoughOthersMovedItOn) {
  const MemoryStore::Image old = rack.store.image();
  rack.run_for(seconds(8));
  rack.store.restore(old);
  for (int i = 0; i < 1000; ++i)
    ASSERT_TRUE(rack.store.commit({{}, {{"other/" + std::to_string(i), "x"}}, {}}));
  rack.run_for(seconds(8));
  for (std::size_t i = 0; i < 3; ++i) {
    ASSERT_TRUE(rack[i].stopped) << i;
    EXPECT_TRUE(rack[i].stopped->failed);
  }
}

TEST(AgentMembership, ARestartedDaemonHoldsTheStoreAgainstItsJournal) {
  Rack rack;
  rack.add();
  rack.until([&] { return rack.holds(0); });
  const MemoryStore::Image old = rack.store.image();
  rack.run_for(seconds(8));
  const lease::Window window = rack[0].window(0);
  const Entry entry = **rack.store.get(lease::window_key({0}));
  rack.kill(0);
  rack.store.restore(old);
  for (int i = 0; i < 100; ++i)
    ASSERT_TRUE(rack.store.commit({{}, {{"other/" + std::to_string(i), "x"}}, {}}));
  rack.add({.acknowledged = {{{0}, entry.modified, window.nonce, window.ceiling}}});
  rack.run_for(seconds(10));
  ASSERT_TRUE(rack[1].stopped);
  EXPECT_NE(rack[1].stopped->text.find("machine id 0 is older"), std::string::npos) << rack[1].stopped->text;
}

// An older copy was put back and lived on until it stood at the acknowledged revision: only what it says there tells.
TEST(AgentMembership, ARestartedDaemonReadsWhatStandsUnderTheAcknowledgedRevision) {
  enum class Other { kNothing, kNonce, kCeiling, kIllegible };
  for (const Other other : {Other::kNothing, Other::kNonce, Other::kCeiling, Other::kIllegible}) {
    SCOPED_TRACE(static_cast<int>(other));
    Rack rack;
    rack.add();
    rack.until([&] { return rack.holds(0); });
    const std::string key = lease::window_key({0});
    lease::Window window = rack[0].window(0);
    const JournalRight acknowledged{{0}, (**rack.store.get(key)).modified, window.nonce, window.ceiling};
    rack.kill(0);
    if (other == Other::kNonce) window.nonce[0] ^= 1;
    if (other == Other::kCeiling) window.ceiling = window.ceiling + time::nanoseconds(1);
    MemoryStore::Image image = rack.store.image();
    image.entries[key].value = other == Other::kIllegible ? "illegible" : lease::encode(window);
    rack.store.restore(std::move(image));
    rack.add({.acknowledged = {acknowledged}});
    rack.run_for(seconds(10));
    ASSERT_EQ(rack[1].stopped.has_value(), other != Other::kNothing);
    if (other == Other::kNothing) continue;
    EXPECT_TRUE(rack[1].stopped->failed);
    const std::string said = rack[1].take_transcript();
    EXPECT_NE(said.find("seal: the store went back in time: the window of machine id 0 has the acknowledged revision "
                        "and another content"),
              std::string::npos)
        << said;
    EXPECT_EQ(said.find("commit take"), std::string::npos) << said;
  }
}

// Put back between the opening of the store and the agent's first answer, and the windows are all as they were: nothing
// but the revision tells.
TEST(AgentMembership, ARestartedDaemonKnowsHowFarTheStoreHadCome) {
  for (const bool put_back : {false, true}) {
    Rack rack;
    rack.add();
    rack.until([&] { return rack.holds(0); });
    const MemoryStore::Image old = rack.store.image();
    const lease::Window window = rack[0].window(0);
    const Entry entry = **rack.store.get(lease::window_key({0}));
    ASSERT_TRUE(rack.until([&] { return rack[0].view().highest > old.revision; }, seconds(3)) <= seconds(3));
    ASSERT_EQ(rack[0].window(0).ceiling, window.ceiling) << "only the session was written meanwhile";
    const JournalContent journal{.store = {},
                                 .epoch = 1,
                                 .highest = rack[0].view().highest,
                                 .rights = {{{0}, {{0}, entry.modified, window.nonce, window.ceiling}}},
                                 .lineage = {}};
    rack.kill(0);
    if (put_back) rack.store.restore(old);
    AgentOptions options;
    hold_against(journal, options);
    rack.add(options);
    rack.run_for(seconds(10));
    ASSERT_EQ(rack[1].stopped.has_value(), put_back) << rack[1].take_transcript();
    if (!put_back) continue;
    EXPECT_TRUE(rack[1].stopped->failed);
    const std::string said = rack[1].take_transcript();
    EXPECT_NE(said.find("seal: the store went back in time"), std::string::npos) << said;
    EXPECT_NE(said.find("revision"), std::string::npos) << said;
    EXPECT_EQ(said.find("commit take"), std::string::npos) << "it took a right out of an old store: " << said;
  }
}

TEST_F(ThreeMembers, AnotherIdentityOfTheStoreStopsAllWithinAHeartbeatOrTwo) {
  ASSERT_TRUE(rack.store.commit({{}, {{std::string(lease::kStoreKey), "recovered"}}, {}}));
  rack.run_for(milliseconds(2500));
  for (std::size_t i = 0; i < 3; ++i) {
    ASSERT_TRUE(rack[i].stopped) << i;
    EXPECT_TRUE(rack[i].stopped->failed);
    EXPECT_NE(rack[i].stopped->text.find("start the daemon again"), std::string::npos);
  }
}

// Nothing but the session is written for minutes.
struct OneWithLongWindows : testing::Test {
  void SetUp() override {
    rack.add({.window = seconds(600)});
    rack.until([&] { return rack.holds(0); });
    rack.run_for(seconds(5));
    rack[0].fates_for_all = true;
  }
  [[nodiscard]] Entry session() { return rack.store.list(lease::kSessionPrefix)->entries.front(); }
  Rack rack;
};

TEST_F(OneWithLongWindows, AnotherIdentityOfTheStoreIsNoticedByTheSession) {
  ASSERT_TRUE(rack.store.commit({{}, {{std::string(lease::kStoreKey), "recovered"}}, {}}));
  rack.run_for(milliseconds(2500));
  ASSERT_TRUE(rack[0].stopped);
  EXPECT_NE(rack[0].stopped->text.find("start the daemon again"), std::string::npos) << rack[0].stopped->text;
}

TEST_F(OneWithLongWindows, SaysWhatBecameOfASessionThatWasNotWritten) {
  using Fate = Scenario::Fate;
  struct Case {
    Fate fate;
    int unknown;
    int unavailable;
  };
  for (const auto& [fate, unknown, unavailable] : {Case{Fate::kLostAfter, 1, 0}, Case{Fate::kUnavailable, 1, 1}}) {
    rack[0].fates.push_back(fate);
    EXPECT_LE(rack.until([&] { return rack[0].fates.empty(); }, seconds(5)), seconds(5));
    EXPECT_EQ(rack[0].notes(Kind::kOutcomeUnknown), unknown);
    EXPECT_EQ(rack[0].notes(Kind::kStoreUnavailable), unavailable);
    rack.run_for(seconds(5));
    EXPECT_TRUE(rack.holds(0));
  }
}

TEST_F(OneWithLongWindows, ASessionThatSomebodyClearedAwayIsWrittenAnewWithoutAWord) {
  const Entry before = session();
  ASSERT_TRUE(rack.store.commit({{}, {}, {before.key}}));
  rack.run_for(seconds(5));
  ASSERT_EQ(rack.sessions(), 1U);
  EXPECT_GT(session().modified, before.modified);
  EXPECT_EQ(rack[0].notes(Kind::kOutcomeUnknown), 0);
  EXPECT_EQ(rack[0].notes(Kind::kStoreUnavailable), 0);
  EXPECT_TRUE(rack.holds(0));
}

TEST(AgentMembership, ACopyOfAProcessIsNoticedByItsSession) {
  Rack rack;
  rack.add();
  rack.until([&] { return rack.holds(0); });
  AgentOptions same;
  same.exclusive_store = false;
  same.incarnation.fill(0x10);
  same.holder = "host 0";
  Scenario copy(same, &rack.store);  // with the incarnation of the first, and random bits of its own
  copy.nonce_salt = 0x77;
  for (int i = 0; i < 200; ++i) {
    rack.run_for(milliseconds(20));
    copy.tick();
  }
  EXPECT_TRUE(rack[0].stopped.has_value() || copy.stopped.has_value());
  for (Scenario* one : {&rack[0], &copy})
    if (one->stopped) {
      EXPECT_NE(one->stopped->text.find("a copy of this process"), std::string::npos) << one->stopped->text;
      EXPECT_EQ(one->published[0].count, 0U);
    }
}

}  // namespace
}  // namespace gnomon::control
