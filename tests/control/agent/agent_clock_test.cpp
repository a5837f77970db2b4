// SPDX-License-Identifier: Apache-2.0
//
// A daemon's clock in the eyes of its own membership: what is a jump and what is none, and what a clock that jumped or
// was outvoted has to do before it may commit anything that it says.
#include <string>

#include "tests/control/agent/rack.hpp"

namespace gnomon::control {
namespace {

using lease::Standing;
using mint::OrderingState;
using time::milliseconds;
using time::nanoseconds;
using time::seconds;
using Fate = Scenario::Fate;
using Kind = effect::Note::Kind;

struct ClockOfOneAlone : AloneWithLongWindows {
  /// Whether the reading of the next tick is taken for a jump. Nobody hears it then, so it can't pass again at once.
  [[nodiscard]] bool jumps() {
    s.list_silent = true;
    s.tick();
    return s.view().standing == Standing::kJoining;
  }
  void tell(time::Duration from, time::Duration to) {
    s.truth = time::Interval{time::Tai{s.now.ns} + from, time::Tai{s.now.ns} + to};
  }
  lease::Session session() {
    const auto entries = s.store().list(lease::kSessionPrefix)->entries;
    EXPECT_EQ(entries.size(), 1U);
    return *lease::parse_session(entries.front().value);
  }
};

TEST_F(ClockOfOneAlone, AClockThatRunsDoesNotJump) { EXPECT_FALSE(jumps()); }

TEST_F(ClockOfOneAlone, AToleranceIsNoJump) {
  s.now = s.now + seconds(1);
  EXPECT_FALSE(jumps());
  s.now = s.now + seconds(-1);
  EXPECT_FALSE(jumps());
}

TEST_F(ClockOfOneAlone, MoreThanAToleranceAheadIsAJump) {
  s.now = s.now + seconds(1) + nanoseconds(1);
  EXPECT_TRUE(jumps());
}

TEST_F(ClockOfOneAlone, MoreThanAToleranceBackIsAJump) {
  s.now = s.now + seconds(-1) + nanoseconds(-1);
  EXPECT_TRUE(jumps());
}

TEST_F(ClockOfOneAlone, TheClockBehindATimelineThatStandsJumps) {
  s.ordering = OrderingState::kBehind;
  s.lead = seconds(3600);
  EXPECT_TRUE(jumps());
}

TEST_F(ClockOfOneAlone, ATimelineJumpsThoughTheClockBehindItDoesNot) {
  s.now = s.now + seconds(3600);
  s.lead = seconds(3600);
  EXPECT_TRUE(jumps());
}

TEST_F(ClockOfOneAlone, ATimelineThatIsGoneForAWhileDoesNotJump) {
  const time::SmearedUtc now = s.now;
  s.ordering = OrderingState::kNoTime;
  s.now = {};
  s.tick();
  s.ordering = OrderingState::kFollowing;
  s.now = now + milliseconds(20);
  EXPECT_FALSE(jumps());
}

TEST_F(ClockOfOneAlone, ATrueTimeThatComesIsNoJump) {
  tell({}, milliseconds(1));
  EXPECT_FALSE(jumps());
}

TEST_F(ClockOfOneAlone, ATrueTimeThatGrowsMoreExactIsNoJump) {
  for (const bool early : {true, false}) {
    tell({}, seconds(10));
    s.tick();
    const time::Duration at = early ? milliseconds(30) : seconds(10);
    tell(at, at);
    EXPECT_FALSE(jumps());
  }
}

TEST_F(ClockOfOneAlone, ATrueTimeJumps) {
  tell({}, milliseconds(1));
  s.tick();
  tell(seconds(5), seconds(5));
  EXPECT_TRUE(jumps());
}

TEST_F(ClockOfOneAlone, ATrueTimeThatWasGoneJumpsToo) {
  tell({}, milliseconds(1));
  s.tick();
  s.truth.reset();
  s.run_for(seconds(1));
  tell(seconds(5), seconds(5));
  EXPECT_TRUE(jumps());
}

TEST_F(ClockOfOneAlone, AJumpIsSaidAtOnceAndNothingOfBeforeVouches) {
  const Nonce before = session().nonce;
  s.run_for(milliseconds(100));  // in the middle of a heartbeat
  s.now = s.now + seconds(3600);
  ASSERT_TRUE(jumps());
  EXPECT_EQ(s.view().vote.verdict, lease::Vote::Verdict::kUndecided);
  s.run_for(milliseconds(60));
  EXPECT_NE(session().nonce, before);
  EXPECT_EQ(session().standing, Standing::kJoining);
}

// Its rights run to their ceilings meanwhile.
TEST(AgentClock, WhoHasToPassAgainExtendsNothing) {
  Scenario s({.exclusive_store = false});
  ASSERT_TRUE(s.run_until_held());
  s.run_for(seconds(2));
  s.list_silent = true;
  s.now = s.now + seconds(3600);
  s.run_for(seconds(20));
  EXPECT_EQ(s.commits, 1);
  EXPECT_EQ(s.published[0].count, 1U);
}

/// Three daemons with short heartbeats; the clock of the last one is moved by less than a jump, time and again.
struct OneThatIsOff : testing::Test {
  void SetUp() override {
    for (int i = 0; i < 3; ++i)
      rack.add({.heartbeat = milliseconds(200)});
    ASSERT_LE(rack.until([&] { return rack.holds(0) && rack.holds(1) && rack.holds(2); }), seconds(5));
  }
  void move(time::Duration by) {
    for (; by.ns != 0; rack.run_for(milliseconds(20))) {
      const time::Duration step = std::clamp(by, milliseconds(-900), milliseconds(900));
      rack[2].now = rack[2].now + step;
      by = by - step;
    }
  }
  [[nodiscard]] time::Duration until_it_is_a_member() {
    return rack.until([&] { return rack.standing(2) == Standing::kMember; });
  }
  void outvote(time::Duration off) {
    move(off);
    rack.until([&] { return rack.standing(2) == Standing::kOutvoted; }, seconds(10));
    ASSERT_EQ(rack.standing(2), Standing::kOutvoted);
    rack.run_for(seconds(10));
  }
  Rack rack;
};

// Either way: what it publishes and what it reads are held against the others' with an eighth of the tolerance.
TEST_F(OneThatIsOff, WhoFailedHasToAgreeMoreClosely) {
  for (const int sign : {1, -1}) {
    SCOPED_TRACE(sign);
    move(milliseconds(1700 * sign));
    rack.run_for(seconds(20));
    EXPECT_TRUE(rack.holds(2)) << "so much two sane ones may differ by";
    outvote(milliseconds(3300 * sign));
    move(milliseconds(-3300 * sign));
    rack.run_for(seconds(20));
    EXPECT_EQ(rack.standing(2), Standing::kOutvoted);
    move(milliseconds(-900 * sign));
    EXPECT_LE(until_it_is_a_member(), seconds(10));
    EXPECT_EQ(rack.standing(0), Standing::kMember);
    move(milliseconds(-800 * sign));
    EXPECT_LE(rack.until([&] { return rack.holds(2); }), seconds(5));
  }
}

TEST_F(OneThatIsOff, WhoFailedHasToBeCalmForThreeHeartbeats) {
  outvote(seconds(5));
  move(seconds(-5));
  const time::Duration calm = until_it_is_a_member();
  EXPECT_GE(calm, milliseconds(600));
  EXPECT_LE(calm, milliseconds(1200));
}

TEST_F(OneThatIsOff, ThreeHeartbeatsWithoutABreak) {
  outvote(seconds(5));
  for (int i = 0; i < 5; ++i) {
    move(seconds(-5));
    rack.run_for(milliseconds(400));
    EXPECT_EQ(rack.standing(2), Standing::kOutvoted) << i;
    move(seconds(5));
    rack.run_for(seconds(1));
    EXPECT_EQ(rack.standing(2), Standing::kOutvoted) << i;
  }
}

// It is another clock now: it passes like a new one.
TEST_F(OneThatIsOff, WhoIsSetRightByAJumpNeedNotBeCalm) {
  outvote(seconds(5));
  rack[2].now = rack[2].now + seconds(-5);
  EXPECT_LE(until_it_is_a_member(), milliseconds(500));
}

// Its answer was lost, and it was in the store before the clock jumped: it vouches for a clock that this is no more.
TEST_F(ThreeMembers, ASessionOfBeforeTheJumpThatIsFoundAfterItVouchesForNothing) {
  Scenario& host = rack[1];
  host.fates_for_all = true;
  host.fates = {Fate::kLostAfter};
  rack.until([&] { return host.fates.empty(); }, seconds(5));
  ASSERT_TRUE(host.fates.empty());
  const time::SmearedUtc highest = rack.highest_ceiling();
  host.now = host.now + seconds(86'400);
  rack.run_for(seconds(20));
  EXPECT_LE(rack.highest_ceiling(), highest + seconds(25)) << "nothing of tomorrow was committed";
  EXPECT_EQ(rack.standing(1), Standing::kJoining);
  EXPECT_TRUE(rack.holds(0) && rack.holds(2));
}

// ---- a timeline that stands in a false future

// Until the clock behind it is past what is held, that may be extended again one day.
TEST(AgentClock, RightsAreGivenBackOnceTheClockBehindIsPastThem) {
  for (const time::Duration ahead : {time::Duration{}, seconds(30)}) {
    Scenario s({.exclusive_store = false});
    ASSERT_TRUE(s.run_until_held());
    s.eras_begin = false;
    s.ordering = OrderingState::kBehind;
    s.now = s.now + ahead;
    s.lead = ahead;
    s.take_transcript();
    const time::SmearedUtc ceiling = s.published[0].slots[0].ceiling;
    ASSERT_TRUE(s.run_until([&] { return s.published[0].count == 0; }));
    EXPECT_GE(s.now + -s.lead, ceiling);
    EXPECT_LE(s.now + -s.lead, ceiling + milliseconds(40));
    EXPECT_EQ(s.commits, 2) << "and not extended meanwhile: " << s.take_transcript();
  }
}

TEST(AgentClock, RightsThatHaveRunOutAreKeptWhereNothingIsWrongWithTheClock) {
  Scenario s({.exclusive_store = false});
  ASSERT_TRUE(s.run_until_held());
  s.fates_for_all = s.commit_away = s.list_unavailable = true;
  s.run_for(seconds(30));
  ASSERT_LT(s.published[0].slots[0].ceiling, s.now);
  EXPECT_EQ(s.published[0].count, 1U);
  EXPECT_EQ(s.published[0].generation.value, 1U);
}

/// Waits for the one machine id, which somebody else holds.
struct Waiting : testing::Test {
  void SetUp() override {
    other.nonce_salt = 1;
    ASSERT_TRUE(other.run_until_held());
    s.now = other.now;
    ASSERT_TRUE(s.run_until([&] { return s.notes(Kind::kIdsExhausted) == 1; }));
    s.take_transcript();
  }
  MemoryStore store;
  Scenario other{{.machine_ids = 1, .exclusive_store = false, .incarnation = Nonce{1}}, &store};
  Scenario s{{.machine_ids = 1, .exclusive_store = false}, &store};
};

TEST_F(Waiting, LooksForIdsAtOnceInTheNewEra) {
  other.feed(event::StopRequested{});
  ASSERT_TRUE(other.run_until_stopped());
  s.ordering = OrderingState::kBehind;  // after a jump forward in which it held nothing
  s.tick();
  s.tick();
  EXPECT_EQ(s.view().state, AgentState::kHeld);
}

TEST_F(Waiting, AsksForANewEraOnceAndTakesNothingBefore) {
  s.eras_begin = false;
  s.ordering = OrderingState::kBehind;
  s.run_for(seconds(2));
  EXPECT_EQ(s.take_transcript(), "start a new era\n");
  EXPECT_EQ(s.view().state, AgentState::kAwaitingEra);
}

}  // namespace
}  // namespace gnomon::control
