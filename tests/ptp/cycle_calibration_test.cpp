// SPDX-License-Identifier: Apache-2.0
#include "ptp/cycle_calibration.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace gnomon::ptp {
namespace {

constexpr std::int64_t kHalfNs = 10'000'000;

/// Readings of a counter with one rate in the first half and one in the second.
std::array<RawReading, 3> readings(std::uint64_t early_hz, std::uint64_t late_hz, std::uint64_t width = 100) {
  const auto cycles_in = [](std::uint64_t hz) { return hz / 1'000'000'000 * kHalfNs + hz % 1'000'000'000 / 100; };
  const auto at = [width](std::uint64_t middle, std::int64_t ns) {
    return RawReading{{middle - width / 2}, {middle + width / 2}, {ns}};
  };
  const std::uint64_t start = 1'000'000'000'000;
  const std::uint64_t half = start + cycles_in(early_hz);
  return {at(start, 77), at(half, 77 + kHalfNs), at(half + cycles_in(late_hz), 77 + 2 * kHalfNs)};
}

TEST(CyclesPerSecond, IsExactOnAnExactCounter) {
  for (const std::uint64_t hz : {1'000'000ULL, 24'000'000ULL, 1'000'000'000ULL, 2'445'406'000ULL, 20'000'000'000ULL})
    EXPECT_EQ(cycles_per_second(readings(hz, hz)).value_or(0), hz);
}

TEST(CyclesPerSecond, RefusesWhatNoCounterDoes) {
  EXPECT_EQ(cycles_per_second(readings(900'000, 900'000)).error().fault, CalibrationFault::kOutOfRange);
  EXPECT_EQ(cycles_per_second(readings(21'000'000'000, 21'000'000'000)).error().fault, CalibrationFault::kOutOfRange);
  EXPECT_EQ(cycles_per_second(readings(2'000'000'000, 0)).error().fault, CalibrationFault::kCounterBackwards);
  auto backwards = readings(2'000'000'000, 2'000'000'000);
  backwards[2].before = backwards[2].after = {1};
  EXPECT_EQ(cycles_per_second(backwards).error().fault, CalibrationFault::kCounterBackwards);
  auto frozen_clock = readings(2'000'000'000, 2'000'000'000);
  frozen_clock[2].value = frozen_clock[1].value;
  EXPECT_EQ(cycles_per_second(frozen_clock).error().fault, CalibrationFault::kCounterBackwards);
}

TEST(CyclesPerSecond, RefusesACounterThatChangesItsSpeed) {
  EXPECT_TRUE(cycles_per_second(readings(2'000'000'000, 2'001'000'000)));  // 500 ppm
  const auto changed = cycles_per_second(readings(2'000'000'000, 2'004'000'000));
  ASSERT_FALSE(changed);
  EXPECT_EQ(changed.error().fault, CalibrationFault::kUnsteady);
  EXPECT_NE(changed.error().text.find("2004000000"), std::string::npos) << changed.error().text;
}

TEST(CalibrateCycles, AgreesWithItselfOnThisMachine) {
  const auto first = calibrate_cycles();
  const auto second = calibrate_cycles(time::milliseconds(40));
  ASSERT_TRUE(first) << first.error().text;
  ASSERT_TRUE(second) << second.error().text;
  const double ratio = static_cast<double>(first->hz) / static_cast<double>(second->hz);
  EXPECT_NEAR(ratio, 1.0, 0.01);
  EXPECT_EQ(first->rate, time::CycleRate::from_hz(first->hz));
}

TEST(NarrowestOf, TakesTheReadingWithTheNarrowestBracket) {
  const std::vector<std::uint64_t> counter{0, 900, 1000, 1500, 2000, 2040, 3000, 3050};
  std::size_t next = 0;
  int value = 0;
  const auto best = narrowest_of(4, [&] { return time::Cycles{counter[next++]}; }, [&] { return ++value; });
  EXPECT_EQ(best.value, 3);
  EXPECT_EQ(best.before.count, 2000U);
  EXPECT_EQ(best.after.count, 2040U);
}

}  // namespace
}  // namespace gnomon::ptp
