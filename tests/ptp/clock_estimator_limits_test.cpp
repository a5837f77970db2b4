// SPDX-License-Identifier: Apache-2.0
//
// What the ordering timeline follows where it orders by the true time, and the limits of what the clock thread takes
// for a counter that ran on, to the nanosecond. A counter of 1 GHz that is right; each turn is given by hand.
#include <gtest/gtest.h>

#include <array>
#include <optional>

#include "ptp/clock_estimator.hpp"

namespace gnomon::ptp {
namespace {

using mint::OrderingState;
using time::ClockFault;
using time::microseconds;
using time::milliseconds;
using time::nanoseconds;
using time::seconds;

const time::CycleRate kNominal = time::CycleRate::from_hz(1'000'000'000);
constexpr std::int64_t kUtc = 1'700'000'000'000'000'000;
constexpr std::uint64_t kFirstCycle = 1'000'000'000'000;
constexpr time::Duration kTurn = milliseconds(10);

ClockEstimatorOptions options() {
  ClockEstimatorOptions out;
  out.ordering.nominal = kNominal;
  out.truth.nominal = kNominal;
  out.truth.source_timeout = milliseconds(100);
  out.truth.holdover = seconds(1);
  out.order_by_truth = true;
  return out;
}

/// The system clock, a better source, and the clocks by which the counter is judged.
class Turns {
 public:
  explicit Turns(const ClockEstimatorOptions& o = options()) : estimator(o, 1) {}

  const page::ClockRecord& turn(time::Duration by = kTurn) {
    now = now + by;
    const std::array<News, 1> news{speaks ? News(better()) : std::nullopt};
    ClockEvent event{.system = system(),
                     .uptime = {at(), uptime()},
                     .asleep = asleep,
                     .kernel_trusts_counter = kernel_trusts,
                     .news = news};
    if (raw) event.raw = UptimeReading{at(), uptime() + *raw};
    return estimator.step(event, leaps);
  }
  [[nodiscard]] Claim system() const {
    Claim out;
    out.at = at();
    out.scale = scale;
    out.reading_ns = kUtc + now.ns + system_off.ns;
    out.root.bare_clock = true;
    return out;
  }
  [[nodiscard]] ClaimOr better() const {
    Claim out;
    out.at = at();
    out.scale = Scale::kTai;
    out.reading_ns = kUtc + now.ns + seconds(37).ns;
    out.terms.source = microseconds(100);
    out.root.reference = 7;
    return out;
  }
  [[nodiscard]] time::Cycles at() const { return {kFirstCycle + static_cast<std::uint64_t>((now + ran_ahead).ns)}; }
  [[nodiscard]] time::Uptime uptime() const { return time::Uptime{} + now; }
  /// The timeline, less what a right clock says.
  [[nodiscard]] time::Duration off() const { return {estimator.record().ordering.line.at(at()).ns - kUtc - now.ns}; }
  [[nodiscard]] ClockFault fault() const { return estimator.record().truth.fault; }

  ClockEstimator estimator;
  time::LeapTable leaps = time::builtin_leap_table();
  time::Duration now = seconds(1);
  time::Duration system_off;
  time::Duration ran_ahead;  // the counter
  time::Duration asleep;
  std::optional<time::Duration> raw;  // what the raw clock is off by, if it is read
  Scale scale = Scale::kUtc;
  bool kernel_trusts = true;
  bool speaks = true;
};

TEST(OrderingByTruth, FollowsTheTrueTimeAndNotTheSystemClock) {
  Turns turns;
  turns.system_off = milliseconds(300);
  const page::ClockRecord& record = turns.turn();
  EXPECT_EQ(record.ordering.state, OrderingState::kFollowing);
  EXPECT_LE(std::abs(turns.off().ns), 10);
  EXPECT_EQ(record.readings, 1U);
}

TEST(OrderingByTruth, FollowsTheSystemClockUntilThereIsOne) {
  Turns turns;
  turns.speaks = false;
  turns.system_off = milliseconds(3);
  turns.turn();
  EXPECT_EQ(turns.fault(), ClockFault::kNotProven);
  EXPECT_EQ(turns.off(), milliseconds(3));
  turns.speaks = true;
  turns.turn();
  EXPECT_NEAR(static_cast<double>(turns.estimator.record().ordering.lead.ns), 3e6, 1e3);
}

TEST(OrderingByTruth, FollowsWhatAnEarlierRunHadProvedUntilASourceSpeaks) {
  Turns earlier;
  for (int i = 0; i < 10; ++i)
    earlier.turn();
  Turns turns;
  turns.now = earlier.now;
  turns.speaks = false;
  turns.system_off = milliseconds(3);
  turns.estimator.resume(earlier.estimator.truth().view().line, earlier.at());
  turns.turn();
  EXPECT_EQ(turns.fault(), ClockFault::kNone);
  EXPECT_LE(std::abs(turns.off().ns), 10);
}

TEST(OrderingByTruth, ASystemClockAloneIsFollowedWhereItIsSaidSo) {
  ClockEstimatorOptions by_system = options();
  by_system.order_by_truth = false;
  Turns turns(by_system);
  turns.system_off = milliseconds(300);
  turns.turn();
  EXPECT_EQ(turns.fault(), ClockFault::kNone);
  EXPECT_EQ(turns.off(), milliseconds(300));
}

// Left behind for good reasons, the system clock is not taken up again at once: for as long as the true time would have
// been held over, the timeline goes on by the counter.
TEST(OrderingByTruth, ReturnsToTheSystemClockOnlyWhenTheTrueTimeIsLongGone) {
  Turns turns;
  turns.system_off = milliseconds(5);
  turns.turn();
  turns.speaks = false;
  turns.turn(seconds(1));
  ASSERT_EQ(turns.fault(), ClockFault::kNone) << "held over, and so the last turn that it was followed";
  const std::uint64_t followed = turns.estimator.record().readings;
  turns.turn();
  ASSERT_EQ(turns.fault(), ClockFault::kNoSource);
  turns.turn(seconds(1) - kTurn);
  EXPECT_EQ(turns.estimator.record().readings, followed);
  EXPECT_EQ(turns.estimator.record().failed_readings, 2U);
  EXPECT_LT(std::abs(turns.off().ns), 100'000);
  turns.turn(nanoseconds(1));
  EXPECT_EQ(turns.estimator.record().readings, followed + 1);
  EXPECT_EQ(turns.estimator.record().failed_readings, 2U);
  EXPECT_NEAR(static_cast<double>(turns.estimator.record().ordering.lead.ns), -5e6, 1e5) << "behind the system clock";
}

TEST(OrderingByTruth, ReturnsToTheSystemClockAtOnceWhenTheCounterIsNotTrusted) {
  Turns turns;
  turns.system_off = milliseconds(5);
  turns.turn();
  turns.speaks = false;
  turns.kernel_trusts = false;
  turns.turn();
  EXPECT_EQ(turns.fault(), ClockFault::kCounterUntrusted);
  EXPECT_FALSE(turns.estimator.counter_trusted());
  EXPECT_EQ(turns.estimator.record().readings, 2U);
  EXPECT_EQ(turns.estimator.record().failed_readings, 0U);
  EXPECT_NEAR(static_cast<double>(turns.estimator.record().ordering.lead.ns), -5e6, 1e5);
}

TEST(OrderingByTruth, ReadsTheSystemClockByItsOwnTimeline) {
  struct Case {
    Scale scale;
    time::Duration off;
  };
  for (const auto& [scale, off] : {Case{Scale::kUtc, {}}, Case{Scale::kUnknownUtc, {}}, Case{Scale::kSmearedUtc, {}},
                                   Case{Scale::kTai, seconds(-37)}}) {
    Turns turns;
    turns.speaks = false;
    turns.scale = scale;
    turns.turn();
    EXPECT_EQ(turns.off(), off) << static_cast<int>(scale);
  }
  for (const Scale scale : {Scale::kUtc, Scale::kTai}) {
    Turns before_utc;
    before_utc.speaks = false;
    before_utc.scale = scale;
    before_utc.system_off = nanoseconds(-kUtc);  // 1970: no leap table reaches back there
    before_utc.turn();
    EXPECT_EQ(before_utc.off(), before_utc.system_off) << "IDs are issued whatever the clock says";
  }
}

// In the evening before a leap second a quarter of it is smeared already.
TEST(OrderingByTruth, SmearsWhatIsNotSmearedYetAndNothingTwice) {
  constexpr std::int64_t kEvening = 1'483'207'200'000'000'000;  // 2016-12-31 18:00
  for (const Scale scale : {Scale::kSmearedUtc, Scale::kUtc}) {
    Turns turns;
    turns.speaks = false;
    turns.scale = scale;
    turns.system_off = nanoseconds(kEvening - kUtc - turns.now.ns - kTurn.ns);
    turns.turn();
    const time::Duration smeared = turns.off() - turns.system_off;
    EXPECT_NEAR(static_cast<double>(smeared.ns), scale == Scale::kUtc ? -250e6 : 0.0, 1e5);
  }
}

// ---- whether the counter ran on

TEST(CounterLimits, ADifferenceOfAMillisecondAndAThousandthIsNoJump) {
  for (const std::int64_t sign : {1, -1})
    for (const std::int64_t over : {0, 1}) {
      Turns turns;
      turns.turn();
      turns.ran_ahead = time::Duration{sign * (milliseconds(1) + milliseconds(2) + nanoseconds(over)).ns};
      turns.turn(seconds(2));
      EXPECT_EQ(turns.estimator.counter_trusted(), over == 0) << sign;
      EXPECT_EQ(turns.fault() == ClockFault::kCounterUntrusted, over != 0) << sign;
    }
}

// CLOCK_BOOTTIME may be slewed far; where the raw clock was read it is not asked.
TEST(CounterLimits, TheRawClockDecidesWhereItIsRead) {
  Turns turns;
  turns.raw = time::Duration{};
  turns.turn();
  turns.ran_ahead = milliseconds(50);
  turns.raw = milliseconds(50);  // so says the raw clock, too
  turns.turn();
  EXPECT_TRUE(turns.estimator.counter_trusted());
}

TEST(CounterLimits, AMachineThatSleptForMoreThanAMillisecondHasLostItsCounter) {
  for (const std::int64_t over : {0, 1}) {
    Turns turns;
    turns.asleep = seconds(100);  // before this run
    turns.turn();
    EXPECT_TRUE(turns.estimator.counter_trusted());
    turns.asleep = turns.asleep + milliseconds(1) + nanoseconds(over);
    turns.turn();
    EXPECT_EQ(turns.estimator.counter_trusted(), over == 0);
    turns.turn();
    EXPECT_TRUE(turns.estimator.counter_trusted()) << "in one turn only";
  }
}

TEST(CounterLimits, RunsAheadByMoreThanASecondAndATenth) {
  struct Case {
    time::Duration passed;
    time::Duration too_much;
  };
  for (const auto& [passed, too_much] : {Case{milliseconds(10), seconds(1)}, Case{seconds(100), seconds(10)}})
    for (const std::int64_t over : {0, 1}) {
      Turns turns;
      turns.turn();
      turns.ran_ahead = too_much + nanoseconds(over);
      turns.turn(passed);
      EXPECT_EQ(turns.estimator.record().failed_readings, static_cast<std::uint64_t>(over)) << passed.ns;
      if (over != 0) {
        EXPECT_LE(std::abs(turns.off().ns), 10) << "it goes on by CLOCK_BOOTTIME";
      }
    }
}

TEST(CounterLimits, ACounterThatWentBackDidNotRunAhead) {
  ClockEstimatorOptions faster = options();  // so that what wraps around is not by chance what it was
  faster.ordering.nominal = faster.truth.nominal = time::CycleRate::from_hz(2'000'000'000);
  Turns turns(faster);
  turns.speaks = false;
  turns.turn();
  turns.ran_ahead = -(kTurn + kTurn + kTurn);  // as far back as time went on, at half a nanosecond a cycle
  turns.turn();
  EXPECT_FALSE(turns.estimator.counter_trusted());
  EXPECT_EQ(turns.estimator.record().failed_readings, 0U);
}

TEST(CounterLimits, ACoreWhoseCounterIsALittleBehindHasKeptPace) {
  Turns turns;
  turns.turn();
  turns.ran_ahead = microseconds(-900);
  turns.turn(time::Duration{});
  EXPECT_TRUE(turns.estimator.counter_trusted());
}

// ---- the uptime line

TEST(UptimeLimits, SlewsAnErrorAwayInASecondAndNoFasterThanItMay) {
  struct Case {
    std::int64_t error_ns;
    std::int64_t ppb;
  };
  for (const auto& [error_ns, ppb] :
       {Case{0, 0}, Case{100'000, 100'000}, Case{-100'000, -100'000}, Case{500'001, 500'000}, Case{-500'001, -500'000},
        Case{10'000'000, 500'000}, Case{-3'600'000'000'000, -500'000}}) {
    UptimeTimeline line(kNominal);
    line.step({{kFirstCycle}, {7'200'000'000'000}});
    const auto& after = line.step({{kFirstCycle + 1'000}, {7'200'000'001'000 + error_ns}});
    EXPECT_EQ(after.rate, kNominal.adjusted(ppb)) << error_ns;
    EXPECT_EQ(after.at_anchor.ns, 7'200'000'001'000) << "it is not set back";
  }
}

TEST(UptimeLimits, StepsAheadBeyondTenMilliseconds) {
  UptimeTimeline line(kNominal);
  line.step({{kFirstCycle}, {1'000}});
  const auto& after = line.step({{kFirstCycle}, {1'000 + 10'000'001}});
  EXPECT_EQ(after.at_anchor.ns, 10'001'001);
  EXPECT_EQ(after.rate, kNominal);
}

TEST(UptimeLimits, AReadingIsFromAnotherCoreUpToAMillisecond) {
  for (const std::uint64_t over : {0U, 1U}) {
    UptimeTimeline line(kNominal);
    line.step({{kFirstCycle}, {5'000'000}});
    const time::Cycles older{kFirstCycle - 1'000'000 - over};
    const auto& after = line.step({older, {5'000'000}});
    EXPECT_EQ(after.anchor, over == 0 ? time::Cycles{kFirstCycle} : older);
    EXPECT_EQ(after.at_anchor.ns, 5'000'000);
  }
}

TEST(UptimeLimits, AJumpOfTheCounterNeverSetsItBack) {
  UptimeTimeline line(kNominal);
  line.re_anchor({5}, {9});  // nothing, yet
  EXPECT_EQ(line.step({{kFirstCycle}, {1'000}}).at_anchor.ns, 1'000);
  line.re_anchor({kFirstCycle * 2}, {900});
  EXPECT_EQ(line.step({{kFirstCycle * 2}, {1'000}}).at_anchor.ns, 1'000);
  line.re_anchor({kFirstCycle * 3}, {2'000});
  const auto& after = line.step({{kFirstCycle * 3}, {2'000}});
  EXPECT_EQ(after.at_anchor.ns, 2'000);
  EXPECT_EQ(after.rate, kNominal);
}

}  // namespace
}  // namespace gnomon::ptp
