// SPDX-License-Identifier: Apache-2.0
//
// One desk, one command at a time: how much it asks of the store, and what it answers when the store says no, says
// nothing, or holds something else than was remembered.
#include "control/lease/lease_desk.hpp"

#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

#include "tests/control/lease/desk_room.hpp"

namespace gnomon::control {
namespace {

using lease::Refusal;
namespace answer = lease::answer;

TEST(LeaseDesk, UncontendedCommandsAreOneCommitEachAndNoRead) {
  DeskRoom room;
  const auto costs_one = [&](const char* what) {
    EXPECT_EQ(room.seats[0].commits, 1u) << what;
    EXPECT_EQ(room.seats[0].reads, 0u) << what;
    room.forget_counts();
  };
  const CallId open = room.open(0, 1);
  room.settle(false);
  ASSERT_NE(room.answer<answer::SessionOpen>(0, open), nullptr);
  costs_one("open");
  const CallId acquire = room.acquire(0, 1, "job");
  room.settle(false);
  ASSERT_NE(room.token(0, acquire), mint::Token{});
  costs_one("acquire");
  const CallId renew = room.ask(0, 1, command::RenewSession{time::seconds(10)});
  room.settle(false);
  ASSERT_NE(room.answer<answer::SessionOpen>(0, renew), nullptr);
  costs_one("renew");
  const CallId release = room.release(0, 1, "job", room.token(0, acquire));
  room.settle(false);
  ASSERT_NE(room.answer<answer::Released>(0, release), nullptr);
  costs_one("release");
  const CallId close = room.ask(0, 1, command::CloseSession{});
  room.settle(false);
  ASSERT_NE(room.answer<answer::SessionClosed>(0, close), nullptr);
  costs_one("close");
}

TEST(LeaseDesk, TheTokenIsTheRevisionOfTheGrantBelowTheEpoch) {
  DeskRoom room;
  const mint::Token token = room.hold(0, 1, "job");
  EXPECT_EQ(token, lease::make_token(1, (*room.store.get("lease/h/job"))->modified));
}

TEST(LeaseDesk, ARefusalIsReadFirst) {
  DeskRoom room(2);
  room.hold(0, 1, "job");
  room.open(0, 2);
  room.settle();
  // Released by another daemon, which this one has not heard of.
  room.release(1, 1, "job");
  room.settle(false);
  ASSERT_FALSE(room.stored_lease("job"));
  room.forget_counts();
  const CallId call = room.acquire(0, 2, "job");
  EXPECT_EQ(room.seats[0].reads, 1u);
  EXPECT_EQ(room.seats[0].commits, 0u);
  room.settle(false);
  EXPECT_NE(room.token(0, call), mint::Token{}) << "it would have been refused from memory";
}

TEST(LeaseDesk, AHeldLeaseIsRefusedWithItsHolderAfterOneRead) {
  DeskRoom room;
  const mint::Token token = room.hold(0, 1, "job");
  room.open(0, 2);
  room.settle();
  room.forget_counts();
  const CallId call = room.acquire(0, 2, "job");
  room.settle();
  EXPECT_EQ(room.refusal(0, call), Refusal::kHeld);
  EXPECT_EQ(room.answer<answer::Refused>(0, call)->token, token);
  EXPECT_EQ(room.answer<answer::Refused>(0, call)->holder, "client-1");
  EXPECT_EQ(room.seats[0].reads, 1u);
  EXPECT_EQ(room.seats[0].commits, 0u);
}

TEST(LeaseDesk, WhatNoEntryCouldChangeIsRefusedWithoutTheStore) {
  DeskRoom room;
  room.open(0, 1);
  room.settle();
  room.forget_counts();
  EXPECT_EQ(room.refusal(0, room.acquire(0, 1, "no spaces")), Refusal::kBadName);
  EXPECT_EQ(room.refusal(0, room.release(0, 1, "")), Refusal::kBadName);
  EXPECT_EQ(room.refusal(0, room.open(0, 2, time::Duration{1})), Refusal::kBadTtl);
  EXPECT_EQ(room.refusal(0, room.acquire(0, 1, "job", {}, time::seconds(61))), Refusal::kBadLockDelay);
  EXPECT_EQ(room.refusal(0, room.ask(0, 1, command::Get{"#"})), Refusal::kBadName);
  EXPECT_EQ(room.refusal(0, room.ask(0, 1, command::Validate{"a#b", {1}})), Refusal::kBadName);
  EXPECT_EQ(room.refusal(0, room.ask(0, 1, command::List{"a b", "", 0})), Refusal::kBadName);
  EXPECT_EQ(room.refusal(0, room.ask(0, 1, command::Break{"\n"})), Refusal::kBadName);
  EXPECT_EQ(room.seats[0].reads + room.seats[0].commits, 0u);
}

TEST(LeaseDesk, AStaleMemoryCostsAConflictAndIsDecidedAgain) {
  DeskRoom room(2);
  room.open(0, 1);
  room.settle();
  room.hold(1, 2, "job");
  const CallId released = room.release(1, 2, "job");
  room.settle();
  ASSERT_NE(room.answer<answer::Released>(1, released), nullptr);
  // Taken behind the back of desk 0.
  room.acquire(1, 2, "job");
  room.settle(false);
  const CallId call = room.acquire(0, 1, "job");
  EXPECT_EQ(room.seats[0].tasks.size(), 1u);
  room.settle(false);
  EXPECT_EQ(room.refusal(0, call), Refusal::kHeld);
  EXPECT_EQ(room.seats[0].desk->counters().conflicts, 1u);
}

TEST(LeaseDesk, CommandsAreReadFirstUntilEverythingIsKnown) {
  DeskRoom room;
  room.hold(0, 1, "job");
  const std::size_t late = room.add_desk(false);
  const CallId call = room.ask(late, 1, command::RenewSession{time::seconds(10)});
  EXPECT_EQ(room.seats[late].commits, 0u);
  EXPECT_EQ(room.seats[late].reads, 2u) << "its own keys, and everything";
  room.settle(false);
  EXPECT_NE(room.answer<answer::SessionOpen>(late, call), nullptr);
}

TEST(LeaseDesk, AGapIsFilledByReadingEverythingAgain) {
  DeskRoom room(2);
  room.seats[0].watch.reset();
  room.hold(1, 1, "job");
  room.forget_counts();
  room.listen(0);
  ASSERT_EQ(room.seats[0].tasks.size(), 1u);
  EXPECT_EQ(std::get<desk_effect::Read>(room.seats[0].tasks[0]).prefixes,
            (std::vector<std::string>{"lease/h/", "lease/q/", "client/"}));
  room.settle();
  const Listed page = room.seats[0].desk->remembered("", "", 10, room.time_of(room.seats[0]));
  const std::vector<lease::LeaseView>& all = page.leases;
  ASSERT_EQ(all.size(), 1u);
  EXPECT_FALSE(page.more);
  EXPECT_EQ(all[0].name, "job");
  EXPECT_EQ(all[0].state, lease::LeaseState::kHeld);
  EXPECT_EQ(all[0].label, "client-1");
}

// ---- answers that are lost

TEST(LeaseDesk, AGrantWhoseAnswerWasLostIsFoundByItsNonce) {
  DeskRoom room;
  room.open(0, 1);
  room.settle();
  const CallId call = room.acquire(0, 1, "job");
  room.perform(0, Fate::kLostAfter);
  room.forget_counts();
  room.settle();
  ASSERT_NE(room.answer<answer::Held>(0, call), nullptr);
  EXPECT_TRUE(room.answer<answer::Held>(0, call)->anew);
  EXPECT_EQ(room.token(0, call), lease::make_token(1, (*room.store.get("lease/h/job"))->modified));
  EXPECT_EQ(room.seats[0].commits, 0u) << "it is done, so nothing is written";
}

TEST(LeaseDesk, AGrantThatWasLostOnTheWayIsSentAgain) {
  DeskRoom room;
  room.open(0, 1);
  room.settle();
  const CallId call = room.acquire(0, 1, "job");
  room.perform(0, Fate::kLostBefore);
  room.settle();
  EXPECT_NE(room.token(0, call), mint::Token{});
  EXPECT_EQ(room.seats[0].desk->counters().unknown, 1u);
}

TEST(LeaseDesk, EveryCommandSurvivesALostAnswer) {
  for (const Fate fate : {Fate::kLostAfter, Fate::kLostBefore}) {
    DeskRoom room;
    const auto goes = [&](CallId call) {
      room.perform(0, fate);
      room.settle(false);
      return call;
    };
    EXPECT_NE(room.answer<answer::SessionOpen>(0, goes(room.open(0, 1))), nullptr);
    EXPECT_NE(room.answer<answer::SessionOpen>(0, goes(room.ask(0, 1, command::RenewSession{time::seconds(20)}))),
              nullptr);
    EXPECT_NE(room.token(0, goes(room.acquire(0, 1, "job"))), mint::Token{});
    EXPECT_NE(room.answer<answer::Released>(0, goes(room.release(0, 1, "job"))), nullptr);
    EXPECT_NE(room.token(0, goes(room.acquire(0, 1, "job"))), mint::Token{});
    EXPECT_NE(room.answer<answer::Broken>(0, goes(room.ask(0, 1, command::Break{"job"}))), nullptr);
    EXPECT_FALSE(room.stored_lease("job"));
    room.open(0, 2);
    room.settle();
    EXPECT_NE(room.answer<answer::SessionClosed>(0, goes(room.ask(0, 2, command::CloseSession{}))), nullptr);
  }
}

TEST(LeaseDesk, AReleaseWhoseAnswerWasLostDoesNotFreeTheNextGrant) {
  DeskRoom room(2);
  room.hold(0, 1, "job");
  // It happens, but nobody says so; the same session has the lease again before the desk asks.
  const CallId call = room.release(0, 1, "job");
  room.perform(0, Fate::kLostAfter);
  const CallId again = room.acquire(1, 1, "job");
  room.perform(1);  // stale: a conflict
  while (!room.answered(1, again))
    room.perform(1);
  const mint::Token second = room.token(1, again);
  ASSERT_NE(second, mint::Token{});
  room.settle();
  EXPECT_NE(room.answer<answer::Released>(0, call), nullptr);
  ASSERT_TRUE(room.stored_lease("job")) << "the second grant is not what it was asked to release";
  EXPECT_EQ(lease::make_token(1, (*room.store.get("lease/h/job"))->modified), second);
}

/// The first session holds "job", the second waits for it.
CallId wait_behind_a_holder(DeskRoom& room) {
  room.hold(0, 1, "job");
  room.open(0, 2);
  room.settle();
  const CallId waits = room.acquire(0, 2, "job", time::seconds(60));
  room.settle();
  return waits;
}

// Sent to give up a wait, it arrives when the wait is over and the lease is held.
TEST(LeaseDesk, AWithdrawalFreesNoGrant) {
  for (const Fate fate : {Fate::kDone, Fate::kLostAfter, Fate::kLostBefore}) {
    DeskRoom room;
    const CallId waits = wait_behind_a_holder(room);
    const CallId in_time = room.withdraw(0, 2, "job");
    room.perform(0, fate);
    room.settle();
    EXPECT_NE(room.answer<answer::Withdrawn>(0, in_time), nullptr);
    EXPECT_EQ(room.refusal(0, waits), Refusal::kQueued);
    room.release(0, 1, "job");
    room.settle();
    const CallId again = room.acquire(0, 2, "job");
    room.settle();
    ASSERT_NE(room.token(0, again), mint::Token{});
    const CallId late = room.withdraw(0, 2, "job");
    room.settle();
    EXPECT_EQ(room.refusal(0, late), Refusal::kNotHeld);
    EXPECT_EQ(room.stored_token("job"), room.token(0, again));
  }
}

// The place is gone as the withdrawal wanted it, but by the grant: nobody must take it for given up.
TEST(LeaseDesk, AWithdrawalWhoseAnswerWasLostIsNotDoneByAGrant) {
  DeskRoom room(2);
  const CallId waits = wait_behind_a_holder(room);
  const CallId withdrawal = room.withdraw(1, 2, "job");
  ASSERT_EQ(room.seats[1].tasks.size(), 1u);
  room.release(0, 1, "job");
  while (!room.answered(0, waits))
    room.perform(0);
  ASSERT_NE(room.token(0, waits), mint::Token{});
  room.perform(1, Fate::kLostBefore);
  room.settle();
  EXPECT_EQ(room.refusal(1, withdrawal), Refusal::kNotHeld);
  EXPECT_EQ(room.stored_token("job"), room.token(0, waits));
}

TEST(LeaseDesk, AReleaseSentTwiceUnderItsTokenDoesNotFreeTheNextGrant) {
  DeskRoom room;
  const mint::Token first = room.hold(0, 1, "job");
  room.release(0, 1, "job", first);
  room.settle();
  room.acquire(0, 1, "job");
  room.settle();
  const CallId duplicate = room.release(0, 1, "job", first);
  room.settle();
  EXPECT_EQ(room.refusal(0, duplicate), Refusal::kNotHeld);
  EXPECT_TRUE(room.stored_lease("job"));
}

// The first commit of a release lands after the desk has read that it did not, and has sent another one.
TEST(LeaseDesk, AReleaseThatLandsLateIsStillReleased) {
  DeskRoom room;
  room.hold(0, 1, "job");
  const CallId call = room.release(0, 1, "job");
  const Transaction first = std::get<desk_effect::Commit>(room.seats[0].tasks[0]).transaction;
  room.perform(0, Fate::kLostBefore);
  room.perform(0);  // reads: it is still held
  ASSERT_EQ(room.seats[0].tasks.size(), 1u);
  ASSERT_TRUE(std::holds_alternative<desk_effect::Commit>(room.seats[0].tasks[0]));
  ASSERT_NE(room.commit(first), Revision{});
  room.settle(false);
  EXPECT_NE(room.answer<answer::Released>(0, call), nullptr);
}

TEST(LeaseDesk, AReadThatFailsAfterALostAnswerIsMadeAgain) {
  DeskRoom room;
  room.open(0, 1);
  room.settle();
  const CallId call = room.acquire(0, 1, "job");
  room.perform(0, Fate::kLostAfter);
  room.perform(0, Fate::kUnavailable);
  EXPECT_FALSE(room.answered(0, call));
  room.pass(time::seconds(2));
  EXPECT_NE(room.token(0, call), mint::Token{});
}

TEST(LeaseDesk, AnOutcomeThatStaysUnknownIsSaidToBe) {
  DeskRoom room;
  room.open(0, 1);
  room.settle();
  const CallId call = room.ask(0, 1, command::Acquire{{"job", {}, "", false}, {}}, time::seconds(1));
  room.perform(0, Fate::kLostAfter);
  room.pass(time::seconds(2), false);
  EXPECT_EQ(room.fault(0, call), DeskFault::kTimeout);
  const CallId never = room.ask(0, 1, command::Get{"job"}, time::seconds(1));
  room.pass(time::seconds(2), false);
  EXPECT_EQ(room.fault(0, never), DeskFault::kStoreUnavailable) << "nothing can have happened";
}

TEST(LeaseDesk, NoCommitBeginsAfterTheDeadline) {
  DeskRoom room;
  room.open(0, 1);
  room.settle();
  const CallId call = room.ask(0, 1, command::Acquire{{"job", {}, "", false}, {}}, time::seconds(1));
  room.advance(time::seconds(2));
  room.perform(0, Fate::kLostBefore);
  EXPECT_EQ(room.fault(0, call), DeskFault::kTimeout);
  room.settle();
  EXPECT_FALSE(room.stored_lease("job"));
  EXPECT_EQ(room.seats[0].desk->next_tick().value_or(time::Uptime::max()) > room.uptime, true);
}

TEST(LeaseDesk, AStoreThatIsAwayIsSaidToBe) {
  DeskRoom room;
  const CallId open = room.open(0, 1);
  room.perform(0, Fate::kUnavailable);
  EXPECT_EQ(room.fault(0, open), DeskFault::kStoreUnavailable);
  const CallId get = room.ask(0, 1, command::Get{"job"});
  room.perform(0, Fate::kUnavailable);
  EXPECT_EQ(room.fault(0, get), DeskFault::kStoreUnavailable);
}

TEST(LeaseDesk, AFatalErrorEndsEverything) {
  DeskRoom room;
  const CallId one = room.open(0, 1);
  const CallId two = room.open(0, 2);
  room.perform(0, Fate::kFatal);
  EXPECT_EQ(room.fault(0, one), DeskFault::kStoreFailed);
  EXPECT_EQ(room.fault(0, two), DeskFault::kStoreFailed);
  EXPECT_EQ(room.fault(0, room.open(0, 3)), DeskFault::kStoreFailed);
  EXPECT_FALSE(room.seats[0].desk->next_tick());
}

TEST(LeaseDesk, AStoreThatWasRecoveredIsNotWrittenTo) {
  DeskRoom room;
  room.open(0, 1);
  room.settle();
  room.put(std::string(lease::kStoreKey), "another epoch");
  const CallId call = room.acquire(0, 1, "job");
  room.settle();
  EXPECT_EQ(room.fault(0, call), DeskFault::kStoreFailed);
  EXPECT_FALSE(room.stored_lease("job"));
}

// ---- several commands at once

TEST(LeaseDesk, ARenewalBesideSixteenAcquisitionsIsNotStarved) {
  DeskRoom room;
  room.open(0, 1);
  room.settle();
  for (int round = 0; round < 20; ++round) {
    std::vector<CallId> acquisitions;
    acquisitions.reserve(16);
    for (int i = 0; i < 16; ++i)
      acquisitions.push_back(room.acquire(0, 1, "r" + std::to_string(round) + "/" + std::to_string(i)));
    room.advance(time::milliseconds(10));
    const CallId renewal = room.ask(0, 1, command::RenewSession{time::seconds(10)});
    room.perform(0, Fate::kDone, room.seats[0].tasks.size() - 1);  // first of all: the others conflict
    EXPECT_NE(room.answer<answer::SessionOpen>(0, renewal), nullptr);
    room.settle();
    for (const CallId call : acquisitions)
      EXPECT_NE(room.token(0, call), mint::Token{});
  }
}

TEST(LeaseDesk, ACommandThatNeverConvergesIsGivenUp) {
  DeskOptions options;
  options.most_attempts = 3;
  DeskRoom room(1, options);
  room.open(0, 1);
  room.settle();
  const CallId call = room.acquire(0, 1, "job");
  for (int i = 0; i < 20 && !room.answered(0, call); ++i) {
    if (std::holds_alternative<desk_effect::Commit>(room.seats[0].tasks[0])) {
      // The session changes under every commit of it.
      const auto entry = *room.store.get(lease::client_key(session_id(1)));
      room.put(entry->key, entry->value);
    }
    room.perform(0);
  }
  EXPECT_EQ(room.fault(0, call), DeskFault::kStoreUnavailable);
  EXPECT_EQ(room.seats[0].desk->counters().conflicts, 3u);
}

TEST(LeaseDesk, AQuestionWhoseSubjectChangesUnderEveryReadIsGivenUp) {
  DeskOptions options;
  options.most_attempts = 1;
  DeskRoom room(1, options);
  const CallId call = room.ask(0, 1, command::Get{"job"});
  for (unsigned holder = 10; holder < 30 && !room.answered(0, call); ++holder) {
    // Whoever held it when it was read has handed it on when his session is read.
    lease::NamedLease lease;
    lease.session = session_id(holder);
    lease.epoch = 1;
    room.put(lease::lease_key("job"), lease::encode(lease));
    room.hear(0);
    ASSERT_FALSE(room.seats[0].tasks.empty());
    room.perform(0);
  }
  EXPECT_EQ(room.fault(0, call), DeskFault::kStoreUnavailable) << "it reads for ever";
  EXPECT_EQ(room.seats[0].reads, 4u);
  room.hold(0, 1, "other");
  const CallId again = room.ask(0, 1, command::Get{"other"});
  room.settle();
  ASSERT_NE(room.reply<lease::LeaseView>(0, again), nullptr) << "one that stays is read";
  EXPECT_EQ(room.reply<lease::LeaseView>(0, again)->state, lease::LeaseState::kHeld);
}

TEST(LeaseDesk, AnAnswerForWhoIsGoneIsNotSent) {
  DeskRoom room;
  const CallId call = room.open(0, 1);
  room.step(0, desk_event::Gone{call});
  room.settle();
  EXPECT_FALSE(room.answered(0, call));
  EXPECT_EQ(room.stored("client/"), 1u) << "what was under way may happen";
  const CallId again = room.open(0, 1);
  room.settle();
  EXPECT_NE(room.answer<answer::SessionOpen>(0, again), nullptr);
}

TEST(LeaseDesk, NoncesNeverComeTwice) {
  DeskRoom room;
  for (int i = 0; i < 50; ++i) {
    room.open(0, 1);
    room.settle();
  }
  std::set<std::string> values;
  for (const Committed& commit : room.history)
    for (const Put& put : commit.transaction.puts)
      EXPECT_TRUE(values.insert(put.key + put.value).second) << put.value;
}

}  // namespace
}  // namespace gnomon::control
