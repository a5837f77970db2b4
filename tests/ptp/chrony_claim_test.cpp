// SPDX-License-Identifier: Apache-2.0
//
// From chronyd's tracking report to a claim: which reports are refused, and that each part of the bound is in the sum.
#include <gtest/gtest.h>

#include <string>

#include "ptp/chrony_source.hpp"

namespace gnomon::ptp {
namespace {

using time::microseconds;
using time::milliseconds;
using time::nanoseconds;
using time::seconds;

const time::CycleRate kNominal = time::CycleRate::from_hz(1'000'000'000);
constexpr std::int64_t kUtc = 1'790'000'000'000'000'000;
constexpr std::uint64_t kCount = 7'000'000'000;

/// The system clock at `after` the first moment: it is right, and the counter is.
ClockReading reading(time::Duration after, time::Duration set_by = {}, std::uint64_t half_width = 40) {
  const std::uint64_t count = kCount + static_cast<std::uint64_t>(after.ns);
  return {{count - half_width}, {count + half_width}, kUtc + after.ns + set_by.ns};
}

/// Of a chronyd that measured two seconds ago, and does so every 16 s.
Tracking report() {
  Tracking out;
  out.reference = {0xc0000201};
  out.address = {ReferenceFamily::kIpv4, {192, 0, 2, 1}};
  out.stratum = 2;
  out.leap = LeapStatus::kNormal;
  out.reference_time = ChronyTime{kUtc - 2'000'000'000};
  out.current_correction = microseconds(-70);
  out.root_delay = milliseconds(3);
  out.root_dispersion = microseconds(450);
  out.last_update_interval = seconds(16);
  return out;
}

class ChronyClaim : public testing::Test {
 protected:
  [[nodiscard]] ClaimOr claim() const { return chrony_claim(tracking, asked, read, policy, kNominal); }
  void expect_refused(SourceFault fault, const std::string& part) const {
    const auto said = claim();
    ASSERT_FALSE(said);
    EXPECT_EQ(said.error().fault, fault) << said.error().text;
    EXPECT_NE(said.error().text.find(part), std::string::npos) << said.error().text;
  }
  /// Measured that long before the reading.
  void measured(time::Duration ago) { tracking.reference_time = ChronyTime{read.value - ago.ns}; }

  Tracking tracking = report();
  ChronyPolicy policy;
  ClockReading asked = reading({});
  ClockReading read = reading(milliseconds(1));
};

TEST_F(ChronyClaim, IsTheSumOfItsTerms) {
  policy.drift = {50'000};
  const auto said = claim();
  ASSERT_TRUE(said) << said.error().text;
  EXPECT_EQ(said->terms.source, microseconds(450)) << "root dispersion";
  EXPECT_EQ(said->terms.asymmetry, microseconds(1'500)) << "half the root delay";
  EXPECT_EQ(said->terms.offset, microseconds(70)) << "the correction, of either sign";
  EXPECT_GE(said->terms.reading, nanoseconds(40));
  EXPECT_LT(said->terms.reading, nanoseconds(50));
  const time::Duration age = seconds(2) + milliseconds(1);
  EXPECT_EQ(said->terms.extrapolation, policy.drift.over(age)) << "since it measured, not since it answered";
  EXPECT_GE(said->terms.extrapolation, microseconds(100));
  EXPECT_EQ(said->terms.leap, time::Duration{});
  EXPECT_EQ(said->at, read.middle());
  EXPECT_EQ(said->reading_ns, read.value);
  EXPECT_EQ(said->scale, Scale::kUtc);
  EXPECT_EQ(said->root.reference, 0xc0000201U);
  EXPECT_TRUE(said->root.disciplines);
}

TEST_F(ChronyClaim, RoundsHalfOfAnOddDelayUp) {
  tracking.root_delay = nanoseconds(3);
  EXPECT_EQ(claim()->terms.asymmetry, nanoseconds(2));
}

TEST_F(ChronyClaim, CountsWhatTheClockWasMovedByWhileItAsked) {
  read = reading(milliseconds(1), microseconds(30));
  EXPECT_EQ(claim()->terms.offset, microseconds(100)) << "the report may speak of either side of the movement";
  read = reading(milliseconds(1), microseconds(-30));
  EXPECT_EQ(claim()->terms.offset, microseconds(100));
}

// It answers like any other, with a delay and a dispersion of 1 s.
TEST_F(ChronyClaim, OfAChronydThatNeverSynchronisedIsRefused) {
  tracking = Tracking{};
  tracking.root_delay = tracking.root_dispersion = seconds(1);
  expect_refused(SourceFault::kNotSynchronised, "chronyc sources");
}

TEST_F(ChronyClaim, EachSignOfNotBeingSynchronisedIsEnough) {
  tracking.leap = LeapStatus::kNotSynchronised;
  expect_refused(SourceFault::kNotSynchronised, "not synchronised");
  tracking = report();
  tracking.reference = kNoReference;
  expect_refused(SourceFault::kNotSynchronised, "not synchronised");
  tracking = report();
  tracking.reference_time.reset();
  expect_refused(SourceFault::kNotSynchronised, "not synchronised");
}

TEST_F(ChronyClaim, OfAChronydThatFollowsItselfIsRefused) {
  tracking.reference = kLocalReference;
  expect_refused(SourceFault::kPolicy, "local");
}

// The leap status stays normal for as long as chronyd runs: only the age of its last measurement tells.
TEST_F(ChronyClaim, IsRefusedOnceTheServersHaveBeenSilentForAFewIntervals) {
  measured(seconds(64));
  EXPECT_TRUE(claim()) << "four intervals of 16 s";
  measured(seconds(64) + nanoseconds(1));
  ASSERT_EQ(tracking.leap, LeapStatus::kNormal);
  expect_refused(SourceFault::kStale, "silent");
}

TEST_F(ChronyClaim, HasPatienceWithShortIntervals) {
  tracking.last_update_interval = milliseconds(500);
  measured(seconds(8));
  EXPECT_TRUE(claim());
  measured(seconds(8) + nanoseconds(1));
  expect_refused(SourceFault::kStale, "8 s old");
}

TEST_F(ChronyClaim, GrowsWithTheAgeOfTheMeasurement) {
  measured(seconds(1));
  const time::Duration young = claim()->terms.sum();
  measured(seconds(31));
  const time::Duration old = claim()->terms.sum();
  EXPECT_GE(old - young, time::Duration{30 * policy.drift.ppb}) << "30 s at the oscillator's bound";
}

TEST_F(ChronyClaim, OfAMeasurementThatSeemsToComeIsNotCreditedForIt) {
  measured(-seconds(5));  // the clock was set back since
  ASSERT_TRUE(claim());
  EXPECT_GE(claim()->terms.extrapolation, time::Duration{});
}

TEST_F(ChronyClaim, PassesAnAnnouncedLeapSecondOn) {
  EXPECT_FALSE(claim()->leap_announced);
  for (const LeapStatus leap : {LeapStatus::kInsertSecond, LeapStatus::kDeleteSecond}) {
    tracking.leap = leap;
    EXPECT_TRUE(claim()->leap_announced);
  }
}

TEST_F(ChronyClaim, IsOnTheScaleThatTheOperatorNames) {
  policy.scale = Scale::kSmearedUtc;
  EXPECT_EQ(claim()->scale, Scale::kSmearedUtc);
}

// A reference clock has no address. It may be the card's clock that ptp4l sets: no second witness beside ptp4l.
TEST_F(ChronyClaim, OfAReferenceClockSpeaksOfACard) {
  tracking.address = {};
  const auto said = claim();
  ASSERT_TRUE(said);
  EXPECT_EQ(said->root.clock, ClockKind::kPhc);
  EXPECT_TRUE(said->root.bare_clock);
  EXPECT_FALSE(said->root.disciplines);
  EXPECT_TRUE(said->root.sets_system) << "unless it runs with -x, which it doesn't say";
}

}  // namespace
}  // namespace gnomon::ptp
