// SPDX-License-Identifier: Apache-2.0
#include "oracle/lease/heal.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>

#include "tests/oracle/lease/rules_fixture.hpp"

namespace gnomon::lease {
namespace {

class Heal : public Rules {
 protected:
  tl::expected<Transaction, HealFault> cure(std::uint16_t machine) {
    return heal(shelf.table(), policy.store, {machine}, {"healed by an operator", {}, next_nonce()});
  }
};

TEST_F(Heal, LeavesTheIdReleasedAtItsCeiling) {
  const HeldRight mad = prolong(take(0, kNow + seconds(86'400)), kNow + seconds(86'404));
  const auto transaction = cure(0);
  ASSERT_TRUE(transaction);
  ASSERT_TRUE(shelf.commit(*transaction));
  const Window window = shelf.window(0);
  EXPECT_EQ(window.floor, mad.ceiling);
  EXPECT_EQ(window.ceiling, mad.ceiling);
  EXPECT_EQ(window.state, WindowState::kReleased);
  EXPECT_EQ(window.token, mad.token) << "so that the history goes on";
  EXPECT_EQ(shelf.table().find({0})->grant->value.holder, "healed by an operator");
}

TEST_F(Heal, TheHolderLosesItAtItsNextCommit) {
  policy.exclusive_store = false;
  const HeldRight mad = take(0, kNow + seconds(86'400));
  ASSERT_TRUE(shelf.commit(*cure(0)));
  EXPECT_FALSE(shelf.commit(extend(std::span(&mad, 1), policy, kNow, next_nonce())));
  EXPECT_FALSE(give_back(mad, kNow + seconds(86'401)));
  policy.machine_ids = 1;
  EXPECT_EQ(chosen(kNow, 1), std::vector<std::uint16_t>{}) << "nobody gets it";
  EXPECT_EQ(take(0, mad.ceiling, 2).floor, mad.ceiling) << "until time has passed the ceiling";
}

TEST_F(Heal, ConflictsWithWhateverHappenedSince) {
  const HeldRight right = take(0, kNow);
  const auto before_extension = cure(0);
  const HeldRight extended = prolong(right, kNow + seconds(5));
  EXPECT_FALSE(shelf.commit(*before_extension)) << "the ceiling that it knows is too low";
  const auto before_release = cure(0);
  ASSERT_TRUE(give_back(extended, kNow));
  EXPECT_FALSE(shelf.commit(*before_release));
  const auto before_another_grant = cure(0);
  shelf.commit({{}, {{grant_key({0}), shelf.entries[grant_key({0})].value}}, {}});
  EXPECT_FALSE(shelf.commit(*before_another_grant)) << "whatever wrote it";
  const auto before_acquisition = cure(0);
  take(0, kNow + seconds(30), 2);
  EXPECT_FALSE(shelf.commit(*before_acquisition));
  const auto before_recovery = cure(0);
  shelf.commit({{}, {{std::string(kStoreKey), "recovered"}}, {}});
  EXPECT_FALSE(shelf.commit(*before_recovery));
}

TEST_F(Heal, RefusesWhatItKnowsNothingOf) {
  EXPECT_EQ(cure(0).error(), HealFault::kNeverUsed);
  take(0, kNow);
  shelf.entries[grant_key({0})].value = "damaged";
  EXPECT_EQ(cure(0).error(), HealFault::kUnreadable);
  EXPECT_NE(text_of(HealFault::kNeverUsed), text_of(HealFault::kUnreadable));
}

TEST_F(Heal, QuarantineIsWhatNoRightClockCanHaveLedTo) {
  policy.machine_ids = 8;
  policy.window = kLongestWindow;
  take(0, kNow);
  take(1, kNow + kLongestLead);
  take(2, kNow + kLongestLead + time::nanoseconds(1));
  take(7, kNow + seconds(86'400));
  const SmearedUtc edge = horizon(kNow);
  EXPECT_EQ(edge, kNow + seconds(660));
  EXPECT_EQ(quarantined(shelf.table(), edge), (std::vector<MachineId>{{2}, {7}}));
  EXPECT_TRUE(quarantined(shelf.table(), horizon(SmearedUtc::max())).empty()) << "saturates";
}

// Under random interleavings, with holders that don't know yet: healing lowers no ceiling and no floor, and what
// anybody may have issued stays below the next floor.
TEST_F(Heal, NothingEverSinks) {
  std::mt19937_64 random(3);
  std::map<std::uint16_t, HeldRight> holders;      // as they believe
  std::map<std::uint16_t, SmearedUtc> published;   // any unit issued starts below
  std::map<std::uint16_t, Transaction> in_flight;  // made some time ago, lands now or never
  int healed = 0;
  int late = 0;
  for (int step = 0; step < 8'000; ++step) {
    const auto id = static_cast<std::uint16_t>(random() % 4);
    const SmearedUtc now = kNow + seconds(static_cast<std::int64_t>(random() % 200'000) - 100'000);
    const std::optional<Window> before =
        shelf.table().find({id}) == nullptr ? std::nullopt : std::optional(shelf.window(id));
    const auto holder = holders.find(id);
    bool releasing = false;
    switch (random() % 6) {
      case 0: {
        const HeldRight right = take(id, now, static_cast<std::uint8_t>(random() % 3));
        ASSERT_GE(right.floor, published[id]);
        published[id] = right.ceiling;
        holders[id] = right;
        break;
      }
      case 1: {
        if (holder == holders.end()) break;
        const Transaction transaction = extend(std::span(&holder->second, 1), policy, now, next_nonce());
        if (const auto revision = shelf.commit(transaction)) {
          holder->second = held_after(transaction, {id}, *revision, &holder->second, policy.store.epoch);
          published[id] = holder->second.ceiling;
        } else {
          holders.erase(holder);
        }
        break;
      }
      case 2: {
        if (holder == holders.end()) break;
        const SmearedUtc used = std::min(holder->second.ceiling, holder->second.floor + seconds(1));
        releasing = give_back(holder->second, used);
        if (releasing) published[id] = used;
        holders.erase(holder);
        break;
      }
      case 3:
        if (const auto transaction = cure(id); transaction && shelf.commit(*transaction)) ++healed;
        break;
      case 4:
        if (const auto transaction = cure(id)) in_flight[id] = *transaction;
        break;
      default:
        if (const auto at = in_flight.find(id); at != in_flight.end() && shelf.commit(at->second)) ++late;
        break;
    }
    if (!before) continue;
    const Window after = shelf.window(id);
    ASSERT_GE(after.floor, before->floor);
    if (!releasing) {
      ASSERT_GE(after.ceiling, before->ceiling);
    }
    ASSERT_GE(after.ceiling, published[id]) << "whoever holds it, or did";
  }
  EXPECT_GT(healed, 500);
  EXPECT_GT(late, 100);
}

}  // namespace
}  // namespace gnomon::lease
