// SPDX-License-Identifier: Apache-2.0
//
// The published line: contained at any age and for any oscillator within its bound, before its anchor too; void when it
// is not renewed.
#include "oracle/time/true_time.hpp"

#include <gtest/gtest.h>

#include <random>
#include <utility>

#include "oracle/time/uncertainty.hpp"

namespace gnomon::time {
namespace {

const CycleRate kNominal = CycleRate::from_hz(2'000'000'000);
constexpr Tai kStart{1'790'000'000'000'000'000};

TrueTimeLine line_of(const Drift& drift, Duration epsilon) {
  TrueTimeLine line;
  line.anchor = {1'000'000'000'000};
  line.void_after = {line.anchor.count + 4'000'000'000};
  line.earliest = kStart - epsilon;
  line.latest = kStart + epsilon;
  line.slow = drift.slowest(kNominal);
  line.fast = drift.fastest(kNominal);
  line.fault = ClockFault::kNone;
  return line;
}

TEST(TrueTime, GrowsBothWaysFromItsAnchor) {
  const TrueTimeLine line = line_of({200'000}, microseconds(5));
  const auto here = line.at(line.anchor);
  ASSERT_TRUE(here);
  EXPECT_LE(here->epsilon(), microseconds(5) + nanoseconds(1));
  const auto later = line.at({line.anchor.count + 2'000'000'000});
  ASSERT_TRUE(later);
  EXPECT_NEAR(static_cast<double>(later->epsilon().ns), 205'000, 100);
  EXPECT_TRUE(later->contains(kStart + seconds(1)));
  const auto before = line.at({line.anchor.count - 100'000});
  ASSERT_TRUE(before);
  EXPECT_TRUE(before->contains(kStart - microseconds(50)));
}

TEST(TrueTime, IsVoidWhenItIsNotRenewed) {
  const TrueTimeLine line = line_of({200'000}, microseconds(5));
  EXPECT_TRUE(line.at({line.void_after.count - 1}));
  EXPECT_EQ(line.at(line.void_after).error(), ClockFault::kVoid);
  EXPECT_EQ(line.at({line.void_after.count + 1'000'000'000'000}).error(), ClockFault::kVoid);
  EXPECT_EQ(line.at({line.anchor.count - 1'000'000'000}).error(), ClockFault::kCounterUntrusted);
  EXPECT_EQ(line.at({0}).error(), ClockFault::kCounterUntrusted);
}

TEST(TrueTime, AFaultIsVoidInTheEndToo) {
  const TrueTimeLine line = TrueTimeLine::refusing(ClockFault::kNoSource, {1'000});
  EXPECT_EQ(line.at({0}).error(), ClockFault::kNoSource);
  EXPECT_EQ(line.at({999}).error(), ClockFault::kNoSource);
  EXPECT_EQ(line.at({1'000}).error(), ClockFault::kVoid);
  EXPECT_EQ(line.at({~std::uint64_t{0}}).error(), ClockFault::kVoid);
  EXPECT_TRUE(line.well_formed());
}

TEST(TrueTime, ALineFromElsewhereThatLeadsAstrayIsNotWellFormed) {
  const TrueTimeLine good = line_of({200'000}, microseconds(5));
  ASSERT_TRUE(good.well_formed());
  const auto with = [&](auto change) {
    TrueTimeLine line = good;
    change(line);
    return line.well_formed();
  };
  constexpr std::int64_t kFar = (std::int64_t{1} << 61) + 1;
  EXPECT_FALSE(with([](TrueTimeLine& l) { l.fault = ClockFault::kNoSource; })) << "would give an interval";
  EXPECT_FALSE(with([](TrueTimeLine& l) { std::swap(l.earliest, l.latest); }));
  EXPECT_FALSE(with([](TrueTimeLine& l) { std::swap(l.anchor, l.void_after); }));
  EXPECT_FALSE(with([](TrueTimeLine& l) { std::swap(l.slow, l.fast); }));
  EXPECT_FALSE(with([](TrueTimeLine& l) { l.latest = {kFar}; }));
  EXPECT_FALSE(with([](TrueTimeLine& l) { l.earliest = {-kFar}; }));
  EXPECT_FALSE(with([](TrueTimeLine& l) { l.void_after = {l.anchor.count + (std::uint64_t{1} << 50)}; }));
  EXPECT_FALSE(with([](TrueTimeLine& l) { l.fast = {std::uint64_t{1} << 43}; }));
}

TEST(TrueTime, SaysWhyThereIsNone) {
  for (std::size_t i = 1; i < kClockFaults; ++i) {
    const auto fault = static_cast<ClockFault>(i);
    EXPECT_EQ(TrueTimeLine::refusing(fault).at({123'456'789}).error(), fault);
    EXPECT_NE(name_of(fault), "unknown");
    EXPECT_NE(text_of(fault), "unknown fault");
  }
}

TEST(TrueTime, AfterAndBeforeLeaveRoomForDoubt) {
  const Interval now{{100}, {200}};
  EXPECT_TRUE(is_after(now, {99}));
  EXPECT_FALSE(is_after(now, {100}));
  EXPECT_FALSE(is_before(now, {200}));
  EXPECT_TRUE(is_before(now, {201}));
  EXPECT_FALSE(is_after(now, {150}) || is_before(now, {150}));
}

// The counter really runs at a rate within the bound; the truth is computed with 128 bits from that.
TEST(TrueTime, ContainsTheTruthForEveryRateWithinTheBound) {
  std::mt19937_64 random(7);
  int canary_misses = 0;
  for (int i = 0; i < 1'000'000; ++i) {
    const Drift drift{std::uniform_int_distribution<std::int64_t>(0, 1'000'000)(random)};
    const std::int64_t ppb = std::uniform_int_distribution<std::int64_t>(-drift.ppb, drift.ppb)(random);
    const std::int64_t error = std::uniform_int_distribution<std::int64_t>(-5'000, 5'000)(random);
    const TrueTimeLine line = line_of(drift, microseconds(5));
    const bool after = random() % 4 != 0;
    const std::uint64_t cycles = random() % (after ? 3'999'999'999 : 100'000'000);
    // A counter that is fast by ppb counts (1 + ppb) of the nominal cycles in a second of true time.
    const auto passed = static_cast<std::int64_t>(static_cast<Int128>(cycles) * 1'000'000'000 /
                                                  (2 * (static_cast<Int128>(1'000'000'000) + ppb)));
    const Tai truth = kStart + nanoseconds(error + (after ? passed : -passed));
    const auto now = line.at({after ? line.anchor.count + cycles : line.anchor.count - cycles});
    ASSERT_TRUE(now);
    ASSERT_TRUE(now->contains(truth)) << i << ": " << ppb << " of " << drift.ppb << " ppb, " << cycles << " cycles";
    TrueTimeLine without = line;
    without.slow = without.fast = kNominal;
    canary_misses += without.extrapolated({line.anchor.count + (after ? cycles : 0)}).contains(truth) ? 0 : 1;
  }
  EXPECT_GT(canary_misses, 100'000) << "without growth many histories must miss, or this shows nothing";
}

}  // namespace
}  // namespace gnomon::time
