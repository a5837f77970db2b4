// SPDX-License-Identifier: Apache-2.0
//
// The judge is judged first: a ledger that saw nothing wrong where something was would make every other test here
// pass.
#include "tests/support/ledger.hpp"

#include <gtest/gtest.h>

namespace gnomon::support {
namespace {

IssuedRange range(std::uint64_t first, std::uint32_t count, std::uint16_t layout = 1, std::uint32_t token = 9) {
  return {.first = first, .count = count, .layout = layout, .machine = 3, .token_low = token};
}

TEST(Ledger, FindsEveryKindOfOverlap) {
  struct Case {
    IssuedRange a, b;
    std::uint64_t duplicates;
  };
  for (const Case& c : {Case{range(10, 5), range(15, 5), 0}, Case{range(10, 5), range(14, 5, 1, 8), 1},
                        Case{range(10, 1), range(10, 1, 1, 8), 1}, Case{range(10, 100), range(20, 5, 1, 8), 5},
                        Case{range(10, 5), range(10, 5, 2), 0}}) {
    Ledger ledger;
    ledger.add(c.a);
    ledger.add(c.b);
    EXPECT_EQ(ledger.duplicates().count, c.duplicates);
  }
}

TEST(Ledger, FindsAnOverlapBehindALongerRange) {
  Ledger ledger;
  ledger.add(range(0, 100));
  ledger.add(range(10, 5, 1, 8));
  ledger.add(range(90, 20, 1, 7));
  EXPECT_EQ(ledger.duplicates().count, 15U);
}

TEST(Ledger, FindsDuplicatesAcrossAbsorbedLedgers) {
  Ledger a;
  Ledger b;
  a.add(range(10, 5));
  b.add(range(12, 1));
  a.absorb(std::move(b));
  EXPECT_EQ(a.duplicates().count, 1U);
  EXPECT_EQ(a.ids(), 6U);
  EXPECT_EQ(a.single_ids(), 1U);
}

TEST(Ledger, NotesARightThatDoesNotAscend) {
  Ledger ledger;
  ledger.add(range(10, 5));
  ledger.add(range(20, 5));
  ledger.add(range(5, 1, 2));     // another layout
  ledger.add(range(5, 1, 1, 8));  // another token
  EXPECT_EQ(ledger.order_violations(), 0U);
  ledger.add(range(24, 5));
  EXPECT_EQ(ledger.order_violations(), 1U);
  EXPECT_FALSE(ledger.first_order_violation().empty());
}

TEST(Ledger, JudgesPhasesThatFollowOneAnother) {
  Ledger before;
  Ledger at_once;
  Ledger after;
  before.add(range(10, 5));
  at_once.add(range(2, 5));
  before.absorb(std::move(at_once));  // another socket, at the same time: fine
  EXPECT_EQ(before.order_violations(), 0U);
  after.add(range(20, 5));
  before.follow_with(std::move(after));
  EXPECT_EQ(before.order_violations(), 0U);
  Ledger back;
  back.add(range(15, 5));  // new IDs, but below what that right had issued
  before.follow_with(std::move(back));
  EXPECT_EQ(before.duplicates().count, 0U);
  EXPECT_EQ(before.order_violations(), 1U);
  EXPECT_FALSE(before.first_order_violation().empty());
}

}  // namespace
}  // namespace gnomon::support
