// SPDX-License-Identifier: Apache-2.0
//
// The ways back: stops at any moment, releases that get lost, and rotations.
#include "tests/control/agent/scenario.hpp"

namespace gnomon::control {
namespace {

using time::milliseconds;
using time::seconds;
using Fate = Scenario::Fate;
using Kind = effect::Note::Kind;

TEST(AgentStop, BeforeThereIsATime) {
  Scenario s({});
  s.ordering = mint::OrderingState::kNoTime;
  s.tick();
  s.feed(event::StopRequested{});
  EXPECT_EQ(s.take_transcript(), "stopped: stopped; no rights were held\n");
}

TEST(AgentStop, WhileListing) {
  Scenario s({});
  s.list_silent = true;
  s.tick();
  s.feed(event::StopRequested{});
  ASSERT_TRUE(s.stopped.has_value());
  EXPECT_EQ(s.commits, 0);
}

TEST(AgentStop, WhileWaitingForIds) {
  Scenario s({.machine_ids = 1}, nullptr);
  const mint::MachineId zero{0};
  ASSERT_TRUE(s.store().commit(lease::acquire({}, {.machine_ids = 1}, kStart, std::span(&zero, 1), {"other", {}, {}})));
  s.run_for(seconds(1));
  s.feed(event::StopRequested{});
  ASSERT_TRUE(s.stopped.has_value());
  EXPECT_EQ(s.commits, 0);
}

TEST(AgentStop, WhileTheAcquisitionIsUnderWay) {
  Scenario s({.machine_ids = 1});
  ASSERT_TRUE(s.store().commit(takeover({0}, kStart + seconds(-60))));  // long past, so it has a floor
  s.fates = {Fate::kSilentAfter};
  s.tick();
  s.feed(event::StopRequested{});
  EXPECT_FALSE(s.stopped.has_value()) << "what was granted must be given back";
  s.feed(s.late[0]);
  ASSERT_TRUE(s.stopped.has_value());
  EXPECT_EQ(s.state_of(0), lease::WindowState::kReleased);
  EXPECT_EQ(s.window(0).ceiling, s.window(0).floor) << "unused";
  EXPECT_EQ(s.published[0].generation.value, 0U) << "and was never published";
}

TEST(AgentStop, ThenTheReleasesAnswerIsLostToo) {
  for (const Fate fate : {Fate::kLostAfter, Fate::kLostBefore}) {
    Scenario s({});
    s.fates = {Fate::kLostAfter, fate};
    s.tick();
    s.feed(event::StopRequested{});
    ASSERT_TRUE(s.run_until_stopped());
    EXPECT_EQ(s.stopped->text, "stopped; all rights were given back");
    EXPECT_EQ(s.state_of(0), lease::WindowState::kReleased);
  }
}

TEST(AgentStop, WhileTheAcquisitionsOutcomeIsUnknown) {
  for (const Fate fate : {Fate::kLostAfter, Fate::kLostBefore, Fate::kSilentAfter, Fate::kSilentBefore}) {
    Scenario s({});
    s.fates = {fate};
    s.tick();
    s.feed(event::StopRequested{});
    ASSERT_TRUE(s.run_until_stopped());
    EXPECT_FALSE(s.stopped->failed);
    const bool landed = fate == Fate::kLostAfter || fate == Fate::kSilentAfter;
    ASSERT_EQ(s.table().find({0}) != nullptr, landed);
    if (landed) {
      EXPECT_EQ(s.state_of(0), lease::WindowState::kReleased);
    }
  }
}

TEST(AgentStop, GivesUpAskingWhatBecameOfTheAcquisition) {
  for (const Fate fate : {Fate::kLostAfter, Fate::kLostBefore}) {
    Scenario s({});
    s.fates = {fate};
    s.tick();
    s.list_unavailable = true;
    const auto begun = s.now;
    s.feed(event::StopRequested{});
    EXPECT_FALSE(s.stopped.has_value()) << "the store may come back";
    ASSERT_TRUE(s.run_until_stopped());
    EXPECT_LT(s.now - begun, seconds(40));
    EXPECT_FALSE(s.stopped->failed);
    EXPECT_NE(s.stopped->text.find("whether rights were granted in the last moment is not known"), std::string::npos)
        << s.stopped->text;
    EXPECT_EQ(s.published[0].generation.value, 0U) << "what may have been granted is never used";
    EXPECT_EQ(s.commits, 1);
  }
}

TEST(AgentStop, WhileTheJournalIsBeingSynced) {
  Scenario s({});
  s.journal_silent = true;
  s.tick();
  s.journal_silent = false;
  s.feed(event::StopRequested{});
  ASSERT_TRUE(s.run_until_stopped());
  EXPECT_EQ(s.state_of(0), lease::WindowState::kReleased);
  EXPECT_EQ(s.published[0].generation.value, 0U);
}

TEST(AgentStop, WhileAnExtensionIsUnderWay) {
  for (const Fate fate : {Fate::kSilentAfter, Fate::kSilentBefore}) {
    Scenario s({});
    ASSERT_TRUE(s.run_until_held());
    s.fates = {fate};
    ASSERT_TRUE(s.run_until([&] { return s.commits == 2; }));
    s.used[0] = kStart + milliseconds(3000);
    s.feed(event::StopRequested{});
    EXPECT_EQ(s.published[0].count, 0U) << "revoked at once";
    EXPECT_FALSE(s.stopped.has_value());
    ASSERT_TRUE(s.run_until_stopped());
    EXPECT_EQ(s.state_of(0), lease::WindowState::kReleased);
    EXPECT_EQ(s.window(0).ceiling, kStart + milliseconds(3000)) << "whatever became of the extension";
  }
}

TEST(AgentStop, LastUsedIsReadOnlyAfterTheAcknowledgement) {
  Scenario s({});
  ASSERT_TRUE(s.run_until_held());
  s.hold_acks = true;
  s.used[0] = kStart + milliseconds(100);
  s.feed(event::StopRequested{});
  s.run_for(seconds(1));
  EXPECT_EQ(s.commits, 1) << "nothing is released on hearsay";
  s.used[0] = kStart + milliseconds(900);  // a parked request was still answered
  s.acknowledge(0);
  s.acknowledge(0);  // repeats are harmless
  EXPECT_EQ(s.window(0).ceiling, kStart + milliseconds(900));
  ASSERT_TRUE(s.stopped.has_value());
}

TEST(AgentStop, AcknowledgementsOfOlderGenerationsDontCount) {
  Scenario s({});
  ASSERT_TRUE(s.run_until_held());
  const auto old_ack = s.ack_of(0);
  s.hold_acks = true;
  s.feed(event::StopRequested{});
  s.feed(old_ack);
  s.run_for(seconds(1));
  EXPECT_FALSE(s.stopped.has_value());
}

TEST(AgentStop, DeafWorkersRightRunsOutTheOthersAreReleased) {
  Scenario s({.workers = 3});
  ASSERT_TRUE(s.run_until_held());
  s.deaf = {1};
  const auto begun = s.now;
  s.feed(event::StopRequested{});
  ASSERT_TRUE(s.run_until_stopped());
  EXPECT_GE(s.now - begun, seconds(5)) << "so long it may still serve";
  EXPECT_LE(s.now - begun, milliseconds(5'100));
  EXPECT_EQ(s.state_of(0), lease::WindowState::kReleased);
  EXPECT_EQ(s.state_of(1), lease::WindowState::kHeld);
  EXPECT_EQ(s.state_of(2), lease::WindowState::kReleased);
  EXPECT_NE(s.stopped->text.find("worker 1 never acknowledged"), std::string::npos) << s.stopped->text;
  EXPECT_FALSE(s.stopped->failed);
}

TEST(AgentStop, WaitsForARevocationThatIsUnderWay) {
  Scenario s({});
  ASSERT_TRUE(s.run_until_held());
  s.hold_acks = true;
  s.feed(event::StopRequested{});
  s.tick();
  s.feed(event::StopRequested{});
  EXPECT_FALSE(s.stopped) << "the worker has not acknowledged it";
  s.acknowledge(0);
  ASSERT_TRUE(s.run_until_stopped());
  EXPECT_EQ(s.stopped->text, "stopped; all rights were given back");
  EXPECT_EQ(s.state_of(0), lease::WindowState::kReleased);
}

TEST(AgentStop, ImplausibleUseIsNotReleased) {
  Scenario s({});
  ASSERT_TRUE(s.run_until_held());
  s.used[0] = time::SmearedUtc::max();
  s.feed(event::StopRequested{});
  ASSERT_TRUE(s.run_until_stopped());
  EXPECT_EQ(s.state_of(0), lease::WindowState::kHeld);
  EXPECT_EQ(s.window(0).ceiling, kStart + milliseconds(10'020));
  EXPECT_NE(s.stopped->text.find("the last use of machine id 0 is implausible"), std::string::npos) << s.stopped->text;
}

TEST(AgentStop, ReleaseWithALostAnswerIsProvedOrRepeatedAndNeverUndone) {
  for (const Fate fate :
       {Fate::kLostAfter, Fate::kLostBefore, Fate::kSilentAfter, Fate::kSilentBefore, Fate::kUnavailable}) {
    Scenario s({});
    ASSERT_TRUE(s.run_until_held());
    s.fates = {fate};
    s.feed(event::StopRequested{});
    ASSERT_TRUE(s.run_until_stopped());
    EXPECT_EQ(s.state_of(0), lease::WindowState::kReleased);
    EXPECT_EQ(s.stopped->text, "stopped; all rights were given back");
    EXPECT_EQ(s.published[0].generation.value, 2U) << "never published again";
  }
}

TEST(AgentStop, GivesTheReleaseUpAfterAWhile) {
  for (const Fate fate : {Fate::kLostBefore, Fate::kUnavailable, Fate::kSilentBefore}) {
    Scenario s({});
    ASSERT_TRUE(s.run_until_held());
    s.fates.assign(1000, fate);
    const auto begun = s.now;
    const int before = s.commits;
    s.feed(event::StopRequested{});
    ASSERT_TRUE(s.run_until_stopped());
    EXPECT_EQ(s.commits - before, 8);
    EXPECT_LT(s.now - begun, seconds(40));
    EXPECT_FALSE(s.stopped->failed);
    EXPECT_NE(s.stopped->text.find("machine id 0 could not be given back"), std::string::npos) << s.stopped->text;
    EXPECT_EQ(s.state_of(0), lease::WindowState::kHeld) << "it runs out";
  }
}

TEST(AgentStop, FatalErrorWhileReleasing) {
  Scenario s({});
  ASSERT_TRUE(s.run_until_held());
  s.fates = {Fate::kFatal};
  s.feed(event::StopRequested{});
  ASSERT_TRUE(s.stopped.has_value());
  EXPECT_TRUE(s.stopped->failed);
}

// However long the store was away before: a stop begins at once, and has all its tries.
TEST(AgentStop, HasItsOwnTriesAndBeginsAtOnce) {
  for (const bool comes_back : {true, false}) {
    Scenario s({});
    s.fates = {Fate::kLostAfter};
    s.tick();
    s.list_unavailable = true;
    s.run_for(seconds(20));
    s.take_transcript();
    s.list_unavailable = !comes_back;
    s.tick_after_answers = false;
    s.feed(event::StopRequested{});
    if (comes_back) {
      ASSERT_TRUE(s.run_until([&] { return s.stopped.has_value(); }, milliseconds(40)));
      EXPECT_EQ(s.state_of(0), lease::WindowState::kReleased);
      continue;
    }
    ASSERT_TRUE(s.run_until_stopped());
    const std::string said = s.take_transcript();
    EXPECT_EQ(s.stopped->text.find("stopped; whether rights were granted"), 0U) << s.stopped->text;
    EXPECT_EQ(count(said, "list\n"), 8U) << said;
  }
}

TEST(AgentStop, AReleaseHasItsOwnTriesToo) {
  Scenario s({});
  ASSERT_TRUE(s.run_until_held());
  s.commit_away = true;
  s.run_for(seconds(30));
  ASSERT_GT(s.commits, 10) << "so many extensions failed";
  s.commit_away = false;
  s.feed(event::StopRequested{});
  ASSERT_TRUE(s.run_until_stopped());
  EXPECT_EQ(s.stopped->text, "stopped; all rights were given back");
}

TEST(AgentStop, ASecondOneAsksForNothingTwice) {
  Scenario s({});
  ASSERT_TRUE(s.run_until_held());
  s.fates = {Fate::kLostAfter};
  s.list_silent = true;
  s.feed(event::StopRequested{});
  s.run_for(seconds(1));
  ASSERT_NE(s.take_transcript().find("list\n"), std::string::npos) << "what became of the release";
  s.feed(event::StopRequested{});
  EXPECT_EQ(s.take_transcript(), "");
  s.feed(s.late.at(0));
  ASSERT_TRUE(s.stopped.has_value());
  EXPECT_EQ(s.stopped->text, "stopped; all rights were given back");
}

TEST(AgentStop, ReleasesInTheStepOfTheLastAcknowledgement) {
  Scenario s({});
  ASSERT_TRUE(s.run_until_held());
  s.tick_after_answers = false;
  s.hold_acks = true;
  s.feed(event::StopRequested{});
  s.tick();
  s.feed(s.tick_event());
  s.acknowledge(0);
  EXPECT_TRUE(s.stopped.has_value()) << "every moment counts to whoever waits for the id";
}

TEST(AgentStop, ARightThatItsWorkerNeverTookOverIsUsedUpToItsFloor) {
  Scenario s({});
  ASSERT_TRUE(s.run_until_held());
  const time::SmearedUtc floor = s.window(0).floor;
  s.hold_acks = true;
  s.feed(event::StopRequested{});
  s.feed(event::Acknowledged{{0}, s.published[0].generation, {}});
  ASSERT_TRUE(s.run_until_stopped());
  EXPECT_EQ(s.window(0).ceiling, floor);
}

TEST(AgentStop, WaitsForTheJournalOfTheRelease) {
  Scenario s({});
  ASSERT_TRUE(s.run_until_held());
  s.journal_silent = true;
  s.feed(event::StopRequested{});
  EXPECT_EQ(s.state_of(0), lease::WindowState::kReleased);
  s.take_transcript();
  s.run_for(seconds(3));
  EXPECT_FALSE(s.stopped.has_value());
  EXPECT_EQ(s.take_transcript().substr(0, 10), "note: the ") << "it is said";
  s.journal_silent = false;
  ASSERT_TRUE(s.run_until_stopped());
  EXPECT_NE(s.take_transcript().find("journal at 2\n"), std::string::npos) << "and tried again";
}

// Nothing is in doubt any more: what may still land finds its keys moved on, or gives back what runs out anyway.
TEST(AgentStop, AsksNothingAboutAReleaseThatWasGivenUp) {
  Scenario s({.machine_ids = 1});
  ASSERT_TRUE(s.run_until_held());
  s.fates.assign(8, Fate::kLostBefore);
  ++s.era.value;
  ASSERT_TRUE(s.run_until([&] { return s.commits == 9; }));
  s.list_unavailable = true;
  s.run_for(seconds(1));
  ASSERT_EQ(s.view().state, AgentState::kAcquiring);
  s.feed(event::StopRequested{});
  ASSERT_TRUE(s.stopped.has_value());
  EXPECT_EQ(s.stopped->text, "stopped; no rights were held");
}

// ---- policy rotate

AgentOptions rotating() { return {.workers = 2, .lead_policy = mint::LeadPolicy::kRotate}; }

TEST(AgentRotate, TakesFreshIdsInTheNewEra) {
  Scenario s(rotating());
  ASSERT_TRUE(s.run_until_held());
  s.used[0] = s.used[1] = s.now;
  s.take_transcript();
  s.ordering = mint::OrderingState::kBehind;  // the clock fell back by an hour; the timeline stands
  s.era_time = s.now - seconds(3600);
  s.tick();
  EXPECT_EQ(s.take_transcript(),
            "note: the clock is behind: taking fresh machine ids at its time (40 ms)\n"
            "worker 0 gen 2: nothing\n"
            "worker 1 gen 2: nothing\n"
            "commit release 00000 to 20 ms, release 00001 to 20 ms\n"
            "journal at 2\n"
            "note: all rights were given back\n"
            "start a new era\n"
            "list\n"
            "commit take 00002 to -3589980 ms, take 00003 to -3589980 ms\n"
            "journal at 3\n"
            "worker 0 gen 3: id 2 to -3589980 ms\n"
            "worker 1 gen 3: id 3 to -3589980 ms\n"
            "note: machine ids 2, 3 (-3589980 ms)\n");
  EXPECT_EQ(s.published[0].era.value, 2U);
}

TEST(AgentRotate, NeverTheSameIdsInTheSameRotation) {
  AgentOptions options = rotating();
  options.machine_ids = 3;
  Scenario s(options);
  ASSERT_TRUE(s.run_until_held());
  s.used[0] = s.used[1] = s.now;
  s.ordering = mint::OrderingState::kBehind;
  s.era_time = s.now - milliseconds(500);
  s.run_for(milliseconds(400));
  EXPECT_EQ(s.notes(Kind::kIdsExhausted), 1) << "within the lead, but they belong to the era that was left";
  EXPECT_EQ(s.published[0].count, 0U);
}

// More than half of the ids are held: some have to come back, but only above all that was issued under them.
TEST(AgentRotate, TakesAnIdAgainOnceItsWholeWindowIsPast) {
  AgentOptions options = rotating();
  options.workers = 17;
  options.machine_ids = 32;
  Scenario s(options);
  ASSERT_TRUE(s.run_until_held());
  const time::SmearedUtc used = s.now + milliseconds(5);
  for (std::uint16_t id = 0; id < 17; ++id)
    s.used[id] = used;
  s.ordering = mint::OrderingState::kBehind;
  s.era_time = s.now - seconds(3);
  s.tick();
  s.run_until([&] { return s.view().state == AgentState::kAcquiring; });
  s.run_for(milliseconds(2500));
  EXPECT_EQ(s.view().state, AgentState::kAcquiring) << "within the lead, but the ids belong to the era that was left";
  s.run_for(seconds(2));
  ASSERT_EQ(s.view().state, AgentState::kHeld);
  for (std::size_t worker = 0; worker < 17; ++worker) {
    ASSERT_EQ(s.published[worker].count, 1U);
    const mint::Right& right = s.published[worker].slots[0];
    const bool again = right.machine.value < 17;
    EXPECT_TRUE(!again || right.floor >= used) << right.machine.value;
  }
}

TEST(AgentRotate, WaitsForTheEraToBegin) {
  Scenario s(rotating());
  ASSERT_TRUE(s.run_until_held());
  s.eras_begin = false;
  s.ordering = mint::OrderingState::kBehind;
  s.run_for(seconds(5));
  EXPECT_EQ(s.view().state, AgentState::kAwaitingEra);
  ++s.era.value;
  s.ordering = mint::OrderingState::kNoTime;
  s.run_for(seconds(1));
  EXPECT_EQ(s.view().state, AgentState::kAwaitingEra) << "begun, but without a reading yet";
  s.ordering = mint::OrderingState::kUnconfirmed;
  s.tick();
  EXPECT_EQ(s.view().state, AgentState::kHeld) << "a jump is confirmed while it serves, not before";
}

// Found by gnomon-sim: the era began while the clock was a day ahead, and then waited for that day.
TEST(AgentRotate, AsksForAnotherEraIfTheClockFallsBackOnceMore) {
  Scenario s(rotating());
  ASSERT_TRUE(s.run_until_held());
  s.eras_begin = false;
  s.ordering = mint::OrderingState::kBehind;
  s.run_for(seconds(5));
  ASSERT_EQ(s.view().state, AgentState::kAwaitingEra);
  s.take_transcript();
  ++s.era.value;  // begun, and behind already
  s.run_for(seconds(1));
  EXPECT_EQ(s.take_transcript(), "start a new era\n") << "once for each era";
  ++s.era.value;
  s.ordering = mint::OrderingState::kFollowing;
  s.tick();
  EXPECT_EQ(s.view().state, AgentState::kHeld);
}

TEST(AgentRotate, StopsInTheMiddle) {
  Scenario s(rotating());
  ASSERT_TRUE(s.run_until_held());
  s.hold_acks = true;
  s.ordering = mint::OrderingState::kBehind;
  s.tick();
  s.feed(event::StopRequested{});
  s.acknowledge(0);
  s.acknowledge(1);
  ASSERT_TRUE(s.stopped.has_value());
  EXPECT_EQ(s.take_transcript().find("start a new era"), std::string::npos);
}

TEST(AgentRotate, DeafWorkerForbidsANewEra) {
  Scenario s(rotating());
  ASSERT_TRUE(s.run_until_held());
  s.deaf = {1};
  s.ordering = mint::OrderingState::kBehind;
  ASSERT_TRUE(s.run_until_stopped());
  EXPECT_TRUE(s.stopped->failed);
  EXPECT_EQ(s.state_of(0), lease::WindowState::kReleased);
}

// What hindered one release says nothing of the next.
TEST(AgentRotate, ADeafWorkerOfBeforeIsForgotten) {
  Scenario s(rotating());
  ASSERT_TRUE(s.run_until_held());
  s.deaf = {1};
  ASSERT_TRUE(s.store().commit(takeover({0}, s.window(0).ceiling)));
  ASSERT_TRUE(s.run_until([&] { return s.notes(Kind::kAcquired) == 2; }));
  const std::string first = s.take_transcript();
  EXPECT_NE(first.find("rights that were not given back run out; worker 1 never acknowledged"), std::string::npos)
      << first;
  s.deaf = {};
  const std::uint64_t era = s.era.value;
  s.ordering = mint::OrderingState::kBehind;
  s.era_time = s.now - seconds(3600);
  ASSERT_TRUE(s.run_until([&] { return s.era.value > era || s.stopped; }));
  EXPECT_FALSE(s.stopped) << s.stopped->text;
  const std::string second = s.take_transcript();
  EXPECT_NE(second.find("note: all rights were given back\n"), std::string::npos) << second;
}

TEST(AgentRotate, RefusePolicyAndPinnedIdsDoNothing) {
  for (const bool pinned : {false, true}) {
    AgentOptions options{.workers = 1};
    if (pinned) {
      options.lead_policy = mint::LeadPolicy::kRotate;
      options.pinned = {{3}};
    }
    Scenario s(options);
    ASSERT_TRUE(s.run_until_held());
    s.take_transcript();
    s.ordering = mint::OrderingState::kBehind;
    s.run_for(seconds(1));
    EXPECT_EQ(s.take_transcript(), "");
    EXPECT_EQ(s.published[0].count, 1U);
  }
}

TEST(AgentHeld, NeverExtendsWhileTheClockIsBehind) {
  Scenario s({});
  ASSERT_TRUE(s.run_until_held());
  const int before = s.commits;
  s.ordering = mint::OrderingState::kBehind;
  s.run_for(seconds(20));
  EXPECT_EQ(s.commits, before);
  s.ordering = mint::OrderingState::kFollowing;
  s.tick();
  EXPECT_EQ(s.commits, before + 1) << "and goes on at once when it follows again";
}

TEST(AgentRotate, EraThatNobodyAskedForIsFollowed) {
  Scenario s({});
  ASSERT_TRUE(s.run_until_held());
  ++s.era.value;
  s.tick();
  ASSERT_TRUE(s.run_until_held());
  EXPECT_EQ(s.published[0].era, s.era);
}

// Only a rotation leaves an era in which its ids stand: otherwise the same ones serve again at once.
TEST(AgentRotate, AnEraThatWasFollowedTakesTheSameIdsAgain) {
  for (const bool rotated_before : {false, true}) {
    Scenario s({.machine_ids = rotated_before ? 2U : 1U, .lead_policy = mint::LeadPolicy::kRotate});
    ASSERT_TRUE(s.run_until_held());
    if (rotated_before) {
      s.used[0] = s.now;
      s.used[1] = s.now + milliseconds(100);
      s.ordering = mint::OrderingState::kBehind;
      s.era_time = s.now - milliseconds(500);
      s.tick();
      ASSERT_TRUE(s.run_until_held());
      ASSERT_EQ(s.published[0].slots[0].machine.value, 1);
    } else {
      s.used[0] = s.now + milliseconds(500);  // a part of the lead
    }
    ++s.era.value;
    s.tick();
    s.tick();
    EXPECT_EQ(s.view().state, AgentState::kHeld);
    EXPECT_EQ(s.published[0].slots[0].machine.value, 0);
  }
}

// Whatever its worker really did, it was not beyond the ceiling.
TEST(AgentRotate, AnImplausibleUseCountsUpToTheCeiling) {
  Scenario s({.machine_ids = 1, .exclusive_store = false});
  ASSERT_TRUE(s.run_until_held());
  const std::string ceiling = Scenario::at(s.window(0).ceiling);
  s.used[0] = time::SmearedUtc::max();
  ++s.era.value;
  ASSERT_TRUE(s.run_until([&] { return s.notes(Kind::kReleased) == 1; }, seconds(1)));
  s.ordering = mint::OrderingState::kBehind;
  s.lead = seconds(100);
  ASSERT_TRUE(s.run_until([&] { return s.notes(Kind::kBehindItsIds) == 1; }, seconds(10)));
  const std::string said = s.take_transcript();
  EXPECT_NE(said.find("no rights are taken (" + ceiling + ")"), std::string::npos) << ceiling << "\n" << said;
}

}  // namespace
}  // namespace gnomon::control
