// SPDX-License-Identifier: Apache-2.0
#include "oracle/lease/right_rules.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>

#include "tests/oracle/lease/rules_fixture.hpp"

namespace gnomon::lease {
namespace {

TEST_F(Rules, FirstWindowReachesOneWindowAhead) {
  const HeldRight right = take(2, kNow);
  EXPECT_EQ(right.floor, SmearedUtc{0});
  EXPECT_EQ(right.ceiling, kNow + seconds(10));
  EXPECT_EQ(right.token, make_token(5, {101}));
  EXPECT_EQ(shelf.window(2).token, mint::Token{0}) << "at the acquisition the token follows from the grant's revision";
}

TEST_F(Rules, NextFloorIsThePreviousCeilingWhateverTheClockSays) {
  const HeldRight first = take(0, kNow);
  EXPECT_EQ(take(0, kNow + seconds(100), 2).floor, first.ceiling);
  const HeldRight back = take(0, kNow - seconds(5000), 3);
  EXPECT_EQ(back.floor, kNow + seconds(110));
  EXPECT_EQ(back.ceiling, kNow + seconds(120)) << "a window above a floor ahead is a whole window";
  EXPECT_GT(back.token, first.token);
}

TEST_F(Rules, ExtensionOnlyRaises) {
  HeldRight right = take(0, kNow);
  right = prolong(right, kNow + seconds(4));
  EXPECT_EQ(right.ceiling, kNow + seconds(14));
  right = prolong(right, kNow - seconds(1000));
  EXPECT_EQ(right.ceiling, kNow + seconds(14)) << "a clock that went back lowers nothing";
  right = prolong(right, kNow + seconds(60));
  EXPECT_EQ(right.ceiling, kNow + seconds(70)) << "after a long pause the same token goes on";
  EXPECT_EQ(right.token, make_token(5, {101}));
  EXPECT_EQ(shelf.window(0).token, right.token) << "from the first extension on the token is stated";
}

TEST_F(Rules, ReleaseLowersToTheLastUseAndNoFurther) {
  struct Case {
    SmearedUtc used_until;
    SmearedUtc ceiling;
  };
  const SmearedUtc floor{0};
  const SmearedUtc ceiling = kNow + seconds(10);
  for (const Case& c : {Case{kNow + seconds(2), kNow + seconds(2)}, Case{floor, floor}, Case{SmearedUtc{-5}, floor},
                        Case{ceiling, ceiling}, Case{ceiling + milliseconds(999), ceiling}}) {
    shelf = Shelf{};
    const HeldRight right = take(0, kNow);
    ASSERT_TRUE(give_back(right, c.used_until));
    EXPECT_EQ(shelf.window(0).ceiling, c.ceiling);
    EXPECT_EQ(shelf.window(0).state, WindowState::kReleased);
    EXPECT_EQ(take(0, kNow, 2).floor, c.ceiling);
  }
}

TEST_F(Rules, ImplausibleUseIsNotReleased) {
  const HeldRight right = take(0, kNow);
  EXPECT_TRUE(plausible({right, right.ceiling + kLongestUnit}));
  EXPECT_FALSE(plausible({right, right.ceiling + kLongestUnit + time::nanoseconds(1)}));
}

TEST_F(Rules, EveryCommandNamesAllThatItReliedOn) {
  policy.store.identity = {77};
  const std::vector<Compare> fresh{{"meta/store", {77}},
                                   {"right/m/00000/grant", {}},
                                   {"right/m/00000/window", {}},
                                   {"history/01800000000000000000-0100000000000000", {}}};
  const MachineId zero{0};
  EXPECT_EQ(acquire({}, policy, kNow, std::span(&zero, 1), claim()).compares, fresh);
  const HeldRight right{{0}, {1}, {}, kNow, {5}, {9}, {}};
  const Used used{right, kNow};
  const std::vector<Compare> held{{"meta/store", {77}}, {"right/m/00000/grant", {5}}, {"right/m/00000/window", {9}}};
  EXPECT_EQ(extend(std::span(&right, 1), policy, kNow, {}).compares, held);
  EXPECT_EQ(release(std::span(&used, 1), policy, {}).compares, held);
}

TEST_F(Rules, EveryCommandFailsOnceSomethingChanged) {
  const HeldRight right = take(0, kNow);
  const HeldRight extended = prolong(right, kNow + seconds(1));
  EXPECT_FALSE(shelf.commit(extend(std::span(&right, 1), policy, kNow, next_nonce()))) << "an older window revision";
  EXPECT_FALSE(give_back(right, kNow)) << "likewise";
  const HeldRight other = take(0, kNow + seconds(30), 2);
  EXPECT_FALSE(shelf.commit(extend(std::span(&extended, 1), policy, kNow, next_nonce()))) << "the grant is another's";
  EXPECT_FALSE(give_back(extended, kNow));

  shelf.commit({{}, {{std::string(kStoreKey), "recovered"}}, {}});
  EXPECT_FALSE(shelf.commit(extend(std::span(&other, 1), policy, kNow, next_nonce()))) << "the store's identity";
  EXPECT_FALSE(give_back(other, kNow));
  const MachineId id{3};
  EXPECT_FALSE(shelf.commit(acquire(shelf.table(), policy, kNow, std::span(&id, 1), claim())));
}

TEST_F(Rules, TwoWhoTakeTheSameIdFromOneReadingExcludeEachOther) {
  const RightTable seen = shelf.table();
  const MachineId id{1};
  ASSERT_TRUE(shelf.commit(acquire(seen, policy, kNow, std::span(&id, 1), claim(1))));
  EXPECT_FALSE(shelf.commit(acquire(seen, policy, kNow, std::span(&id, 1), claim(2))));
}

TEST_F(Rules, ChoosesTheOneThatIsLongestPast) {
  EXPECT_EQ(chosen(kNow, 2), (std::vector<std::uint16_t>{0, 1})) << "never used: longest past of all; ties: lowest id";
  const HeldRight zero = take(0, kNow);
  ASSERT_TRUE(give_back(zero, kNow + milliseconds(30)));
  take(1, kNow);
  EXPECT_EQ(chosen(kNow, 2), (std::vector<std::uint16_t>{2, 3}));
  EXPECT_EQ(chosen(kNow, 3), (std::vector<std::uint16_t>{2, 3, 0})) << "released within the lead";
  EXPECT_EQ(chosen(kNow, 4), std::vector<std::uint16_t>{}) << "1 lies a whole window ahead";
  EXPECT_EQ(chosen(kNow + seconds(9), 4), (std::vector<std::uint16_t>{2, 3, 0, 1}));
  EXPECT_EQ(chosen(kNow, 3, {MachineId{2}}), std::vector<std::uint16_t>{});
  EXPECT_EQ(chosen(kNow, 2, {MachineId{2}}), (std::vector<std::uint16_t>{3, 0}));
}

TEST_F(Rules, NeverTakesWhatThisIncarnationHolds) {
  for (std::uint16_t id = 0; id < 3; ++id)
    take(id, kNow, 7);
  const SmearedUtc within_lead = kNow + seconds(10) - milliseconds(1);
  EXPECT_EQ(chosen(within_lead, 2, {}, 8), (std::vector<std::uint16_t>{3, 0})) << "another incarnation may";
  EXPECT_EQ(chosen(within_lead, 1, {}, 7), std::vector<std::uint16_t>{3});
  EXPECT_EQ(chosen(within_lead, 2, {}, 7), std::vector<std::uint16_t>{});
  Nonce incarnation{};
  incarnation.fill(7);
  EXPECT_EQ(choose_free(shelf.table(), policy, within_lead, 2, {}, incarnation).error().at, kNow + seconds(10));
  EXPECT_EQ(chosen(kNow + seconds(10), 2, {}, 7), (std::vector<std::uint16_t>{3, 0})) << "run out: held no more";
}

TEST_F(Rules, SaysWhenEnoughIdsGetFree) {
  for (std::uint16_t id = 0; id < 4; ++id)
    take(id, kNow + seconds(id));
  Nonce incarnation{};
  const auto one = choose_free(shelf.table(), policy, kNow + seconds(3), 1, {}, incarnation);
  ASSERT_FALSE(one);
  EXPECT_EQ(one.error().at, kNow + seconds(10) - policy.max_lead);
  EXPECT_EQ(one.error().free, 0U);
  const auto three = choose_free(shelf.table(), policy, kNow + seconds(3), 3, {}, incarnation);
  EXPECT_EQ(three.error().at, kNow + seconds(12) - policy.max_lead);
  const MachineId out{2};
  const auto never = choose_free(shelf.table(), policy, kNow, 4, std::span(&out, 1), incarnation);
  EXPECT_EQ(never.error().at, std::nullopt);
  EXPECT_EQ(chosen(*one.error().at, 1), std::vector<std::uint16_t>{0}) << "and then it is";
}

// Whatever order the ids get free in: the instant that is named is the first at which that many may be taken.
TEST_F(Rules, TheInstantThatIsNamedIsTheFirstAtWhichThereAreEnough) {
  policy.machine_ids = 16;
  std::mt19937_64 random(11);
  std::vector<MachineId> rested;
  for (std::uint16_t id = 0; id < 16; ++id) {
    take(id, kNow + milliseconds(static_cast<std::int64_t>(random() % 4'000)));
    if (random() % 2 == 0) rested.push_back({id});  // whose whole window counts: it gets free after later ceilings
  }
  const Nonce nobody{};
  const RightTable table = shelf.table();
  for (std::uint32_t wanted = 1; wanted <= 16; ++wanted) {
    const auto none = choose_free(table, policy, kNow, wanted, {}, nobody, rested);
    ASSERT_FALSE(none);
    ASSERT_TRUE(none.error().at) << wanted;
    EXPECT_TRUE(choose_free(table, policy, *none.error().at, wanted, {}, nobody, rested)) << wanted;
    const SmearedUtc before = *none.error().at + time::nanoseconds(-1);
    EXPECT_FALSE(choose_free(table, policy, before, wanted, {}, nobody, rested)) << wanted;
  }
  EXPECT_EQ(choose_free(table, policy, kNow, 17, {}, nobody, rested).error().at, std::nullopt);
}

TEST_F(Rules, WhatLiesBeyondThePoolIsLeftOutOfNothing) {
  EXPECT_EQ(chosen(kNow, 4, {MachineId{4}, MachineId{UINT16_MAX}}), (std::vector<std::uint16_t>{0, 1, 2, 3}));
}

TEST_F(Rules, AnAcquisitionOfNothingWritesNothing) {
  EXPECT_TRUE(acquire(shelf.table(), policy, kNow, {}, claim()).puts.empty());
}

TEST_F(Rules, TheWindowAndItsGrantBearTheNonceOfTheClaim) {
  const MachineId id{1};
  const Claim mine = claim();
  ASSERT_TRUE(shelf.commit(acquire(shelf.table(), policy, kNow, std::span(&id, 1), mine)));
  EXPECT_EQ(shelf.window(1).nonce, mine.nonce);
  EXPECT_EQ(shelf.table().find(id)->grant->value.nonce, mine.nonce);
}

TEST_F(Rules, SharedStoreWaitsForTheWholeCeilingOfAHolderThatMayBeAlive) {
  policy.exclusive_store = false;
  const HeldRight held = take(0, kNow);
  EXPECT_EQ(free_at(shelf.table(), policy, {0}), held.ceiling);
  ASSERT_TRUE(give_back(held, kNow + seconds(5)));
  EXPECT_EQ(free_at(shelf.table(), policy, {0}), kNow + seconds(4)) << "released: only the lead budget counts";
}

TEST_F(Rules, PoisonedCeilingIsQuarantined) {
  take(0, kNow + seconds(86'400 * 365));  // a clock that was a year fast
  for (std::uint16_t id = 1; id < 4; ++id)
    take(id, kNow);
  EXPECT_EQ(chosen(kNow + seconds(60), 4), std::vector<std::uint16_t>{});
  EXPECT_EQ(chosen(kNow + seconds(60), 3), (std::vector<std::uint16_t>{1, 2, 3}));
}

TEST_F(Rules, StoreFloorHoldsForEveryId) {
  const HeldRight zero = take(0, kNow);
  policy.store.floor = kNow + seconds(11);
  EXPECT_EQ(chosen(kNow, 1), std::vector<std::uint16_t>{}) << "never used ids are below it, too";
  EXPECT_EQ(chosen(kNow + seconds(10), 2), (std::vector<std::uint16_t>{1, 2}));
  EXPECT_EQ(take(3, kNow + seconds(10)).floor, kNow + seconds(11));
  EXPECT_EQ(take(0, kNow + seconds(10)).floor, std::max(zero.ceiling, policy.store.floor));
}

TEST_F(Rules, PinnedIdsWaitForTheirFloors) {
  take(1, kNow);
  take(2, kNow + seconds(3));
  const std::vector<MachineId> pinned{{2}, {1}};
  const auto waits = check_pinned(shelf.table(), policy, kNow + seconds(10), pinned);
  ASSERT_FALSE(waits);
  EXPECT_EQ(waits.error().free, 1U);
  EXPECT_EQ(waits.error().at, kNow + seconds(12));
  EXPECT_TRUE(check_pinned(shelf.table(), policy, kNow + seconds(12), pinned));
}

TEST_F(Rules, UnreadableRightsAreNobodys) {
  take(0, kNow - seconds(100));
  shelf.entries[window_key({0})].value += "x";
  const MachineId zero{0};
  EXPECT_EQ(chosen(kNow, 4), std::vector<std::uint16_t>{});
  const auto pinned = check_pinned(shelf.table(), policy, kNow, std::span(&zero, 1));
  ASSERT_FALSE(pinned);
  EXPECT_EQ(pinned.error().at, std::nullopt);
  take(1, kNow);
  const auto both = check_pinned(shelf.table(), policy, kNow, std::vector<MachineId>{{0}, {1}});
  ASSERT_FALSE(both);
  EXPECT_EQ(both.error().at, std::nullopt) << "whatever is known of those that follow it";
}

// The one property that everything rests on, under random commands and mad clocks: what holders could have issued under
// one id never overlaps, and tokens grow.
TEST_F(Rules, WindowsOfOneIdNeverOverlap) {
  std::mt19937_64 random(7);
  struct Grant {
    HeldRight right;
    SmearedUtc used_until;  // as a holder would have left it behind
  };
  std::map<std::uint16_t, SmearedUtc> issued_below;  // every unit issued so far starts below this
  std::map<std::uint16_t, Grant> holders;
  std::map<std::uint16_t, mint::Token> tokens;
  for (int step = 0; step < 20'000; ++step) {
    const auto id = static_cast<std::uint16_t>(random() % 4);
    const SmearedUtc now = kNow + seconds(static_cast<std::int64_t>(random() % 200'000) - 100'000);
    const auto holder = holders.find(id);
    const std::uint64_t action = random() % 4;
    if (holder == holders.end() || action == 0) {
      const HeldRight right = take(id, now, static_cast<std::uint8_t>(random() % 3));
      ASSERT_GE(right.floor, issued_below[id]);
      ASSERT_LT(right.floor, right.ceiling);
      ASSERT_GT(right.token, tokens[id]);
      tokens[id] = right.token;
      holders[id] = {right, right.floor};
    } else if (action == 1) {
      holder->second.right = prolong(holder->second.right, now);
    } else if (action == 2) {
      // Opens a unit of up to 10 s that starts inside the window.
      Grant& grant = holder->second;
      const auto span = static_cast<std::uint64_t>((grant.right.ceiling - grant.used_until).ns);
      if (grant.used_until >= grant.right.ceiling) continue;
      const SmearedUtc start = grant.used_until + time::nanoseconds(static_cast<std::int64_t>(random() % span));
      grant.used_until = start + time::nanoseconds(static_cast<std::int64_t>(random() % 10'000'000'000) + 1);
      issued_below[id] = std::max(issued_below[id], start + time::nanoseconds(1));
    } else {
      ASSERT_TRUE(plausible({holder->second.right, holder->second.used_until}));
      ASSERT_TRUE(give_back(holder->second.right, holder->second.used_until));
      holders.erase(holder);
    }
  }
}

}  // namespace
}  // namespace gnomon::lease
