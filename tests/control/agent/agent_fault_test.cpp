// SPDX-License-Identifier: Apache-2.0
//
// What the agent does when answers are lost, late, repeated or bad.
#include "tests/control/agent/scenario.hpp"

namespace gnomon::control {
namespace {

using time::milliseconds;
using time::seconds;
using Fate = Scenario::Fate;
using Kind = effect::Note::Kind;

time::SmearedUtc ceiling_of(const Scenario& s) { return s.published[0].slots[0].ceiling; }

/// It never landed, and the list that has to tell is still on its way.
event::Listed list_after_a_lost_extension(Scenario& s) {
  s.fates = {Fate::kLostBefore};
  s.list_silent = true;
  EXPECT_TRUE(s.run_until([&] { return !s.late.empty(); }));
  return std::get<event::Listed>(s.late.back());
}

TEST(AgentFaults, AcquisitionWithALostAnswerIsProvedByReading) {
  Scenario s({});
  s.fates = {Fate::kLostAfter};
  s.tick();
  EXPECT_EQ(s.take_transcript(), "list\ncommit take 00000 to 10020 ms\nnote: answer lost\n");
  EXPECT_EQ(s.published[0].count, 0U);
  s.run_for(milliseconds(100));
  EXPECT_EQ(s.take_transcript(),
            "list\n"
            "journal at 1\n"
            "worker 0 gen 1: id 0 to 10020 ms\n"
            "note: machine id 0 (10020 ms)\n");
  EXPECT_EQ(s.commits, 1);
}

TEST(AgentFaults, AcquisitionThatNeverArrivedIsSentAfresh) {
  Scenario s({});
  s.fates = {Fate::kLostBefore};
  ASSERT_TRUE(s.run_until_held());
  EXPECT_EQ(s.commits, 2);
  EXPECT_FALSE(s.land(0)) << "its compares no longer hold";
}

TEST(AgentFaults, AcquisitionThatLandsLateIsRecognised) {
  Scenario s({.pinned = {{4}}});
  s.fates = {Fate::kLostBefore};
  s.tick();
  s.fates = {Fate::kDone};
  while (s.take_transcript().find("list") == std::string::npos)
    s.tick();  // not there yet...
  if (s.view().state != AgentState::kHeld) {
    ASSERT_TRUE(s.land(0));  // ...and now it is
    ASSERT_TRUE(s.run_until_held());
  }
  EXPECT_EQ(s.published[0].slots[0].machine.value, 4);
}

TEST(AgentFaults, ExtensionWithALostAnswerIsNotUsedBeforeItIsProved) {
  Scenario s({});
  ASSERT_TRUE(s.run_until_held());
  const auto before = ceiling_of(s);
  s.fates = {Fate::kLostAfter};
  ASSERT_TRUE(s.run_until([&] { return s.notes(Kind::kOutcomeUnknown) == 1; }));
  EXPECT_EQ(ceiling_of(s), before);
  s.list_unavailable = true;
  s.run_for(seconds(3));
  EXPECT_EQ(ceiling_of(s), before) << "no proof, no use";
  s.list_unavailable = false;
  s.run_for(seconds(2));
  EXPECT_GT(ceiling_of(s), before);
  EXPECT_EQ(s.published[0].generation.value, 1U);
}

TEST(AgentFaults, ExtensionThatNeverArrivedIsSentAfresh) {
  Scenario s({});
  ASSERT_TRUE(s.run_until_held());
  const auto before = ceiling_of(s);
  s.fates = {Fate::kLostBefore};
  ASSERT_TRUE(s.run_until([&] { return ceiling_of(s) > before; }, seconds(6)));
  EXPECT_EQ(s.commits, 3);
  EXPECT_FALSE(s.land(0));
}

TEST(AgentFaults, ExtensionThatLandsLateIsFoundOnTheNextConflict) {
  Scenario s({});
  ASSERT_TRUE(s.run_until_held());
  s.fates = {Fate::kLostBefore, Fate::kUnavailable, Fate::kUnavailable};
  ASSERT_TRUE(s.run_until([&] { return s.commits == 4; }));  // it was not found, and sent afresh twice
  ASSERT_TRUE(s.land(0));
  s.run_for(seconds(2));
  EXPECT_EQ(s.view().state, AgentState::kHeld);
  EXPECT_EQ(s.notes(Kind::kLost), 0) << "byte-equal with an attempt of ours: not somebody else's";
  EXPECT_GT(ceiling_of(s), s.now + seconds(6));
}

TEST(AgentFaults, WindowThatWeNeverSentIsNotOurs) {
  Scenario s({});
  ASSERT_TRUE(s.run_until_held());
  // A copy of this process extends with our token.
  lease::Window window = s.window(0);
  const auto right = *s.table().find({0});
  window.token = *right.token();
  window.ceiling = window.ceiling + seconds(50);
  window.nonce.fill(0x77);
  ASSERT_TRUE(s.store().commit({{}, {{lease::window_key({0}), lease::encode(window)}}, {}}));
  ASSERT_TRUE(s.run_until([&] { return s.notes(Kind::kLost) == 1; }));
  ASSERT_TRUE(s.run_until_held());
  EXPECT_NE(s.published[0].slots[0].machine.value, 0);
  EXPECT_EQ(s.published[0].generation.value, 3U);
}

TEST(AgentFaults, LostGrantRevokesGivesTheRestBackAndTakesAnew) {
  Scenario s({.workers = 2});
  ASSERT_TRUE(s.run_until_held());
  // Another daemon of a shared store takes id 0 over.
  const mint::MachineId zero{0};
  lease::RightPolicy policy{};
  lease::Claim claim{"other", {}, {}};
  claim.incarnation.fill(0xbb);
  claim.nonce.fill(0xbb);
  ASSERT_TRUE(s.store().commit(lease::acquire(s.table(), policy, s.now, std::span(&zero, 1), claim)));
  s.take_transcript();
  s.used[1] = kStart + milliseconds(3000);
  ASSERT_TRUE(s.run_until([&] { return s.notes(Kind::kAcquired) == 2; }));
  const std::string transcript = s.take_transcript();
  EXPECT_NE(transcript.find("note: machine id 0 was taken over by another holder; never used again here\n"
                            "worker 0 gen 2: nothing\nworker 1 gen 2: nothing\n"),
            std::string::npos)
      << transcript;
  EXPECT_NE(transcript.find("commit release 00001 to 3000 ms\n"), std::string::npos) << transcript;
  EXPECT_EQ(transcript.find("release 00000"), std::string::npos) << "what is lost is not ours to release";
  EXPECT_EQ(s.published[0].slots[0].machine.value, 2);
}

TEST(AgentFaults, ChangedIdentityOfTheStoreStopsTheDaemon) {
  Scenario s({});
  ASSERT_TRUE(s.run_until_held());
  ASSERT_TRUE(s.store().commit({{}, {{std::string(lease::kStoreKey), "recovered"}}, {}}));
  ASSERT_TRUE(s.run_until_stopped());
  EXPECT_TRUE(s.stopped->failed);
  EXPECT_NE(s.stopped->text.find("meta/store"), std::string::npos) << s.stopped->text;
  EXPECT_EQ(s.published[0].count, 0U);
}

TEST(AgentFaults, UnavailableStoreLetsWorkersRunToTheCeilingAndRecovers) {
  Scenario s({});
  ASSERT_TRUE(s.run_until_held());
  const auto before = ceiling_of(s);
  s.fates.assign(1000, Fate::kUnavailable);
  s.run_for(seconds(60));
  EXPECT_EQ(ceiling_of(s), before);
  EXPECT_EQ(s.published[0].count, 1U) << "the window fences by itself: nothing is revoked";
  EXPECT_GT(s.commits, 50);
  EXPECT_LT(s.commits, 400) << "with backoff";
  EXPECT_EQ(s.notes(Kind::kStoreUnavailable), 1) << "said once";
  s.fates.clear();
  s.run_for(seconds(2));
  EXPECT_GT(ceiling_of(s), s.now);
  EXPECT_EQ(s.published[0].generation.value, 1U);
}

TEST(AgentFaults, FatalErrorEmptiesTheSetsAndStops) {
  for (const bool while_extending : {false, true}) {
    Scenario s({.workers = 2});
    if (while_extending) {
      ASSERT_TRUE(s.run_until_held());
    }
    s.fates = {Fate::kFatal};
    ASSERT_TRUE(s.run_until_stopped());
    EXPECT_TRUE(s.stopped->failed);
    EXPECT_EQ(s.stopped->text, "disk full");
    EXPECT_EQ(s.published[0].count, 0U);
    EXPECT_EQ(s.published[1].count, 0U);
    EXPECT_EQ(s.take_transcript().find("gen 2: nothing") != std::string::npos, while_extending);
    EXPECT_EQ(s.published[0].generation.value, while_extending ? 2U : 0U) << "nothing is emptied that was empty";
    s.feed(event::StopRequested{});
    s.run_for(seconds(20));
    EXPECT_EQ(s.take_transcript(), "") << "after a fatal error nothing is asked of the store";
  }
}

TEST(AgentFaults, FailedCallsOfTheStoreAreCountedByKind) {
  using Failure = StoreErrorKind;
  Scenario s({});
  const auto failures = [&](Failure kind) { return s.view().store_failures.of(kind); };
  s.fates = {Fate::kUnavailable, Fate::kLostBefore};
  ASSERT_TRUE(s.run_until_held());
  EXPECT_EQ(failures(Failure::kUnavailable), 1U);
  EXPECT_EQ(failures(Failure::kUnknown), 1U);

  s.fates = {Fate::kSilentBefore};  // nobody answers: given up is failed, and a late answer is not another failure
  ASSERT_TRUE(s.run_until([&] { return failures(Failure::kUnknown) == 2; }));
  s.list_silent = true;
  ASSERT_TRUE(s.run_until([&] { return failures(Failure::kUnavailable) == 2; }));
  s.list_silent = false;
  for (const Event& answer : std::exchange(s.late, {}))
    s.feed(answer);
  s.run_for(seconds(20));
  EXPECT_EQ(failures(Failure::kUnavailable) + failures(Failure::kUnknown), 4U);

  s.journal_silent = true;  // that is the disk of this host
  s.run_for(seconds(20));
  s.journal_silent = false;
  s.run_for(seconds(5));
  EXPECT_EQ(failures(Failure::kUnavailable) + failures(Failure::kUnknown), 4U);

  EXPECT_EQ(failures(Failure::kConflict), 0U);
  ASSERT_TRUE(s.store().commit({{}, {{std::string(lease::kStoreKey), "another"}}, {}}));
  ASSERT_TRUE(s.run_until_stopped());
  EXPECT_EQ(failures(Failure::kConflict), 1U);
  EXPECT_EQ(failures(Failure::kFatal), 0U);
}

TEST(AgentFaults, AFatalFailureIsCountedToo) {
  Scenario s({});
  ASSERT_TRUE(s.run_until_held());
  s.fates = {Fate::kFatal};
  ASSERT_TRUE(s.run_until_stopped());
  EXPECT_EQ(s.view().store_failures.of(StoreErrorKind::kFatal), 1U);
}

TEST(AgentFaults, StoreThatWentBackIsNotBelieved) {
  Scenario s({});
  ASSERT_TRUE(s.run_until_held());
  s.run_for(seconds(10));
  MemoryStore older;
  ASSERT_TRUE(older.commit({{}, {{"right/m/00009/other", "x"}}, {}}));
  event::Listed listed = list_after_a_lost_extension(s);
  listed.listing = *older.list(lease::kRightPrefix);
  s.feed(listed);
  ASSERT_TRUE(s.stopped.has_value());
  EXPECT_TRUE(s.stopped->failed);
  EXPECT_NE(s.stopped->text.find("went back"), std::string::npos);
  EXPECT_NE(s.stopped->text.find("gnomon control recover"), std::string::npos);
  EXPECT_EQ(s.take_transcript().find("seal:"), std::string::npos) << "it has the store to itself";
}

TEST(AgentFaults, AListOfBeforeWhatWasAcknowledgedIsNotBelieved) {
  Scenario s({});
  ASSERT_TRUE(s.run_until_held());
  event::Listed listed = list_after_a_lost_extension(s);
  --listed.listing.at.value;
  s.feed(listed);
  ASSERT_TRUE(s.stopped.has_value());
  EXPECT_NE(s.stopped->text.find("it stands at revision 0, but acknowledged revision 1"), std::string::npos)
      << s.stopped->text;
}

TEST(AgentFaults, SameRevisionWithAnotherContentIsAnotherHistory) {
  Scenario s({});
  ASSERT_TRUE(s.run_until_held());
  event::Listed listed = list_after_a_lost_extension(s);
  lease::Window window = s.window(0);
  window.nonce.fill(0x55);
  listed.listing.entries.back().value = lease::encode(window);
  s.feed(listed);
  ASSERT_TRUE(s.stopped.has_value());
  EXPECT_TRUE(s.stopped->failed);
  EXPECT_EQ(s.published[0].count, 0U);
}

/// Extended by a commit that the journal never heard of, and then given back in vain, since an era ended: the list of
/// rights that is read thereafter.
event::Listed list_after_an_unjournaled_extension(Scenario& s) {
  s.journal_silent = true;
  EXPECT_TRUE(s.run_until([&] { return s.commits == 2; }));
  s.fates = {Fate::kLostBefore};
  s.list_silent = true;
  s.late.clear();
  ++s.era.value;
  EXPECT_TRUE(s.run_until([&] { return !s.late.empty() && std::holds_alternative<event::Listed>(s.late.back()); }));
  return std::get<event::Listed>(s.late.back());
}

TEST(AgentFaults, WhatTheJournalHasNotHeardOfIsAcknowledgedAsWell) {
  for (const bool older : {false, true}) {
    Scenario s({});
    ASSERT_TRUE(s.run_until_held());
    const Entry acquired = **s.store().get(lease::window_key({0}));
    event::Listed listed = list_after_an_unjournaled_extension(s);
    Entry& window = listed.listing.entries.back();
    ASSERT_EQ(window.key, acquired.key);
    ASSERT_LT(acquired.modified, window.modified);
    if (older)
      window = acquired;
    else
      window.value = acquired.value;
    s.feed(listed);
    ASSERT_TRUE(s.stopped.has_value()) << (older ? "older" : "the same revision, and what stood there before");
    EXPECT_TRUE(s.stopped->failed);
    EXPECT_NE(s.stopped->text.find("the window of machine id 0 is older than what was acknowledged to this daemon"),
              std::string::npos)
        << s.stopped->text;
  }
}

TEST(AgentFaults, SilentStoreIsGivenUpAndItsLateAnswerIgnored) {
  Scenario s({});
  ASSERT_TRUE(s.run_until_held());
  s.fates = {Fate::kSilentAfter};
  s.take_transcript();
  ASSERT_TRUE(s.run_until([&] { return s.notes(Kind::kExtended) == 1; }));
  EXPECT_EQ(s.commits, 2) << "found by reading, not sent again";
  const auto ceiling = ceiling_of(s);
  ASSERT_EQ(s.late.size(), 1U);
  s.take_transcript();
  s.feed(s.late[0]);
  EXPECT_EQ(s.take_transcript(), "");
  EXPECT_EQ(ceiling_of(s), ceiling);
}

TEST(AgentFaults, SilentJournalHoldsTheExtensionBack) {
  Scenario s({});
  ASSERT_TRUE(s.run_until_held());
  const auto before = ceiling_of(s);
  s.journal_silent = true;
  s.run_for(seconds(5));
  EXPECT_EQ(ceiling_of(s), before) << "committed, but not in the journal: not used";
  s.journal_silent = false;
  s.run_for(seconds(4));
  EXPECT_GT(ceiling_of(s), before);
  for (const Event& late : s.late)
    s.feed(late);
  s.run_for(seconds(1));
  EXPECT_EQ(s.view().state, AgentState::kHeld);
}

// Every commit's answer is lost in some way, for minutes; the harness checks each publication.
TEST(AgentFaults, StormOfLostAnswersNeverPublishesTooMuch) {
  for (std::uint32_t seed = 1; seed <= 200; ++seed) {
    Scenario s({.workers = 2, .ids_per_worker = 2});
    std::uint32_t state = seed;
    const auto random = [&] { return state = state * 1664525 + 1013904223, state >> 16; };
    std::size_t landed = 0;
    for (int i = 0; i < 1500; ++i) {
      if (s.fates.empty() && random() % 2 == 0) s.fates.push_back(static_cast<Fate>(random() % 7));
      if (!s.fates.empty() && s.fates.front() == Fate::kFatal) s.fates.front() = Fate::kDone;
      s.list_unavailable = random() % 5 == 0;
      s.journal_silent = random() % 7 == 0;
      if (landed < s.in_flight.size() && random() % 20 == 0) s.land(landed++);
      if (!s.late.empty() && random() % 10 == 0) s.feed(s.late[random() % s.late.size()]);
      s.tick(milliseconds(static_cast<std::int64_t>(random() % 100)));
      ASSERT_FALSE(s.stopped.has_value()) << "seed " << seed << ": " << s.stopped->text;
    }
    s.fates.clear();
    s.list_unavailable = s.journal_silent = false;
    ASSERT_TRUE(s.run_until_held()) << "seed " << seed;
    s.feed(event::StopRequested{});
    ASSERT_TRUE(s.run_until_stopped());
    EXPECT_FALSE(s.stopped->failed);
  }
}

}  // namespace
}  // namespace gnomon::control
