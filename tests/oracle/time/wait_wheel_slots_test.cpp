// SPDX-License-Identifier: Apache-2.0
//
// The set of occupied slots against std::set, at every size that changes its number of levels or leaves a word half
// used, since the mistakes of such a tree are made at the edges of its words.
#include "oracle/time/wait_wheel_slots.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <random>
#include <set>

namespace gnomon::time {
namespace {

std::optional<std::uint32_t> next_in(const std::set<std::uint32_t>& model, std::uint32_t from) {
  if (model.empty()) return std::nullopt;
  const auto ahead = model.lower_bound(from);
  return ahead == model.end() ? *model.begin() : *ahead;
}

TEST(WaitWheelSlots, finds_a_single_member_from_everywhere) {
  for (const unsigned bits : {1U, 5U, 6U, 7U, 12U, 13U}) {
    const std::uint32_t size = std::uint32_t{1} << bits;
    const std::uint32_t stride = size > 256 ? 61 : 1;
    for (std::uint32_t member = 0; member < size; member += stride) {
      WaitWheelSlots slots(bits);
      EXPECT_TRUE(slots.empty());
      slots.insert(member);
      ASSERT_FALSE(slots.empty());
      for (std::uint32_t from = 0; from < size; ++from)
        ASSERT_EQ(slots.next(from), member) << bits << " bits, from " << from;
      slots.erase(member);
      ASSERT_TRUE(slots.empty());
      ASSERT_EQ(slots.next(member), std::nullopt);
    }
  }
}

TEST(WaitWheelSlots, agrees_with_an_ordered_set) {
  for (const unsigned bits : {1U, 6U, 7U, 12U, 13U, 17U, 18U, 19U, 24U}) {
    SCOPED_TRACE(::testing::Message() << bits << " bits");
    std::mt19937_64 random(bits);
    const auto below = [&](std::uint32_t n) { return static_cast<std::uint32_t>(random() % n); };
    const std::uint32_t size = std::uint32_t{1} << bits;
    WaitWheelSlots slots(bits);
    std::set<std::uint32_t> model;
    for (int i = 0; i < 20'000; ++i) {
      // Now nearly empty, now crowded, and often at the last slots.
      const std::uint32_t slot = below(4) == 0 ? size - 1 - below(std::min(size, 70U)) : below(size);
      if (below(100) < (i % 4000 < 2000 ? 70U : 20U)) {
        slots.insert(slot);
        model.insert(slot);
      } else if (!model.empty()) {
        const std::uint32_t member = *next_in(model, slot);
        slots.erase(member);
        model.erase(member);
      }
      const std::uint32_t from = below(size);
      ASSERT_EQ(slots.next(from), next_in(model, from)) << "step " << i;
      ASSERT_EQ(slots.empty(), model.empty());
    }
  }
}

}  // namespace
}  // namespace gnomon::time
