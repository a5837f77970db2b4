// SPDX-License-Identifier: Apache-2.0
//
// The built-in layouts as the errata correct them, and every reason why a custom one is refused.
#include "oracle/id/layout.hpp"

#include <gtest/gtest.h>

#include <limits>
#include <set>
#include <string>

namespace gnomon::id {
namespace {

const time::SmearedUtc kEpoch2021{1'609'459'200'000'000'000};
const time::SmearedUtc kYear2200{7'258'118'400'000'000'000};
const time::Duration kMs = time::milliseconds(1);

LayoutError refusal_of(const tl::expected<Layout, LayoutError>& layout) {
  EXPECT_FALSE(layout.has_value());
  return layout.has_value() ? LayoutError{} : layout.error();
}

TEST(Layout, the_built_in_ones_are_as_documented) {
  const auto layouts = builtin_layouts();
  EXPECT_EQ(layouts[0].name(), "snowflake");
  EXPECT_EQ(layouts[1].name(), "instagram");
  EXPECT_EQ(layouts[2].name(), "js53");
  const std::array<std::array<unsigned, 4>, 3> fields{{{1, 41, 10, 12}, {2, 41, 13, 10}, {3, 41, 5, 7}}};
  for (std::size_t i = 0; i < layouts.size(); ++i) {
    EXPECT_EQ(layouts[i].number.value, fields[i][0]);
    EXPECT_EQ(layouts[i].time_bits, fields[i][1]);
    EXPECT_EQ(layouts[i].machine_bits, fields[i][2]);
    EXPECT_EQ(layouts[i].sequence_bits, fields[i][3]);
    EXPECT_EQ(layouts[i].epoch, kEpoch2021);
    EXPECT_EQ(layouts[i].unit, kMs);
  }
  EXPECT_EQ(layouts[0].bits(), 63U);
  EXPECT_EQ(layouts[1].bits(), 64U);
  EXPECT_EQ(layouts[2].bits(), 53U);
}

TEST(Layout, units_are_half_open_and_clamp_at_the_epoch) {
  const Layout layout = builtin_layouts()[0];
  EXPECT_EQ(layout.unit_of(kEpoch2021), 0U);
  EXPECT_EQ(layout.unit_of(kEpoch2021 + kMs - time::Duration{1}), 0U);
  EXPECT_EQ(layout.unit_of(kEpoch2021 + kMs), 1U);
  EXPECT_EQ(layout.unit_of(time::SmearedUtc::min()), 0U);
  EXPECT_EQ(layout.unit_of(time::SmearedUtc::max()),
            static_cast<std::uint64_t>((time::SmearedUtc::max() - kEpoch2021).ns) / 1'000'000);
  EXPECT_EQ(layout.first_unit_from(kEpoch2021 + kMs), 1U);
  EXPECT_EQ(layout.first_unit_from(kEpoch2021 + kMs + time::Duration{1}), 2U);
  EXPECT_EQ(layout.first_unit_from(kEpoch2021 - time::seconds(1)), 0U);
  EXPECT_EQ(layout.first_unit_from(kEpoch2021 + time::Duration{1}), 1U);
}

TEST(Layout, machine_ids_fit_up_to_the_last_one) {
  const Layout layout = builtin_layouts()[2];  // 5 bits
  EXPECT_TRUE(layout.fits({31}));
  EXPECT_FALSE(layout.fits({32}));
  const Layout widest = make_layout({16}, "widest", {0}, kMs, 41, 16, 7).value();
  EXPECT_TRUE(widest.fits({0xffff}));
}

TEST(MakeLayout, takes_what_is_on_the_edge) {
  const std::string longest(31, 'a');
  EXPECT_EQ(make_layout({16}, "a", {0}, kMs, 1, 1, 1)->name(), "a");
  EXPECT_EQ(make_layout({255}, longest, kYear2200, kMs, 1, 16, 32)->name(), longest);
  EXPECT_EQ(make_layout({16}, "a-b_9", {0}, time::microseconds(1), 41, 10, 12)->unit, time::microseconds(1));
  EXPECT_EQ(make_layout({16}, "x", {0}, time::seconds(10), 28, 4, 32)->bits(), 64U);
}

TEST(MakeLayout, refuses_numbers_that_are_not_custom) {
  for (const std::uint16_t number :
       {std::uint16_t{0}, std::uint16_t{1}, std::uint16_t{15}, std::uint16_t{256}, std::uint16_t{0xffff}})
    EXPECT_EQ(refusal_of(make_layout({number}, "x", {0}, kMs, 41, 10, 12)), LayoutError::kNumberOutOfRange) << number;
}

TEST(MakeLayout, refuses_names_that_are_no_names) {
  const std::string too_long(32, 'a');
  for (const std::string_view name :
       {std::string_view(""), std::string_view(too_long), std::string_view("A"), std::string_view("a b"),
        std::string_view("a\0b", 3), std::string_view("\xc3\xa4")})
    EXPECT_EQ(refusal_of(make_layout({16}, name, {0}, kMs, 41, 10, 12)), LayoutError::kNameInvalid) << name;
}

TEST(MakeLayout, refuses_empty_fields) {
  EXPECT_EQ(refusal_of(make_layout({16}, "x", {0}, kMs, 0, 10, 12)), LayoutError::kFieldEmpty);
  EXPECT_EQ(refusal_of(make_layout({16}, "x", {0}, kMs, 41, 0, 12)), LayoutError::kFieldEmpty);
  EXPECT_EQ(refusal_of(make_layout({16}, "x", {0}, kMs, 41, 10, 0)), LayoutError::kFieldEmpty);
}

TEST(MakeLayout, refuses_too_many_bits) {
  EXPECT_EQ(refusal_of(make_layout({16}, "x", {0}, kMs, 41, 11, 13)), LayoutError::kTooManyBits);
  EXPECT_EQ(refusal_of(make_layout({16}, "x", {0}, kMs, 20, 17, 12)), LayoutError::kTooManyBits);
  EXPECT_EQ(refusal_of(make_layout({16}, "x", {0}, kMs, 20, 10, 33)), LayoutError::kTooManyBits);
  for (const unsigned huge : {63U, 64U, 0x8000'0000U, 0xffff'ffffU}) {
    EXPECT_EQ(refusal_of(make_layout({16}, "x", {0}, kMs, huge, 1, 1)), LayoutError::kTooManyBits);
    EXPECT_EQ(refusal_of(make_layout({16}, "x", {0}, kMs, 1, huge, 1)), LayoutError::kTooManyBits);
    EXPECT_EQ(refusal_of(make_layout({16}, "x", {0}, kMs, 1, 1, huge)), LayoutError::kTooManyBits);
  }
}

TEST(MakeLayout, refuses_units_out_of_range) {
  for (const time::Duration unit :
       {time::Duration{0}, time::Duration{999}, -kMs, time::seconds(10) + time::Duration{1}})
    EXPECT_EQ(refusal_of(make_layout({16}, "x", {0}, unit, 20, 10, 12)), LayoutError::kUnitOutOfRange) << unit.ns;
}

TEST(MakeLayout, refuses_epochs_out_of_range) {
  EXPECT_EQ(refusal_of(make_layout({16}, "x", {-1}, kMs, 20, 10, 12)), LayoutError::kEpochOutOfRange);
  EXPECT_EQ(refusal_of(make_layout({16}, "x", {kYear2200.ns + 1}, kMs, 20, 10, 12)), LayoutError::kEpochOutOfRange);
}

TEST(MakeLayout, refuses_a_time_field_that_outlives_int64_nanoseconds) {
  EXPECT_TRUE(make_layout({16}, "x", {0}, time::microseconds(1), 53, 5, 6).has_value());  // 285 years
  EXPECT_EQ(refusal_of(make_layout({16}, "x", {0}, time::microseconds(1), 54, 5, 5)), LayoutError::kTooManyBits);
  EXPECT_EQ(refusal_of(make_layout({16}, "x", kYear2200, kMs, 41, 10, 12)), LayoutError::kTooManyBits);  // 2200 + 69
  EXPECT_EQ(refusal_of(make_layout({16}, "x", {0}, time::seconds(10), 62, 1, 1)), LayoutError::kTooManyBits);
  // The very last instant of int64 is the end of no layout: 2^63 - 1 is odd, and every unit times a power of two is
  // even.
  const Layout last = make_layout({16}, "x", {0}, time::microseconds(1), 53, 5, 6).value();
  EXPECT_GT(last.start_of(last.last_unit() + 1), last.start_of(last.last_unit()));
}

TEST(Layout, every_error_has_words_of_its_own) {
  std::set<std::string_view> texts;
  for (auto error = LayoutError::kNumberOutOfRange; error <= LayoutError::kSpanReversed;
       error = static_cast<LayoutError>(static_cast<unsigned>(error) + 1))
    EXPECT_TRUE(texts.insert(text_of(error)).second) << text_of(error);
  EXPECT_FALSE(texts.contains("unknown layout error"));
}

}  // namespace
}  // namespace gnomon::id
