// SPDX-License-Identifier: Apache-2.0
//
// The judge must find what it is there to find: recordings that are wrong in one respect each, told apart from the same
// ones that are right.
#include "tests/ptp/coverage/judge.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>

#include "tests/support/scratch_folder.hpp"

namespace gnomon::coverage {
namespace {

using bed::HostTime;
using time::Duration;
using time::microseconds;
using time::milliseconds;

constexpr std::int64_t kStartNs = 1'800'000'000'000'000'000;
constexpr Duration kStep = milliseconds(5);

/// The truth is 1 ms ahead of the host.
const bed::Line kTruth(HostTime{kStartNs}, bed::VirtualTime{kStartNs + 1'000'000}, bed::Rate{});

HostTime moment(int i) { return HostTime{kStartNs} + kStep * i; }

/// An interval around the truth of the middle of a reading that took 2 us.
Record record(int i, Duration ahead = {}, Duration epsilon = microseconds(10)) {
  Record r;
  r.before = moment(i) - microseconds(1);
  r.after = moment(i) + microseconds(1);
  r.client = kTruth.at(moment(i)) + ahead;
  const time::Tai middle = time::Tai{r.client.ns} + kTaiMinusUtc;
  r.now = time::Interval{middle, middle}.widened(epsilon);
  r.fault = time::ClockFault::kNone;
  return r;
}

TEST(Judge, AcceptsAnIntervalThatMeetsTheMomentAndNoOther) {
  EXPECT_EQ(miss_of(record(0), kTruth), Duration{});
  EXPECT_EQ(miss_of(record(0, microseconds(11)), kTruth), Duration{}) << "the moment is known to 1 us";
  EXPECT_EQ(miss_of(record(0, microseconds(12)), kTruth), microseconds(1));
  EXPECT_EQ(miss_of(record(0, microseconds(-12)), kTruth), microseconds(1));
  EXPECT_EQ(miss_of(record(0, time::seconds(37)), kTruth), time::seconds(37) - microseconds(11));
}

TEST(Judge, AWitnessThatWasHeldUpIsExcusedThatMuch) {
  Record held = record(0, microseconds(500));
  held.after = held.after + microseconds(490);
  EXPECT_EQ(miss_of(held, kTruth), Duration{});
  held.now.earliest = held.now.earliest + microseconds(20);
  EXPECT_GT(miss_of(held, kTruth), Duration{});
}

TEST(Judge, CountsMissesWhereTheyBelong) {
  std::vector<Record> records;
  records.reserve(100);
  for (int i = 0; i < 100; ++i)
    records.push_back(record(i, i % 10 == 0 ? milliseconds(1) : Duration{}));
  const Span broken{moment(20), moment(50)};
  const Verdict verdict = judge(records, kTruth, {&broken, 1});
  EXPECT_EQ(verdict.holding.judged, 69U) << "those at both ends of the span are broken";
  EXPECT_EQ(verdict.holding.missed, 6U);
  EXPECT_EQ(verdict.broken.missed, 4U);
  EXPECT_EQ(verdict.holding.worst, milliseconds(1) - microseconds(11));
  ASSERT_TRUE(verdict.first_miss.has_value());
  EXPECT_EQ(verdict.first_miss->before, records[0].before);
  EXPECT_NE(text_of(*verdict.first_miss, kTruth).find("missed by 989000 ns"), std::string::npos);
}

TEST(Judge, MeasuresWhatWasServedSinceTheFirst) {
  std::vector<Record> records;
  for (int i = 0; i < 400; ++i) {
    records.push_back(record(i, {}, microseconds(i < 395 ? 10 : 70)));
    if (i < 100 || i >= 350) records.back().fault = time::ClockFault::kNoSource;
  }
  Verdict verdict = judge(records, kTruth, {});
  ASSERT_TRUE(verdict.first_served.has_value());
  EXPECT_EQ(*verdict.first_served, records[100].after);
  EXPECT_NEAR(verdict.served_percent, 100 * 250.0 / 300, 0.01);
  EXPECT_EQ(verdict.widths.most, microseconds(10)) << "a refusal has no width";
  for (Record& r : records)
    r.fault = time::ClockFault::kNone;
  verdict = judge(records, kTruth, {});
  EXPECT_EQ(verdict.widths.p50, microseconds(10));
  EXPECT_EQ(verdict.widths.p99, microseconds(70));
  EXPECT_EQ(verdict.last_second.most, microseconds(70));
  for (Record& r : records)
    r.fault = time::ClockFault::kNotProven;
  EXPECT_FALSE(judge(records, kTruth, {}).first_served.has_value());
}

TEST(Ring, KnowsTheLastHundred) {
  Ring ring;
  EXPECT_EQ(ring.mean(), 0);
  ring.add(1'000'000);
  EXPECT_EQ(ring.deviation(), 0);
  for (int i = 0; i < 50; ++i) {
    ring.add(3);
    ring.add(5);
  }
  EXPECT_EQ(ring.size(), 100U);
  EXPECT_DOUBLE_EQ(ring.mean(), 4);
  EXPECT_NEAR(ring.deviation(), std::sqrt(100.0 / 99), 1e-9);
}

PtpSample sample(int i, Duration offset, std::int64_t frequency_ppb = 0) {
  return {kTruth.at(moment(25 * i)), offset, microseconds(2), time::nanoseconds(100), frequency_ppb};
}

TEST(Fbclock, IsTheFormulaOfItsSources) {
  Fbclock fbclock;
  for (int i = 0; i < 7; ++i)
    fbclock.hear(sample(i, microseconds(1)));
  EXPECT_FALSE(fbclock.at(kTruth.at(moment(175))).has_value());
  fbclock.hear(sample(7, microseconds(1)));
  fbclock.hear(sample(7, microseconds(900)));  // the same Sync: heard already
  const auto steady = fbclock.at(kTruth.at(moment(175)));
  ASSERT_TRUE(steady.has_value());
  EXPECT_EQ(steady->epsilon().ns, 1'100) << "accuracy and mean offset, no deviation, no age, no path delay";
  EXPECT_EQ(steady->midpoint(), kTruth.at(moment(175)));
}

TEST(Fbclock, GrowsByTheChangeOfFrequency) {
  Fbclock fbclock;
  for (int i = 0; i < 8; ++i)
    fbclock.hear(sample(i, {}, i % 2 * 2'000));
  const auto fresh = fbclock.at(kTruth.at(moment(175)));
  const auto later = fbclock.at(kTruth.at(moment(175)) + time::seconds(1));
  ASSERT_TRUE(fresh && later);
  EXPECT_EQ(fresh->epsilon().ns, 100);
  EXPECT_EQ(later->epsilon().ns, 100 + 3'000) << "1.5 times 2 us a second";
}

TEST(Judge, HoldsFbclockAgainstTheSameTruth) {
  std::vector<Record> records;
  for (int i = 0; i < 400; ++i) {
    records.push_back(record(i, microseconds(5)));
    records.back().ptp = sample(i / 25, microseconds(1));
  }
  Verdict verdict = judge(records, kTruth, {});
  EXPECT_EQ(verdict.holding.missed, 0U);
  EXPECT_EQ(verdict.fbclock_holding.judged, 225U) << "from the eighth Sync on";
  EXPECT_EQ(verdict.fbclock_holding.missed, 225U) << "1.1 us of width, and a clock that is 5 us ahead";
  EXPECT_EQ(verdict.fbclock_holding.worst.ns, 5'000 - 1'000 - 1'100);
}

TEST(Recording, IsReadWithoutATornEnd) {
  const support::ScratchFolder folder;
  const auto path = folder.path() / "recording";
  {
    std::ofstream out(path, std::ios::binary);
    for (int i = 0; i < 3; ++i) {
      const Record r = record(i);
      out.write(reinterpret_cast<const char*>(&r), sizeof(r));
    }
    out.write("torn", 4);
  }
  const auto records = read_recording(path);
  ASSERT_EQ(records.size(), 3U);
  EXPECT_EQ(records[2].before, record(2).before);
  EXPECT_EQ(records[2].now, record(2).now);
  EXPECT_THROW((void)read_recording(folder.path() / "none"), std::runtime_error);
}

}  // namespace
}  // namespace gnomon::coverage
