// SPDX-License-Identifier: Apache-2.0
//
// Calls that wait for a lease: in order, over several desks, without a herd, and not for ever.
#include <gtest/gtest.h>

#include <algorithm>

#include "control/lease/queue_mark.hpp"
#include "tests/control/lease/desk_room.hpp"

namespace gnomon::control {
namespace {

namespace answer = lease::answer;
using lease::Refusal;

constexpr time::Duration kLong = time::seconds(300);

/// Sessions 1 .. n are open on every desk; 1 holds `job`.
void seat_clients(DeskRoom& room, unsigned count, time::Duration ttl = time::seconds(60)) {
  for (unsigned i = 1; i <= count; ++i)
    room.open(0, i, ttl);
  room.settle();
  const CallId call = room.acquire(0, 1, "job");
  room.settle();
  ASSERT_NE(room.token(0, call), mint::Token{});
}

TEST(DeskWait, AReleasedLeaseGoesToWhoWaits) {
  DeskRoom room;
  seat_clients(room, 2);
  const CallId waits = room.acquire(0, 2, "job", kLong);
  room.settle();
  EXPECT_FALSE(room.answered(0, waits));
  EXPECT_EQ(room.seats[0].desk->parked(), 1u);
  room.forget_counts();
  room.release(0, 1, "job");
  room.settle();
  ASSERT_NE(room.token(0, waits), mint::Token{});
  EXPECT_TRUE(room.reply<Answered>(0, waits)->queued);
  EXPECT_EQ(room.seats[0].commits, 2u) << "the release and the grant";
  EXPECT_EQ(room.seats[0].reads, 0u) << "the watch has told of everything in front";
  EXPECT_EQ(room.seats[0].desk->parked(), 0u);
}

TEST(DeskWait, OrderIsThatOfArrivalOverTwoDesks) {
  DeskRoom room(2);
  seat_clients(room, 7);
  std::vector<CallId> calls;
  calls.reserve(6);
  for (unsigned i = 2; i <= 7; ++i) {
    calls.push_back(room.acquire(i % 2, i, "job", kLong));
    room.settle();
  }
  unsigned holder = 1;
  for (unsigned next = 2; next <= 7; ++next) {
    room.release(0, holder, "job");
    room.settle();
    for (unsigned i = 2; i <= 7; ++i)
      EXPECT_EQ(room.answered(i % 2, calls[i - 2]), i <= next) << "after release " << holder << ", waiter " << i;
    ASSERT_TRUE(room.stored_lease("job"));
    EXPECT_EQ(room.stored_lease("job")->session, session_id(next));
    holder = next;
  }
}

TEST(DeskWait, AHundredWaitersAreNoHerd) {
  DeskRoom room;
  seat_clients(room, 101, kLong);
  for (unsigned i = 2; i <= 101; ++i)
    room.acquire(0, i, "job", kLong);
  room.settle();
  ASSERT_EQ(room.seats[0].desk->parked(), 100u);
  for (unsigned i = 1; i <= 100; ++i) {
    room.forget_counts();
    room.release(0, i, "job");
    room.settle();
    EXPECT_EQ(room.stored_lease("job")->session, session_id(i + 1));
    EXPECT_EQ(room.seats[0].commits, 2u);
    EXPECT_EQ(room.seats[0].reads, 0u);
  }
}

TEST(DeskWait, AtMostOneAttemptOfANameIsUnderWay) {
  DeskRoom room(2);
  seat_clients(room, 5, kLong);
  for (unsigned i = 2; i <= 5; ++i)
    room.acquire(0, i, "job", kLong);
  room.settle();
  room.release(1, 1, "job");
  room.perform(1);
  room.hear(0);
  EXPECT_EQ(room.seats[0].tasks.size(), 1u);
  room.put("client/" + std::string(32, '7'), "something else happens");
  room.hear(0);
  EXPECT_EQ(room.seats[0].tasks.size(), 1u);
}

// Desk 1 has not heard that somebody waits, nor of the release: it sees a name that is free.
TEST(DeskWait, NobodyIsOvertakenByADeskWhoseWatchIsLate) {
  DeskRoom room(2);
  for (unsigned i = 1; i <= 3; ++i)
    room.open(0, i, kLong);
  room.settle();
  room.acquire(0, 1, "job");
  room.settle(false);
  const CallId waits = room.acquire(0, 2, "job", kLong);
  room.settle(false);
  ASSERT_EQ(room.seats[0].desk->parked(), 1u);
  room.release(0, 1, "job");
  room.perform(0);  // released, and the waiter's own commit is queued
  ASSERT_FALSE(room.stored_lease("job"));
  const CallId jumps = room.acquire(1, 3, "job");
  ASSERT_TRUE(std::holds_alternative<desk_effect::Commit>(room.seats[1].tasks[0])) << "it thinks that it may";
  while (!room.seats[1].tasks.empty())
    room.perform(1);
  EXPECT_EQ(room.refusal(1, jumps), Refusal::kQueued);
  room.settle();
  EXPECT_NE(room.token(0, waits), mint::Token{});
}

// Two waiters, of which the desk of the second has not heard of the first.
TEST(DeskWait, AWaiterIsNotOvertakenByOneWhoNeverHeardOfIt) {
  DeskRoom room(2);
  seat_clients(room, 3, kLong);
  const CallId first = room.acquire(0, 2, "job", kLong);
  room.settle(false);
  const CallId second = room.acquire(1, 3, "job", kLong);
  while (!room.seats[1].tasks.empty())
    room.perform(1);
  room.release(1, 1, "job");
  while (!room.seats[1].tasks.empty())
    room.perform(1);
  EXPECT_FALSE(room.answered(1, second));
  room.settle();
  EXPECT_NE(room.token(0, first), mint::Token{});
  EXPECT_FALSE(room.answered(1, second));
}

TEST(DeskWait, TheMarkGoesWhenNobodyWaits) {
  DeskRoom room;
  seat_clients(room, 2, kLong);
  const CallId waits = room.acquire(0, 2, "job", kLong);
  room.settle();
  EXPECT_TRUE(*room.store.get(queue_mark_key("job")));
  room.release(0, 1, "job");
  room.settle();
  ASSERT_NE(room.token(0, waits), mint::Token{});
  room.pass(time::seconds(20));
  EXPECT_FALSE(*room.store.get(queue_mark_key("job")));
  // One whose queue emptied a moment ago is taken along by the next grant.
  const CallId third = room.acquire(0, 1, "job", kLong);
  room.settle();
  room.withdraw(0, 1, "job");
  room.settle();
  room.release(0, 2, "job");
  room.settle();
  EXPECT_FALSE(room.answered(0, third) && room.token(0, third) != mint::Token{}) << "withdrawn";
  const CallId now = room.acquire(0, 2, "job");
  room.settle();
  EXPECT_NE(room.token(0, now), mint::Token{});
  EXPECT_FALSE(*room.store.get(queue_mark_key("job")));
}

TEST(DeskWait, AnExpiredHolderIsReplacedWhenTimeAloneSetsItFree) {
  DeskRoom room;
  room.open(0, 1, time::seconds(5));
  room.open(0, 2, kLong);
  room.settle();
  room.acquire(0, 1, "job", {}, time::seconds(2));
  room.settle();
  const CallId waits = room.acquire(0, 2, "job", kLong);
  room.settle();
  room.pass(time::seconds(7));
  EXPECT_FALSE(room.answered(0, waits)) << "the lock-delay, and the uncertainty of both clocks";
  room.pass(room.epsilon * 2 + time::milliseconds(2));
  ASSERT_NE(room.token(0, waits), mint::Token{});
  EXPECT_TRUE(room.answer<answer::Held>(0, waits)->taken_over);
}

TEST(DeskWait, ADeadOneInFrontIsPassedWhenItsTimeIsOver) {
  DeskRoom room(2);
  room.open(0, 1, kLong);
  room.open(0, 2, time::seconds(3));
  room.open(0, 3, kLong);
  room.settle();
  room.acquire(0, 1, "job");
  room.settle();
  room.acquire(1, 2, "job", kLong);
  room.settle();
  const CallId waits = room.acquire(0, 3, "job", kLong);
  room.settle();
  // The daemon of the one in front dies with it.
  room.seats[1].watch.reset();
  room.release(0, 1, "job");
  while (!room.seats[0].tasks.empty())
    room.perform(0);
  room.hear(0);
  EXPECT_FALSE(room.answered(0, waits));
  room.advance(time::seconds(4));
  room.step(0, desk_event::Tick{});
  while (!room.seats[0].tasks.empty())
    room.perform(0);
  EXPECT_NE(room.token(0, waits), mint::Token{});
}

TEST(DeskWait, WhenTheWaitIsOverThePlaceStays) {
  DeskRoom room;
  seat_clients(room, 3, kLong);
  const CallId first = room.acquire(0, 2, "job", time::seconds(1));
  room.settle();
  const CallId second = room.acquire(0, 3, "job", kLong);
  room.settle();
  room.pass(time::seconds(2));
  ASSERT_NE(room.answer<answer::Waiting>(0, first), nullptr);
  EXPECT_EQ(room.answer<answer::Waiting>(0, first)->in_front, 0u);
  EXPECT_NE(room.store.list(lease::queue_prefix("job"))->entries.size(), 0u);
  room.forget_counts();
  const CallId again = room.acquire(0, 2, "job", kLong);
  room.settle();
  EXPECT_EQ(room.seats[0].commits, 0u) << "it has its place";
  room.release(0, 1, "job");
  room.settle();
  EXPECT_NE(room.token(0, again), mint::Token{}) << "and is served first";
  EXPECT_FALSE(room.answered(0, second));
}

TEST(DeskWait, APlaceWithoutWaitingIsAnsweredAtOnce) {
  DeskRoom room;
  seat_clients(room, 2);
  const CallId call = room.ask(0, 2, command::Acquire{{"job", {}, "", true}, {}});
  room.settle();
  ASSERT_NE(room.answer<answer::Waiting>(0, call), nullptr);
  EXPECT_EQ(room.seats[0].desk->parked(), 0u);
  EXPECT_TRUE(*room.store.get(lease::waiter_key("job", session_id(2))));
}

TEST(DeskWait, WhoIsGoneIsForgottenAndKeepsItsPlace) {
  DeskRoom room;
  seat_clients(room, 3, kLong);
  const CallId gone = room.acquire(0, 2, "job", kLong);
  room.settle();
  const CallId stays = room.acquire(0, 3, "job", kLong);
  room.settle();
  room.step(0, desk_event::Gone{gone});
  EXPECT_EQ(room.seats[0].desk->parked(), 1u);
  room.release(0, 1, "job");
  room.settle();
  EXPECT_FALSE(room.answered(0, gone));
  EXPECT_FALSE(room.answered(0, stays)) << "the first place is still taken";
  const CallId withdrawn = room.withdraw(0, 2, "job");
  room.settle();
  EXPECT_NE(room.answer<answer::Withdrawn>(0, withdrawn), nullptr);
  EXPECT_NE(room.token(0, stays), mint::Token{});
}

TEST(DeskWait, APlaceThatWasWithdrawnIsNotTakenAgain) {
  DeskRoom room(2);
  seat_clients(room, 2, kLong);
  const CallId waits = room.acquire(0, 2, "job", kLong);
  room.settle();
  room.withdraw(1, 2, "job");
  room.settle();
  EXPECT_EQ(room.refusal(0, waits), Refusal::kQueued);
  EXPECT_FALSE(*room.store.get(lease::waiter_key("job", session_id(2))));
  room.release(0, 1, "job");
  room.settle();
  EXPECT_FALSE(room.stored_lease("job"));
}

TEST(DeskWait, WhoseSessionEndsIsToldAtOnce) {
  DeskRoom room(2);
  seat_clients(room, 4, kLong);
  const CallId first = room.acquire(0, 2, "job", kLong);
  room.settle();
  const CallId second = room.acquire(0, 3, "job", kLong);
  room.settle();
  room.ask(1, 3, command::CloseSession{});
  room.settle();
  EXPECT_EQ(room.refusal(0, second), Refusal::kSessionOver);
  EXPECT_FALSE(room.answered(0, first));
}

TEST(DeskWait, TheHoldersClosingWakesWhoWaits) {
  DeskRoom room(2);
  seat_clients(room, 2, kLong);
  const CallId waits = room.acquire(0, 2, "job", kLong);
  room.settle();
  room.ask(1, 1, command::CloseSession{});
  room.settle();
  EXPECT_NE(room.token(0, waits), mint::Token{});
}

TEST(DeskWait, TwoCallsOfOneSessionAreBothAnswered) {
  DeskRoom room;
  seat_clients(room, 2, kLong);
  const CallId one = room.acquire(0, 2, "job", kLong);
  room.settle();
  const CallId two = room.acquire(0, 2, "job", kLong);
  room.settle();
  room.release(0, 1, "job");
  room.settle();
  ASSERT_NE(room.token(0, one), mint::Token{});
  EXPECT_EQ(room.token(0, one), room.token(0, two));
  EXPECT_TRUE(room.reply<Answered>(0, two)->queued);
}

TEST(DeskWait, WithoutAClockItStaysParkedAndGoesOnLater) {
  DeskRoom room;
  seat_clients(room, 2, kLong);
  const CallId waits = room.acquire(0, 2, "job", time::seconds(100));
  room.settle();
  room.seats[0].clock_lost = DeskError{DeskFault::kClockUnsynchronised, "no time", {}};
  room.release(0, 1, "job");
  room.settle();
  room.pass(time::seconds(5));
  EXPECT_FALSE(room.answered(0, waits));
  EXPECT_EQ(room.seats[0].desk->parked(), 1u);
  room.seats[0].clock_lost.reset();
  room.pass(time::seconds(1));
  EXPECT_NE(room.token(0, waits), mint::Token{});
  // And until the end of its wait, no longer.
  const CallId other = room.acquire(0, 1, "job", time::seconds(5));
  room.settle();
  room.seats[0].clock_lost = DeskError{DeskFault::kNotAMember, "outvoted", {}};
  room.pass(time::seconds(6));
  EXPECT_NE(room.answer<answer::Waiting>(0, other), nullptr);
}

TEST(DeskWait, AWatchThatTellsNothingDelaysItOnly) {
  DeskRoom room(2);
  seat_clients(room, 2, kLong);
  const CallId waits = room.acquire(0, 2, "job", time::seconds(100));
  room.settle();
  room.seats[0].watch.reset();
  room.release(1, 1, "job");
  room.settle();
  EXPECT_FALSE(room.answered(0, waits));
  room.pass(time::seconds(11));
  EXPECT_NE(room.token(0, waits), mint::Token{});
}

TEST(DeskWait, AStoreThatIsAwayLeavesItParkedWithPauses) {
  DeskRoom room;
  seat_clients(room, 2, kLong);
  const CallId waits = room.acquire(0, 2, "job", time::seconds(100));
  room.settle();
  room.release(0, 1, "job");
  room.perform(0);
  room.forget_counts();
  for (int i = 0; i < 40; ++i) {
    while (!room.seats[0].tasks.empty())
      room.perform(0, Fate::kUnavailable);
    room.pass(time::milliseconds(500), false);
  }
  EXPECT_FALSE(room.answered(0, waits));
  EXPECT_LT(room.seats[0].commits + room.seats[0].reads, 200u) << "20 s without a store are no storm";
  room.settle();
  room.pass(time::seconds(12));
  EXPECT_NE(room.token(0, waits), mint::Token{});
}

TEST(DeskWait, ALostAnswerToTheGrantIsFoundAndQueued) {
  for (const Fate fate : {Fate::kLostAfter, Fate::kLostBefore}) {
    DeskRoom room;
    seat_clients(room, 2, kLong);
    const CallId waits = room.acquire(0, 2, "job", kLong);
    room.settle();
    room.release(0, 1, "job");
    room.perform(0);
    room.perform(0, fate);
    room.settle();
    ASSERT_NE(room.token(0, waits), mint::Token{});
    EXPECT_TRUE(room.reply<Answered>(0, waits)->queued);
  }
}

TEST(DeskWait, TheReleaseThatComesWhileThePlaceIsBeingTakenIsNotMissed) {
  // The place is committed, and its answer lost; what the desk reads then, it reads after `done` of these steps.
  for (int done = 0; done <= 3; ++done) {
    DeskRoom room(2);
    seat_clients(room, 2, kLong);
    const CallId waits = room.acquire(0, 2, "job", kLong);
    const auto release = [&] {
      room.release(1, 1, "job");
      room.perform(1);
      ASSERT_FALSE(room.stored_lease("job"));
    };
    if (done == 0) release();
    room.perform(0, done == 3 ? Fate::kDone : Fate::kLostAfter);
    if (done == 1) release();
    room.hear(0);  // while the desk has not been told whether it has a place
    if (!room.seats[0].tasks.empty()) room.perform(0);
    if (done >= 2) release();
    room.settle();
    EXPECT_NE(room.token(0, waits), mint::Token{}) << done;
  }
}

}  // namespace
}  // namespace gnomon::control
