// SPDX-License-Identifier: Apache-2.0
//
// A machine that was cloned or restored: rights are dropped and never given back, and nothing of before serves again.
#include "tests/control/agent/scenario.hpp"

namespace gnomon::control {
namespace {

using time::seconds;
using Fate = Scenario::Fate;

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
    EXPECT_EQ(s.state_of(0), lease::WindowState::kHeld);
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
  EXPECT_EQ(s.state_of(0), lease::WindowState::kHeld);
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
    s.tick_after_answers = false;
    s.feed(event::CloneDetected{});
    for (const Event& late : s.late)
      s.feed(late);
    s.tick_after_answers = true;
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

// Beginning afresh is not put off by what was waited for before.
TEST(AgentClone, BeginsAfreshWithoutTheDelayOfBefore) {
  const auto until_it_holds_again = [](bool in_a_delay) {
    Scenario s({.machine_ids = 2, .exclusive_store = false});
    EXPECT_TRUE(s.run_until_held());
    s.list_unavailable = s.commit_away = in_a_delay;
    s.run_for(seconds(5));
    const auto failures = [&s] { return s.view().store_failures.of(StoreErrorKind::kUnavailable); };
    const std::uint64_t before = failures();
    EXPECT_TRUE(s.run_until([&] { return !in_a_delay || failures() > before; }));
    s.list_unavailable = s.commit_away = false;
    s.feed(event::CloneDetected{});
    const time::Uptime begun = s.uptime;
    EXPECT_TRUE(s.run_until_held());
    return s.uptime - begun;
  };
  EXPECT_LE(until_it_holds_again(true), until_it_holds_again(false));
}

TEST(AgentClone, BeginsAfreshFromWhatTheStoreSaysThen) {
  Scenario s({.exclusive_store = false});
  s.tick_after_answers = false;
  s.tick();
  s.tick();
  const std::string before = s.take_transcript();
  ASSERT_TRUE(before.ends_with("list\n"))
      << before << "chosen from in the next tick: the session took this one's nonce";
  s.feed(event::CloneDetected{});
  ASSERT_TRUE(s.run_until_held());
  const std::string said = s.take_transcript();
  EXPECT_LT(said.find("list\n"), said.find("commit take")) << said;
}

// No worker says any more how far it used them.
TEST(AgentClone, WhatWasHeldCountsAsUsedUpToItsCeiling) {
  for (const auto policy : {mint::LeadPolicy::kRefuse, mint::LeadPolicy::kRotate}) {
    Scenario s({.machine_ids = 1, .lead_policy = policy, .exclusive_store = false});
    ASSERT_TRUE(s.run_until_held());
    const std::string ceiling = Scenario::at(s.window(0).ceiling);
    s.feed(event::CloneDetected{});
    s.ordering = mint::OrderingState::kBehind;
    s.lead = seconds(100);
    ASSERT_TRUE(s.run_until([&] { return s.notes(effect::Note::Kind::kBehindItsIds) == 1; }, seconds(10)));
    const std::string said = s.take_transcript();
    EXPECT_NE(said.find("no rights are taken (" + ceiling + ")"), std::string::npos) << ceiling << "\n" << said;
  }
}

TEST(AgentClone, WhileItWaitsForANewEraItGoesOnWaiting) {
  Scenario s({.lead_policy = mint::LeadPolicy::kRotate, .exclusive_store = false});
  ASSERT_TRUE(s.run_until_held());
  s.eras_begin = false;
  s.ordering = mint::OrderingState::kBehind;
  ASSERT_TRUE(s.run_until([&] { return s.view().state == AgentState::kAwaitingEra; }));
  s.ordering = mint::OrderingState::kFollowing;
  s.tick();
  s.feed(event::CloneDetected{});
  s.run_for(seconds(5));
  EXPECT_EQ(s.view().state, AgentState::kAwaitingEra);
  ++s.era.value;
  EXPECT_TRUE(s.run_until_held());
}

// What was acknowledged to it before stays acknowledged, whatever it is called now.
// Whether the store is put back before the cloning or after it, while the new name has yet to be voted in.
TEST(AgentClone, StillHoldsTheStoreAgainstWhatItHeldBefore) {
  for (const bool after : {false, true}) {
    Scenario s({.exclusive_store = false});
    const MemoryStore::Image old = s.store().image();
    ASSERT_TRUE(s.run_until_held());
    s.run_for(seconds(5));
    if (after) {
      s.feed(event::CloneDetected{});
      s.run_for(seconds(1));
    }
    s.store().restore(old);
    for (int i = 0; i < 100; ++i)
      ASSERT_TRUE(s.store().commit({{}, {{"other/" + std::to_string(i), "x"}}, {}}));
    if (!after) s.feed(event::CloneDetected{});
    ASSERT_TRUE(s.run_until_stopped()) << after;
    EXPECT_NE(s.stopped->text.find("the window of machine id 0 is gone"), std::string::npos) << s.stopped->text;
    EXPECT_EQ(s.commits, 2) << "nothing was taken from what was put back";
  }
}

// In the middle of a release that a deaf worker hinders: of the next one, nothing does.
TEST(AgentClone, ForgetsWhatHinderedTheReleaseOfBefore) {
  Scenario s({.workers = 2, .lead_policy = mint::LeadPolicy::kRotate, .exclusive_store = false});
  ASSERT_TRUE(s.run_until_held());
  s.deaf = {1};
  s.fates = {Fate::kSilentBefore};
  ++s.era.value;
  ASSERT_TRUE(s.run_until([&] { return s.view().state == AgentState::kReleasing; }));
  s.feed(event::CloneDetected{});
  ASSERT_TRUE(s.run_until_held());
  s.deaf = {};
  const std::uint64_t era = s.era.value;
  s.take_transcript();
  s.ordering = mint::OrderingState::kBehind;
  s.era_time = s.now;
  ASSERT_TRUE(s.run_until([&] { return s.era.value > era || s.stopped; }));
  EXPECT_FALSE(s.stopped.has_value()) << s.stopped->text;
  EXPECT_NE(s.take_transcript().find("note: all rights were given back\n"), std::string::npos);
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
  EXPECT_EQ(s.stopped->text, "stopped; rights run out by themselves, because a copy may be using them");
  EXPECT_EQ(s.state_of(0), lease::WindowState::kHeld);
}

}  // namespace
}  // namespace gnomon::control
