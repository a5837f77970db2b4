// SPDX-License-Identifier: Apache-2.0
//
// The check words of a worker's page: whenever a reply leaves the server, each slot agrees with its word, because at
// that moment the process may be killed and the page is all that is left.
#include <gtest/gtest.h>

#include <random>

#include "tests/oracle/serve/rig.hpp"

namespace gnomon::serve::testing {
namespace {

bool agrees(const page::SlotUse& slot) {
  return slot.check.load() ==
         page::SlotUse::check_of(slot.token.load(), slot.machine.load(), slot.used_until_ns.load());
}

void expect_agreement(const Rig& rig, std::size_t slots) {
  for (std::size_t i = 0; i < rig.page->slots.size(); ++i) {
    const page::SlotUse& slot = rig.page->slots[i];
    if (i < slots)
      EXPECT_TRUE(agrees(slot)) << "slot " << i;
    else
      EXPECT_EQ(slot.check.load(), 0U) << "slot " << i << " never stood for a right";
  }
}

TEST(SlotCheck, HoldsAfterTakingRightsOver) {
  const auto rig = granted_rig({}, {1, 2, 3});
  expect_agreement(*rig, 3);
  EXPECT_EQ(rig->published_use(0), rig->set.slots[0].floor);
}

TEST(SlotCheck, HoldsWithEveryReply) {
  std::mt19937 random(1);
  const auto layouts = id::builtin_layouts();
  RigOptions options;
  options.layouts.assign(layouts.begin(), layouts.end());  // of different units: a use is the furthest of all
  const auto rig = granted_rig(options, {1, 2});
  time::SmearedUtc used = rig->now;
  for (int i = 0; i < 2000; ++i) {
    rig->advance(time::microseconds(static_cast<std::int64_t>(random() % 700)));
    const id::Layout& layout = options.layouts[random() % options.layouts.size()];
    const auto reply = rig->ask(next_id_request(static_cast<std::uint64_t>(i) + 1, 1 + random() % 64, layout.number));
    expect_agreement(*rig, 2);
    if (reply.op == 0 || status_of(reply) != wire::Status::kOk) continue;
    used = std::max(used, std::max(rig->published_use(0), rig->published_use(1)));
    EXPECT_GT(used, rig->now) << "the open unit ends later";
  }
  EXPECT_GT(used, kStart + time::milliseconds(500)) << "it was in use all the time";
}

TEST(SlotCheck, HoldsForTheNextRightsInTheSamePlaces) {
  const auto rig = granted_rig({}, {1, 2});
  (void)rig->ask(next_id_request(1));
  rig->revoke();
  rig->burst();
  expect_agreement(*rig, 2);
  rig->grant({7});
  rig->burst();
  expect_agreement(*rig, 2);
  EXPECT_EQ(rig->page->slots[0].machine.load(), 7U);
  EXPECT_EQ(rig->page->slots[1].machine.load(), 2U) << "what it stood for last, whole";
}

TEST(SlotCheck, AFlippedBitIsNoticed) {
  const auto rig = granted_rig();
  (void)rig->ask(next_id_request(1));
  page::SlotUse& slot = rig->page->slots[0];
  for (int bit = 0; bit < 64; ++bit) {
    const std::uint64_t flip = std::uint64_t{1} << bit;
    slot.token ^= flip;
    EXPECT_FALSE(agrees(slot));
    slot.token ^= flip;
    slot.machine ^= flip;
    EXPECT_FALSE(agrees(slot));
    slot.machine ^= flip;
    slot.used_until_ns ^= static_cast<std::int64_t>(flip);
    EXPECT_FALSE(agrees(slot));
    slot.used_until_ns ^= static_cast<std::int64_t>(flip);
  }
  EXPECT_TRUE(agrees(slot));
}

// Two words that trade places are another slot.
TEST(SlotCheck, TheOrderOfTheWordsCounts) {
  EXPECT_NE(page::SlotUse::check_of(1, 2, 3), page::SlotUse::check_of(2, 1, 3));
  EXPECT_NE(page::SlotUse::check_of(1, 2, 3), page::SlotUse::check_of(1, 3, 2));
  EXPECT_NE(page::SlotUse::check_of(0, 0, 0), 0U) << "an empty page does not agree by chance";
}

// The supervisor may be of a later build than the worker whose page it judges.
TEST(SlotCheck, IsPartOfThePagesVersion) {
  EXPECT_EQ(page::SlotUse::check_of(1, 2, 3), 0xeadb'a27e'2036'2828U) << "another check: raise WorkerPage::kVersion";
}

}  // namespace
}  // namespace gnomon::serve::testing
