// SPDX-License-Identifier: Apache-2.0
//
// Golden vectors are primitives.md 2.2 with the values of its errata: machine 1, sequence 0, 2024-01-01T00:00:00.100Z,
// epoch 2021-01-01.
#include "oracle/id/codec.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <bitset>
#include <random>
#include <vector>

namespace gnomon::id {
namespace {

const time::SmearedUtc kEpoch2021{1'609'459'200'000'000'000};
const time::SmearedUtc kGolden{1'704'067'200'100'000'000};

Layout snowflake() { return builtin_layouts()[0]; }
Layout full_width() { return make_layout({16}, "full", {0}, time::milliseconds(1), 42, 10, 12).value(); }

std::vector<Layout> all_layouts() {
  std::vector<Layout> layouts{full_width(),
                              make_layout({17}, "one-bits", kEpoch2021, time::seconds(10), 1, 1, 1).value(),
                              make_layout({18}, "fine", {0}, time::microseconds(1), 53, 5, 6).value(),
                              make_layout({19}, "coarse", {0}, time::seconds(10), 28, 4, 32).value()};
  for (const Layout& layout : builtin_layouts())
    layouts.push_back(layout);
  return layouts;
}

TEST(GoldenVector, the_example_id) {
  EXPECT_EQ(encode(snowflake(), {kGolden, {1}, 0})->value, 396814713251434496U);
  EXPECT_EQ(*decode(snowflake(), {396814713251434496U}), (Fields{kGolden, {1}, 0}));
}

TEST(GoldenVector, the_timestamp_in_41_bits) {
  const std::uint64_t unit = snowflake().unit_of(kGolden);
  EXPECT_EQ(unit, 94608000100U);
  EXPECT_EQ(std::bitset<41>(unit).to_string(), "00001011000000111000100111000010001100100");
}

TEST(GoldenVector, the_next_id_and_the_next_millisecond) {
  EXPECT_EQ(encode(snowflake(), {kGolden, {1}, 1})->value, 396814713251434497U);
  EXPECT_EQ(encode(snowflake(), {kGolden + time::milliseconds(1), {1}, 0})->value, 396814713251434496U + 4194304U);
}

TEST(GoldenVector, the_number_that_the_source_document_prints_is_another_machine_and_time) {
  const Fields fields = decode(snowflake(), {397066990075904000U}).value();
  EXPECT_EQ(fields.machine.value, 32U);
  EXPECT_EQ((fields.time - time::SmearedUtc{1'704'067'200'000'000'000}).ns / 1'000'000,
            (16 * 3600 + 42 * 60 + 27) * 1000 + 582);
}

TEST(Codec, round_trips_at_the_edges_of_every_field) {
  for (const Layout& layout : all_layouts()) {
    for (const std::uint64_t unit : {std::uint64_t{0}, layout.last_unit()})
      for (const std::uint32_t machine : {0U, layout.machines() - 1})
        for (const std::uint64_t sequence : {std::uint64_t{0}, layout.sequences() - 1}) {
          const Fields fields{layout.start_of(unit), {static_cast<std::uint16_t>(machine)}, sequence};
          const Id id = encode(layout, fields).value();
          ASSERT_EQ(decode(layout, id).value(), fields) << layout.name();
          ASSERT_EQ(id, layout.pack(unit, fields.machine, sequence));
        }
    const std::uint64_t all_ones = layout.bits() == 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << layout.bits()) - 1;
    EXPECT_EQ(
        layout.pack(layout.last_unit(), {static_cast<std::uint16_t>(layout.machines() - 1)}, layout.sequences() - 1)
            .value,
        all_ones);
  }
}

TEST(Codec, round_trips_at_random) {
  constexpr std::uint64_t kSeed = 20261123;
  SCOPED_TRACE(::testing::Message() << "seed " << kSeed);
  std::mt19937_64 random(kSeed);
  for (const Layout& layout : all_layouts()) {
    const std::uint64_t mask = layout.bits() == 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << layout.bits()) - 1;
    for (int i = 0; i < 20'000; ++i) {
      const Id id{random() & mask};
      const Fields fields = decode(layout, id).value();
      ASSERT_EQ(encode(layout, fields).value(), id);
      const Fields inside{fields.time + time::Duration{static_cast<std::int64_t>(
                                            random() % static_cast<std::uint64_t>(layout.unit.ns))},
                          fields.machine, fields.sequence};
      ASSERT_EQ(encode(layout, inside).value(), id) << "any instant of the unit gives the unit's IDs";
    }
  }
}

TEST(Codec, encode_names_the_field_that_does_not_fit) {
  const Layout layout = snowflake();
  const time::SmearedUtc end = exhaustion(layout).at;
  EXPECT_EQ(encode(layout, {kEpoch2021 - time::Duration{1}, {0}, 0}).error(), LayoutError::kTimeBeforeEpoch);
  EXPECT_EQ(encode(layout, {end, {0}, 0}).error(), LayoutError::kTimeExhausted);
  EXPECT_TRUE(encode(layout, {end - time::Duration{1}, {0}, 0}).has_value());
  EXPECT_EQ(encode(layout, {kGolden, {1024}, 0}).error(), LayoutError::kMachineTooLarge);
  EXPECT_EQ(encode(layout, {kGolden, {0}, 4096}).error(), LayoutError::kSequenceTooLarge);
}

TEST(Codec, decode_refuses_bits_above_the_layout) {
  EXPECT_EQ(decode(snowflake(), {std::uint64_t{1} << 63}).error(), LayoutError::kIdOutOfRange);
  EXPECT_EQ(decode(builtin_layouts()[2], {std::uint64_t{1} << 53}).error(), LayoutError::kIdOutOfRange);
  EXPECT_TRUE(decode(full_width(), {~std::uint64_t{0}}).has_value());
}

TEST(Exhaustion, dates_of_the_built_in_layouts) {
  const time::SmearedUtc end{kEpoch2021.ns + 2'199'023'255'552'000'000};  // 2^41 ms: 2090-09-06
  for (const Layout& layout : builtin_layouts())
    EXPECT_EQ(exhaustion(layout).at, end);
  EXPECT_EQ(exhaustion(builtin_layouts()[0]).in_signed, end) << "63 bits: the sign bit is never used";
  EXPECT_EQ(exhaustion(builtin_layouts()[1]).in_signed, kEpoch2021 + time::milliseconds(std::int64_t{1} << 40));
  EXPECT_EQ(exhaustion(builtin_layouts()[2]).in_signed, end);
}

TEST(Exhaustion, the_signed_end_is_where_ids_turn_negative) {
  const Layout layout = full_width();
  const time::SmearedUtc turn = exhaustion(layout).in_signed;
  const auto as_signed = [&](time::SmearedUtc t) {
    return static_cast<std::int64_t>(encode(layout, {t, {1023}, 4095})->value);
  };
  EXPECT_GT(as_signed(turn - time::Duration{1}), 0);
  EXPECT_LT(as_signed(turn), 0);
}

TEST(Headroom, runs_from_whole_to_none) {
  const Layout layout = snowflake();
  const time::Duration life = exhaustion(layout).in_signed - layout.epoch;
  EXPECT_EQ(headroom(layout, layout.epoch).left, life);
  EXPECT_EQ(headroom(layout, time::SmearedUtc::min()).left, life);
  EXPECT_EQ(headroom(layout, layout.epoch).used_fraction, 0.0);
  EXPECT_EQ(headroom(layout, layout.epoch + life / 2).used_fraction, 0.5);
  EXPECT_EQ(headroom(layout, time::SmearedUtc::max()).left, time::Duration{0});
  EXPECT_EQ(headroom(layout, time::SmearedUtc::max()).used_fraction, 1.0);
}

TEST(FitsJavascript, only_layouts_of_53_bits) {
  EXPECT_FALSE(fits_javascript(builtin_layouts()[0]));
  EXPECT_TRUE(fits_javascript(builtin_layouts()[2]));
}

TEST(RangeOf, holds_every_id_of_the_span_and_no_other) {
  constexpr std::uint64_t kSeed = 7;
  SCOPED_TRACE(::testing::Message() << "seed " << kSeed);
  std::mt19937_64 random(kSeed);
  for (const Layout& layout : all_layouts()) {
    const auto instant = [&] {
      const auto life = static_cast<std::uint64_t>((exhaustion(layout).at - layout.epoch).ns);
      return layout.epoch + time::Duration{static_cast<std::int64_t>(random() % life)};
    };
    for (int i = 0; i < 2000; ++i) {
      const time::SmearedUtc a = instant();
      const time::SmearedUtc b =
          i % 2 == 0 ? instant() : saturating_add(a, time::Duration{static_cast<std::int64_t>(random() % 5000)});
      const auto [from, to] = std::minmax(a, b);
      const IdRange range = range_of(layout, from, to).value();
      for (const time::SmearedUtc t : {from, to, instant(), from - layout.unit, to + layout.unit}) {
        if (t < layout.epoch || t >= exhaustion(layout).at) continue;
        const Fields fields{
            t, {static_cast<std::uint16_t>(random() % layout.machines())}, random() % layout.sequences()};
        const Id id = encode(layout, fields).value();
        const bool inside = range.first <= id && id <= range.last;
        const bool unit_overlaps = layout.unit_of(t) >= layout.unit_of(from) && layout.unit_of(t) <= layout.unit_of(to);
        ASSERT_EQ(inside, unit_overlaps) << layout.name() << " at " << t.ns << " in [" << from.ns << ", " << to.ns
                                         << "]";
      }
    }
  }
}

TEST(RangeOf, cuts_off_what_lies_outside_the_layouts_life) {
  const Layout layout = snowflake();
  const IdRange whole{{0}, {(std::uint64_t{1} << 63) - 1}};
  EXPECT_EQ(range_of(layout, time::SmearedUtc::min(), time::SmearedUtc::max()).value(), whole);
  EXPECT_EQ(range_of(layout, kEpoch2021 - time::seconds(5), kEpoch2021)->last, layout.pack(0, {1023}, 4095));
  EXPECT_EQ(range_of(full_width(), {0}, time::SmearedUtc::max())->last.value, ~std::uint64_t{0});
}

TEST(RangeOf, refuses_reversed_spans_and_those_wholly_outside) {
  const Layout layout = snowflake();
  const time::SmearedUtc end = exhaustion(layout).at;
  EXPECT_EQ(range_of(layout, kGolden, kGolden - time::Duration{1}).error(), LayoutError::kSpanReversed);
  EXPECT_EQ(range_of(layout, {0}, kEpoch2021 - time::Duration{1}).error(), LayoutError::kTimeBeforeEpoch);
  EXPECT_EQ(range_of(layout, end, end + time::seconds(1)).error(), LayoutError::kTimeExhausted);
  EXPECT_TRUE(range_of(layout, kGolden, kGolden).has_value());
  EXPECT_TRUE(range_of(layout, end - time::Duration{1}, end).has_value());
}

}  // namespace
}  // namespace gnomon::id
