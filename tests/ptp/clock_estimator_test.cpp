// SPDX-License-Identifier: Apache-2.0
//
// The wiring from samples to the published record, in virtual time: a counter of 1 GHz and a source that does as told.
#include "ptp/clock_estimator.hpp"

#include <gtest/gtest.h>

namespace gnomon::ptp {
namespace {

using mint::OrderingState;

constexpr std::int64_t kEpochNs = 1'700'000'000'000'000'000;
constexpr std::int64_t kTickNs = 10'000'000;
constexpr std::uint64_t kFirstCycle = 5'000'000;

const time::LeapTable kNoLeaps = time::builtin_leap_table();

ClockEstimatorOptions options() {
  ClockEstimatorOptions o;
  o.ordering.nominal = time::CycleRate::from_hz(1'000'000'000);
  o.truth.nominal = o.ordering.nominal;
  return o;
}

/// One nanosecond is one cycle; the source is off by `offset`, and uptime drifts by `uptime_ppm`.
class Bench {
 public:
  explicit Bench(const ClockEstimatorOptions& o = options()) : estimator(o, 1) {}

  const page::ClockRecord& tick(std::int64_t ticks = 1) {
    for (std::int64_t i = 0; i < ticks; ++i) {
      now_ns += kTickNs;
      step(next_sample());
    }
    return estimator.record();
  }
  const page::ClockRecord& step(const ClaimOr& system) {
    const News news[] = {system};
    return estimator.step(
        {.system = system, .uptime = uptime(), .asleep = {asleep_ns}, .kernel_trusts_counter = true, .news = news},
        kNoLeaps);
  }
  [[nodiscard]] ClaimOr next_sample() const {
    if (fail) return tl::make_unexpected(SourceError{SourceFault::kUnreadable, "told to fail"});
    Claim claim;
    claim.at = cycles();
    claim.reading_ns = kEpochNs + now_ns + offset_ns;
    claim.terms.source = time::microseconds(50);
    claim.root.bare_clock = true;
    return claim;
  }
  [[nodiscard]] UptimeReading uptime() const {
    return {cycles(), {now_ns + now_ns / 1'000'000 * uptime_ppm + uptime_step_ns}};
  }
  [[nodiscard]] time::Cycles cycles(std::int64_t later_ns = 0) const {
    return {first_cycle + static_cast<std::uint64_t>(now_ns + later_ns)};
  }

  ClockEstimator estimator;
  std::int64_t now_ns = 0;
  std::uint64_t first_cycle = kFirstCycle;
  std::int64_t offset_ns = 0;
  std::int64_t uptime_ppm = 0;
  std::int64_t uptime_step_ns = 0;
  std::int64_t asleep_ns = 0;
  bool fail = false;
};

TEST(ClockEstimator, PublishesTheSourceFromTheFirstSampleOn) {
  Bench bench;
  const page::ClockRecord& record = bench.tick();
  EXPECT_EQ(record.ordering.state, OrderingState::kFollowing);
  EXPECT_EQ(record.ordering.line.at(bench.cycles()).ns, kEpochNs + bench.now_ns);
  EXPECT_EQ(record.ordering.line.at(bench.cycles(3'000)).ns, kEpochNs + bench.now_ns + 3'000);
  EXPECT_EQ(record.uptime.at(bench.cycles(3'000)).ns, bench.now_ns + 3'000);
  EXPECT_EQ(record.readings, 1U);
  EXPECT_EQ(record.failed_readings, 0U);
}

TEST(ClockEstimator, RunsOnWhileTheSourceFails) {
  Bench bench;
  bench.tick(10);
  bench.fail = true;
  const page::ClockRecord& record = bench.tick(500);
  EXPECT_EQ(record.ordering.state, OrderingState::kFollowing);
  EXPECT_EQ(record.ordering.line.at(bench.cycles()).ns, kEpochNs + bench.now_ns);
  EXPECT_EQ(record.uptime.at(bench.cycles()).ns, bench.now_ns);
  EXPECT_EQ(record.readings, 10U);
  EXPECT_EQ(record.failed_readings, 500U);
  bench.fail = false;
  EXPECT_EQ(bench.tick().readings, 11U);
}

TEST(ClockEstimator, SaysNothingBeforeTheFirstGoodSample) {
  Bench bench;
  bench.fail = true;
  bench.tick(3);
  EXPECT_EQ(bench.estimator.record().ordering.state, OrderingState::kNoTime);
  EXPECT_EQ(bench.estimator.record().uptime.at(bench.cycles()).ns, bench.now_ns)
      << "uptime does not hang on the source";
}

TEST(ClockEstimator, NeverStepsBackWhateverTheSourceDoes) {
  Bench bench;
  bench.tick(5);
  for (const std::int64_t step : {-1'000'000LL, -1'000'000'000LL, -3'600'000'000'000LL, 86'400'000'000'000LL, 0LL}) {
    bench.offset_ns = step;
    for (int i = 0; i < 100; ++i) {
      const auto before = bench.estimator.record().ordering.line.at(bench.cycles(kTickNs));
      bench.tick();
      ASSERT_GE(bench.estimator.record().ordering.line.at(bench.cycles()), before) << step;
    }
  }
}

TEST(ClockEstimator, IsBehindWhileTheSourceIsTooFarBack) {
  Bench bench;
  bench.tick(5);
  bench.offset_ns = -10'000'000'000;
  EXPECT_EQ(bench.tick().ordering.state, OrderingState::kBehind);
  EXPECT_GT(bench.estimator.record().ordering.behind_for, time::seconds(8));
  bench.offset_ns = 0;
  EXPECT_EQ(bench.tick(5).ordering.state, OrderingState::kFollowing);
}

TEST(ClockEstimator, StartsANewEraAtTheNextGoodSampleOnly) {
  Bench bench;
  bench.tick(5);
  const mint::Era first = bench.estimator.record().ordering.era;
  bench.offset_ns = -3'600'000'000'000;
  bench.tick(5);
  EXPECT_EQ(bench.estimator.record().ordering.state, OrderingState::kBehind);

  bench.estimator.start_new_era();
  bench.fail = true;
  EXPECT_EQ(bench.tick().ordering.era, first) << "nothing to start it at";
  bench.fail = false;
  const page::ClockRecord& record = bench.tick();
  EXPECT_EQ(record.ordering.era.value, first.value + 1);
  EXPECT_EQ(record.ordering.state, OrderingState::kFollowing);
  EXPECT_EQ(record.ordering.line.at(bench.cycles()).ns, kEpochNs + bench.now_ns + bench.offset_ns);
  EXPECT_EQ(bench.tick(5).ordering.era.value, first.value + 1) << "once per request";
}

TEST(UptimeTimeline, ConvergesOnADriftingCounterWithoutSteppingBack) {
  for (const std::int64_t ppm : {-200LL, 200LL}) {
    Bench bench;
    bench.uptime_ppm = ppm;
    bench.tick();
    for (int i = 0; i < 6000; ++i) {
      const auto before = bench.estimator.record().uptime.at(bench.cycles(kTickNs));
      bench.tick();
      ASSERT_GE(bench.estimator.record().uptime.at(bench.cycles()), before);
    }
    const time::Duration error = bench.estimator.record().uptime.at(bench.cycles()) - bench.uptime().uptime;
    EXPECT_LT(std::abs(error.ns), 300'000) << ppm << " ppm, after a minute";
  }
}

TEST(UptimeTimeline, StepsAheadAfterASuspend) {
  Bench bench;
  bench.tick(10);
  bench.uptime_step_ns = 3'600'000'000'000;  // slept for an hour; the counter did not run
  bench.tick();
  EXPECT_EQ(bench.estimator.record().uptime.at(bench.cycles()).ns, bench.now_ns + bench.uptime_step_ns);
}

TEST(UptimeTimeline, IgnoresAReadingFromBeforeItsAnchor) {
  UptimeTimeline line(options().ordering.nominal);
  line.step({{1000}, {500}});
  EXPECT_EQ(line.step({{900}, {9'000'000'000}}).at({1000}).ns, 500);
}

TEST(UptimeTimeline, GoesOnWhenTheCounterJumpsBack) {
  UptimeTimeline line(options().ordering.nominal);
  line.step({{5'000'000'000}, {700'000'000}});
  EXPECT_EQ(line.step({{1000}, {705'000'000}}).at({1000}).ns, 700'000'000) << "slewed";
  EXPECT_GT(line.step({{10'001'000}, {715'000'000}}).at({10'001'000}).ns, 709'000'000) << "and moves on";
  EXPECT_EQ(line.step({{500}, {9'000'000'000}}).at({500}).ns, 9'000'000'000) << "slept for longer: it steps ahead";
}

TEST(ClockEstimator, FollowsTheSourceAcrossAnyJumpOfTheCounter) {
  constexpr std::uint64_t kTenDays = 864'000'000'000'000;
  for (const std::uint64_t first_cycle : {kFirstCycle, kFirstCycle + 2 * kTenDays, kFirstCycle + 3 * kTenDays}) {
    Bench bench;
    bench.first_cycle = kFirstCycle + kTenDays;
    bench.tick(100);
    bench.first_cycle = first_cycle;
    for (int i = 0; i < 2000; ++i) {
      const page::ClockRecord before = bench.estimator.record();
      const page::ClockRecord& after = bench.tick();
      const time::Cycles now = bench.cycles();
      ASSERT_NE(after.ordering.state, OrderingState::kBehind) << "IDs are served all the time; turn " << i;
      ASSERT_GE(after.ordering.line.at(now), before.ordering.line.at_anchor);
      ASSERT_GE(after.uptime.at(now), before.uptime.at_anchor);
      ASSERT_NEAR(static_cast<double>(after.ordering.line.at(now).ns - kEpochNs - bench.now_ns), 0.0, 2.0 * kTickNs);
      ASSERT_NEAR(static_cast<double>(after.uptime.at(now).ns - bench.now_ns), 0.0, 2.0 * kTickNs);
    }
    EXPECT_EQ(bench.estimator.record().ordering.state, OrderingState::kFollowing);
  }
}

TEST(ClockEstimator, GoesOnByUptimeIfTheCounterRunsAheadWhileTheSourceFails) {
  Bench bench;
  bench.tick(100);
  bench.first_cycle += 864'000'000'000'000;
  bench.fail = true;
  const page::ClockRecord& record = bench.tick(3);
  EXPECT_EQ(record.ordering.line.at(bench.cycles()).ns, kEpochNs + bench.now_ns);
  EXPECT_EQ(record.uptime.at(bench.cycles()).ns, bench.now_ns);
  EXPECT_EQ(record.failed_readings, 3U);
}

TEST(ClockEstimator, DropsTheSampleOfTheTurnInWhichTheCounterRanAhead) {
  Bench bench;
  bench.tick(100);
  bench.now_ns += kTickNs;
  const auto sample = bench.next_sample();  // before the jump
  bench.first_cycle += 864'000'000'000'000;
  const page::ClockRecord& record = bench.step(sample);
  EXPECT_EQ(record.failed_readings, 1U);
  EXPECT_EQ(record.ordering.line.at(bench.cycles()).ns, kEpochNs + bench.now_ns);
  EXPECT_EQ(bench.tick(5).ordering.state, OrderingState::kFollowing);
}

TEST(ClockEstimator, IsNotAlarmedByAnHourInWhichItDidNotRun) {
  Bench bench;
  bench.tick(100);
  bench.now_ns += 3'600'000'000'000;
  const page::ClockRecord& record = bench.tick();
  EXPECT_EQ(record.failed_readings, 0U);
  EXPECT_EQ(record.ordering.line.at(bench.cycles()).ns, kEpochNs + bench.now_ns);
}

}  // namespace
}  // namespace gnomon::ptp
