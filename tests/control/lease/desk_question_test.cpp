// SPDX-License-Identifier: Apache-2.0
//
// What a desk tells of leases: to those who ask, from the store; to those who watch, each change once.
#include <gtest/gtest.h>

#include "tests/control/lease/desk_room.hpp"

namespace gnomon::control {
namespace {

using lease::LeaseState;
using lease::TokenStanding;

constexpr time::Uptime kPatience{3'600'000'000'000};

std::vector<std::string> told(const DeskRoom& room, std::size_t seat = 0) {
  std::vector<std::string> out;
  out.reserve(room.seats[seat].told.size());
  for (const lease::LeaseView& view : room.seats[seat].told)
    out.push_back(view.name + " " + std::string(lease::text_of(view.state)));
  return out;
}

TEST(DeskQuestion, GetAndValidateAreReadForTheCall) {
  DeskRoom room(2);
  const mint::Token token = room.hold(0, 1, "job");
  // Taken by another one while desk 1 hears nothing.
  room.release(0, 1, "job");
  room.settle(false);
  room.acquire(0, 1, "job");
  room.settle(false);
  const CallId get = room.ask(1, 9, command::Get{"job"});
  const CallId validate = room.ask(1, 9, command::Validate{"job", token});
  EXPECT_FALSE(room.answered(1, get) || room.answered(1, validate));
  room.settle(false);
  const auto* view = room.reply<lease::LeaseView>(1, get);
  ASSERT_NE(view, nullptr);
  EXPECT_EQ(view->state, LeaseState::kHeld);
  EXPECT_NE(view->token, token);
  const auto* validated = room.reply<Validated>(1, validate);
  ASSERT_NE(validated, nullptr);
  EXPECT_EQ(validated->standing, TokenStanding::kStale);
  EXPECT_EQ(validated->current, view->token);
}

TEST(DeskQuestion, StandingsOfTokens) {
  DeskRoom room;
  const mint::Token token = room.hold(0, 1, "job");
  const auto standing = [&](const std::string& name, mint::Token of) {
    const CallId call = room.ask(0, 1, command::Validate{name, of});
    room.settle();
    const auto* validated = room.reply<Validated>(0, call);
    return validated == nullptr ? TokenStanding::kUnknown : validated->standing;
  };
  EXPECT_EQ(standing("job", token), TokenStanding::kCurrent);
  EXPECT_EQ(standing("job", {token.value + 1'000'000}), TokenStanding::kUnknown);
  EXPECT_EQ(standing("job", {token.value - 1}), TokenStanding::kStale);
  EXPECT_EQ(standing("never", {token.value - 1}), TokenStanding::kStale);
  room.advance(time::seconds(10));  // within the uncertainty
  EXPECT_EQ(standing("job", token), TokenStanding::kDoubtful);
  room.advance(time::seconds(1));
  EXPECT_EQ(standing("job", token), TokenStanding::kStale);
}

TEST(DeskQuestion, AListIsInOrderAndInPages) {
  DeskRoom room;
  room.open(0, 1);
  room.settle();
  for (const char* name : {"b/1", "a/2", "b/3", "b/2", "c"}) {
    room.acquire(0, 1, name);
    room.settle();
  }
  const auto list = [&](const std::string& prefix, const std::string& after, std::size_t limit) {
    const CallId call = room.ask(0, 1, command::List{prefix, after, limit});
    room.settle();
    std::string text;
    const auto* listed = room.reply<Listed>(0, call);
    if (listed == nullptr) return std::string("none");
    for (const lease::LeaseView& view : listed->leases)
      text += view.name + " ";
    return text + (listed->more ? "..." : ".");
  };
  EXPECT_EQ(list("", "", 0), "a/2 b/1 b/2 b/3 c .");
  EXPECT_EQ(list("b/", "", 2), "b/1 b/2 ...");
  EXPECT_EQ(list("b/", "b/2", 2), "b/3 .");
  EXPECT_EQ(list("", "b/3", 10), "c .");
  EXPECT_EQ(list("d", "", 10), ".");
}

// A store lists prefixes only: a page that was read there would read everything.
TEST(DeskQuestion, APageCostsTheStoreARevision) {
  DeskRoom room;
  room.open(0, 1);
  room.settle();
  for (int i = 10; i < 60; ++i) {
    room.acquire(0, 1, "n" + std::to_string(i));
    room.settle();
  }
  room.forget_counts();
  std::string after;
  for (int page = 1; page <= 5; ++page) {
    const CallId call = room.ask(0, 1, command::List{"", after, 10});
    ASSERT_EQ(room.seats[0].tasks.size(), 1u);
    const auto& read = std::get<desk_effect::Read>(room.seats[0].tasks[0]);
    EXPECT_TRUE(read.keys.empty());
    EXPECT_EQ(read.prefixes, std::vector<std::string>{std::string(lease::kStoreKey)});
    room.settle();
    const auto* listed = room.reply<Listed>(0, call);
    ASSERT_NE(listed, nullptr);
    ASSERT_EQ(listed->leases.size(), 10u);
    EXPECT_EQ(listed->more, page < 5);
    after = listed->leases.back().name;
  }
  EXPECT_EQ(after, "n59");
  EXPECT_EQ(room.seats[0].reads, 5u);
}

// What was granted, renewed or released before the question is in the answer, though this desk hears of it late.
TEST(DeskQuestion, AListWaitsForTheWatch) {
  DeskRoom room(2);
  room.hold(0, 1, "old");
  room.release(0, 1, "old");
  room.settle(false);
  room.acquire(0, 1, "new");
  room.settle(false);
  const CallId call = room.ask(1, 9, command::List{"", "", 0});
  room.settle(false);
  EXPECT_FALSE(room.answered(1, call));
  EXPECT_TRUE(room.hear(1));
  const auto* listed = room.reply<Listed>(1, call);
  ASSERT_NE(listed, nullptr);
  ASSERT_EQ(listed->leases.size(), 1u);
  EXPECT_EQ(listed->leases[0].name, "new");
  EXPECT_EQ(room.seats[1].tasks.size(), 0u);

  // One that is asked while there is a hole in what was heard is answered when it is filled; one whose caller has gone,
  // never.
  room.acquire(0, 1, "newer");
  room.settle(false);
  room.step(1, desk_event::Heard{{room.store.list("")->at, {}, true}, true});
  const CallId gone = room.ask(1, 9, command::List{"", "", 0});
  const CallId second = room.ask(1, 9, command::List{"", "", 0});
  room.step(1, desk_event::Gone{gone});
  room.settle(false);
  const auto* anew = room.reply<Listed>(1, second);
  ASSERT_NE(anew, nullptr);
  EXPECT_EQ(anew->leases.size(), 2u);
  EXPECT_FALSE(room.answered(1, gone));
}

// A watch that is not heard of any more delays a list, and does not keep it from being answered.
// Renewals that this desk has not heard of: what it lists is held all the same.
TEST(DeskQuestion, AListReadsTheSessionsTooIfTheWatchIsLate) {
  for (const unsigned sessions : {3U, 80U}) {
    DeskRoom room(2);
    for (unsigned i = 1; i <= sessions; ++i) {
      room.open(0, i, time::seconds(10));
      room.settle();
      room.acquire(0, i, "n" + std::to_string(i));
      room.settle();
    }
    room.advance(time::seconds(9));
    for (unsigned i = 1; i <= sessions; ++i)
      room.ask(0, i, command::RenewSession{time::seconds(10)});
    room.settle(false);
    room.advance(time::seconds(5));
    const CallId call = room.ask(1, 1, command::List{"", "", 0});
    room.settle(false);
    EXPECT_FALSE(room.answered(1, call)) << "by the watch, which has told of nothing yet";
    while (!room.answered(1, call) && room.uptime < kPatience) {
      room.pass(time::milliseconds(100), false);
      room.settle(false);
    }
    const auto* listed = room.reply<Listed>(1, call);
    ASSERT_NE(listed, nullptr);
    EXPECT_EQ(listed->leases.size(), sessions);
    for (const lease::LeaseView& view : listed->leases)
      EXPECT_EQ(view.state, LeaseState::kHeld) << view.name;
  }
}

// The store is slow, or the watch is late: the session that was read has run out by the time of the answer, and was
// renewed after it had been read.
TEST(DeskQuestion, WhatRanOutWhileItWasReadIsNotCertainlyExpired) {
  DeskRoom room(2);
  const mint::Token token = room.hold(0, 1, "job");
  room.advance(time::seconds(9));
  room.put("somebody-elses", "x");  // so that a list has to wait for the watch
  const Revision read_at = room.store.list("")->at;
  const CallId get = room.ask(1, 9, command::Get{"job"});
  const CallId list = room.ask(1, 9, command::List{"", "", 0});
  const CallId validate = room.ask(1, 9, command::Validate{"job", token});
  std::vector<desk_event::ReadDone> answers;
  for (const DeskRoom::Task& task : room.seats[1].tasks) {
    const auto& read = std::get<desk_effect::Read>(task);
    answers.push_back({read.task, {}, {}});
    for (const std::string& key : read.keys)
      answers.back().keys.push_back(*room.store.get(key));
    for (const std::string& prefix : read.prefixes)
      answers.back().listings.push_back(*room.store.list(prefix));
  }
  room.seats[1].tasks.clear();
  room.ask(0, 1, command::RenewSession{time::seconds(10)});
  room.settle(false);
  room.advance(time::seconds(5));
  for (desk_event::ReadDone& answer : answers)
    room.step(1, std::move(answer));
  room.step(1, desk_event::Heard{{read_at, {}, false}, true});
  ASSERT_NE(room.reply<lease::LeaseView>(1, get), nullptr);
  EXPECT_EQ(room.reply<lease::LeaseView>(1, get)->state, LeaseState::kExpiring);
  ASSERT_NE(room.reply<Listed>(1, list), nullptr);
  ASSERT_EQ(room.reply<Listed>(1, list)->leases.size(), 1u);
  EXPECT_EQ(room.reply<Listed>(1, list)->leases[0].state, LeaseState::kExpiring);
  ASSERT_NE(room.reply<Validated>(1, validate), nullptr);
  EXPECT_EQ(room.reply<Validated>(1, validate)->standing, TokenStanding::kDoubtful);
  // One that had run out before it was read is over.
  room.advance(time::seconds(10));
  const CallId later = room.ask(1, 9, command::List{"", "", 0});
  room.settle();
  ASSERT_NE(room.reply<Listed>(1, later), nullptr);
  EXPECT_EQ(room.reply<Listed>(1, later)->leases.at(0).state, LeaseState::kExpired);
}

TEST(DeskQuestion, EachChangeIsToldOnceByEveryDesk) {
  DeskRoom room(2);
  for (DeskRoom::Seat& seat : room.seats)
    seat.told.clear();
  room.hold(0, 1, "job");
  room.release(0, 1, "job");
  room.settle();
  const std::vector<std::string> both{"job held", "job free"};
  EXPECT_EQ(told(room, 0), both);
  EXPECT_EQ(told(room, 1), both);
}

TEST(DeskQuestion, ClosingASessionTellsOfItsLeasesOnce) {
  DeskRoom room(2);
  room.hold(0, 1, "a");
  room.hold(0, 1, "b");
  for (DeskRoom::Seat& seat : room.seats)
    seat.told.clear();
  room.ask(0, 1, command::CloseSession{});
  room.settle();
  room.pass(time::seconds(30));  // swept away meanwhile, which changes nothing
  EXPECT_EQ(room.stored("lease/h/"), 0u);
  for (std::size_t seat : {0U, 1U})
    EXPECT_EQ(told(room, seat), (std::vector<std::string>{"a free", "b free"}));
}

TEST(DeskQuestion, WithoutAClockAChangeIsToldWithoutATime) {
  DeskRoom room(2);
  room.seats[1].clock_lost = DeskError{DeskFault::kClockUnsynchronised, "no time", {}};
  room.seats[1].told.clear();
  room.hold(0, 1, "job");
  EXPECT_EQ(told(room, 1), std::vector<std::string>{"job expiring"});
  EXPECT_EQ(room.seats[1].told[0].remaining, time::Duration{});
  EXPECT_EQ(room.seats[1].told[0].label, "client-1");
}

}  // namespace
}  // namespace gnomon::control
