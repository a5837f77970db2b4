// SPDX-License-Identifier: Apache-2.0
//
// The commit-wait wheel, case by case, and what it costs. Costs are counted in entries looked at and slots opened, not
// in time: on a busy machine a test of time fails for the wrong reason. The property test has the random cases.
#include "oracle/time/wait_wheel.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <random>
#include <stdexcept>
#include <vector>

namespace gnomon::time {
namespace {

using Numbers = std::vector<std::uint64_t>;

constexpr std::uint32_t kAll = 1'000'000;  // more than any wheel here has to look at
constexpr Duration kGranule{8'192};
constexpr Duration kRound = kGranule * 131'072;
const Tai kStart{kGranule.ns * 215'725'000'000'000};  // where a granule begins, in the year 2025

/// A wheel of numbers, with the results collected.
class Wheel {
 public:
  explicit Wheel(std::uint32_t capacity = 1'000) : wheel_({.capacity = capacity}) { poll(kStart); }

  bool push(Tai t, std::uint64_t number = 0) { return wheel_.push(t, number); }
  Numbers poll(Tai earliest, std::uint32_t max_looks = kAll) {
    Numbers numbers;
    const std::uint32_t count = wheel_.poll(earliest, max_looks, [&](Tai t, std::uint64_t number) {
      EXPECT_LT(t, earliest);
      numbers.push_back(number);
    });
    EXPECT_EQ(count, numbers.size());
    return numbers;
  }
  Numbers drain(std::uint32_t max_looks) {
    Numbers numbers;
    const std::uint32_t count =
        wheel_.drain(max_looks, [&](Tai /*t*/, std::uint64_t number) { numbers.push_back(number); });
    EXPECT_EQ(count, numbers.size());
    return numbers;
  }
  [[nodiscard]] std::optional<Tai> next_due() const { return wheel_.next_due(); }
  [[nodiscard]] std::uint32_t size() const { return wheel_.size(); }
  [[nodiscard]] std::uint64_t looks() const { return wheel_.work().looks; }
  [[nodiscard]] std::uint64_t slots() const { return wheel_.work().slots; }
  [[nodiscard]] std::uint64_t busy_polls() const { return wheel_.work().polls; }

 private:
  WaitWheel<std::uint64_t> wheel_;
};

Tai after_start(Duration by) { return kStart + by; }
Tai after_start(std::int64_t ns) { return kStart + Duration{ns}; }

Tai start_of_granule(Duration by) { return kStart + kGranule * (by.ns / kGranule.ns); }

TEST(WaitWheel, has_the_granule_and_the_round_that_it_states) {
  const WaitWheel<int> wheel;
  EXPECT_EQ(wheel.granule(), kGranule);
  EXPECT_EQ(wheel.round(), kRound);
  EXPECT_GT(kRound, seconds(1)) << "a worker lets nobody wait longer";
  EXPECT_TRUE(wheel.empty());
  EXPECT_FALSE(wheel.full());
}

TEST(WaitWheel, releases_after_t_and_never_at_t) {
  for (const std::int64_t offset : {0, 1, 4'095, 8'190, 8'191, 8'192, 8'193}) {
    Wheel wheel;
    const Tai t = after_start(kGranule.ns * 10 + offset);
    ASSERT_TRUE(wheel.push(t, 7));
    for (Tai earliest = t - kGranule * 2; earliest <= t; earliest = earliest + Duration{64})
      ASSERT_EQ(wheel.poll(earliest), Numbers{}) << t.ns - earliest.ns << " ns before";
    EXPECT_EQ(wheel.poll(t), Numbers{});
    EXPECT_EQ(wheel.poll(t + kGranule), Numbers{7}) << "at the latest one granule after";
  }
  Wheel wheel;
  ASSERT_TRUE(wheel.push(after_start(8'191), 7));
  EXPECT_EQ(wheel.poll(after_start(8'191)), Numbers{});
  EXPECT_EQ(wheel.poll(after_start(8'192)), Numbers{7}) << "the last nanosecond of a granule waits for no more than it";
}

TEST(WaitWheel, a_time_that_has_passed_is_released_by_the_next_poll) {
  Wheel wheel;
  ASSERT_TRUE(wheel.push(kStart - seconds(5), 1));
  ASSERT_TRUE(wheel.push(kStart - Duration{1}, 2));
  ASSERT_TRUE(wheel.push(kStart, 3));
  EXPECT_EQ(wheel.next_due(), Tai::min()) << "wants a poll";
  EXPECT_EQ(wheel.poll(kStart), (Numbers{1, 2})) << "3 waits for exactly now";
  EXPECT_EQ(wheel.poll(kStart + kGranule), Numbers{3});
}

TEST(WaitWheel, releases_in_order_of_granules_and_then_as_pushed) {
  Wheel wheel;
  ASSERT_TRUE(wheel.push(after_start(seconds(1)), 6));
  ASSERT_TRUE(wheel.push(after_start(milliseconds(1)), 3));
  ASSERT_TRUE(wheel.push(after_start(700), 1));
  ASSERT_TRUE(wheel.push(after_start(600), 2));
  ASSERT_TRUE(wheel.push(after_start(milliseconds(1)), 4));
  ASSERT_TRUE(wheel.push(after_start(milliseconds(1) + Duration{1}), 5));
  EXPECT_EQ(wheel.poll(after_start(seconds(2))), (Numbers{1, 2, 3, 4, 5, 6}));
}

TEST(WaitWheel, a_full_wheel_refuses_and_takes_again_after_a_release) {
  Wheel wheel(3);
  for (std::uint64_t i = 0; i < 3; ++i)
    ASSERT_TRUE(wheel.push(after_start(seconds(1)), i));
  EXPECT_FALSE(wheel.push(after_start(0), 9));
  EXPECT_FALSE(wheel.push(after_start(seconds(1)), 9));
  EXPECT_EQ(wheel.poll(after_start(seconds(2)), 1), Numbers{0});
  EXPECT_TRUE(wheel.push(after_start(seconds(3)), 3));
  EXPECT_FALSE(wheel.push(after_start(seconds(3)), 9));
  EXPECT_EQ(wheel.poll(after_start(seconds(4))), (Numbers{1, 2, 3}));
}

TEST(WaitWheel, the_same_t_many_times_comes_in_batches_in_the_order_of_arrival) {
  Wheel wheel(10'000);
  const Tai t = after_start(milliseconds(3));
  for (std::uint64_t i = 0; i < 10'000; ++i)
    ASSERT_TRUE(wheel.push(t, i));
  EXPECT_EQ(wheel.poll(t), Numbers{});
  for (std::uint64_t i = 0; i < 10'000; i += 64) {
    const Numbers batch = wheel.poll(t + kGranule, 64);
    ASSERT_EQ(batch.size(), std::min<std::uint64_t>(64, 10'000 - i));
    for (std::uint64_t k = 0; k < batch.size(); ++k)
      ASSERT_EQ(batch[k], i + k);
  }
  EXPECT_EQ(wheel.slots(), 1U);
}

TEST(WaitWheel, a_bound_of_zero_releases_nothing_and_loses_nothing) {
  Wheel wheel;
  ASSERT_TRUE(wheel.push(kStart, 1));
  EXPECT_EQ(wheel.poll(after_start(seconds(1)), 0), Numbers{});
  EXPECT_EQ(wheel.drain(0), Numbers{});
  EXPECT_EQ(wheel.poll(after_start(seconds(1)), 1), Numbers{1});
}

TEST(WaitWheel, after_a_pause_of_minutes_all_come_the_earlier_first) {
  Wheel wheel(5'000);
  std::mt19937_64 random(1);
  std::vector<std::int64_t> waits_ns;
  for (int i = 0; i < 5'000; ++i) {
    const auto wait_ns = static_cast<std::int64_t>(random() % 1'000'000'000);
    ASSERT_TRUE(wheel.push(after_start(wait_ns), static_cast<std::uint64_t>(wait_ns)));
  }
  const Tai resumed = after_start(seconds(600));
  std::int64_t last_granule = 0;
  std::size_t released = 0;
  for (int polls = 0; wheel.size() > 0; ++polls) {
    ASSERT_LT(polls, 5'000 / 100 + 1);
    for (const std::uint64_t wait_ns : wheel.poll(resumed, 100)) {
      const std::int64_t granule = static_cast<std::int64_t>(wait_ns) / kGranule.ns;
      ASSERT_GE(granule, last_granule);
      last_granule = granule;
      ++released;
    }
  }
  EXPECT_EQ(released, 5'000U);
  EXPECT_EQ(wheel.looks(), 5'000U) << "each once";
}

TEST(WaitWheel, a_clock_that_goes_back_releases_nothing_until_it_is_there_again) {
  Wheel wheel;
  ASSERT_TRUE(wheel.push(after_start(milliseconds(10)), 1));
  ASSERT_TRUE(wheel.push(after_start(milliseconds(20)), 2));
  EXPECT_EQ(wheel.poll(after_start(milliseconds(15))), Numbers{1});
  EXPECT_EQ(wheel.poll(kStart - seconds(3600)), Numbers{});
  ASSERT_TRUE(wheel.push(kStart - seconds(3600) + milliseconds(1), 3)) << "the past as it was, and the future as it is";
  EXPECT_EQ(wheel.poll(kStart - seconds(3600)), Numbers{});
  EXPECT_EQ(wheel.poll(kStart - seconds(3600) + milliseconds(1)), Numbers{});
  EXPECT_EQ(wheel.poll(kStart - seconds(3600) + milliseconds(1) + kGranule), Numbers{3}) << "not late either";
  EXPECT_EQ(wheel.poll(after_start(milliseconds(20))), Numbers{});
  EXPECT_EQ(wheel.poll(after_start(milliseconds(20)) + kGranule), Numbers{2});
}

TEST(WaitWheel, a_clock_that_goes_back_between_two_batches_of_one_t) {
  Wheel wheel;
  const Tai t = after_start(milliseconds(10));
  for (std::uint64_t i = 0; i < 6; ++i)
    ASSERT_TRUE(wheel.push(t, i));
  EXPECT_EQ(wheel.poll(t + kGranule, 2), (Numbers{0, 1}));
  EXPECT_EQ(wheel.poll(t, 2), Numbers{}) << "two are put back, two are still in hand";
  ASSERT_TRUE(wheel.push(t, 6));
  EXPECT_EQ(wheel.poll(t - milliseconds(5)), Numbers{});
  ASSERT_TRUE(wheel.push(t - milliseconds(4), 7));
  EXPECT_EQ(wheel.poll(t - milliseconds(3)), Numbers{7});
  Numbers rest = wheel.poll(t + kGranule);
  std::sort(rest.begin(), rest.end());
  EXPECT_EQ(rest, (Numbers{2, 3, 4, 5, 6}));
}

TEST(WaitWheel, waits_for_many_rounds) {
  Wheel wheel;
  const Tai t = after_start(seconds(3600));
  ASSERT_TRUE(wheel.push(t, 1));
  for (Tai earliest = kStart; earliest <= t; earliest = earliest + milliseconds(7))
    ASSERT_EQ(wheel.poll(earliest), Numbers{});
  EXPECT_EQ(wheel.poll(t), Numbers{});
  EXPECT_EQ(wheel.poll(t + kGranule), Numbers{1});
  const auto rounds = static_cast<std::uint64_t>(seconds(3600).ns / kRound.ns);
  EXPECT_LE(wheel.looks(), rounds + 2) << "once per round";
}

TEST(WaitWheel, the_ends_of_the_range_are_never_released_early) {
  Wheel wheel;
  ASSERT_TRUE(wheel.push(Tai::max(), 1));
  ASSERT_TRUE(wheel.push(Tai::max() - Duration{1}, 2));
  ASSERT_TRUE(wheel.push(Tai::max() - kGranule, 3));
  ASSERT_TRUE(wheel.push(Tai::min(), 4));
  ASSERT_TRUE(wheel.push(Tai::min() + Duration{1}, 5));
  EXPECT_EQ(wheel.poll(Tai::min()), Numbers{}) << "no earliest is before Tai::min()";
  EXPECT_EQ(wheel.poll(Tai::min() + kGranule), (Numbers{4, 5}));
  EXPECT_EQ(wheel.poll(Tai::max() - kGranule), Numbers{});
  EXPECT_EQ(wheel.poll(Tai::max()), Numbers{3});
  EXPECT_EQ(wheel.poll(Tai::max()), Numbers{}) << "its granule never ends";
  EXPECT_EQ(wheel.drain(kAll), (Numbers{1, 2}));
}

TEST(WaitWheel, gives_all_back_in_bounded_batches_when_the_clock_is_lost) {
  Wheel wheel;
  for (std::uint64_t i = 0; i < 100; ++i)
    ASSERT_TRUE(wheel.push(after_start(milliseconds(static_cast<std::int64_t>(i) * 7 - 70)), i));
  EXPECT_EQ(wheel.poll(after_start(milliseconds(0)), 5).size(), 5U);
  Numbers given;
  for (const std::size_t expected : {40U, 40U, 15U, 0U}) {
    const Numbers batch = wheel.drain(40);
    ASSERT_EQ(batch.size(), expected);
    given.insert(given.end(), batch.begin(), batch.end());
  }
  std::sort(given.begin(), given.end());
  EXPECT_EQ(std::unique(given.begin(), given.end()), given.end());
  EXPECT_EQ(wheel.next_due(), std::nullopt);
  ASSERT_TRUE(wheel.push(after_start(milliseconds(1)), 1)) << "and it goes on";
  EXPECT_EQ(wheel.poll(after_start(milliseconds(2))), Numbers{1});
}

TEST(WaitWheel, what_a_drain_left_in_hand_still_waits_for_its_time) {
  Wheel wheel;
  for (std::uint64_t i = 0; i < 4; ++i)
    ASSERT_TRUE(wheel.push(after_start(milliseconds(5)), i));
  EXPECT_EQ(wheel.drain(1), Numbers{0});
  EXPECT_EQ(wheel.poll(after_start(milliseconds(5))), Numbers{});
  EXPECT_EQ(wheel.poll(after_start(milliseconds(5)) + kGranule), (Numbers{1, 2, 3}));
}

TEST(WaitWheel, knows_when_it_is_next_wanted) {
  Wheel wheel;
  EXPECT_EQ(wheel.next_due(), std::nullopt);
  ASSERT_TRUE(wheel.push(after_start(milliseconds(800))));
  ASSERT_TRUE(wheel.push(after_start(kGranule * 5 + Duration{17})));
  ASSERT_TRUE(wheel.push(after_start(milliseconds(900))));
  EXPECT_EQ(wheel.next_due(), after_start(kGranule * 5));
  wheel.poll(after_start(kGranule * 6));
  EXPECT_EQ(wheel.next_due(), start_of_granule(milliseconds(800)));
}

TEST(WaitWheel, options_out_of_range_are_refused) {
  using Ints = WaitWheel<int>;
  EXPECT_THROW(Ints({.capacity = 0}), std::invalid_argument);
  EXPECT_THROW(Ints({.capacity = (1U << 30) + 1}), std::invalid_argument);
  EXPECT_THROW(Ints({.granule_bits = 3}), std::invalid_argument);
  EXPECT_THROW(Ints({.granule_bits = 41}), std::invalid_argument);
  EXPECT_THROW(Ints({.slot_bits = 0}), std::invalid_argument);
  EXPECT_THROW(Ints({.slot_bits = 25}), std::invalid_argument);
  EXPECT_NO_THROW(Ints({.capacity = 1, .granule_bits = 40, .slot_bits = 24}));
}

// What it costs.

TEST(WaitWheelCost, a_hundred_thousand_parked_entries_cost_an_idle_poll_nothing) {
  Wheel wheel(131'072);
  for (std::uint64_t i = 0; i < 100'000; ++i)
    ASSERT_TRUE(wheel.push(after_start(milliseconds(500) + Duration{static_cast<std::int64_t>(i % 997) * 500'000})));
  for (Tai earliest = kStart; earliest < after_start(milliseconds(500)); earliest = earliest + microseconds(2))
    wheel.poll(earliest, 64);
  EXPECT_EQ(wheel.looks(), 0U);
  EXPECT_EQ(wheel.slots(), 0U);
  EXPECT_EQ(wheel.busy_polls(), 0U);
}

TEST(WaitWheelCost, polls_are_idle_again_after_a_release_and_after_a_drain) {
  Wheel wheel;
  const auto polls_from_now_on = [&](Tai from, Tai to) {
    const std::uint64_t before = wheel.busy_polls();
    for (Tai earliest = from; earliest < to; earliest = earliest + microseconds(2))
      wheel.poll(earliest);
    return wheel.busy_polls() - before;
  };
  EXPECT_EQ(polls_from_now_on(kStart, after_start(milliseconds(1))), 0U) << "of an empty wheel";
  ASSERT_TRUE(wheel.push(after_start(kGranule * 200), 1));
  ASSERT_TRUE(wheel.push(after_start(kGranule * 900), 2));
  EXPECT_EQ(polls_from_now_on(after_start(milliseconds(1)), after_start(kGranule * 201)), 0U);
  EXPECT_EQ(wheel.poll(after_start(kGranule * 201)), Numbers{1});
  EXPECT_EQ(polls_from_now_on(after_start(kGranule * 201), after_start(kGranule * 901)), 0U);
  EXPECT_EQ(wheel.drain(kAll), Numbers{2});
  EXPECT_EQ(polls_from_now_on(after_start(kGranule * 201), after_start(milliseconds(30))), 0U);
  ASSERT_TRUE(wheel.push(Tai::max(), 3));
  EXPECT_LE(polls_from_now_on(after_start(milliseconds(30)), after_start(seconds(4))), 4U) << "once per round";
}

TEST(WaitWheelCost, a_steady_load_looks_at_each_entry_once_and_never_more_than_its_bound) {
  constexpr std::uint32_t kBound = 64;
  constexpr std::array<std::uint64_t, 2> kLongest{20'000, 1'000'000'000};
  Wheel wheel(131'072);
  std::mt19937_64 random(7);
  std::uint64_t pushed = 0;
  std::uint64_t released = 0;
  std::uint32_t most_parked = 0;
  for (Tai earliest = kStart; earliest < after_start(seconds(2)); earliest = earliest + microseconds(3)) {
    const std::uint64_t before = wheel.looks();
    released += wheel.poll(earliest, kBound).size();
    ASSERT_LE(wheel.looks() - before, kBound);
    for (std::uint64_t i = random() % 3; i > 0; --i)
      pushed += wheel.push(earliest + Duration{static_cast<std::int64_t>(random() % kLongest[i % 2])}) ? 1 : 0;
    most_parked = std::max(most_parked, wheel.size());
  }
  EXPECT_GT(most_parked, 70'000U);
  EXPECT_EQ(pushed, released + wheel.size());
  EXPECT_EQ(wheel.looks(), released) << "nothing was looked at in vain";
  EXPECT_LE(wheel.slots(), released);
}

TEST(WaitWheelCost, is_the_same_if_the_wheel_was_empty_for_a_day) {
  Wheel wheel;
  wheel.poll(after_start(seconds(86'400)));
  ASSERT_TRUE(wheel.push(after_start(seconds(86'400) + milliseconds(900)), 1));
  ASSERT_TRUE(wheel.push(after_start(seconds(86'400) + milliseconds(1)), 2));
  wheel.poll(after_start(seconds(86'400) + milliseconds(800)));
  ASSERT_TRUE(wheel.push(after_start(seconds(86'400) + milliseconds(1'700)), 3));
  EXPECT_EQ(wheel.next_due(), start_of_granule(seconds(86'400) + milliseconds(900)));
  wheel.poll(after_start(seconds(86'402)));
  EXPECT_EQ(wheel.looks(), 3U);
}

TEST(WaitWheelCost, late_requests_do_not_make_the_others_looked_at) {
  Wheel wheel(10'001);
  for (std::uint64_t i = 0; i < 10'000; ++i)
    ASSERT_TRUE(wheel.push(after_start(milliseconds(100) + microseconds(static_cast<std::int64_t>(i) * 50))));
  for (std::int64_t i = 0; i < 10'000; ++i) {
    ASSERT_TRUE(wheel.push(i % 3 == 0 ? Tai::min() : kStart - milliseconds(i), 1));
    ASSERT_EQ(wheel.poll(after_start(microseconds(i)), 64), Numbers{1});
  }
  EXPECT_EQ(wheel.looks(), 10'000U);
}

TEST(WaitWheelCost, a_clock_that_wavers_makes_nobody_else_looked_at) {
  Wheel wheel(20'000);
  for (std::uint64_t i = 0; i < 10'000; ++i)
    ASSERT_TRUE(wheel.push(after_start(milliseconds(300) + microseconds(static_cast<std::int64_t>(i) * 50))));
  std::uint64_t pushed = 0;
  for (std::int64_t i = 0; i < 2'000; ++i) {
    const Tai ahead = after_start(microseconds(100 * i));
    const Tai back = ahead - microseconds(90);
    pushed += wheel.push(ahead - Duration{1}) ? 1 : 0;
    wheel.poll(ahead, 64);
    pushed += wheel.push(back + microseconds(20)) ? 1 : 0;
    wheel.poll(back, 64);
    pushed += wheel.push(back + microseconds(60)) ? 1 : 0;
  }
  EXPECT_LE(wheel.looks(), 3 * pushed) << "late when it was put in, not due after all, then released";
}

TEST(WaitWheelCost, a_clock_that_goes_back_under_an_empty_wheel_costs_nothing) {
  Wheel wheel;
  wheel.poll(kStart - seconds(3600));
  ASSERT_TRUE(wheel.push(kStart - seconds(3599), 1));
  wheel.poll(kStart - seconds(3600));
  EXPECT_EQ(wheel.poll(kStart - seconds(3598)), Numbers{1});
  EXPECT_EQ(wheel.looks(), 1U);
}

TEST(WaitWheelCost, one_that_waits_for_long_costs_the_others_nothing) {
  Wheel wheel;
  ASSERT_TRUE(wheel.push(after_start(seconds(3600)), 1));
  wheel.poll(after_start(kRound * 2));
  const std::uint64_t before = wheel.looks();
  EXPECT_LE(before, 2U);
  ASSERT_TRUE(wheel.push(after_start(kRound * 2 + milliseconds(1)), 2));
  wheel.poll(after_start(kRound * 2 + microseconds(500)));
  EXPECT_EQ(wheel.poll(after_start(kRound * 2 + milliseconds(2))), Numbers{2});
  EXPECT_EQ(wheel.looks() - before, 1U);
}

TEST(WaitWheelCost, a_jump_past_many_rounds_looks_at_what_is_still_not_due_a_few_times_only) {
  Wheel wheel(2'000);
  for (std::uint64_t i = 0; i < 1'000; ++i) {
    ASSERT_TRUE(wheel.push(after_start(seconds(86'400) + milliseconds(static_cast<std::int64_t>(i))), i));
    ASSERT_TRUE(wheel.push(after_start(milliseconds(static_cast<std::int64_t>(i))), i));
  }
  EXPECT_EQ(wheel.poll(after_start(seconds(80'000))).size(), 1'000U);
  EXPECT_LE(wheel.looks(), 1'000U + 2 * 1'000U) << "not once for each of the 74,505 rounds";
  EXPECT_EQ(wheel.poll(after_start(seconds(86'500))).size(), 1'000U);
}

}  // namespace
}  // namespace gnomon::time
