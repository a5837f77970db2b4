// SPDX-License-Identifier: Apache-2.0
//
// From a value of a clock back to the moment at which it was shown: within the stated width, and refused where the
// clock was stepped.
#include "ptp/clock_track.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <random>

namespace gnomon::ptp {
namespace {

const time::CycleRate kNominal = time::CycleRate::from_hz(1'000'000'000);
constexpr std::int64_t kTurn = 10'000'000;

TEST(ClockTrack, KnowsNothingBeforeItsFirstReadings) {
  ClockTrack track;
  EXPECT_EQ(track.when(5, kNominal).error(), TrackFault::kNotYet);
  track.add({1'000}, 100, {});
  EXPECT_EQ(track.when(101, kNominal).error(), TrackFault::kNotYet);
  EXPECT_EQ(track.when(99, kNominal).error(), TrackFault::kTooOld);
  track.add({1'000 + kTurn}, 100 + kTurn, {});
  EXPECT_EQ(track.when(99, kNominal).error(), TrackFault::kTooOld);
  EXPECT_EQ(track.when(100 + kTurn / 2, kNominal)->at.count, 1'000U + kTurn / 2);
}

TEST(ClockTrack, RefusesWhatLiesAcrossAStep) {
  for (const std::int64_t step : {-5'000'000LL, 5'000'000LL, 37'000'000'000LL}) {
    ClockTrack track;
    std::int64_t value = 1'000'000'000'000;
    std::uint64_t at = 0;
    for (int i = 0; i < 20; ++i, value += kTurn, at += kTurn)
      track.add({at}, value, {});
    const std::int64_t last = value - kTurn;
    value += step;
    for (int i = 0; i < 20; ++i, value += kTurn, at += kTurn)
      track.add({at}, value, {});
    EXPECT_EQ(track.when(last + kTurn / 2, kNominal).error(), TrackFault::kStepped) << step;
    EXPECT_TRUE(track.when(value - kTurn - kTurn / 2, kNominal)) << step;
    EXPECT_TRUE(track.when(last - 2 * kTurn, kNominal)) << step;
    if (step < 0) {
      EXPECT_EQ(track.when(last + step / 2, kNominal).error(), TrackFault::kStepped) << "shown twice";
    }
  }
}

TEST(ClockTrack, IgnoresACounterThatGoesBack) {
  ClockTrack track;
  track.add({1'000}, 1'000, {});
  track.add({500}, 2'000, {});
  EXPECT_EQ(track.last().count, 1'000U);
  EXPECT_EQ(track.when(1'500, kNominal).error(), TrackFault::kNotYet);
  track.clear();
  EXPECT_EQ(track.last(), time::Cycles{});
  EXPECT_EQ(track.when(1'000, kNominal).error(), TrackFault::kNotYet);
}

// One turn between two readings whose brackets are 100 and 200 ns to either side: of 10 ms the clock may make 10 us
// more or less, and 301 ns stem from the readings.
TEST(ClockTrack, TakesForAStepWhatNoServoCouldDo) {
  constexpr std::int64_t kFirst = 1'000'000'000'000;
  constexpr std::int64_t kAllowed = 10'000 + 300 + 1;
  for (const std::int64_t more : {-kAllowed - 1, -kAllowed, std::int64_t{0}, kAllowed, kAllowed + 1}) {
    ClockTrack track;
    track.add({1'000}, kFirst, time::nanoseconds(100));
    track.add({1'000 + kTurn}, kFirst + kTurn + more, time::nanoseconds(200));
    const auto moment = track.when(kFirst + kTurn / 2, kNominal);
    EXPECT_EQ(moment.has_value(), std::abs(more) <= kAllowed) << more;
    if (!moment) {
      EXPECT_EQ(moment.error(), TrackFault::kStepped) << more;
    }
  }
  ClockTrack stands;
  stands.add({1'000}, kFirst, {});
  stands.add({1'001}, kFirst, {});
  EXPECT_EQ(stands.when(kFirst, kNominal).error(), TrackFault::kStepped) << "within tolerance, and yet no rate";
}

TEST(ClockTrack, KnowsTheMomentBestAtAReading) {
  constexpr std::int64_t kFirst = 1'000'000'000'000;
  constexpr std::int64_t kShown = kTurn + 10'000;  // it runs fast
  ClockTrack track;
  track.add({1'000}, kFirst, time::nanoseconds(100));
  track.add({1'000 + kTurn}, kFirst + kShown, time::nanoseconds(200));
  for (const std::int64_t quarter : {0, 1, 2, 3, 4}) {
    const auto moment = track.when(kFirst + kShown * quarter / 4, kNominal);
    ASSERT_TRUE(moment) << quarter;
    EXPECT_EQ(moment->at.count, 1'000U + static_cast<std::uint64_t>(kTurn * quarter / 4));
    const std::int64_t from_the_nearer = kShown * std::min(quarter, 4 - quarter) / 4;
    EXPECT_EQ(moment->width.ns, from_the_nearer * 2 / 1'000 + 1 + 200) << quarter;
  }
  EXPECT_EQ(track.when(kFirst - 1, kNominal).error(), TrackFault::kTooOld);
  EXPECT_EQ(track.when(kFirst + kShown + 1, kNominal).error(), TrackFault::kNotYet);
}

// What it showed at a reading lies in both intervals beside it; the later pair of readings says when that was.
TEST(ClockTrack, TakesTheLaterOfTwoPairsOfReadings) {
  constexpr std::int64_t kFirst = 1'000'000'000'000;
  ClockTrack track;
  track.add({1'000}, kFirst, time::nanoseconds(900));
  track.add({1'000 + kTurn}, kFirst + kTurn, time::nanoseconds(100));
  track.add({1'000 + 2 * kTurn}, kFirst + 2 * kTurn, time::nanoseconds(200));
  const auto moment = track.when(kFirst + kTurn, kNominal);
  ASSERT_TRUE(moment);
  EXPECT_EQ(moment->at.count, 1'000U + kTurn);
  EXPECT_EQ(moment->width.ns, 1 + 200);
}

TEST(ClockTrack, ANanosecondIsARateToo) {
  constexpr std::int64_t kFirst = 1'000'000'000'000;
  ClockTrack track;
  track.add({1'000}, kFirst, {});
  track.add({1'001}, kFirst + 1, {});
  const auto moment = track.when(kFirst, kNominal);
  ASSERT_TRUE(moment);
  EXPECT_EQ(moment->at.count, 1'000U);
}

// Around a step lies all that the clock may have shown on either side of it, and no more.
TEST(ClockTrack, RefusesNoMoreThanTheStepLeavesOpen) {
  constexpr std::int64_t kAllowed = 10'000 + 1;
  constexpr std::int64_t kLast = 1'000'000'000'000;  // what it showed at the last reading before the step
  constexpr std::int64_t kBy = 5'000'000;
  for (const std::int64_t step : {kBy, -kBy}) {
    ClockTrack track;
    for (int turn = -4; turn <= 0; ++turn)
      track.add({static_cast<std::uint64_t>(kLast + turn * kTurn)}, kLast + turn * kTurn, {});
    for (int turn = 1; turn <= 4; ++turn)
      track.add({static_cast<std::uint64_t>(kLast + turn * kTurn)}, kLast + turn * kTurn + step, {});
    const std::int64_t lowest = step > 0 ? kLast : kLast - kBy - kAllowed;
    const std::int64_t highest = step > 0 ? kLast + kTurn + kBy : kLast + kTurn + kAllowed;
    EXPECT_EQ(track.when(lowest, kNominal).error(), TrackFault::kStepped) << step;
    EXPECT_EQ(track.when(highest, kNominal).error(), TrackFault::kStepped) << step;
    EXPECT_TRUE(track.when(lowest - 1, kNominal)) << step;
    EXPECT_TRUE(track.when(highest + 1, kNominal)) << step;
  }
}

TEST(ClockTrack, KeepsItsLatestReadings) {
  constexpr std::int64_t kReadings = ClockTrack::kReadings;
  ClockTrack track;
  EXPECT_EQ(track.last(), time::Cycles{});
  for (std::int64_t i = 0; i < kReadings + 2; ++i)
    track.add({static_cast<std::uint64_t>((i + 1) * kTurn)}, i * kTurn, {});
  EXPECT_EQ(track.last().count, static_cast<std::uint64_t>((kReadings + 2) * kTurn));
  EXPECT_EQ(track.when(2 * kTurn, kNominal)->at.count, static_cast<std::uint64_t>(3 * kTurn));
  EXPECT_EQ(track.when(2 * kTurn - 1, kNominal).error(), TrackFault::kTooOld);
  track.add(track.last(), (kReadings + 5) * kTurn, {});
  EXPECT_EQ(track.when((kReadings + 4) * kTurn, kNominal).error(), TrackFault::kNotYet) << "a count was read before";
}

// The clock's servo changes its rate at any time, within what a clock may be slewed by; turns are late now and then.
TEST(ClockTrack, NeverMissesTheMomentByMoreThanItSays) {
  std::mt19937_64 random(11);
  const auto between = [&random](std::int64_t a, std::int64_t b) {
    return std::uniform_int_distribution<std::int64_t>(a, b)(random);
  };
  int checked = 0;
  for (int history = 0; history < 2'000; ++history) {
    ClockTrack track;
    std::int64_t at = 1'000'000;
    double value = 1e12;
    double rate = 1.0;
    std::vector<std::pair<std::int64_t, std::int64_t>> stamps;  // value, moment
    for (int turn = 0; turn < 40; ++turn) {
      const std::int64_t gap = between(0, 9) == 0 ? between(kTurn, 10 * kTurn) : kTurn;
      const std::int64_t changes_at = between(0, gap);
      const std::int64_t stamped_at = between(0, gap);
      const double next_rate = 1.0 + static_cast<double>(between(-900, 900)) * 1e-6;
      const auto value_after = [&](std::int64_t ns) {
        const auto first = static_cast<double>(std::min(ns, changes_at));
        const auto second = static_cast<double>(std::max<std::int64_t>(0, ns - changes_at));
        return value + first * rate + second * next_rate;
      };
      stamps.emplace_back(static_cast<std::int64_t>(value_after(stamped_at)), at + stamped_at);
      value = value_after(gap);
      rate = next_rate;
      at += gap;
      const std::int64_t half_width = between(0, 2'000);
      const std::int64_t off = between(-half_width, half_width);
      track.add({static_cast<std::uint64_t>(at + off)}, static_cast<std::int64_t>(value), {half_width});
    }
    for (std::size_t i = 2; i < stamps.size(); ++i) {
      const auto moment = track.when(stamps[i].first, kNominal);
      if (!moment) continue;
      ++checked;
      const std::int64_t error = static_cast<std::int64_t>(moment->at.count) - stamps[i].second;
      ASSERT_LE(std::abs(error), moment->width.ns + 1) << history << " " << i;
    }
  }
  EXPECT_GT(checked, 50'000);
}

}  // namespace
}  // namespace gnomon::ptp
