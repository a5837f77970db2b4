// SPDX-License-Identifier: Apache-2.0
//
// One case per promise of the generator, each small enough to check by hand. Random histories are
// in generator_property_test.cpp.
#include "oracle/mint/generator.hpp"

#include <gtest/gtest.h>

#include <set>
#include <vector>

#include "oracle/id/codec.hpp"

namespace gnomon::mint {
namespace {

using time::milliseconds;
using time::seconds;

const id::Layout kSnowflake = id::builtin_layouts()[0];
const time::SmearedUtc kStart{1'767'225'600'000'000'000};  // 2026-01-01, a whole millisecond

id::Layout tiny_layout(unsigned machine_bits, unsigned sequence_bits, time::Duration unit = milliseconds(1)) {
  const unsigned time_bits = unit < seconds(1) ? 41 : 29;  // both last beyond 2100
  return id::make_layout({16}, "tiny", {0}, unit, time_bits, machine_bits, sequence_bits).value();
}

Right right(std::uint16_t machine, std::uint64_t token, time::SmearedUtc floor, time::SmearedUtc ceiling) {
  return {{machine}, {token}, floor, ceiling};
}

RightSet rights(std::uint64_t generation, const std::vector<Right>& list, std::uint64_t era = 0) {
  RightSet set;
  set.generation = {generation};
  set.era = {era};
  for (const Right& r : list)
    set.slots[set.count++] = r;
  return set;
}

MintTime at(time::SmearedUtc now, time::Duration lead_left = seconds(1), std::uint64_t era = 0) {
  return {now, lead_left, {era}};
}

std::uint64_t unit_of(const IdGenerator& generator, const Take& take) {
  return generator.layout().unit_of(id::decode(generator.layout(), take.first)->time);
}

TEST(Generator, without_rights_nothing_is_leased) {
  IdGenerator generator(kSnowflake, false);
  EXPECT_EQ(generator.take(at(kStart), 1).refusal, Refusal::kNotLeased);
  generator.adopt(rights(1, {}));
  EXPECT_EQ(generator.take(at(kStart), 1).refusal, Refusal::kNotLeased);
}

TEST(Generator, mints_the_units_ids_in_order) {
  IdGenerator generator(kSnowflake, false);
  generator.adopt(rights(1, {right(7, 1, kStart, kStart + seconds(10))}));
  const std::uint64_t unit = kSnowflake.unit_of(kStart);
  for (std::uint64_t sequence = 0; sequence < 4096; ++sequence) {
    const Take take = generator.take(at(kStart), 1);
    ASSERT_EQ(take.refusal, Refusal::kNone);
    ASSERT_EQ(take.first, kSnowflake.pack(unit, {7}, sequence));
    ASSERT_EQ(take.opened, sequence == 0);
  }
  const Take full = generator.take(at(kStart), 1);
  EXPECT_EQ(full.refusal, Refusal::kExhausted);
  EXPECT_EQ(full.retry_after, milliseconds(1));
  EXPECT_EQ(generator.take(at(kStart + milliseconds(1)), 1).first, kSnowflake.pack(unit + 1, {7}, 0));
}

TEST(Generator, a_range_is_contiguous_and_ends_with_its_unit) {
  IdGenerator generator(kSnowflake, false);
  generator.adopt(rights(1, {right(0, 1, kStart, kStart + seconds(10))}));
  EXPECT_EQ(generator.take(at(kStart), 4000).count, 4000U);
  const Take rest = generator.take(at(kStart), 4000);
  EXPECT_EQ(rest.count, 96U);
  EXPECT_EQ(id::decode(kSnowflake, rest.first)->sequence, 4000U);
}

TEST(Generator, several_machine_ids_ascend_inside_a_unit_and_skip_those_that_do_not_fit) {
  const id::Layout layout = tiny_layout(3, 1);  // machines 0-7, two IDs each
  IdGenerator generator(layout, false);
  const auto end = kStart + seconds(10);
  generator.adopt(rights(1, {right(2, 1, kStart, end), right(5, 2, kStart, end), right(8, 3, kStart, end)}));
  std::vector<std::uint16_t> machines;
  while (true) {
    const Take take = generator.take(at(kStart), 1);
    if (take.refusal != Refusal::kNone) break;
    machines.push_back(id::decode(layout, take.first)->machine.value);
  }
  EXPECT_EQ(machines, (std::vector<std::uint16_t>{2, 2, 5, 5}));
}

TEST(Generator, an_id_that_fits_no_right_is_a_format_question) {
  IdGenerator generator(tiny_layout(3, 4), false);
  generator.adopt(rights(1, {right(8, 1, kStart, kStart + seconds(10))}));
  EXPECT_EQ(generator.take(at(kStart), 1).refusal, Refusal::kDoesNotFit);
}

TEST(Generator, the_ceiling_is_outside_and_the_floor_is_inside_the_window) {
  IdGenerator generator(kSnowflake, false);
  generator.adopt(rights(1, {right(0, 1, kStart, kStart + milliseconds(2))}));
  EXPECT_EQ(generator.take(at(kStart), 1).refusal, Refusal::kNone);
  EXPECT_EQ(generator.take(at(kStart + milliseconds(1)), 1).refusal, Refusal::kNone);
  EXPECT_EQ(generator.take(at(kStart + milliseconds(2)), 1).refusal, Refusal::kNotLeased);
}

TEST(Generator, a_unit_that_begins_before_the_floor_is_not_used_even_if_the_floor_is_past) {
  const id::Layout layout = tiny_layout(4, 4, seconds(10));
  IdGenerator generator(layout, false);
  const auto floor = kStart + seconds(3);  // inside the unit that begins at kStart
  generator.adopt(rights(1, {right(0, 1, floor, kStart + seconds(60))}));
  const Take early = generator.take(at(kStart + seconds(4), seconds(1)), 1);
  EXPECT_EQ(early.refusal, Refusal::kClockBehind);
  EXPECT_EQ(early.retry_after,
            seconds(5));  // then the next unit is one second away: within the budget
  const Take take = generator.take(at(kStart + seconds(9), seconds(1)), 1);
  ASSERT_EQ(take.refusal, Refusal::kNone);
  EXPECT_EQ(id::decode(layout, take.first)->time, kStart + seconds(10));
}

TEST(Generator, a_window_that_holds_no_start_of_a_unit_is_no_lease) {
  IdGenerator generator(tiny_layout(4, 4, seconds(10)), false);
  generator.adopt(rights(1, {right(0, 1, kStart + seconds(1), kStart + seconds(9))}));
  EXPECT_EQ(generator.take(at(kStart + seconds(2), seconds(60)), 1).refusal, Refusal::kNotLeased);
}

TEST(Generator, a_floor_ahead_within_the_lead_budget_is_used_at_once) {
  IdGenerator generator(kSnowflake, false);
  generator.adopt(rights(1, {right(0, 1, kStart + milliseconds(700), kStart + seconds(10))}));
  const Take take = generator.take(at(kStart, milliseconds(700)), 1);
  ASSERT_EQ(take.refusal, Refusal::kNone);
  EXPECT_EQ(id::decode(kSnowflake, take.first)->time, kStart + milliseconds(700));
}

TEST(Generator, a_floor_beyond_the_lead_budget_says_when_to_come_back) {
  IdGenerator generator(kSnowflake, false);
  generator.adopt(rights(1, {right(0, 1, kStart + milliseconds(1500), kStart + seconds(10))}));
  const Take take = generator.take(at(kStart, seconds(1)), 1);
  ASSERT_EQ(take.refusal, Refusal::kClockBehind);
  EXPECT_EQ(take.retry_after, milliseconds(500));
  EXPECT_EQ(generator.take(at(kStart + take.retry_after, seconds(1)), 1).refusal, Refusal::kNone);
}

TEST(Generator, an_older_time_stays_in_the_last_unit) {
  IdGenerator generator(kSnowflake, false);
  generator.adopt(rights(1, {right(0, 1, kStart, kStart + seconds(10))}));
  const Take first = generator.take(at(kStart + seconds(5)), 1);
  const Take older = generator.take(at(kStart + seconds(4)), 1);
  ASSERT_EQ(older.refusal, Refusal::kNone);
  EXPECT_EQ(older.first.value, first.first.value + 1);
}

TEST(Generator, an_open_unit_that_falls_out_of_the_lead_budget_waits_and_goes_on) {
  IdGenerator generator(kSnowflake, false);
  generator.adopt(rights(1, {right(0, 1, kStart + milliseconds(700), kStart + seconds(10))}));
  const Take first = generator.take(at(kStart, milliseconds(700)), 1);
  ASSERT_EQ(first.refusal, Refusal::kNone);
  const Take refused = generator.take(at(kStart + milliseconds(100), milliseconds(400)), 1);  // the source stepped back
  ASSERT_EQ(refused.refusal, Refusal::kClockBehind);
  EXPECT_EQ(refused.retry_after, milliseconds(200));
  const Take later = generator.take(at(kStart + milliseconds(300), milliseconds(400)), 1);
  ASSERT_EQ(later.refusal, Refusal::kNone);
  EXPECT_EQ(later.first.value, first.first.value + 1) << "no ID of the unit was lost";
}

TEST(Generator, an_older_time_never_opens_an_older_unit) {
  IdGenerator generator(kSnowflake, false);
  generator.adopt(rights(1, {right(0, 1, kStart, kStart + seconds(10))}));
  (void)generator.take(at(kStart + seconds(5)), 4096);
  const Take within = generator.take(at(kStart + seconds(5) - milliseconds(800)), 1);
  EXPECT_EQ(within.refusal, Refusal::kExhausted);
  EXPECT_EQ(within.retry_after, milliseconds(801));
  const Take beyond = generator.take(at(kStart + seconds(3)), 1);
  EXPECT_EQ(beyond.refusal, Refusal::kClockBehind);
  EXPECT_EQ(beyond.retry_after, seconds(1));
}

TEST(Generator, ceilings_rise_inside_a_generation) {
  IdGenerator generator(kSnowflake, false);
  generator.adopt(rights(1, {right(0, 1, kStart, kStart + milliseconds(1))}));
  (void)generator.take(at(kStart), 10);
  EXPECT_EQ(generator.take(at(kStart + milliseconds(1)), 1).refusal, Refusal::kNotLeased);
  generator.adopt(rights(1, {right(0, 1, kStart, kStart + milliseconds(2))}));
  EXPECT_EQ(generator.take(at(kStart + milliseconds(1)), 1).refusal, Refusal::kNone);
}

TEST(Generator, raising_a_ceiling_does_not_close_the_unit) {
  IdGenerator generator(kSnowflake, false);
  generator.adopt(rights(1, {right(0, 1, kStart, kStart + seconds(1))}));
  const Take before = generator.take(at(kStart), 1);
  generator.adopt(rights(1, {right(0, 1, kStart, kStart + seconds(2))}));
  EXPECT_EQ(generator.take(at(kStart), 1).first.value, before.first.value + 1);
}

TEST(Generator, a_ceiling_never_sinks_inside_a_generation) {
  IdGenerator generator(kSnowflake, false);
  generator.adopt(rights(1, {right(0, 1, kStart, kStart + seconds(2))}));
  generator.adopt(rights(1, {right(0, 1, kStart, kStart + milliseconds(1))}));
  EXPECT_EQ(generator.take(at(kStart + seconds(1)), 1).refusal, Refusal::kNone);
}

TEST(Generator, a_new_generation_begins_after_the_last_unit_of_the_old_one) {
  IdGenerator generator(kSnowflake, false);
  generator.adopt(rights(1, {right(9, 1, kStart, kStart + seconds(10))}));
  const Take before = generator.take(at(kStart), 1);
  generator.adopt(rights(2, {right(3, 2, kStart, kStart + seconds(10))}));  // a smaller machine id
  const Take after = generator.take(at(kStart), 1);
  ASSERT_EQ(after.refusal, Refusal::kNone);
  EXPECT_GT(after.first, before.first);
  EXPECT_EQ(unit_of(generator, after), unit_of(generator, before) + 1);
}

TEST(Generator, order_survives_a_generation_without_rights) {
  IdGenerator generator(kSnowflake, false);
  generator.adopt(rights(1, {right(9, 1, kStart, kStart + seconds(10))}));
  const Take before = generator.take(at(kStart), 1);
  generator.adopt(rights(2, {}));
  EXPECT_EQ(generator.take(at(kStart), 1).refusal, Refusal::kNotLeased);
  generator.adopt(rights(3, {right(3, 2, kStart, kStart + seconds(10))}));
  EXPECT_GT(generator.take(at(kStart), 1).first, before.first);
}

TEST(Generator, a_token_carried_into_a_new_era_never_gets_back_what_it_used) {
  IdGenerator generator(kSnowflake, false);
  generator.adopt(rights(1, {right(9, 1, kStart, kStart + seconds(10))}, 0));
  const Take before = generator.take(at(kStart + seconds(2)), 1);
  generator.adopt(rights(2, {right(9, 1, kStart, kStart + seconds(10))}, 1));
  const Take after = generator.take(at(kStart + seconds(1), seconds(2), 1), 1);
  ASSERT_EQ(after.refusal, Refusal::kNone);
  EXPECT_GT(unit_of(generator, after), unit_of(generator, before));
}

TEST(Generator, a_new_era_may_begin_in_the_past_with_a_fresh_right) {
  IdGenerator generator(kSnowflake, false);
  generator.adopt(rights(1, {right(9, 1, kStart, kStart + seconds(100'000))}, 0));
  (void)generator.take(at(kStart + seconds(86'400)), 1);  // a day ahead, by mistake
  generator.adopt(rights(2, {right(10, 2, kStart, kStart + seconds(10))}, 1));
  EXPECT_EQ(generator.take(at(kStart, seconds(1), 0), 1).refusal, Refusal::kNotLeased) << "time of the old era";
  const Take after = generator.take(at(kStart, seconds(1), 1), 1);
  ASSERT_EQ(after.refusal, Refusal::kNone);
  EXPECT_EQ(id::decode(kSnowflake, after.first)->time, kStart);
}

TEST(Generator, used_until_is_the_end_of_the_last_opened_unit_per_slot) {
  const id::Layout layout = tiny_layout(4, 1);
  IdGenerator generator(layout, false);
  const auto end = kStart + seconds(10);
  generator.adopt(rights(1, {right(1, 1, kStart, end), right(2, 2, kStart, end)}));
  EXPECT_EQ(generator.used_until(0), kStart);
  (void)generator.take(at(kStart), 1);
  EXPECT_EQ(generator.used_until(0), kStart + milliseconds(1));
  EXPECT_EQ(generator.used_until(1), kStart);
  (void)generator.take(at(kStart), 1);
  (void)generator.take(at(kStart), 1);
  EXPECT_EQ(generator.used_until(1), kStart + milliseconds(1));
}

TEST(Generator, the_rotating_start_lies_in_the_lower_half_varies_and_never_wraps) {
  IdGenerator generator(kSnowflake, true);
  generator.adopt(rights(1, {right(0, 1, kStart, kStart + seconds(10))}));
  std::set<std::uint64_t> starts;
  for (int ms = 0; ms < 200; ++ms) {
    std::uint64_t next = 0;
    std::uint64_t total = 0;
    for (Take take = generator.take(at(kStart + milliseconds(ms)), 1000); take.refusal == Refusal::kNone;
         take = generator.take(at(kStart + milliseconds(ms)), 1000)) {
      const auto fields = id::decode(kSnowflake, take.first).value();
      if (total == 0) {
        starts.insert(fields.sequence);
        ASSERT_LT(fields.sequence, 2048U);
      } else {
        ASSERT_EQ(fields.sequence, next);
      }
      ASSERT_EQ(fields.time, kStart + milliseconds(ms));
      next = fields.sequence + take.count;
      total += take.count;
    }
    ASSERT_EQ(next, 4096U);
    ASSERT_GE(total, generator.unit_capacity());
  }
  EXPECT_GT(starts.size(), 150U);
}

TEST(Generator, a_one_bit_sequence_works_with_the_rotating_start) {
  IdGenerator generator(tiny_layout(4, 1), true);
  generator.adopt(rights(1, {right(0, 1, kStart, kStart + seconds(10))}));
  EXPECT_EQ(generator.take(at(kStart), 1).count, 1U);
  EXPECT_EQ(generator.take(at(kStart), 2).count, 1U);
  EXPECT_EQ(generator.take(at(kStart), 1).refusal, Refusal::kExhausted);
}

TEST(Generator, an_exhausted_layout_says_so_and_its_last_unit_still_works) {
  const id::Layout layout = id::make_layout({16}, "short", {0}, milliseconds(1), 4, 4, 4).value();
  IdGenerator generator(layout, false);
  generator.adopt(rights(1, {right(0, 1, {0}, time::SmearedUtc{0} + seconds(10))}));
  EXPECT_EQ(generator.take(at({milliseconds(15).ns}), 16).count, 16U);
  EXPECT_EQ(generator.take(at({milliseconds(15).ns}), 1).refusal, Refusal::kExhausted);
  EXPECT_EQ(generator.take(at({milliseconds(16).ns}), 1).refusal, Refusal::kLayoutExhausted);
  generator.adopt(rights(2, {right(1, 2, {0}, time::SmearedUtc{0} + seconds(10))}));
  EXPECT_NE(generator.take(at({milliseconds(15).ns}), 1).refusal, Refusal::kNone) << "there is no unit after the last";
}

TEST(Generator, a_time_before_the_epoch_is_a_clock_that_is_behind) {
  IdGenerator generator(kSnowflake, false);
  generator.adopt(rights(1, {right(0, 1, {0}, kStart)}));
  EXPECT_EQ(generator.take(at({0}), 1).refusal, Refusal::kClockBehind);
  EXPECT_EQ(generator.take(at(time::SmearedUtc::min()), 1).refusal, Refusal::kClockBehind);
}

TEST(Generator, capacity_counts_the_rights_that_can_be_used) {
  IdGenerator generator(tiny_layout(3, 4), false);
  const auto end = kStart + seconds(10);
  generator.adopt(rights(1, {right(1, 1, kStart, end), right(2, 2, kStart, end), right(9, 3, kStart, end)}));
  EXPECT_EQ(generator.unit_capacity(), 32U);
  generator.adopt(rights(2, {right(1, 4, kStart, kStart + milliseconds(1)), right(2, 5, kStart, end)}));
  ASSERT_EQ(generator.take(at(kStart), 1).refusal, Refusal::kNone);
  EXPECT_EQ(generator.unit_capacity(), 16U) << "one of the two windows ends with this unit";
}

TEST(Generator, a_full_set_of_rights_is_used_raised_and_replaced_to_its_last) {
  const id::Layout layout = tiny_layout(8, 1);
  IdGenerator generator(layout, false);
  std::vector<Right> list;
  list.reserve(kMaxRightsPerWorker);
  for (std::uint16_t machine = 0; machine < kMaxRightsPerWorker; ++machine)
    list.push_back(right(machine, machine + 1U, kStart, kStart + milliseconds(1)));
  generator.adopt(rights(1, list));
  for (std::size_t taken = 0; taken < kMaxRightsPerWorker; ++taken)
    ASSERT_EQ(generator.take(at(kStart), 2).count, 2U);
  EXPECT_EQ(generator.take(at(kStart), 1).refusal, Refusal::kExhausted);
  EXPECT_EQ(generator.take(at(kStart + milliseconds(1)), 1).refusal, Refusal::kNotLeased);
  for (Right& raised : list)
    raised.ceiling = kStart + milliseconds(2);
  generator.adopt(rights(1, list));
  for (std::size_t taken = 0; taken < kMaxRightsPerWorker; ++taken)
    ASSERT_EQ(generator.take(at(kStart + milliseconds(1)), 2).count, 2U);
  generator.adopt(rights(2, list, 1));
  EXPECT_EQ(generator.take(at(kStart, seconds(1), 1), 1).refusal, Refusal::kNotLeased)
      << "each of the tokens stays, and has used its window";
}

TEST(Generator, capacity_is_what_a_unit_yields_at_least) {
  IdGenerator rotating(kSnowflake, true);
  EXPECT_EQ(rotating.unit_capacity(), 1U) << "never less, for whoever divides by it";
  rotating.adopt(rights(1, {right(0, 1, kStart, kStart + seconds(10))}));
  EXPECT_EQ(rotating.unit_capacity(), 2048U);
  IdGenerator smallest(tiny_layout(4, 1), true);
  smallest.adopt(rights(1, {right(0, 1, kStart, kStart + seconds(10))}));
  EXPECT_EQ(smallest.unit_capacity(), 1U);
}

TEST(Generator, the_end_of_a_layout_is_no_lack_of_a_lease_and_its_last_unit_can_be_the_first) {
  const id::Layout layout = id::make_layout({16}, "short", {0}, milliseconds(1), 4, 4, 4).value();
  IdGenerator ended(layout, false);
  ended.adopt(rights(1, {right(0, 1, {0}, time::SmearedUtc{milliseconds(16).ns})}));
  EXPECT_EQ(ended.take(at({milliseconds(16).ns}), 1).refusal, Refusal::kLayoutExhausted);
  IdGenerator late(layout, false);
  late.adopt(rights(1, {right(0, 1, time::SmearedUtc{milliseconds(15).ns}, time::SmearedUtc{seconds(1).ns})}));
  const Take take = late.take(at({0}), 1);
  ASSERT_EQ(take.refusal, Refusal::kNone);
  EXPECT_EQ(unit_of(late, take), 15U);
}

TEST(Generator, a_new_era_may_begin_in_the_first_unit_of_all) {
  const id::Layout layout = id::make_layout({16}, "short", {0}, milliseconds(1), 4, 4, 4).value();
  IdGenerator generator(layout, false);
  generator.adopt(rights(1, {right(0, 1, {0}, time::SmearedUtc{seconds(1).ns})}));
  (void)generator.take(at({milliseconds(9).ns}), 1);
  generator.adopt(rights(2, {right(1, 2, {0}, time::SmearedUtc{seconds(1).ns})}, 1));
  const Take take = generator.take(at({0}, {}, 1), 1);
  ASSERT_EQ(take.refusal, Refusal::kNone);
  EXPECT_EQ(unit_of(generator, take), 0U);
}

TEST(Generator, an_exhausted_unit_waits_within_the_lead_budget_and_is_behind_beyond_it) {
  IdGenerator generator(kSnowflake, false);
  generator.adopt(rights(1, {right(0, 1, kStart, kStart + seconds(10))}));
  const time::SmearedUtc unit = kStart + seconds(5);
  (void)generator.take(at(unit), 4096);
  const Take within = generator.take(at(unit - seconds(1), seconds(1)), 1);
  EXPECT_EQ(within.refusal, Refusal::kExhausted);
  EXPECT_EQ(within.retry_after, milliseconds(1001));
  const Take beyond = generator.take(at(unit - seconds(1) - time::nanoseconds(1), seconds(1)), 1);
  EXPECT_EQ(beyond.refusal, Refusal::kClockBehind);
  EXPECT_EQ(beyond.retry_after, time::nanoseconds(1));
}

}  // namespace
}  // namespace gnomon::mint
