// SPDX-License-Identifier: Apache-2.0
//
// The ordering timeline under a source that does what system clocks do. One cycle is one nanosecond here, so cycles
// and time can be compared by eye.
#include "oracle/mint/ordering.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <random>

namespace gnomon::mint {
namespace {

using time::milliseconds;
using time::seconds;

const time::SmearedUtc kStart{1'767'225'600'000'000'000};
const time::CycleRate kNominal = time::CycleRate::from_hz(1'000'000'000);

/// A timeline, a cycle counter, and a source that runs `offset` beside the truth.
class Timeline {
 public:
  explicit Timeline(OrderingOptions options = {}) : ordering_(with_nominal(options)) {}

  const OrderingSnapshot& tick(time::Duration by = milliseconds(20)) {
    cycles.count += static_cast<std::uint64_t>(by.ns);
    true_time = true_time + by;
    return ordering_.step({cycles, true_time + offset});
  }
  const OrderingSnapshot& run(time::Duration by) {
    for (time::Duration passed{0}; passed < by; passed = passed + milliseconds(20))
      tick();
    return ordering_.snapshot();
  }
  [[nodiscard]] time::SmearedUtc now() const { return ordering_.snapshot().line.at(cycles); }
  [[nodiscard]] const OrderingSnapshot& snapshot() const { return ordering_.snapshot(); }
  void start_new_era() { ordering_.start_new_era(); }
  const OrderingSnapshot& step(const SourceReading& reading) { return ordering_.step(reading); }
  void re_anchor(time::Cycles at, time::SmearedUtc value) {
    cycles = at;
    ordering_.re_anchor(at, value);
  }

  time::Cycles cycles{1'000'000'000'000};
  time::SmearedUtc true_time = kStart;
  time::Duration offset;

 private:
  static OrderingOptions with_nominal(OrderingOptions options) {
    options.nominal = kNominal;
    return options;
  }
  OrderingTimeline ordering_;
};

TEST(Ordering, has_no_time_before_the_first_reading) {
  Timeline timeline;
  EXPECT_EQ(timeline.snapshot().state, OrderingState::kNoTime);
  timeline.tick();
  EXPECT_EQ(timeline.snapshot().state, OrderingState::kFollowing);
  EXPECT_EQ(timeline.now(), timeline.true_time);
  EXPECT_EQ(timeline.snapshot().lead_left, milliseconds(1000));
}

TEST(Ordering, slews_small_differences_away_within_the_bound) {
  Timeline timeline;
  timeline.tick();
  for (const time::Duration offset : {milliseconds(5), milliseconds(-5)}) {
    timeline.offset = offset;
    for (int i = 0; i < 2000; ++i) {
      timeline.tick();
      const auto rate = timeline.snapshot().line.rate;
      ASSERT_LE(rate, kNominal.adjusted(500'000));
      ASSERT_GE(rate, kNominal.adjusted(-500'000));
      ASSERT_EQ(timeline.snapshot().state, OrderingState::kFollowing);
    }
    EXPECT_LT(std::abs((timeline.now() - (timeline.true_time + offset)).ns), 10'000);
  }
}

TEST(Ordering, slews_an_error_away_in_a_second_and_no_faster_than_it_may) {
  struct Case {
    time::Duration error;
    std::int64_t ppb;
  };
  for (const auto& [error, ppb] : {Case{time::microseconds(100), 100'000}, Case{time::microseconds(-100), -100'000},
                                   Case{time::microseconds(500), 500'000}, Case{time::microseconds(501), 500'000},
                                   Case{time::microseconds(-501), -500'000}}) {
    Timeline timeline;
    timeline.tick();
    timeline.offset = error;
    timeline.tick();
    EXPECT_EQ(timeline.snapshot().line.rate, kNominal.adjusted(ppb)) << error.ns;
    EXPECT_EQ(timeline.snapshot().lead, -error);
  }
}

TEST(Ordering, a_forward_difference_that_is_slewed_is_at_most_what_it_was_told) {
  for (const std::int64_t over : {0, 1}) {
    Timeline timeline;
    timeline.tick();
    timeline.offset = milliseconds(10) + time::nanoseconds(over);
    timeline.tick();
    EXPECT_EQ(timeline.snapshot().state, over == 0 ? OrderingState::kFollowing : OrderingState::kUnconfirmed);
    EXPECT_EQ(timeline.snapshot().lead, -timeline.offset);
  }
}

TEST(Ordering, a_jump_is_confirmed_by_five_more_readings_at_least) {
  Timeline timeline;
  timeline.tick();
  timeline.offset = seconds(100);
  timeline.tick();
  for (int confirmations = 1; confirmations <= 4; ++confirmations) {
    timeline.tick(seconds(5));
    EXPECT_EQ(timeline.snapshot().state, OrderingState::kUnconfirmed) << confirmations;
  }
  timeline.tick(seconds(5));
  EXPECT_EQ(timeline.snapshot().state, OrderingState::kFollowing);
}

TEST(Ordering, a_jump_is_the_same_as_long_as_it_differs_by_no_more_than_what_is_slewed) {
  for (const std::int64_t sign : {1, -1})
    for (const std::int64_t over : {0, 1}) {
      Timeline timeline;
      timeline.tick();
      timeline.offset = seconds(100);
      timeline.tick();
      timeline.offset = timeline.offset + time::Duration{sign * (milliseconds(10).ns + over)};
      timeline.run(seconds(10) - milliseconds(20));
      timeline.tick();
      EXPECT_EQ(timeline.snapshot().state, over == 0 ? OrderingState::kFollowing : OrderingState::kUnconfirmed);
    }
}

TEST(Ordering, a_reading_is_from_another_core_up_to_a_millisecond_and_from_another_counter_beyond) {
  for (const std::uint64_t over : {0U, 1U}) {
    Timeline timeline;
    timeline.tick();
    const time::Cycles before = timeline.cycles;
    const time::Cycles older{before.count - 1'000'000 - over};
    timeline.step({older, timeline.true_time});
    EXPECT_EQ(timeline.snapshot().line.anchor, over == 0 ? before : older);
  }
}

TEST(Ordering, a_step_back_within_the_lead_budget_goes_on_and_is_slewed) {
  Timeline timeline;
  timeline.tick();
  timeline.offset = milliseconds(-900);
  const time::SmearedUtc before = timeline.now();
  timeline.tick();
  EXPECT_EQ(timeline.snapshot().state, OrderingState::kFollowing);
  EXPECT_GT(timeline.now(), before);
  EXPECT_EQ(timeline.snapshot().lead, milliseconds(900));
  EXPECT_EQ(timeline.snapshot().lead_left, milliseconds(100));
  timeline.run(seconds(10));
  EXPECT_EQ(timeline.snapshot().lead, milliseconds(895)) << "500 ppm of ten seconds are five milliseconds";
}

TEST(Ordering, a_step_back_beyond_the_lead_budget_is_held_until_the_source_caught_up) {
  Timeline timeline;
  timeline.tick();
  timeline.offset = seconds(-3);
  timeline.tick();
  ASSERT_EQ(timeline.snapshot().state, OrderingState::kBehind);
  EXPECT_EQ(timeline.snapshot().lead_left, time::Duration{0});
  const time::SmearedUtc held = timeline.now();
  EXPECT_EQ(timeline.snapshot().line.at({timeline.cycles.count + 86'400'000'000'000}), held) << "for a day, if need be";
  EXPECT_EQ(timeline.snapshot().behind_for, seconds(3) - milliseconds(875));
  const time::Duration wait = timeline.snapshot().behind_for;

  timeline.tick(wait - time::Duration{1});
  EXPECT_EQ(timeline.snapshot().state, OrderingState::kBehind) << "hysteresis: a lead of one second is not enough";
  EXPECT_EQ(timeline.now(), held);
  EXPECT_EQ(timeline.snapshot().behind_for, time::Duration{1});
  timeline.tick(time::Duration{1});
  EXPECT_EQ(timeline.snapshot().state, OrderingState::kFollowing);
  EXPECT_EQ(timeline.now(), held);
  EXPECT_EQ(timeline.snapshot().lead_left, milliseconds(125));
}

TEST(Ordering, exactly_the_lead_budget_is_within_it) {
  Timeline timeline;
  timeline.tick();
  timeline.offset = milliseconds(-1000);
  timeline.tick();
  EXPECT_EQ(timeline.snapshot().state, OrderingState::kFollowing);
  EXPECT_EQ(timeline.snapshot().lead_left, time::Duration{0});
}

TEST(Ordering, a_forward_jump_is_followed_once_it_was_insisted_on) {
  Timeline timeline;
  timeline.tick();
  timeline.offset = seconds(86'400);
  timeline.tick();
  EXPECT_EQ(timeline.snapshot().state, OrderingState::kUnconfirmed);
  EXPECT_EQ(timeline.now(), timeline.true_time) << "goes on without it";
  EXPECT_EQ(timeline.snapshot().lead_left, milliseconds(1000));
  timeline.run(milliseconds(9'960));
  EXPECT_EQ(timeline.snapshot().state, OrderingState::kUnconfirmed);
  EXPECT_EQ(timeline.now(), timeline.true_time);
  timeline.run(milliseconds(40));
  EXPECT_EQ(timeline.snapshot().state, OrderingState::kFollowing);
  EXPECT_EQ(timeline.now(), timeline.true_time + timeline.offset);
}

TEST(Ordering, a_forward_jump_that_is_withdrawn_never_happened) {
  Timeline timeline;
  timeline.tick();
  timeline.offset = seconds(86'400);
  timeline.run(seconds(9));
  timeline.offset = {};
  timeline.tick();
  EXPECT_EQ(timeline.snapshot().state, OrderingState::kFollowing);
  EXPECT_EQ(timeline.now(), timeline.true_time);
  timeline.offset = seconds(86'400);
  timeline.run(seconds(9));
  EXPECT_EQ(timeline.snapshot().state, OrderingState::kUnconfirmed) << "it has to insist from the beginning";
}

TEST(Ordering, a_source_that_keeps_changing_its_mind_is_never_believed) {
  Timeline timeline;
  timeline.tick();
  for (int i = 0; i < 3000; ++i) {
    timeline.offset = seconds(100 + i % 7);
    timeline.tick();
    ASSERT_EQ(timeline.snapshot().state, OrderingState::kUnconfirmed);
  }
  EXPECT_EQ(timeline.now(), timeline.true_time);
}

TEST(Ordering, two_readings_far_apart_confirm_nothing) {
  Timeline timeline;
  timeline.tick();
  timeline.offset = seconds(100);
  timeline.tick();
  timeline.tick(seconds(60));
  EXPECT_EQ(timeline.snapshot().state, OrderingState::kUnconfirmed) << "a stopped clock thread is no insistence";
}

TEST(Ordering, ignores_a_reading_that_is_older_than_its_anchor) {
  Timeline timeline;
  timeline.tick();
  const time::SmearedUtc before = timeline.now();
  const OrderingSnapshot& after = timeline.step({{timeline.cycles.count - 1'000'000}, kStart + seconds(50)});
  EXPECT_EQ(after.state, OrderingState::kFollowing);
  EXPECT_EQ(timeline.now(), before);
}

TEST(Ordering, goes_on_when_the_counter_jumps_back) {
  Timeline timeline;
  timeline.run(seconds(1));
  const time::SmearedUtc before = timeline.now();
  timeline.cycles = {7'000'000};  // restored on another machine
  timeline.tick();
  EXPECT_GE(timeline.now(), before) << "it starts where it stood at the last reading";
  EXPECT_LE(timeline.now(), timeline.true_time);
  for (time::SmearedUtc last = timeline.now(); timeline.cycles.count < 20'000'000'000; last = timeline.now()) {
    timeline.tick();
    ASSERT_GT(timeline.now(), last);
    ASSERT_NE(timeline.snapshot().state, OrderingState::kBehind) << "IDs are served all the time";
  }
  EXPECT_EQ(timeline.snapshot().state, OrderingState::kFollowing);
  EXPECT_LT(std::abs((timeline.now() - timeline.true_time).ns), 1'000'000);
}

TEST(Ordering, goes_on_at_a_count_it_is_told_with_the_later_of_two_values) {
  Timeline timeline;
  timeline.run(seconds(1));
  const time::SmearedUtc before = timeline.now();
  timeline.re_anchor({5'000'000'000'000}, before + seconds(2));
  EXPECT_EQ(timeline.now(), before + seconds(2));
  timeline.re_anchor({7'000'000}, before + seconds(3));
  EXPECT_EQ(timeline.now(), before + seconds(3));
  timeline.re_anchor({9'000'000'000'000}, before);
  EXPECT_EQ(timeline.now(), before + seconds(3)) << "never back";
  timeline.cycles.count += 40'000'000;
  EXPECT_EQ(timeline.now(), before + milliseconds(3'040)) << "at the nominal rate";
}

TEST(Ordering, a_counter_that_jumps_back_confirms_no_forward_jump) {
  Timeline timeline;
  timeline.run(seconds(1));
  timeline.offset = seconds(86'400);
  timeline.tick();
  timeline.cycles = {7'000'000};
  timeline.tick(milliseconds(5));  // so little is lost that it looks like the same jump
  timeline.run(seconds(9));
  EXPECT_EQ(timeline.snapshot().state, OrderingState::kUnconfirmed);
  EXPECT_LE(timeline.now(), timeline.true_time);
  timeline.run(seconds(2));
  EXPECT_EQ(timeline.now(), timeline.true_time + timeline.offset);
}

TEST(Ordering, a_count_it_is_told_confirms_no_forward_jump) {
  Timeline timeline;
  timeline.run(seconds(1));
  timeline.offset = seconds(86'400);
  timeline.tick();
  timeline.re_anchor({timeline.cycles.count + 60'000'000'000}, timeline.now());
  timeline.run(seconds(9));
  EXPECT_EQ(timeline.snapshot().state, OrderingState::kUnconfirmed);
  timeline.run(seconds(2));
  EXPECT_EQ(timeline.now(), timeline.true_time + timeline.offset);
}

TEST(Ordering, a_new_era_may_begin_in_the_past) {
  Timeline timeline;
  timeline.tick();
  timeline.offset = seconds(-86'400);
  timeline.run(seconds(1));
  ASSERT_EQ(timeline.snapshot().state, OrderingState::kBehind);
  const Era before = timeline.snapshot().era;
  timeline.start_new_era();
  EXPECT_EQ(timeline.snapshot().state, OrderingState::kNoTime) << "nobody is served until the new era has a reading";
  EXPECT_GT(timeline.snapshot().era, before);
  timeline.tick();
  EXPECT_EQ(timeline.snapshot().state, OrderingState::kFollowing);
  EXPECT_EQ(timeline.now(), timeline.true_time + timeline.offset);
}

TEST(Ordering, the_ends_of_the_range_do_not_overflow) {
  for (const time::SmearedUtc reading : {time::SmearedUtc::min(), time::SmearedUtc::max()}) {
    OrderingTimeline timeline({.nominal = kNominal});
    timeline.step({{1'000}, {0}});
    timeline.step({{2'000}, reading});
    EXPECT_NE(timeline.snapshot().state, OrderingState::kNoTime);
    EXPECT_GE(timeline.snapshot().line.at({2'000}), time::SmearedUtc{0});
    EXPECT_GE(timeline.snapshot().behind_for, time::Duration{0});
    EXPECT_GE(timeline.snapshot().lead_left, time::Duration{0});
  }
}

TEST(OrderingProperty, never_steps_back_never_runs_wild_and_always_knows_its_lead) {
  const int steps = std::getenv("GNOMON_TEST_FULL") != nullptr ? 3'000'000 : 200'000;
  for (std::uint64_t seed = 1; seed <= 3; ++seed) {
    SCOPED_TRACE(::testing::Message() << "seed " << seed);
    std::mt19937_64 random(seed);
    const auto pick = [&](std::int64_t low, std::int64_t high) {
      return std::uniform_int_distribution<std::int64_t>(low, high)(random);
    };
    Timeline timeline;
    timeline.tick();
    int served = 0;
    for (int i = 0; i < steps; ++i) {
      const std::int64_t kind = pick(0, 999);
      if (kind == 0) timeline.offset.ns = pick(-7'200'000'000'000, 7'200'000'000'000);
      if (kind == 1) timeline.offset = {};
      if (kind < 20) timeline.offset.ns += pick(-1'200'000'000, 1'200'000'000);
      if (kind < 600) timeline.offset.ns += pick(-200'000, 200'000);
      const OrderingSnapshot before = timeline.snapshot();
      const time::Duration step{pick(0, 3) == 0 ? 0 : pick(1, 40'000'000)};
      timeline.tick(step);
      const OrderingSnapshot& after = timeline.snapshot();
      const time::SmearedUtc expected = before.line.at(timeline.cycles);
      ASSERT_GE(after.line.at(timeline.cycles), expected) << "step " << i;
      if (after.line.at(timeline.cycles) > expected) {
        ASSERT_EQ(before.state, OrderingState::kUnconfirmed) << "only a confirmed jump leaves the line, step " << i;
      }
      ASSERT_LE(after.line.rate, kNominal.adjusted(500'000));
      ASSERT_TRUE(after.line.rate >= kNominal.adjusted(-500'000) || after.state == OrderingState::kBehind);
      ASSERT_EQ(after.lead, timeline.now() - (timeline.true_time + timeline.offset));
      ASSERT_EQ(after.lead_left.ns,
                std::max<std::int64_t>(0, 1'000'000'000 - std::max<std::int64_t>(0, after.lead.ns)));
      ASSERT_EQ(after.state == OrderingState::kBehind, after.behind_for > time::Duration{0});
      served += after.state == OrderingState::kBehind ? 0 : 1;
    }
    EXPECT_GT(served, steps / 20);
    EXPECT_LT(served, steps);
  }
}

}  // namespace
}  // namespace gnomon::mint
