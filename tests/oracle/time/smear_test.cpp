// SPDX-License-Identifier: Apache-2.0
//
// The smear at points that can be worked out by hand, and a million random instants around leap seconds of both signs.
#include "oracle/time/smear.hpp"

#include <gtest/gtest.h>

#include <random>
#include <utility>
#include <vector>

#include "oracle/time/int128.hpp"
#include "tests/oracle/time/tables.hpp"

namespace gnomon::time {
namespace {

constexpr Utc kJan2017{1'483'228'800'000'000'000};
constexpr Duration kHalfDay = seconds(43'200);

TEST(Smear, is_utc_on_a_day_without_a_leap_second) {
  const LeapTable table = builtin_leap_table();
  const Utc noon{1'767'268'800'000'000'000};  // 2026-01-01
  EXPECT_EQ(to_smeared(table, table.to_tai(noon).value()).value().ns, noon.ns);
  EXPECT_EQ(to_tai(table, SmearedUtc{noon.ns}).value(), table.to_tai(noon).value());
}

TEST(Smear, spreads_the_last_second_of_2016_from_noon_to_noon) {
  const LeapTable table = builtin_leap_table();
  const Tai noon_before{(kJan2017 - kHalfDay).ns + seconds(36).ns};
  const Tai noon_after{(kJan2017 + kHalfDay).ns + seconds(37).ns};
  const auto smeared = [&](Tai tai) { return to_smeared(table, tai).value().ns; };
  EXPECT_EQ(smeared(noon_before), (kJan2017 - kHalfDay).ns);
  EXPECT_EQ(smeared(noon_before - Duration{1}), (kJan2017 - kHalfDay).ns - 1);
  EXPECT_EQ(smeared(noon_after), (kJan2017 + kHalfDay).ns);
  EXPECT_EQ(smeared(noon_after + Duration{1}), (kJan2017 + kHalfDay).ns + 1);
  // Smeared midnight is the middle of 86401 s: half of the inserted second has passed.
  const Tai middle = noon_before + kHalfDay + milliseconds(500);
  EXPECT_EQ(smeared(middle), kJan2017.ns);
  EXPECT_EQ(to_tai(table, SmearedUtc{kJan2017.ns}).value(), middle);
  // A quarter of it: 18:00 by smeared time is a quarter of a second later than by UTC.
  EXPECT_EQ(to_tai(table, SmearedUtc{(kJan2017 - seconds(21'600)).ns}).value(),
            noon_before + seconds(21'600) + milliseconds(250));
}

TEST(Smear, spreads_a_deleted_second_likewise) {
  const LeapTable table = table_with_steps({-1});
  const Tai noon_before{(kJan2030 - kHalfDay).ns + seconds(37).ns};
  const Tai noon_after{(kJan2030 + kHalfDay).ns + seconds(36).ns};
  EXPECT_EQ(noon_after - noon_before, seconds(86'399));
  EXPECT_EQ(to_smeared(table, noon_before).value().ns, (kJan2030 - kHalfDay).ns);
  EXPECT_EQ(to_smeared(table, noon_after).value().ns, (kJan2030 + kHalfDay).ns);
  EXPECT_EQ(to_smeared(table, noon_before + seconds(43'199) + milliseconds(500)).value().ns, kJan2030.ns);
  EXPECT_EQ(to_tai(table, SmearedUtc{(kJan2030 + seconds(21'600)).ns}).value(),
            noon_before + seconds(64'800) - milliseconds(750));
}

TEST(Smear, refuses_what_it_can_not_convert) {
  const LeapTable table = builtin_leap_table();
  const Tai begin = table.entries()[0].at();
  EXPECT_EQ(to_smeared(table, begin - Duration{1}).error(), LeapFault::kBeforeTable);
  EXPECT_EQ(to_smeared(table, begin).value().ns, LeapTable::kFirstUtc.ns);
  EXPECT_EQ(to_tai(table, SmearedUtc{LeapTable::kFirstUtc.ns - 1}).error(), LeapFault::kBeforeTable);
  EXPECT_EQ(to_tai(table, SmearedUtc{LeapTable::kFirstUtc.ns}).value(), begin);
  EXPECT_EQ(to_smeared(table, Tai::min()).error(), LeapFault::kBeforeTable);
  EXPECT_EQ(to_tai(table, SmearedUtc::min()).error(), LeapFault::kBeforeTable);
  EXPECT_EQ(to_tai(table, SmearedUtc::max()).error(), LeapFault::kOutOfRange);
  EXPECT_TRUE(to_smeared(table, Tai::max()).has_value());
  EXPECT_EQ(to_smeared(LeapTable{}, Tai{}).error(), LeapFault::kBeforeTable);
  EXPECT_EQ(to_tai(LeapTable{}, SmearedUtc{}).error(), LeapFault::kBeforeTable);
  EXPECT_EQ(to_smeared(table, Interval{begin + Duration{1}, begin}).error(), LeapFault::kReversed);
  EXPECT_EQ(to_smeared(table, Interval{begin - Duration{1}, begin}).error(), LeapFault::kBeforeTable);
  EXPECT_EQ(to_tai(table, SmearedInterval{SmearedUtc{kJan2017.ns}, SmearedUtc::max()}).error(), LeapFault::kOutOfRange);
}

/// Instants around the leap seconds of all tables: two days long, and densely at the seams.
class Instants {
 public:
  explicit Instants(std::uint64_t seed) : random_(seed) {}

  const LeapTable& table() {
    table_ = static_cast<std::size_t>(pick(0, static_cast<std::int64_t>(tables_.size()) - 1));
    entry_ = static_cast<std::size_t>(pick(1, static_cast<std::int64_t>(tables_[table_].entries().size()) - 1));
    return tables_[table_];
  }
  [[nodiscard]] const LeapEntry& entry() const { return tables_[table_].entries()[entry_]; }
  [[nodiscard]] Duration step() const { return tables_[table_].step(entry_); }
  Tai tai() {
    const std::int64_t seam = (pick(0, 2) - 1) * kHalfDay.ns;
    const std::int64_t range = pick(0, 1) == 0 ? kDay.ns : pick(0, 1) == 0 ? 1'500'000'000 : 5;
    return entry().at() + Duration{seam + pick(-range, range)};
  }
  std::int64_t pick(std::int64_t low, std::int64_t high) {
    return std::uniform_int_distribution<std::int64_t>(low, high)(random_);
  }

 private:
  std::vector<LeapTable> tables_ = all_tables();
  std::mt19937_64 random_;
  std::size_t table_ = 0;
  std::size_t entry_ = 1;
};

TEST(SmearProperty, both_ways_are_the_straight_line_from_noon_to_noon) {
  Instants instants(1);
  int inside = 0;
  for (int n = 0; n < 1'000'000; ++n) {
    const LeapTable& table = instants.table();
    const Tai tai = instants.tai();
    const SmearedUtc smeared = to_smeared(table, tai).value();
    const SmearedUtc noon{instants.entry().from.ns - kHalfDay.ns};
    const Tai start{noon.ns + instants.entry().tai_minus_utc.ns - instants.step().ns};
    const std::int64_t x = (tai - start).ns;
    const std::int64_t y = (smeared - noon).ns;
    const Int128 lasts = 86'400 + instants.step().ns / 1'000'000'000;
    if (x >= 0 && x < lasts * 1'000'000'000) {
      ++inside;
      // y <= x * 86400 / lasts < y + 1, without a division
      ASSERT_TRUE(y * lasts <= static_cast<Int128>(x) * 86'400 && static_cast<Int128>(x) * 86'400 < (y + 1) * lasts)
          << tai.ns << " -> " << smeared.ns;
    } else {
      ASSERT_EQ(smeared.ns, tai.ns - table.offset_at(tai).value().ns);
    }
  }
  EXPECT_GT(inside, 300'000);
}

TEST(SmearProperty, the_two_ways_undo_each_other_to_within_a_nanosecond) {
  Instants instants(2);
  for (int n = 0; n < 1'000'000; ++n) {
    const LeapTable& table = instants.table();
    const Tai tai = instants.tai();
    const Duration lost = tai - to_tai(table, to_smeared(table, tai).value()).value();
    ASSERT_TRUE(lost == Duration{0} || lost == Duration{1}) << tai.ns << " lost " << lost.ns;
    const SmearedUtc smeared{tai.ns - instants.entry().tai_minus_utc.ns};
    const Duration back = smeared - to_smeared(table, to_tai(table, smeared).value()).value();
    ASSERT_TRUE(back == Duration{0} || back == Duration{1}) << smeared.ns << " lost " << back.ns;
  }
}

TEST(SmearProperty, both_ways_are_monotone_and_stand_still_for_a_nanosecond_at_most) {
  Instants instants(3);
  for (int n = 0; n < 1'000'000; ++n) {
    const LeapTable& table = instants.table();
    Tai a = instants.tai();
    Tai b = instants.pick(0, 1) == 0 ? instants.tai() : a + Duration{instants.pick(0, 3)};
    if (b < a) std::swap(a, b);
    const Duration tai_apart = b - a;
    const Duration smeared_apart = to_smeared(table, b).value() - to_smeared(table, a).value();
    ASSERT_GE(smeared_apart, Duration{0}) << a.ns << " " << b.ns;
    const SmearedUtc c{a.ns - instants.entry().tai_minus_utc.ns};
    const Duration back_apart = to_tai(table, c + tai_apart).value() - to_tai(table, c).value();
    ASSERT_GE(back_apart, Duration{0}) << c.ns;
    if (tai_apart > Duration{1}) {
      ASSERT_GT(smeared_apart, Duration{0}) << a.ns << " " << b.ns;
      ASSERT_GT(back_apart, Duration{0}) << c.ns;
    }
    if (tai_apart == Duration{1}) {
      // Fewer nanoseconds than there were must share some; more never do.
      ASSERT_TRUE(smeared_apart > Duration{0} || instants.step() > Duration{0}) << a.ns;
      ASSERT_TRUE(back_apart > Duration{0} || instants.step() < Duration{0}) << c.ns;
    }
  }
}

TEST(SmearProperty, an_interval_still_contains_what_it_contained) {
  Instants instants(4);
  for (int n = 0; n < 500'000; ++n) {
    const LeapTable& table = instants.table();
    Interval tai{instants.tai(), instants.tai()};
    if (tai.latest < tai.earliest) std::swap(tai.earliest, tai.latest);
    if (instants.pick(0, 3) == 0) tai.latest = tai.earliest + Duration{instants.pick(0, 2)};
    const SmearedInterval smeared = to_smeared(table, tai).value();
    ASSERT_LE(smeared.earliest, smeared.latest);
    ASSERT_TRUE(to_tai(table, smeared).value().contains(tai)) << tai.earliest.ns << " " << tai.latest.ns;
    ASSERT_LE(to_tai(table, smeared).value().width() - tai.width(), Duration{4}) << "and little more";
    const Tai inside{instants.pick(tai.earliest.ns, tai.latest.ns)};
    ASSERT_TRUE(smeared.contains(to_smeared(table, inside).value()));
  }
}

}  // namespace
}  // namespace gnomon::time
