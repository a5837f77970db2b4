// SPDX-License-Identifier: Apache-2.0
//
// One desk without a clock, in a store that was recovered, or with as many calls, sessions and leases as it takes.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "control/lease/lease_desk.hpp"
#include "tests/control/lease/desk_room.hpp"

namespace gnomon::control {
namespace {

using lease::Refusal;
namespace answer = lease::answer;

TEST(LeaseDesk, WithoutAClockOnlyGivingUpGoesOn) {
  DeskRoom room;
  const mint::Token token = room.hold(0, 1, "job");
  room.seats[0].clock_lost = DeskError{DeskFault::kClockUnsynchronised, "no time", time::seconds(1)};
  for (const CallId call : {room.open(0, 2), room.ask(0, 1, command::RenewSession{time::seconds(10)}),
                            room.acquire(0, 1, "other"), room.ask(0, 1, command::Get{"job"}),
                            room.ask(0, 1, command::Validate{"job", token}), room.ask(0, 1, command::List{"", "", 0})})
    EXPECT_EQ(room.fault(0, call), DeskFault::kClockUnsynchronised);
  const CallId release = room.release(0, 1, "job", token);
  const CallId close = room.ask(0, 1, command::CloseSession{});
  room.settle();
  EXPECT_NE(room.answer<answer::Released>(0, release), nullptr);
  EXPECT_NE(room.answer<answer::SessionClosed>(0, close), nullptr);
}

TEST(LeaseDesk, WhileTheStoreIsRecoveringNothingIsReleasedEither) {
  DeskRoom room;
  const mint::Token token = room.hold(0, 1, "job");
  room.seats[0].clock_lost = DeskError{DeskFault::kRecovering, "recovered", time::seconds(7)};
  const CallId call = room.release(0, 1, "job", token);
  EXPECT_EQ(room.fault(0, call), DeskFault::kRecovering);
  EXPECT_EQ(room.seats[0].replies.at(call).error().retry_after, time::seconds(7));
}

TEST(LeaseDesk, LimitsAreRefusedWithAText) {
  DeskOptions options;
  options.most_sessions_per_principal = 2;
  options.most_leases_per_session = 2;
  options.most_waiters_per_name = 1;
  options.most_calls = 3;
  DeskRoom room(1, options);
  for (unsigned i = 1; i <= 2; ++i)
    room.open(0, i);
  room.settle();
  EXPECT_EQ(room.fault(0, room.open(0, 3)), DeskFault::kTooMany);
  const CallId other = room.ask(0, 3, command::OpenSession{time::seconds(10), ""}, time::seconds(5), "anna");
  room.settle();
  EXPECT_NE(room.answer<answer::SessionOpen>(0, other), nullptr) << "the limit is each client's own";
  room.acquire(0, 1, "a");
  room.settle();
  room.acquire(0, 1, "b");
  room.settle();
  EXPECT_EQ(room.fault(0, room.acquire(0, 1, "c")), DeskFault::kTooMany);
  const CallId waits = room.acquire(0, 2, "a", time::seconds(30));
  room.settle();
  EXPECT_FALSE(room.answered(0, waits));
  const CallId too_many =
      room.ask(0, 3, command::Acquire{{"a", {}, "", true}, time::seconds(9)}, time::seconds(9), "anna");
  room.settle();
  EXPECT_EQ(room.fault(0, too_many), DeskFault::kTooMany);
  EXPECT_NE(room.seats[0].replies.at(too_many).error().text.find("lease a"), std::string::npos);
  // One is parked; two more are under way.
  room.ask(0, 1, command::Get{"a"});
  room.ask(0, 1, command::Get{"a"});
  EXPECT_EQ(room.fault(0, room.ask(0, 1, command::Get{"a"})), DeskFault::kOverloaded) << "another daemon may have room";
}

TEST(LeaseDesk, WhatFreesOthersIsTakenBeyondTheLimitOfCalls) {
  DeskOptions options;
  options.most_calls = 20;
  DeskRoom room(1, options);
  room.open(0, 1);
  const CallId acquire = room.acquire(0, 1, "a");
  room.settle();
  const mint::Token token = room.token(0, acquire);
  for (int i = 0; i < 20; ++i)
    room.ask(0, 1, command::Get{"a"});
  EXPECT_EQ(room.fault(0, room.open(0, 2)), DeskFault::kOverloaded);
  const CallId renewal = room.ask(0, 1, command::RenewSession{time::seconds(10)});
  const CallId release = room.release(0, 1, "a", token);
  EXPECT_EQ(room.fault(0, room.ask(0, 1, command::CloseSession{})), DeskFault::kOverloaded) << "a tenth on top";
  room.settle();
  EXPECT_NE(room.answer<answer::SessionOpen>(0, renewal), nullptr);
  EXPECT_NE(room.answer<answer::Released>(0, release), nullptr);
}

// Else whoever opens and closes in a loop fills the store faster than it is swept.
TEST(LeaseDesk, ASessionThatIsOverCountsUntilItIsSweptAway) {
  DeskOptions options;
  options.most_sessions_per_principal = 2;
  DeskRoom room(1, options);
  for (unsigned i = 1; i <= 2; ++i) {
    room.open(0, i);
    room.settle();
    room.ask(0, i, command::CloseSession{});
    room.settle();
  }
  const CallId third = room.open(0, 3);
  room.settle();
  EXPECT_EQ(room.fault(0, third), DeskFault::kTooMany);
  EXPECT_EQ(room.seats[0].desk->counters().sessions, 0u) << "none of them is open";
  room.pass(time::seconds(10));
  const CallId later = room.open(0, 3);
  room.settle();
  EXPECT_NE(room.answer<answer::SessionOpen>(0, later), nullptr);
}

TEST(LeaseDesk, AClientHasAShareOfAllLeasesWhateverTheNumberOfItsSessions) {
  DeskOptions options;
  options.most_leases_per_principal = 3;
  DeskRoom room(2, options);
  for (unsigned i = 1; i <= 4; ++i)
    room.open(0, i);
  room.settle();
  room.acquire(0, 1, "a");
  room.acquire(0, 2, "b");
  room.settle();
  const CallId waits = room.acquire(0, 3, "a", time::seconds(30));
  room.settle();
  EXPECT_FALSE(room.answered(0, waits)) << "the third of three";
  for (const std::size_t seat : {0U, 1U}) {
    const CallId fourth = room.acquire(seat, 4, "c");
    room.settle();
    EXPECT_EQ(room.fault(seat, fourth), DeskFault::kTooMany) << seat;
    EXPECT_EQ(room.seats[seat].desk->counters().faulted[static_cast<std::size_t>(DeskFault::kTooMany)], 1u);
    EXPECT_EQ(room.seats[seat].desk->counters().sessions, 4u);
    EXPECT_EQ(room.seats[seat].desk->counters().leases, 2u);
    EXPECT_EQ(room.seats[seat].desk->counters().waiters, 1u);
  }
  const CallId again = room.acquire(0, 2, "b");
  room.settle();
  EXPECT_NE(room.token(0, again), mint::Token{}) << "what it has it may ask for again";
  room.ask(0, 5, command::OpenSession{time::seconds(10), ""}, time::seconds(60), "anna");
  room.settle();
  const CallId of_another = room.ask(0, 5, command::Acquire{{"c", {}, "", false}, {}}, time::seconds(60), "anna");
  room.settle();
  EXPECT_NE(room.token(0, of_another), mint::Token{}) << "the limit is each client's own";
  room.ask(0, 1, command::CloseSession{});
  room.settle();
  const CallId then = room.acquire(0, 4, "d");
  room.settle();
  EXPECT_NE(room.token(0, then), mint::Token{}) << "the place became a lease, and one lease is gone";
}

TEST(LeaseDesk, RefusalsAreCountedByReason) {
  DeskRoom room;
  room.hold(0, 1, "job");
  room.open(0, 2);
  room.settle();
  room.acquire(0, 2, "job");
  room.settle();
  room.ask(0, 9, command::RenewSession{time::seconds(10)});
  room.settle();
  const DeskCounters& counters = room.seats[0].desk->counters();
  EXPECT_EQ(counters.refused[static_cast<std::size_t>(Refusal::kHeld)], 1u);
  EXPECT_EQ(counters.refused[static_cast<std::size_t>(Refusal::kNoSession)], 1u);
  EXPECT_EQ(counters.refusals, 2u);
}

TEST(LeaseDesk, DamagedEntriesAreRefusedAndCounted) {
  DeskRoom room;
  room.open(0, 1);
  room.put("lease/h/job", "garbage");
  room.settle();
  const CallId call = room.acquire(0, 1, "job");
  const CallId view = room.ask(0, 1, command::Get{"job"});
  room.settle();
  EXPECT_EQ(room.refusal(0, call), Refusal::kUnreadable);
  ASSERT_NE(room.reply<lease::LeaseView>(0, view), nullptr);
  EXPECT_EQ(room.reply<lease::LeaseView>(0, view)->state, lease::LeaseState::kUnreadable);
  EXPECT_EQ(room.seats[0].desk->counters().unreadable, 1u);
  const CallId broken = room.ask(0, 1, command::Break{"job"});
  room.settle();
  EXPECT_NE(room.answer<answer::Broken>(0, broken), nullptr);
  EXPECT_EQ(room.seats[0].desk->counters().unreadable, 0u);
}

}  // namespace
}  // namespace gnomon::control
