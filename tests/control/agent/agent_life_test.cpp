// SPDX-License-Identifier: Apache-2.0
//
// The agent's ordinary life, as transcripts: taking, extending, waiting, pausing, giving back.
#include <utility>

#include "oracle/lease/history.hpp"
#include "tests/control/agent/scenario.hpp"

namespace gnomon::control {
namespace {

using time::milliseconds;
using time::seconds;
using Kind = effect::Note::Kind;

TEST(AgentLife, TakesExtendsAndGivesBack) {
  Scenario s({.workers = 2});
  s.ordering = mint::OrderingState::kNoTime;
  s.run_for(milliseconds(100));
  EXPECT_EQ(s.take_transcript(), "") << "nothing is asked for before there is a time";

  s.ordering = mint::OrderingState::kFollowing;
  s.tick();
  EXPECT_EQ(s.take_transcript(),
            "list\n"
            "commit take 00000 to 10120 ms, take 00001 to 10120 ms\n"
            "journal at 1\n"
            "worker 0 gen 1: id 0 to 10120 ms\n"
            "worker 1 gen 1: id 1 to 10120 ms\n"
            "note: machine ids 0, 1 (10120 ms)\n");

  s.run_for(seconds(4));
  EXPECT_EQ(s.take_transcript(),
            "commit extend 00000 to 13460 ms, extend 00001 to 13460 ms\n"
            "journal at 2\n"
            "worker 0 gen 1: id 0 to 13460 ms\n"
            "worker 1 gen 1: id 1 to 13460 ms\n"
            "note: ceilings raised (13460 ms)\n");

  s.used[0] = kStart + milliseconds(4000);
  s.feed(event::StopRequested{});
  EXPECT_EQ(s.take_transcript(),
            "worker 0 gen 2: nothing\n"
            "worker 1 gen 2: nothing\n"
            "commit release 00000 to 4000 ms, release 00001 to -1800000000000 ms\n"
            "journal at 3\n"
            "note: all rights were given back\n"
            "stopped: stopped; all rights were given back\n");
  EXPECT_EQ(s.window(0).state, lease::WindowState::kReleased);
  s.run_for(seconds(20));
  EXPECT_EQ(s.take_transcript(), "") << "stopped is stopped";
}

TEST(AgentLife, EachCommitHasRandomBitsOfItsOwn) {
  Scenario s({});
  s.tick_after_answers = false;
  s.tick();
  ASSERT_EQ(s.view().state, AgentState::kHeld);
  s.feed(event::StopRequested{});
  EXPECT_EQ(s.commits, 1) << "this tick's nonce is used up";
  s.tick();
  EXPECT_EQ(s.commits, 2);
}

TEST(AgentLife, SeveralIdsPerWorkerStandSorted) {
  Scenario s({.workers = 2, .ids_per_worker = 3, .machine_ids = 8, .pinned = {{5}, {1}, {3}, {0}, {7}, {2}}});
  ASSERT_TRUE(s.run_until_held());
  EXPECT_EQ(s.published[0].count, 3U);
  EXPECT_EQ(s.published[0].slots[0].machine.value, 1);
  EXPECT_EQ(s.published[0].slots[2].machine.value, 5);
  EXPECT_EQ(s.published[1].slots[0].machine.value, 0);
  EXPECT_EQ(s.published[1].slots[2].machine.value, 7);
}

TEST(AgentLife, HoldsForHoursWithOneCommitPerThird) {
  Scenario s({.workers = 3});
  ASSERT_TRUE(s.run_until_held());
  const mint::Token token = s.published[0].slots[0].token;
  const auto hour = seconds(3600);
  for (time::Duration gone; gone < hour; gone = gone + milliseconds(20)) {
    s.tick();
    ASSERT_GT(s.published[0].slots[0].ceiling - s.now, seconds(6)) << "never below two thirds for longer than a tick";
  }
  EXPECT_EQ(s.published[0].slots[0].token, token);
  EXPECT_NEAR(s.commits, 1 + 3600 / 3.34, 12);
}

TEST(AgentLife, PauseBeyondTheWindowNeedsNoOperator) {
  Scenario s({});
  ASSERT_TRUE(s.run_until_held());
  const mint::Right before = s.published[0].slots[0];
  s.tick(seconds(300));  // SIGSTOP, SIGCONT
  s.run_for(milliseconds(100));
  const mint::Right after = s.published[0].slots[0];
  EXPECT_EQ(after.token, before.token);
  EXPECT_EQ(after.machine, before.machine);
  EXPECT_GT(after.ceiling, s.now);
  EXPECT_EQ(s.view().state, AgentState::kHeld);
}

TEST(AgentLife, PauseInTheMiddleOfAnOperationIsNotItsFault) {
  Scenario s({});
  s.list_silent = true;
  s.tick();
  ASSERT_EQ(s.take_transcript(), "list\n");
  s.tick(seconds(300));
  EXPECT_EQ(s.take_transcript(), "") << "this process did not run: the store had no chance to answer";
  s.list_silent = false;
  s.feed(s.late.front());
  EXPECT_TRUE(s.run_until_held());
}

TEST(AgentLife, RestartTakesAnotherIdAtOnce) {
  MemoryStore store;
  std::set<std::uint16_t> ids;
  for (std::uint8_t life = 1; life <= 20; ++life) {
    Nonce incarnation{};
    incarnation.fill(life);
    Scenario s({.incarnation = incarnation}, &store);
    s.nonce_salt = life;
    s.now = kStart + milliseconds(100 * life);  // killed, never stopped
    s.tick();
    ASSERT_EQ(s.view().state, AgentState::kHeld) << "within one tick";
    EXPECT_TRUE(ids.insert(s.published[0].slots[0].machine.value).second);
  }
}

TEST(AgentLife, AllIdsTakenSaysWhenOneFrees) {
  MemoryStore store;
  for (std::uint8_t other = 1; other <= 4; ++other) {
    Nonce incarnation{};
    incarnation.fill(other);
    Scenario s({.machine_ids = 4, .incarnation = incarnation}, &store);
    s.nonce_salt = other;
    s.now = kStart + seconds(other);
    ASSERT_TRUE(s.run_until_held());
  }
  Scenario s({.machine_ids = 4}, &store);
  s.nonce_salt = 99;
  s.now = kStart + seconds(5);
  s.tick();
  // The first window ends at 11.02 s; an exclusive store waits for all of it but the lead budget.
  EXPECT_EQ(s.take_transcript(), "list\nnote: 0 of 1 machine ids are free (10020 ms)\n");
  EXPECT_EQ(s.view().waiting_until, kStart + milliseconds(10'020));
  ASSERT_TRUE(s.run_until_held());
  EXPECT_LE(s.now, kStart + milliseconds(10'060)) << "and then it is taken at once";
  EXPECT_EQ(s.published[0].slots[0].machine.value, 0);
  EXPECT_EQ(s.published[0].slots[0].floor, kStart + milliseconds(11'020));
  EXPECT_EQ(s.view().waiting_until, std::nullopt);
  EXPECT_EQ(s.notes(Kind::kIdsExhausted), 1) << "said once, not at every retry";
}

TEST(AgentLife, PinnedIdsWaitOutTheFloorAfterACrashAndNothingAfterAStop) {
  MemoryStore store;
  Nonce first{};
  first.fill(1);
  Scenario crashed({.pinned = {{6}}, .incarnation = first}, &store);
  crashed.nonce_salt = 1;
  ASSERT_TRUE(crashed.run_until_held());

  Nonce second{};
  second.fill(2);
  Scenario s({.pinned = {{6}}, .incarnation = second}, &store);
  s.nonce_salt = 2;
  s.now = kStart + seconds(1);
  s.run_for(milliseconds(100));
  EXPECT_EQ(s.take_transcript(), "list\nnote: 0 of 1 pinned machine ids are free (9020 ms)\n");
  ASSERT_TRUE(s.run_until_held());
  EXPECT_LE(s.now, kStart + milliseconds(9'100));
  s.used[6] = s.published[0].slots[0].floor + milliseconds(1);
  s.feed(event::StopRequested{});
  ASSERT_TRUE(s.stopped && !s.stopped->failed);

  Nonce third{};
  third.fill(3);
  Scenario again({.pinned = {{6}}, .incarnation = third}, &store);
  again.nonce_salt = 3;
  again.now = s.now;
  again.tick();
  EXPECT_EQ(again.view().state, AgentState::kHeld) << "after a clean stop: at once";
  EXPECT_EQ(again.published[0].slots[0].floor, s.used[6]);
}

TEST(AgentLife, UnreadableRightsAreReportedAndLeftAlone) {
  MemoryStore store;
  ASSERT_TRUE(store.commit({{}, {{lease::window_key({0}), "window 2 of a newer version"}}, {}}));
  Scenario s({}, &store);
  ASSERT_TRUE(s.run_until_held());
  EXPECT_EQ(s.published[0].slots[0].machine.value, 1);
  EXPECT_EQ(s.notes(Kind::kUnreadable), 1);
}

// ---- the history of who took what

/// A life that takes the one machine id that there is, and ends killed: its window runs out.
AgentOptions successor(std::uint8_t life) {
  AgentOptions options{.machine_ids = 1, .keep_history = seconds(60)};
  options.incarnation.fill(life);
  return options;
}

std::size_t kept_history(MemoryStore& store) { return store.list(lease::kHistoryPrefix)->entries.size(); }

/// A second life has taken the id, and the list of the history that it asked for is on its way.
struct PruningIsDue {
  PruningIsDue() {
    Scenario first(successor(1), &store);
    EXPECT_TRUE(first.run_until_held());
    s.nonce_salt = 2;
    s.now = kStart + seconds(120);
    s.journal_silent = true;
    s.tick();
    s.list_silent = true;
    s.feed(s.late.at(0));
    EXPECT_EQ(s.view().state, AgentState::kHeld);
    EXPECT_EQ(s.late.size(), 2U) << "the history was asked for";
  }
  MemoryStore store;
  Scenario s{successor(2), &store};
};

TEST(AgentLife, HistoryIsPrunedOnceItIsOlderThanIsKept) {
  for (const int gap_s : {59, 61}) {
    MemoryStore store;
    for (std::uint8_t life = 0; life < 3; ++life) {
      Scenario s(successor(life), &store);
      s.nonce_salt = life;
      s.now = kStart + seconds(gap_s * life);
      ASSERT_TRUE(s.run_until_held());
    }
    EXPECT_EQ(kept_history(store), gap_s < 60 ? 2U : 1U) << gap_s << " s between acquisitions, 60 s are kept";
  }
}

// By a clock that is ahead of what it may be followed to, or held, nothing is old.
TEST(AgentLife, HistoryIsNotPrunedByADoubtfulClock) {
  using mint::OrderingState;
  for (const OrderingState ordering :
       {OrderingState::kFollowing, OrderingState::kUnconfirmed, OrderingState::kBehind}) {
    PruningIsDue due;
    Scenario& s = due.s;
    s.ordering = ordering;
    s.feed(s.tick_event());
    s.feed(s.late.back());
    EXPECT_EQ(kept_history(due.store), ordering == OrderingState::kFollowing ? 1U : 2U);
  }
}

// Recovered between the listing and the deletion: what was listed there is not what stands there.
TEST(AgentLife, HistoryOfAStoreThatWasRecoveredMeanwhileIsNotPruned) {
  PruningIsDue due;
  ASSERT_TRUE(due.store.commit({{}, {{std::string(lease::kStoreKey), "recovered"}}, {}}));
  due.s.feed(due.s.late.back());
  EXPECT_EQ(kept_history(due.store), 2U);
}

// ---- beside the session, on a shared store

// The session is due all the time, because nobody takes it.
TEST(AgentSession, DoesNotHoldUpAStopWhileTheStoreIsAway) {
  for (const bool asked : {false, true}) {
    SCOPED_TRACE(asked);
    MemoryStore store;
    Scenario first({.exclusive_store = false, .incarnation = Nonce{1}}, &store);
    first.nonce_salt = 1;
    ASSERT_TRUE(first.run_until_held());
    Scenario s({.machine_ids = asked ? 2U : 1U, .exclusive_store = false}, &store);
    const auto waits = [&] { return asked ? s.commits == 1 : s.notes(Kind::kIdsExhausted) == 1; };
    if (asked) s.fates = {Scenario::Fate::kLostBefore};
    for (int i = 0; i < 500 && !waits(); ++i) {
      first.tick();
      s.tick();
    }
    ASSERT_TRUE(waits());
    s.list_unavailable = s.commit_away = true;
    s.run_for(seconds(5));
    ASSERT_EQ(s.view().state, AgentState::kAcquiring);
    s.feed(event::StopRequested{});
    s.run_for(seconds(8));  // the daemon waits for ten
    ASSERT_TRUE(s.stopped.has_value());
    EXPECT_FALSE(s.stopped->failed);
    EXPECT_NE(s.stopped->text.find(asked ? "is not known" : "no rights were held"), std::string::npos)
        << s.stopped->text;
  }
}

// Each call takes longer than a heartbeat: with every answer the session is due again.
TEST(AgentSession, LeavesEverySecondCallToTheRights) {
  Scenario s({.exclusive_store = false, .heartbeat = milliseconds(50)});
  s.list_silent = s.fates_for_all = true;
  const auto answer_slowly = [&](int calls) {
    for (int i = 0; i < calls; ++i) {
      s.fates.assign(4, Scenario::Fate::kSilentAfter);
      s.run_for(milliseconds(100));
      for (const Event& late : std::exchange(s.late, {}))
        s.feed(late);
    }
  };
  answer_slowly(20);
  ASSERT_EQ(s.view().state, AgentState::kHeld);
  const time::SmearedUtc ceiling = s.published[0].slots[0].ceiling;
  Nonce incarnation{};
  incarnation.fill(0xaa);
  for (int i = 0; i < 20; ++i) {
    const Revision before = s.store().get(lease::session_key(incarnation))->value().modified;
    answer_slowly(4);
    EXPECT_GT(s.store().get(lease::session_key(incarnation))->value().modified, before) << "and it is renewed";
  }
  EXPECT_GT(s.published[0].slots[0].ceiling, ceiling);
}

TEST(AgentOptionsFault, NamesWhatIsWrong) {
  const auto fault = [](const AgentOptions& options) { return fault_of(options); };
  EXPECT_EQ(fault({}), "");
  EXPECT_NE(fault({.workers = 0}), "");
  EXPECT_NE(fault({.ids_per_worker = 9}), "");
  EXPECT_EQ(fault({.workers = 33, .machine_ids = 32}),
            "the workers need 33 machine ids, but only 32 fit every served layout");
  EXPECT_EQ(fault({.workers = 2, .pinned = {{1}}}), "1 machine ids are pinned, but the workers need 2");
  EXPECT_EQ(fault({.workers = 2, .pinned = {{1}, {1}}}), "a machine id is pinned twice");
  EXPECT_EQ(fault({.machine_ids = 32, .pinned = {{32}}}),
            "pinned machine id 32 does not fit every served layout: at most 31 does");
  EXPECT_NE(fault({.window = milliseconds(999)}), "");
  EXPECT_NE(fault({.max_lead = seconds(61)}), "");
}

}  // namespace
}  // namespace gnomon::control
