// SPDX-License-Identifier: Apache-2.0
//
// What sessions leave behind is swept away: all of it, nothing that lives, sessions last, a few entries at a time.
#include "control/lease/lease_cleaner.hpp"

#include <gtest/gtest.h>

#include "tests/control/lease/desk_room.hpp"

namespace gnomon::control {
namespace {

TEST(LeaseCleaner, AClosedSessionLeavesNothingBehind) {
  DeskRoom room(3);
  for (int i = 0; i < 100; ++i)
    room.hold(0, 1, "n" + std::to_string(i));
  room.ask(0, 1, command::CloseSession{});
  room.settle();
  room.forget_counts();
  room.pass(time::seconds(90));
  EXPECT_EQ(room.stored("lease/") + room.stored("client/"), 0u);
  std::uint64_t cleaned = 0;
  std::size_t commits = 0;
  for (const DeskRoom::Seat& seat : room.seats) {
    cleaned += seat.desk->counters().cleaned;
    commits += seat.commits;
  }
  EXPECT_EQ(cleaned, 101u);
  EXPECT_LT(commits, 3u * 8u) << "several at a time, and the desks don't fight";
  room.forget_counts();
  room.pass(time::seconds(600));
  EXPECT_EQ(room.seats[0].commits, 0u) << "and then there is nothing to do";
}

TEST(LeaseCleaner, AnExpiredSessionIsKilledAMinuteLaterAndThenSwept) {
  DeskRoom room;
  room.open(0, 1, time::seconds(10));
  room.settle();
  room.acquire(0, 1, "job", {}, time::seconds(60));
  room.settle();
  room.pass(time::seconds(65));
  const auto state = [&] {
    const auto entry = *room.store.get(lease::client_key(session_id(1)));
    return entry ? lease::text_of(lease::parse_client_session(entry->value)->state) : "gone";
  };
  EXPECT_EQ(state(), "open");
  EXPECT_TRUE(room.stored_lease("job"));
  room.pass(time::seconds(120));
  EXPECT_EQ(state(), "gone");
  EXPECT_FALSE(room.stored_lease("job"));
}

TEST(LeaseCleaner, TheLeaseOfAKilledSessionStaysThroughItsLockDelay) {
  DeskRoom room;
  room.open(0, 1, time::seconds(5));
  room.open(0, 2, time::seconds(600));
  room.settle();
  room.acquire(0, 1, "long", {}, time::seconds(30));
  room.acquire(0, 1, "short");
  room.settle();
  room.advance(time::seconds(6));
  const CallId taken = room.acquire(0, 2, "short");  // kills session 1
  room.settle();
  ASSERT_NE(room.token(0, taken), mint::Token{});
  room.pass(time::seconds(20));
  EXPECT_TRUE(room.stored_lease("long"));
  const CallId early = room.acquire(0, 2, "long");
  room.settle();
  EXPECT_EQ(room.refusal(0, early), lease::Refusal::kHeld);
  room.pass(time::seconds(80));
  EXPECT_FALSE(room.stored_lease("long"));
  EXPECT_EQ(room.stored("client/"), 1u);
}

TEST(LeaseCleaner, PlacesOfTheDeadGoToo) {
  DeskRoom room(2);
  room.hold(0, 1, "job");
  room.open(0, 2);
  room.settle();
  room.ask(0, 2, command::Acquire{{"job", {}, "", true}, {}});
  room.settle();
  EXPECT_EQ(room.stored("lease/q/"), 2u) << "a place, and the mark";
  room.ask(0, 2, command::CloseSession{});
  room.settle();
  for (int i = 0; i < 20; ++i) {
    room.ask(0, 1, command::RenewSession{time::seconds(10)});
    room.settle();
    room.pass(time::seconds(5));
  }
  EXPECT_EQ(room.stored("lease/q/"), 0u);
  EXPECT_EQ(room.stored("client/"), 1u);
  EXPECT_TRUE(room.stored_lease("job")) << "what lives is left alone";
}

TEST(LeaseCleaner, WhoRenewsIsNeverKilled) {
  DeskRoom room(3);
  room.hold(0, 1, "job");
  room.seats[1].watch.reset();  // it hears of no renewal
  for (int i = 0; i < 60; ++i) {
    const CallId call = room.ask(0, 1, command::RenewSession{time::seconds(10)});
    room.settle();
    ASSERT_NE(room.answer<lease::answer::SessionOpen>(0, call), nullptr) << i;
    room.pass(time::seconds(5));
  }
  EXPECT_GT(room.seats[1].desk->counters().conflicts, 0u) << "desk 1 tried, and the compare told it";
  EXPECT_LT(room.seats[1].desk->counters().commits, 10u);
}

// The session is closed, and this desk has not heard of a lease of it. Were the session swept away now, the lease would
// hang on nothing, and nobody could have it.
TEST(LeaseCleaner, ASessionDoesNotGoBeforeLeasesThatNobodyHereHeardOf) {
  LeaseMirror mirror;
  for (const std::string_view prefix : {lease::kHeldPrefix, lease::kQueuePrefix, lease::kClientPrefix})
    mirror.read_prefix(prefix, {{5}, {}});
  lease::ClientSession session;
  session.state = lease::SessionState::kClosed;
  session.ttl = time::seconds(10);
  session.principal = "local";
  mirror.heard({{9}, {{{lease::client_key(session_id(1)), encode(session), {9}}, false}}, false}, false);
  NonceSource nonces({});
  LeaseCleaner cleaner({});
  time::Uptime now{0};
  cleaner.session_changed(session_id(1), now, nonces);
  const lease::Moment moment{{}, {kRoomStart, kRoomStart}};
  for (int i = 0; i < 100; ++i, now = now + time::seconds(1))
    ASSERT_TRUE(cleaner.round(mirror, &moment, now, nonces).empty());
  EXPECT_TRUE(cleaner.wants_listing());
  mirror.heard({{10}, {}, false}, true);
  std::vector<CleaningJob> jobs;
  for (int i = 0; i < 20 && jobs.empty(); ++i, now = now + time::seconds(1))
    jobs = cleaner.round(mirror, &moment, now, nonces);
  ASSERT_EQ(jobs.size(), 1u);
  EXPECT_EQ(jobs[0].transaction.deletes, std::vector<std::string>{lease::client_key(session_id(1))});
  EXPECT_EQ(jobs[0].transaction.compares.size(), 2u) << "the store and what it deletes";
}

TEST(LeaseCleaner, AFewCommitsAtATimeAndMoreWhileItIsBehind) {
  for (const unsigned sessions : {20U, 200U}) {
    DeskRoom room;
    for (unsigned i = 1; i <= sessions; ++i) {
      room.open(0, i);
      room.settle();
      room.ask(0, i, command::CloseSession{});
      room.settle();
    }
    room.advance(time::seconds(10));
    std::size_t most = 0;
    for (int i = 0; i < 50; ++i) {
      room.step(0, desk_event::Tick{});
      most = std::max(most, room.seats[0].tasks.size());
      room.advance(time::milliseconds(20));
    }
    EXPECT_EQ(most, LeaseCleaner::kMostAtOnce * (sessions < LeaseCleaner::kBacklog ? 1 : LeaseCleaner::kBehind));
    const auto next = room.seats[0].desk->next_tick();
    EXPECT_TRUE(!next || *next > room.uptime) << "while the store has them, there is nothing to do";
  }
}

TEST(LeaseCleaner, ADamagedSessionIsLeftToTheOperator) {
  DeskRoom room;
  room.put(lease::client_key(session_id(1)), "garbage");
  room.settle();
  room.pass(time::seconds(300));
  EXPECT_EQ(room.stored("client/"), 1u);
  EXPECT_EQ(room.seats[0].desk->counters().cleaned, 0u);
}

}  // namespace
}  // namespace gnomon::control
