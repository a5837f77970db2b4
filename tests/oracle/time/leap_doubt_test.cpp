// SPDX-License-Identifier: Apache-2.0
//
// Sources of UTC that step, smear, or know of leap seconds that the table does not: the true time stays inside.
#include "oracle/time/leap_doubt.hpp"

#include <gtest/gtest.h>

#include <optional>
#include <random>

#include "oracle/time/smear.hpp"
#include "tests/oracle/time/tables.hpp"

namespace gnomon::time {
namespace {

const Tai kIn2026{1'770'000'000'000'000'000};

TEST(LeapDoubt, there_is_none_in_ordinary_times) {
  const LeapTable table = builtin_leap_table();
  EXPECT_TRUE(leap_doubt(table, kIn2026, SmearKind::kStep).certain());
  EXPECT_TRUE(leap_doubt(table, kIn2026, SmearKind::kSmeared).certain());
  EXPECT_EQ(leap_doubt(table, kIn2026, SmearKind::kStep), LeapDoubt{});
}

TEST(LeapDoubt, an_unknown_smear_is_always_one) {
  EXPECT_EQ(leap_doubt(builtin_leap_table(), kIn2026, SmearKind::kUnknown),
            (LeapDoubt{seconds(1), DoubtReason::kUnknownSmear}));
}

TEST(LeapDoubt, within_a_day_of_a_leap_second_there_is) {
  const LeapTable table = builtin_leap_table();
  const Tai midnight = table.entries().back().at();
  for (const SmearKind kind : {SmearKind::kStep, SmearKind::kSmeared}) {
    EXPECT_TRUE(leap_doubt(table, midnight - kDay - seconds(2), kind).certain());
    EXPECT_EQ(leap_doubt(table, midnight - kDay, kind), (LeapDoubt{seconds(1), DoubtReason::kNearLeap}));
    EXPECT_EQ(leap_doubt(table, midnight + kDay, kind), (LeapDoubt{seconds(1), DoubtReason::kNearLeap}));
    EXPECT_TRUE(leap_doubt(table, midnight + kDay + Duration{1}, kind).certain());
  }
}

TEST(LeapDoubt, an_expired_table_is_one_that_grows_by_a_second_each_half_year) {
  const LeapTable table = builtin_leap_table();
  const Tai expiry = table.to_tai(table.expires()).value();
  const auto after = [&](Duration by, SmearKind kind = SmearKind::kStep) {
    return leap_doubt(table, expiry + by, kind);
  };
  EXPECT_TRUE(after(Duration{-1}).certain());
  EXPECT_EQ(after(Duration{0}), (LeapDoubt{seconds(1), DoubtReason::kExpiredTable}));
  EXPECT_EQ(after(kDay * 179).margin, seconds(1));
  EXPECT_EQ(after(kDay * 186).margin, seconds(2)) << "June and December 2026 may both have had one";
  EXPECT_EQ(after(kDay * 368).margin, seconds(3));
  EXPECT_EQ(after(kDay, SmearKind::kUnknown), (LeapDoubt{seconds(2), DoubtReason::kExpiredTable})) << "two bounds";
  EXPECT_FALSE(leap_doubt(table, Tai::max(), SmearKind::kStep).certain());
  EXPECT_FALSE(leap_doubt(LeapTable{}, kIn2026, SmearKind::kStep).certain());
}

TEST(LeapDoubt, widens_by_its_margin_on_both_sides) {
  const LeapTable table = builtin_leap_table();
  const IntervalOf<Utc> utc{Utc{1'770'000'000'000'000'000}, Utc{1'770'000'000'001'000'000}};
  const Interval tai = to_tai_interval(utc, table, {}).value();
  EXPECT_EQ(tai, (Interval{Tai{utc.earliest.ns + seconds(37).ns}, Tai{utc.latest.ns + seconds(37).ns}}));
  const LeapDoubt doubt{seconds(2), DoubtReason::kExpiredTable};
  EXPECT_EQ(to_tai_interval(utc, table, doubt).value(), tai.widened(seconds(2)));
  const SmearedInterval smeared{SmearedUtc{utc.earliest.ns}, SmearedUtc{utc.latest.ns}};
  EXPECT_EQ(to_tai_interval(smeared, table, {}).value(), tai) << "no leap second, no smear";
  EXPECT_EQ(to_tai_interval(smeared, table, doubt).value(), tai.widened(seconds(2)));
}

TEST(LeapDoubt, a_reading_that_happens_twice_means_both) {
  const LeapTable table = table_with_steps({1});
  const Tai inserted = table.begins(1);
  const auto of = [&](Duration from_midnight) {
    return to_tai_interval(IntervalOf<Utc>{kJan2030 + from_midnight, kJan2030 + from_midnight}, table, {}).value();
  };
  EXPECT_EQ(of(milliseconds(-500)), (Interval{inserted - milliseconds(500), inserted + milliseconds(500)}))
      << "23:59:59.5, or 23:59:60.5 as Linux repeats it";
  EXPECT_EQ(of(milliseconds(500)), (Interval{inserted + milliseconds(500), inserted + milliseconds(1'500)}))
      << "00:00:00.5, or 23:59:60.5 as POSIX adds it up";
  EXPECT_EQ(of(seconds(-2)).width(), Duration{0});
  EXPECT_EQ(of(seconds(1)).width(), Duration{0});
  EXPECT_EQ(of(seconds(-1)).width(), seconds(1));
  EXPECT_EQ(of(Duration{-1}).width(), seconds(1));
}

TEST(LeapDoubt, no_reading_happens_twice_at_a_deleted_second) {
  const LeapTable table = table_with_steps({-1});
  for (const Duration from_midnight : {seconds(-2), seconds(-1), milliseconds(-500), seconds(0), milliseconds(500)}) {
    const Utc utc = kJan2030 + from_midnight;
    const Tai tai = table.to_tai(utc).value();
    EXPECT_EQ(to_tai_interval(IntervalOf<Utc>{utc, utc}, table, {}).value(), (Interval{tai, tai}));
  }
}

TEST(LeapDoubt, refuses_what_it_can_not_convert) {
  const LeapTable table = builtin_leap_table();
  const Utc utc{1'770'000'000'000'000'000};
  EXPECT_EQ(to_tai_interval(IntervalOf<Utc>{utc, utc - Duration{1}}, table, {}).error(), LeapFault::kReversed);
  EXPECT_EQ(to_tai_interval(IntervalOf<Utc>{Utc{0}, utc}, table, {}).error(), LeapFault::kBeforeTable);
  EXPECT_EQ(to_tai_interval(IntervalOf<Utc>{utc, Utc::max()}, table, {}).error(), LeapFault::kOutOfRange);
  EXPECT_EQ(to_tai_interval(SmearedInterval{SmearedUtc{1}, SmearedUtc{0}}, table, {}).error(), LeapFault::kReversed);
  for (const DoubtReason reason :
       {DoubtReason::kNone, DoubtReason::kNearLeap, DoubtReason::kUnknownSmear, DoubtReason::kExpiredTable})
    EXPECT_NE(text_of(reason), "unknown reason");
}

enum class Habit : std::uint8_t { kRepeats, kFolds, kStepsEarly, kStepsLate, kSmears, kSmearsAfter };

/// What a clock shows that knows the true table and is right, but for its habit.
Utc shown(const LeapTable& truth, Tai now, Habit habit) {
  const UtcReading reading = truth.to_utc(now).value();
  switch (habit) {
    case Habit::kRepeats: return reading.utc;
    case Habit::kFolds: return reading.in_leap_second ? reading.utc + seconds(1) : reading.utc;
    case Habit::kStepsEarly: return Utc{now.ns - truth.offset_at(now + seconds(40'000)).value().ns};
    case Habit::kStepsLate: return Utc{now.ns - truth.offset_at(now - seconds(80'000)).value().ns};
    case Habit::kSmears: return Utc{to_smeared(truth, now).value().ns};
    case Habit::kSmearsAfter: {  // over 18 h from midnight on
      for (std::size_t i = 1; i < truth.entries().size(); ++i) {
        const Duration since = now - truth.begins(i);
        if (since >= Duration{0} && since < seconds(64'800))
          return Utc{now.ns - truth.entries()[i - 1].tai_minus_utc.ns -
                     (truth.step(i) > Duration{} ? since.ns : -since.ns) / 64'800};
      }
      return reading.utc;
    }
  }
  return reading.utc;
}

/// Instants of `truth` around its leap seconds, up to two days away.
class Around {
 public:
  explicit Around(const LeapTable& truth, std::uint64_t seed) : truth_(truth), random_(seed) {}
  std::int64_t pick(std::int64_t low, std::int64_t high) {
    return std::uniform_int_distribution<std::int64_t>(low, high)(random_);
  }
  Tai instant() {
    const auto i = static_cast<std::size_t>(pick(1, static_cast<std::int64_t>(truth_.entries().size()) - 1));
    const std::int64_t range = pick(0, 1) == 0 ? kDay.ns * 2 : 3'000'000'000;
    return truth_.entries()[i].at() + Duration{pick(-range, range)};
  }

 private:
  LeapTable truth_;
  std::mt19937_64 random_;
};

/// How often the true time was outside, in `rounds` statements of a source with `habit`.
int misses(const LeapTable& truth, const LeapTable& known, Habit habit, SmearKind kind, std::optional<LeapDoubt> always,
           int rounds) {
  Around around(truth, 5);
  int missed = 0;
  for (int n = 0; n < rounds; ++n) {
    const Tai now = around.instant();
    const Utc utc = shown(truth, now, habit);
    const Duration low{around.pick(0, 2'000'000)};
    const Duration high{around.pick(0, 2'000'000)};
    const LeapDoubt doubt = always ? *always : leap_doubt(known, now, kind);
    const auto tai =
        kind == SmearKind::kSmeared
            ? to_tai_interval(SmearedInterval{SmearedUtc{(utc - low).ns}, SmearedUtc{(utc + high).ns}}, known, doubt)
            : to_tai_interval(IntervalOf<Utc>{utc - low, utc + high}, known, doubt);
    if (!tai.value().contains(now)) ++missed;
  }
  return missed;
}

TEST(LeapDoubtProperty, every_habit_is_contained) {
  for (const LeapTable& table : {table_with_steps({1, -1, 1, 1}), table_with_steps({-1, -1, 1, -1})}) {
    for (const Habit habit : {Habit::kRepeats, Habit::kFolds, Habit::kStepsEarly, Habit::kStepsLate})
      EXPECT_EQ(misses(table, table, habit, SmearKind::kStep, {}, 100'000), 0) << static_cast<int>(habit);
    for (const Habit habit :
         {Habit::kRepeats, Habit::kFolds, Habit::kStepsEarly, Habit::kStepsLate, Habit::kSmears, Habit::kSmearsAfter})
      EXPECT_EQ(misses(table, table, habit, SmearKind::kUnknown, {}, 100'000), 0) << static_cast<int>(habit);
    EXPECT_EQ(misses(table, table, Habit::kSmears, SmearKind::kSmeared, {}, 100'000), 0);
  }
}

TEST(LeapDoubtProperty, a_true_clock_is_contained_without_doubt_and_a_false_one_is_not) {
  const LeapTable table = table_with_steps({1, -1, 1, 1});
  const LeapDoubt none;
  EXPECT_EQ(misses(table, table, Habit::kRepeats, SmearKind::kStep, none, 100'000), 0);
  EXPECT_EQ(misses(table, table, Habit::kFolds, SmearKind::kStep, none, 100'000), 0);
  EXPECT_EQ(misses(table, table, Habit::kSmears, SmearKind::kSmeared, none, 100'000), 0);
  EXPECT_GT(misses(table, table, Habit::kStepsEarly, SmearKind::kStep, none, 100'000), 1'000);
  EXPECT_GT(misses(table, table, Habit::kStepsLate, SmearKind::kStep, none, 100'000), 1'000);
  EXPECT_GT(misses(table, table, Habit::kSmears, SmearKind::kUnknown, none, 100'000), 1'000);
  EXPECT_GT(misses(table, table, Habit::kRepeats, SmearKind::kSmeared, none, 100'000), 1'000);
}

TEST(LeapDoubtProperty, leap_seconds_that_an_expired_table_misses_are_contained) {
  for (const LeapTable& truth : {table_with_steps({1, 1, 1, 1}), table_with_steps({-1, -1, -1, -1})}) {
    LeapTable known(kJan2030 - kDay * 3);
    ASSERT_TRUE(known.append(truth.entries()[0]).has_value());
    for (const Habit habit : {Habit::kRepeats, Habit::kFolds, Habit::kStepsEarly, Habit::kStepsLate})
      EXPECT_EQ(misses(truth, known, habit, SmearKind::kStep, {}, 100'000), 0) << static_cast<int>(habit);
    EXPECT_EQ(misses(truth, known, Habit::kSmears, SmearKind::kSmeared, {}, 100'000), 0);
    const LeapDoubt one_second{seconds(1), DoubtReason::kExpiredTable};
    EXPECT_GT(misses(truth, known, Habit::kRepeats, SmearKind::kStep, one_second, 100'000), 1'000)
        << "one second does not cover two leap seconds";
  }
}

}  // namespace
}  // namespace gnomon::time
