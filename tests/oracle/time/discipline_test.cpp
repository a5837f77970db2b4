// SPDX-License-Identifier: Apache-2.0
//
// Slew, step, wait and panic: the examples of the source document, the thresholds to the nanosecond, and a clock that
// is steered by the decisions.
#include "oracle/time/discipline.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <limits>
#include <random>

#include "oracle/time/int128.hpp"

namespace gnomon::time {
namespace {

constexpr Uptime kStart{1'000'000'000'000};
constexpr Duration kLongest{std::numeric_limits<std::int64_t>::max()};

/// A discipline with an uptime.
class Clock {
 public:
  explicit Clock(const DisciplineOptions& options = {}) : discipline_(Discipline::make(options).value()) {}

  DisciplineDecision after(Duration passed, Duration offset) {
    now_ = now_ + passed;
    return discipline_.step({now_, offset});
  }

 private:
  Discipline discipline_;
  Uptime now_ = kStart;
};

TEST(Slew, ten_milliseconds_over_ten_seconds_are_one_per_second) {
  DisciplineOptions options;
  options.max_slew_ppb = 1'000'000;
  EXPECT_EQ(slew_for(milliseconds(10), options), (Slew{1'000'000, seconds(10)}));
  EXPECT_EQ(slew_for(milliseconds(-10), options), (Slew{-1'000'000, seconds(10)}));
}

TEST(Slew, takes_longer_where_the_rate_is_bounded) {
  EXPECT_EQ(slew_for(milliseconds(10), {}), (Slew{500'000, seconds(20)})) << "500 ppm";
  EXPECT_EQ(slew_for(milliseconds(127), {}), (Slew{500'000, seconds(254)}));
  EXPECT_EQ(slew_for(milliseconds(-127), {}), (Slew{-500'000, seconds(254)}));
}

TEST(Slew, is_gentle_where_little_is_to_be_done) {
  EXPECT_EQ(slew_for(microseconds(1), {}), (Slew{100, seconds(10)}));
  EXPECT_EQ(slew_for(Duration{1}, {}), (Slew{1, seconds(1)})) << "the last nanosecond, too";
  EXPECT_EQ(slew_for(Duration{-1}, {}), (Slew{-1, seconds(1)}));
  EXPECT_EQ(slew_for(Duration{0}, {}), Slew{});
}

TEST(Slew, says_how_long_it_takes) {
  EXPECT_EQ(slew_time(milliseconds(128), 500'000), seconds(256));
  EXPECT_EQ(slew_time(seconds(-1), 500'000), seconds(2'000));
  EXPECT_EQ(slew_time(seconds(1), -500'000), seconds(2'000));
  EXPECT_EQ(slew_time(Duration{1}, 3), Duration{333'333'334}) << "rounded up";
  EXPECT_EQ(slew_time(Duration{0}, 0), Duration{0});
  EXPECT_EQ(slew_time(Duration{1}, 0), kLongest);
  EXPECT_EQ(slew_time({std::numeric_limits<std::int64_t>::min()}, 1), kLongest);
  EXPECT_EQ(slew_time({std::numeric_limits<std::int64_t>::min()}, std::numeric_limits<std::int64_t>::min()),
            seconds(1));
}

TEST(SlewProperty, absorbs_exactly_the_offset_within_the_bounds) {
  std::mt19937_64 random(1);
  for (int n = 0; n < 300'000; ++n) {
    std::uniform_int_distribution<int> bits(1, 27);
    const std::int64_t most = std::int64_t{1} << bits(random);
    const Duration offset{std::uniform_int_distribution<std::int64_t>(-most, most)(random)};
    const Slew slew = slew_for(offset, {});
    ASSERT_LE(std::abs(slew.rate_ppb), 500'000);
    ASSERT_EQ(static_cast<std::int64_t>(static_cast<Int128>(slew.rate_ppb) * slew.lasts.ns / 1'000'000'000), offset.ns);
    if (std::abs(slew.rate_ppb) < 500'000) {
      ASSERT_LE(slew.lasts, seconds(10));
    }
  }
}

TEST(Discipline, slews_below_128_ms) {
  Clock clock;
  EXPECT_EQ(clock.after(seconds(1), milliseconds(5)), DisciplineDecision((Slew{500'000, seconds(10)})));
  EXPECT_TRUE(std::holds_alternative<Slew>(clock.after(seconds(1), milliseconds(128) - Duration{1})));
  EXPECT_TRUE(std::holds_alternative<Slew>(clock.after(seconds(1), -milliseconds(128) + Duration{1})));
  EXPECT_TRUE(std::holds_alternative<Wait>(clock.after(seconds(1), milliseconds(128))));
  EXPECT_TRUE(std::holds_alternative<Slew>(clock.after(seconds(1), milliseconds(0))));
  EXPECT_TRUE(std::holds_alternative<Wait>(clock.after(seconds(1), milliseconds(-128))));
}

TEST(Discipline, steps_when_the_offset_was_insisted_on_for_the_stepout) {
  for (const Duration offset : {seconds(2), seconds(-2)}) {
    Clock clock;
    EXPECT_EQ(clock.after(seconds(1), offset), DisciplineDecision(Wait{seconds(300)}));
    EXPECT_EQ(clock.after(seconds(100), offset), DisciplineDecision(Wait{seconds(200)}));
    EXPECT_EQ(clock.after(seconds(200) - Duration{1}, offset), DisciplineDecision(Wait{Duration{1}}));
    const DisciplineDecision decision = clock.after(Duration{1}, offset + milliseconds(1));
    EXPECT_EQ(decision, DisciplineDecision(Step{offset + milliseconds(1)})) << "by what is true now";
    EXPECT_EQ(std::get<Step>(decision).goes_back(), offset < Duration{});
    EXPECT_EQ(clock.after(seconds(1), offset), DisciplineDecision(Wait{seconds(300)})) << "and insists anew";
  }
}

TEST(Discipline, one_good_measurement_ends_a_spike) {
  Clock clock;
  for (int i = 0; i < 10; ++i) {
    clock.after(seconds(64), seconds(2));
    EXPECT_EQ(clock.after(seconds(64), seconds(2)), DisciplineDecision(Wait{seconds(236)}));
    EXPECT_TRUE(std::holds_alternative<Wait>(clock.after(seconds(64), seconds(2))));
    EXPECT_TRUE(std::holds_alternative<Slew>(clock.after(seconds(64), milliseconds(3))));
  }
}

TEST(Discipline, a_source_that_changes_sides_is_not_believed) {
  Clock clock;
  for (int i = 0; i < 100; ++i)
    EXPECT_EQ(clock.after(seconds(64), seconds(i % 2 == 0 ? 2 : -2)), DisciplineDecision(Wait{seconds(300)}));
}

TEST(Discipline, two_measurements_far_apart_insist_on_nothing) {
  Clock clock;
  clock.after(seconds(1), seconds(2));
  EXPECT_EQ(clock.after(seconds(86'400), seconds(2)), DisciplineDecision(Wait{Duration{0}}));
  EXPECT_EQ(clock.after(seconds(1), seconds(2)), DisciplineDecision(Step{seconds(2)}));
}

TEST(Discipline, time_that_went_back_begins_anew) {
  Clock clock;
  clock.after(seconds(1), seconds(2));
  clock.after(seconds(200), seconds(2));
  EXPECT_EQ(clock.after(seconds(-100), seconds(2)), DisciplineDecision(Wait{seconds(300)}));
  EXPECT_EQ(clock.after(seconds(200), seconds(2)), DisciplineDecision(Wait{seconds(100)}));
}

TEST(Discipline, panics_beyond_a_thousand_seconds) {
  Clock clock;
  EXPECT_EQ(clock.after(seconds(1), seconds(1'000)), DisciplineDecision(Wait{seconds(300)}));
  EXPECT_EQ(clock.after(seconds(1), seconds(1'000) + Duration{1}),
            DisciplineDecision(Panic{seconds(1'000) + Duration{1}}));
  EXPECT_EQ(clock.after(seconds(1), -seconds(1'000) - Duration{1}),
            DisciplineDecision(Panic{-seconds(1'000) - Duration{1}}));
  EXPECT_EQ(clock.after(seconds(400), seconds(900)), DisciplineDecision(Wait{seconds(300)})) << "panic ends a spike";
  for (const std::int64_t ns : {std::numeric_limits<std::int64_t>::min(), std::numeric_limits<std::int64_t>::max()})
    EXPECT_EQ(clock.after(seconds(1), {ns}), DisciplineDecision(Panic{{ns}}));
}

TEST(Discipline, survives_the_ends_of_the_uptime) {
  Discipline discipline = Discipline::make({}).value();
  EXPECT_TRUE(std::holds_alternative<Wait>(discipline.step({Uptime::min(), seconds(2)})));
  EXPECT_TRUE(std::holds_alternative<Wait>(discipline.step({Uptime::max(), seconds(2)})));
  EXPECT_TRUE(std::holds_alternative<Step>(discipline.step({Uptime::max(), seconds(2)})));
}

TEST(Discipline, checks_its_options) {
  const auto fault = [](auto change) {
    DisciplineOptions options;
    change(options);
    return Discipline::make(options).error();
  };
  EXPECT_EQ(fault([](auto& o) { o.step_at = {}; }), DisciplineFault::kStepAt);
  EXPECT_EQ(fault([](auto& o) { o.step_at = seconds(1'001); }), DisciplineFault::kStepAt);
  EXPECT_EQ(fault([](auto& o) { o.stepout = seconds(-1); }), DisciplineFault::kStepout);
  EXPECT_EQ(fault([](auto& o) { o.stepout = seconds(86'401); }), DisciplineFault::kStepout);
  EXPECT_EQ(fault([](auto& o) { o.panic_beyond = {}; }), DisciplineFault::kPanicBeyond);
  EXPECT_EQ(fault([](auto& o) { o.panic_beyond = kLongest; }), DisciplineFault::kPanicBeyond);
  EXPECT_EQ(fault([](auto& o) { o.slew_over = {}; }), DisciplineFault::kSlewOver);
  EXPECT_EQ(fault([](auto& o) { o.max_slew_ppb = 0; }), DisciplineFault::kMaxSlew);
  EXPECT_EQ(fault([](auto& o) { o.max_slew_ppb = 1'000'000'000; }), DisciplineFault::kMaxSlew);
  for (int f = 0; f <= static_cast<int>(DisciplineFault::kMaxSlew); ++f)
    EXPECT_NE(text_of(static_cast<DisciplineFault>(f)), "unknown discipline fault");
}

TEST(DisciplineProperty, a_steered_clock_converges_and_never_steps_for_less_than_the_threshold) {
  std::mt19937_64 random(2);
  const auto pick = [&](std::int64_t low, std::int64_t high) {
    return std::uniform_int_distribution<std::int64_t>(low, high)(random);
  };
  for (int run = 0; run < 2'000; ++run) {
    Clock clock;
    Duration offset{pick(-5'000'000'000, 5'000'000'000)};
    const bool far = std::abs(offset.ns) >= 128'000'000;
    int steps = 0;
    for (int i = 0; i < 60; ++i) {
      const Duration poll = seconds(pick(8, 32));
      const DisciplineDecision decision = clock.after(poll, offset);
      if (const auto* slew = std::get_if<Slew>(&decision)) {
        const Duration runs = std::min(poll, slew->lasts);
        offset.ns -= static_cast<std::int64_t>(static_cast<Int128>(slew->rate_ppb) * runs.ns / 1'000'000'000);
      }
      if (const auto* step = std::get_if<Step>(&decision)) {
        ASSERT_GE(std::abs(step->by.ns), 128'000'000);
        offset = offset - step->by;
        ++steps;
      }
      ASSERT_FALSE(std::holds_alternative<Panic>(decision));
    }
    ASSERT_EQ(steps, far ? 1 : 0);
    ASSERT_EQ(offset, Duration{0}) << "run " << run;
  }
}

}  // namespace
}  // namespace gnomon::time
