// SPDX-License-Identifier: Apache-2.0
//
// A source's UTC becomes TAI by that source's own kind of second. Away from a leap second a step and a smear are the
// same, so it takes the days around one to see which was undone.
#include "ptp/claim_to_tai.hpp"

#include <gtest/gtest.h>

#include <string>

namespace gnomon::ptp {
namespace {

using time::Duration;
using time::microseconds;
using time::milliseconds;
using time::seconds;

constexpr std::int64_t kSecondNs = 1'000'000'000;
constexpr std::int64_t kNoonBeforeTheLeap = 1'483'185'600 * kSecondNs;  // 2016-12-31 12:00 UTC, when TAI - UTC is 36 s
constexpr std::int64_t kSixHours = 6 * 3600 * kSecondNs;
constexpr Duration kBound = microseconds(100);

Claim claim(Scale scale, std::int64_t reading_ns, Duration bound = kBound) {
  Claim out;
  out.scale = scale;
  out.reading_ns = reading_ns;
  out.terms.source = bound;
  return out;
}

Duration tai_minus_reading(const Claim& claim) {
  const auto tai = claim_to_tai(claim, time::builtin_leap_table(), false);
  EXPECT_TRUE(tai) << tai.error().text;
  return tai ? Duration{tai->interval.midpoint().ns - claim.reading_ns} : Duration{};
}

TEST(ClaimToTai, UndoesTheSmearOfASourceThatSmearsAndOfNoOther) {
  const std::int64_t evening = kNoonBeforeTheLeap + kSixHours;
  EXPECT_EQ(tai_minus_reading(claim(Scale::kTai, evening)), Duration{});
  EXPECT_EQ(tai_minus_reading(claim(Scale::kUtc, evening)), seconds(36));
  EXPECT_EQ(tai_minus_reading(claim(Scale::kUnknownUtc, evening)), seconds(36));
  EXPECT_EQ(tai_minus_reading(claim(Scale::kSmearedUtc, evening)), seconds(36) + milliseconds(250))
      << "a quarter of the second is smeared by then";
}

TEST(ClaimToTai, SaysWhichWidthItAdded) {
  const time::LeapTable leaps = time::builtin_leap_table();
  const auto certain = claim_to_tai(claim(Scale::kUtc, kNoonBeforeTheLeap - 5 * 86'400 * kSecondNs), leaps, false);
  ASSERT_TRUE(certain);
  EXPECT_EQ(certain->terms.leap, Duration{});
  EXPECT_EQ(certain->interval.epsilon(), kBound);
  for (const Scale scale : {Scale::kUtc, Scale::kSmearedUtc, Scale::kUnknownUtc}) {
    const auto doubted = claim_to_tai(claim(scale, kNoonBeforeTheLeap + kSixHours), leaps, false);
    ASSERT_TRUE(doubted);
    EXPECT_NEAR(static_cast<double>(doubted->terms.leap.ns), 1e9, 10);
    EXPECT_NEAR(static_cast<double>(doubted->interval.epsilon().ns), static_cast<double>(doubted->terms.sum().ns), 1);
  }
}

TEST(ClaimToTai, AnAnnouncementAddsASecondWhereNoneIsInDoubtYet) {
  const time::LeapTable leaps = time::builtin_leap_table();
  const std::int64_t quiet = kNoonBeforeTheLeap - 5 * 86'400 * kSecondNs;
  for (const Scale scale : {Scale::kUtc, Scale::kSmearedUtc, Scale::kUnknownUtc})
    EXPECT_EQ(claim_to_tai(claim(scale, quiet), leaps, true)->terms.leap, seconds(1));
  EXPECT_EQ(claim_to_tai(claim(Scale::kTai, quiet), leaps, true)->terms.leap, Duration{});
  const std::int64_t long_expired = leaps.expires().ns + 400 * 86'400 * kSecondNs;
  EXPECT_EQ(claim_to_tai(claim(Scale::kUtc, long_expired), leaps, true)->terms.leap, seconds(3))
      << "more doubt than that stays";
}

// UTC has no offset of whole seconds before 1972: an interval that reaches back there has no beginning.
TEST(ClaimToTai, RefusesAnIntervalThatReachesOutOfTheTable) {
  for (const Scale scale : {Scale::kUtc, Scale::kSmearedUtc})
    for (const std::int64_t past : {std::int64_t{0}, kSecondNs}) {
      const auto tai = claim_to_tai(claim(scale, time::LeapTable::kFirstUtc.ns + past, seconds(2)),
                                    time::builtin_leap_table(), false);
      ASSERT_FALSE(tai);
      EXPECT_EQ(tai.error().fault, SourceFault::kTimescale);
      EXPECT_NE(tai.error().text.find("can't be converted to TAI"), std::string::npos) << tai.error().text;
    }
  EXPECT_FALSE(claim_to_tai(claim(Scale::kUtc, 0), time::builtin_leap_table(), false));
}

TEST(ClaimToTai, ToleratesAnotherOffsetByAsMuchAsIsInDoubt) {
  const time::LeapTable leaps = time::builtin_leap_table();
  for (const std::int64_t off : {-2, -1, 0, 1, 2}) {
    Claim told = claim(Scale::kUtc, kNoonBeforeTheLeap + kSixHours);
    told.tai_minus_utc = seconds(36 + off);
    EXPECT_EQ(claim_to_tai(told, leaps, false).has_value(), off >= -1 && off <= 1) << off;
    told.reading_ns = kNoonBeforeTheLeap - 5 * 86'400 * kSecondNs;
    const auto certain = claim_to_tai(told, leaps, false);
    EXPECT_EQ(certain.has_value(), off == 0) << off;
    if (certain) continue;
    EXPECT_NE(certain.error().text.find("TAI - UTC is " + std::to_string(36 + off) + " s"), std::string::npos);
    EXPECT_NE(certain.error().text.find("says 36 s"), std::string::npos) << certain.error().text;
  }
}

}  // namespace
}  // namespace gnomon::ptp
