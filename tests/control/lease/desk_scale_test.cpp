// SPDX-License-Identifier: Apache-2.0
//
// A thousand clients with a hundred leases each: what a command costs does not depend on how many there are. Counted in
// effects, not in time.
#include <gtest/gtest.h>

#include "tests/control/lease/desk_room.hpp"

namespace gnomon::control {
namespace {

constexpr unsigned kSessions = 1000;
constexpr unsigned kLeases = 100;
constexpr std::size_t kPage = 999;  // does not go into all of them

class Crowd {
 public:
  Crowd() {
    for (unsigned i = 1; i <= kSessions; ++i) {
      room.open(0, i, time::seconds(600));
      room.settle(false);
    }
  }
  // Reads, commits and effects in all of so many commands.
  struct Cost {
    std::size_t reads = 0;
    std::size_t commits = 0;
    std::size_t effects = 0;
    friend bool operator==(const Cost&, const Cost&) = default;
  };
  Cost cost() {
    const Cost cost{room.seats[0].reads, room.seats[0].commits, room.seats[0].effects};
    room.forget_counts();
    room.history.clear();
    room.seats[0].replies.clear();
    room.seats[0].told.clear();
    return cost;
  }
  Cost acquire_one_each(unsigned number) {
    for (unsigned i = 1; i <= kSessions; ++i) {
      room.acquire(0, i, "n" + std::to_string(i) + "/" + std::to_string(number));
      room.settle(false);
    }
    return cost();
  }
  Cost renew_all() {
    for (unsigned i = 1; i <= kSessions; ++i) {
      room.ask(0, i, command::RenewSession{time::seconds(600)});
      room.settle(false);
    }
    return cost();
  }
  DeskRoom room;
};

TEST(DeskScale, AThousandSessionsWithAHundredLeasesEach) {
  Crowd crowd;
  crowd.room.seats[0].watch.reset();  // the room's log of changes is bounded; the desk's own commits are enough here
  crowd.cost();
  const Crowd::Cost first = crowd.acquire_one_each(0);
  EXPECT_EQ(first, (Crowd::Cost{0, kSessions, 3 * kSessions})) << "a commit, a reply, and one telling";
  for (unsigned i = 1; i + 1 < kLeases; ++i)
    EXPECT_EQ(crowd.acquire_one_each(i), first);
  EXPECT_EQ(crowd.acquire_one_each(kLeases - 1), first) << "the last of a hundred costs what the first did";
  EXPECT_EQ(crowd.renew_all(), (Crowd::Cost{0, kSessions, 2 * kSessions})) << "one renewal renews them all";
  const DeskRoom::Seat& seat = crowd.room.seats[0];
  Listed page;
  std::size_t told = 0;
  std::string last;
  do {
    page = seat.desk->remembered("", last, kPage, crowd.room.time_of(seat));
    ASSERT_LE(page.leases.size(), kPage) << "what one answer costs is bounded";
    for (const lease::LeaseView& view : page.leases) {
      ASSERT_LT(last, view.name);
      last = view.name;
    }
    told += page.leases.size();
  } while (page.more);
  EXPECT_EQ(told, std::size_t{kSessions} * kLeases);

  // Of one that leaves, all is swept away, several at a time.
  crowd.room.ask(0, 1, command::CloseSession{});
  crowd.room.settle(false);
  crowd.cost();
  crowd.room.listen(0);
  crowd.room.settle();
  crowd.room.pass(time::seconds(30));
  EXPECT_EQ(crowd.room.seats[0].desk->counters().cleaned, kLeases + 1);
  EXPECT_LE(crowd.room.seats[0].commits, 5u);
  EXPECT_EQ(crowd.room.store.list("lease/h/")->entries.size(), std::size_t{kSessions - 1} * kLeases);
}

}  // namespace
}  // namespace gnomon::control
