// SPDX-License-Identifier: Apache-2.0
//
// The ways back: stops at any moment, releases that get lost, rotations and clones.
#include "tests/control/agent/scenario.hpp"

namespace gnomon::control {
namespace {

using time::milliseconds;
using time::seconds;
using Fate = Scenario::Fate;
using Kind = effect::Note::Kind;

lease::WindowState state_of(Scenario& s, std::uint16_t machine) { return s.window(machine).state; }

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
  Scenario s({});
  s.fates = {Fate::kSilentAfter};
  s.tick();
  s.feed(event::StopRequested{});
  EXPECT_FALSE(s.stopped.has_value()) << "what was granted must be given back";
  s.feed(s.late[0]);
  ASSERT_TRUE(s.stopped.has_value());
  EXPECT_EQ(state_of(s, 0), lease::WindowState::kReleased);
  EXPECT_EQ(s.published[0].generation.value, 0U) << "and was never published";
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
      EXPECT_EQ(state_of(s, 0), lease::WindowState::kReleased);
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
  EXPECT_EQ(state_of(s, 0), lease::WindowState::kReleased);
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
    EXPECT_EQ(state_of(s, 0), lease::WindowState::kReleased);
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
  EXPECT_EQ(state_of(s, 0), lease::WindowState::kReleased);
  EXPECT_EQ(state_of(s, 1), lease::WindowState::kHeld);
  EXPECT_EQ(state_of(s, 2), lease::WindowState::kReleased);
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
  EXPECT_EQ(state_of(s, 0), lease::WindowState::kReleased);
}

TEST(AgentStop, ImplausibleUseIsNotReleased) {
  Scenario s({});
  ASSERT_TRUE(s.run_until_held());
  s.used[0] = time::SmearedUtc::max();
  s.feed(event::StopRequested{});
  ASSERT_TRUE(s.run_until_stopped());
  EXPECT_EQ(state_of(s, 0), lease::WindowState::kHeld);
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
    EXPECT_EQ(state_of(s, 0), lease::WindowState::kReleased);
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
    EXPECT_EQ(state_of(s, 0), lease::WindowState::kHeld) << "it runs out";
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
  EXPECT_EQ(state_of(s, 0), lease::WindowState::kReleased);
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

// ---- clones

// Each copy has its own database, so each would choose the same ids as the other.
TEST(AgentClone, WithAStoreOfItsOwnItStopsAndLeavesAMark) {
  for (const bool stopping : {false, true}) {
    Scenario s({.workers = 2});
    ASSERT_TRUE(s.run_until_held());
    s.hold_acks = true;
    if (stopping) s.feed(event::StopRequested{});
    const int commits = s.commits;
    s.feed(event::CloneDetected{});
    ASSERT_TRUE(s.stopped.has_value());
    EXPECT_TRUE(s.stopped->failed);
    EXPECT_NE(s.stopped->text.find("gnomon control adopt"), std::string::npos);
    EXPECT_EQ(s.published[0].count, 0U);
    EXPECT_EQ(s.published[1].count, 0U);
    const std::string transcript = s.take_transcript();
    EXPECT_LT(transcript.find("worker 1 gen 2: nothing"), transcript.find("mark as cloned")) << transcript;
    EXPECT_LT(transcript.find("mark as cloned"), transcript.find("failed: ")) << transcript;
    s.run_for(seconds(20));
    EXPECT_EQ(s.commits, commits) << "nothing is released, nothing is taken";
    EXPECT_EQ(state_of(s, 0), lease::WindowState::kHeld);
  }
}

TEST(AgentClone, DropsWithoutReleasingAndTakesOthers) {
  Scenario s({.workers = 2, .exclusive_store = false});
  ASSERT_TRUE(s.run_until_held());
  s.take_transcript();
  s.feed(event::CloneDetected{});
  ASSERT_TRUE(s.run_until_held());
  const std::string transcript = s.take_transcript();
  EXPECT_EQ(transcript.substr(0, 50), "worker 0 gen 2: nothing\nworker 1 gen 2: nothing\nno");
  EXPECT_EQ(transcript.find("release"), transcript.find("released")) << transcript;
  EXPECT_EQ(s.published[0].slots[0].machine.value, 2);
  EXPECT_EQ(s.published[1].slots[0].machine.value, 3);
  EXPECT_EQ(state_of(s, 0), lease::WindowState::kHeld);
}

TEST(AgentClone, GoesBackToAnIdThatItWasClonedAwayFromOnlyOnceItsWindowIsPast) {
  Scenario s({.machine_ids = 2, .exclusive_store = false});
  ASSERT_TRUE(s.run_until_held());
  const time::SmearedUtc first = s.window(0).ceiling;
  s.feed(event::CloneDetected{});
  ASSERT_TRUE(s.run_until_held());
  EXPECT_EQ(s.published[0].slots[0].machine.value, 1);
  s.feed(event::CloneDetected{});
  ASSERT_TRUE(s.run_until_held());
  EXPECT_EQ(s.published[0].slots[0].machine.value, 0);
  EXPECT_GE(s.published[0].slots[0].floor, first);
  EXPECT_GE(s.now, first) << "a copy may have been using it until then";
}

TEST(AgentClone, InTheMiddleOfAnythingEndsWithFreshIds) {
  for (int moment = 0; moment < 4; ++moment) {
    Scenario s({.exclusive_store = false});
    if (moment > 0) {
      ASSERT_TRUE(s.run_until_held());
    }
    s.fates = {Fate::kSilentAfter};
    if (moment == 0) s.tick();                                     // acquiring
    if (moment == 1) s.run_until([&] { return s.commits == 2; });  // extending
    if (moment == 2) s.ordering = mint::OrderingState::kBehind;    // nothing under way
    if (moment == 3) ++s.era.value, s.tick();                      // releasing
    s.feed(event::CloneDetected{});
    s.ordering = mint::OrderingState::kFollowing;
    ASSERT_TRUE(s.run_until_held());
    EXPECT_EQ(s.published[0].slots[0].machine.value, 1);
    for (const Event& late : s.late)
      s.feed(late);
    EXPECT_EQ(s.view().state, AgentState::kHeld);
  }
}

TEST(AgentClone, BothCopiesEndUpApart) {
  Scenario original({.exclusive_store = false});
  ASSERT_TRUE(original.run_until_held());
  // The copy: same incarnation, same rights, other random numbers from now on.
  MemoryStore& store = original.store();
  Scenario copy({.exclusive_store = false}, &store);
  copy.nonce_salt = 50;
  copy.feed(event::CloneDetected{});
  original.feed(event::CloneDetected{});
  ASSERT_TRUE(copy.run_until_held());
  ASSERT_TRUE(original.run_until_held());
  EXPECT_NE(copy.published[0].slots[0].machine, original.published[0].slots[0].machine);
  EXPECT_NE(copy.published[0].slots[0].machine.value, 0);
}

// The copy has the same memory, so the same random bits: none of them may go into a commit afterwards.
TEST(AgentClone, UsesNoRandomBitsFromBeforeTheCloning) {
  Scenario s({.exclusive_store = false});
  ASSERT_TRUE(s.run_until_held());
  s.tick();
  s.tick_after_answers = false;
  const std::uint64_t before = s.nonces();
  s.feed(event::CloneDetected{});
  EXPECT_EQ(s.commits, 1);
  ASSERT_TRUE(s.run_until_held());
  int taken = 0;
  const Listing all = *s.store().list("");
  for (const Entry& entry : all.entries) {
    const auto grant = lease::parse_grant(entry.value);
    if (!grant || entry.key == lease::grant_key({0})) continue;
    ++taken;
    EXPECT_GT(grant->nonce[0], before) << entry.key;
    EXPECT_GT(grant->incarnation[0], before) << "the copy has the old one";
  }
  EXPECT_EQ(taken, 1);
}

TEST(AgentClone, WithPinnedIdsItMustStop) {
  Scenario s({.pinned = {{1}}, .exclusive_store = false});
  ASSERT_TRUE(s.run_until_held());
  s.feed(event::CloneDetected{});
  ASSERT_TRUE(s.stopped.has_value());
  EXPECT_TRUE(s.stopped->failed);
  EXPECT_EQ(s.published[0].count, 0U);
}

TEST(AgentClone, WhileStoppingNothingIsReleased) {
  Scenario s({.exclusive_store = false});
  ASSERT_TRUE(s.run_until_held());
  s.hold_acks = true;
  s.feed(event::StopRequested{});
  s.feed(event::CloneDetected{});
  ASSERT_TRUE(s.stopped.has_value());
  EXPECT_FALSE(s.stopped->failed);
  EXPECT_EQ(state_of(s, 0), lease::WindowState::kHeld);
}

}  // namespace
}  // namespace gnomon::control
