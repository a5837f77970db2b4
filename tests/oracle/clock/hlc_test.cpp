// SPDX-License-Identifier: Apache-2.0
//
// The hybrid logical clock: agreement with the paper's four cases, which the code melts into one expression; causality,
// monotony and the bound on random histories with drifting clocks; and refusals that change nothing.
#include "oracle/clock/hlc.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <random>
#include <set>
#include <string_view>
#include <utility>
#include <vector>

#include "tests/oracle/clock/history.hpp"

namespace gnomon::clock {
namespace {

using time::Tai;

constexpr std::int64_t kNsPerMs = 1'000'000;

constexpr Tai at_ms(std::int64_t ms) { return {ms * kNsPerMs}; }

constexpr HlcTimestamp stamp(std::uint64_t ms, std::uint64_t counter) { return {(ms << 18) | counter}; }

constexpr std::uint64_t kFull = 0x3ffff;
constexpr tl::unexpected<HlcFault> kAhead(HlcFault::kAheadOfPhysical);
constexpr tl::unexpected<HlcFault> kRemoteAhead(HlcFault::kRemoteAhead);

/// The algorithm of the source document (section 1.5), case by case, on an unpacked pair.
class PaperClock {
 public:
  HlcTimestamp step(std::uint64_t physical, std::uint64_t pt_m, std::uint64_t l_m, bool received) {
    const std::uint64_t pt = std::max({pt_, physical, received ? pt_m : 0});
    const bool own = pt == pt_;
    const bool theirs = received && pt == pt_m;
    l_ = own && theirs ? std::max(l_, l_m) + 1 : own ? l_ + 1 : theirs ? l_m + 1 : 0;
    pt_ = pt;
    return stamp(pt_, l_);
  }

 private:
  std::uint64_t pt_ = 0;
  std::uint64_t l_ = 0;
};

TEST(Hlc, splits_into_milliseconds_and_counter) {
  EXPECT_EQ(stamp(105, 3).ms(), 105U);
  EXPECT_EQ(stamp(105, 3).counter(), 3U);
  const HlcTimestamp largest{~std::uint64_t{0}};
  EXPECT_EQ(largest.ms(), (std::uint64_t{1} << 46) - 1);
  EXPECT_EQ(largest.counter(), kFull);
}

TEST(Hlc, follows_physical_time_and_counts_while_it_stands_still_or_goes_back) {
  HybridClock clock;
  EXPECT_EQ(clock.last(), HlcTimestamp{});
  EXPECT_EQ(clock.now({100 * kNsPerMs + 999'999}), stamp(100, 0)) << "parts of a millisecond are cut off";
  EXPECT_EQ(clock.now(at_ms(100)), stamp(100, 1));
  EXPECT_EQ(clock.now(at_ms(40)), stamp(100, 2));
  EXPECT_EQ(clock.now(at_ms(101)), stamp(101, 0));
  EXPECT_EQ(clock.last(), stamp(101, 0));
}

TEST(Hlc, never_gives_out_the_value_that_means_none) {
  HybridClock clock;
  EXPECT_EQ(clock.now(at_ms(0)), stamp(0, 1));
}

TEST(Hlc, zero_as_a_remote_value_is_none) {
  HybridClock a;
  HybridClock b;
  for (const std::int64_t ms : {100, 100, 90, 120}) {
    EXPECT_EQ(a.now(at_ms(ms)), b.update(at_ms(ms), {}));
  }
}

TEST(Hlc, is_larger_than_what_it_received) {
  HybridClock clock;
  EXPECT_EQ(clock.update(at_ms(100), stamp(103, 7)), stamp(103, 8));
  EXPECT_EQ(clock.update(at_ms(100), stamp(103, 2)), stamp(103, 9));
  EXPECT_EQ(clock.update(at_ms(104), stamp(103, 50)), stamp(104, 0));
}

TEST(Hlc, a_full_counter_moves_to_the_next_millisecond) {
  HybridClock clock;
  EXPECT_EQ(clock.update(at_ms(100), stamp(100, kFull - 1)), stamp(100, kFull));
  EXPECT_EQ(clock.now(at_ms(100)), stamp(101, 0));
  EXPECT_EQ(clock.update(at_ms(100), stamp(102, kFull)), stamp(103, 0));
}

TEST(Hlc, refuses_a_remote_value_beyond_the_limit_and_nothing_changes) {
  HybridClock clock;
  ASSERT_EQ(clock.now(at_ms(1000)), stamp(1000, 0));
  for (const HlcTimestamp remote : {stamp(1501, 0), stamp(1501, 1), stamp(9'000'000, 0), HlcTimestamp{~0ULL}}) {
    EXPECT_EQ(clock.update(at_ms(1000), remote), kRemoteAhead) << remote.ms();
    EXPECT_EQ(clock.last(), stamp(1000, 0));
  }
  EXPECT_EQ(clock.now(at_ms(1000)), stamp(1000, 1));
  EXPECT_EQ(clock.update(at_ms(1000), stamp(1500, 0)), stamp(1500, 1)) << "exactly the limit is within it";
}

TEST(Hlc, no_result_is_beyond_the_limit_however_it_came_about) {
  HybridClock clock;
  EXPECT_EQ(clock.update(at_ms(1000), stamp(1500, kFull)), kRemoteAhead) << "what follows would be in ms 1501";
  EXPECT_EQ(clock.update(at_ms(1000), stamp(1500, kFull - 1)), stamp(1500, kFull));
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(clock.now(at_ms(1000)), kAhead) << "a flood of calls can't run it away";
    EXPECT_EQ(clock.update(at_ms(1000), stamp(1, 0)), kAhead);
    EXPECT_EQ(clock.update(at_ms(1000), stamp(2000, 0)), kAhead) << "the clock's own lead is told first";
    EXPECT_EQ(clock.last(), stamp(1500, kFull));
  }
  EXPECT_EQ(clock.now(at_ms(1001)), stamp(1501, 0)) << "served again as soon as physical time moves on";
}

TEST(Hlc, a_flood_while_physical_time_stands_still_ends_at_the_limit) {
  HybridClock clock({.max_ahead = time::milliseconds(2)});
  std::uint64_t served = 0;
  for (auto result = clock.now(at_ms(1000)); result; result = clock.now(at_ms(1000))) {
    ASSERT_EQ(result->value, stamp(1000, served).value);
    ++served;
  }
  EXPECT_EQ(served, 3 * (kFull + 1)) << "the rest of its own millisecond and two more";
}

TEST(Hlc, a_step_back_beyond_the_limit_refuses_until_time_is_within_it) {
  HybridClock clock;
  ASSERT_TRUE(clock.now(at_ms(10'000)));
  EXPECT_EQ(clock.now(at_ms(9'500)), stamp(10'000, 1));
  EXPECT_EQ(clock.now({9'500 * kNsPerMs - 1}), kAhead);
  EXPECT_EQ(clock.last(), stamp(10'000, 1));
  EXPECT_EQ(clock.now(at_ms(9'500)), stamp(10'000, 2));
}

TEST(Hlc, the_limit_is_in_whole_milliseconds_and_never_negative) {
  HybridClock none({.max_ahead = {-5}});
  EXPECT_EQ(none.update(at_ms(100), stamp(101, 0)), kRemoteAhead);
  EXPECT_EQ(none.update(at_ms(100), stamp(100, 5)), stamp(100, 6));
  HybridClock cut({.max_ahead = {2 * kNsPerMs - 1}});
  EXPECT_EQ(cut.update(at_ms(100), stamp(102, 0)), kRemoteAhead);
  EXPECT_EQ(cut.update(at_ms(100), stamp(101, 0)), stamp(101, 1));
}

TEST(Hlc, the_ends_of_the_range_do_not_overflow) {
  const HlcTimestamp top{~std::uint64_t{0}};
  HybridClock clock({.max_ahead = {Tai::max().ns}});
  for (const Tai physical : {Tai::min(), Tai{-1}}) {
    EXPECT_EQ(clock.now(physical), tl::make_unexpected(HlcFault::kPhysicalOutOfRange));
    EXPECT_EQ(clock.update(physical, top), tl::make_unexpected(HlcFault::kPhysicalOutOfRange));
  }
  EXPECT_EQ(clock.last(), HlcTimestamp{});
  EXPECT_EQ(clock.update(Tai::max(), top), kRemoteAhead) << "nor does a remote value at the top wrap to 0";
  const std::uint64_t last_ms = static_cast<std::uint64_t>(Tai::max().ns) / 1'000'000;
  EXPECT_EQ(clock.now(Tai::max()), stamp(last_ms, 0));
  EXPECT_EQ(clock.update(Tai::max(), stamp(2 * last_ms, kFull - 1)), stamp(2 * last_ms, kFull));
  EXPECT_EQ(clock.now(Tai::max()), kAhead);
}

TEST(Hlc, each_fault_has_a_text_of_its_own) {
  std::set<std::string_view> texts;
  for (int i = 0; i <= static_cast<int>(HlcFault::kRemoteAhead) + 1; ++i)
    EXPECT_TRUE(texts.insert(text_of(static_cast<HlcFault>(i))).second) << i;
  EXPECT_EQ(text_of(static_cast<HlcFault>(99)), "unknown fault");
}

TEST(HlcProperty, is_the_algorithm_of_the_paper) {
  std::mt19937_64 random(1);
  for (int round = 0; round < 20'000; ++round) {
    HybridClock clock;
    PaperClock paper;
    std::int64_t physical = 1000;
    for (int i = 0; i < 20; ++i) {
      physical += static_cast<std::int64_t>(random() % 7) - 3;
      const bool received = random() % 2 == 0;
      const auto pt_m = static_cast<std::uint64_t>(physical) + random() % 7 - 3;
      const std::uint64_t l_m = random() % 4;
      const auto expected = paper.step(static_cast<std::uint64_t>(physical), pt_m, l_m, received);
      const auto result = received ? clock.update(at_ms(physical), stamp(pt_m, l_m)) : clock.now(at_ms(physical));
      ASSERT_EQ(result, expected) << "round " << round << ", step " << i;
    }
  }
}

/// A clock of a machine: it starts off by up to `spread_ms`, drifts, now and then is stepped, and at times stands
/// still.
class DriftingClock {
 public:
  DriftingClock(std::mt19937_64& random, std::int64_t spread_ms) : random_(random), spread_ms_(spread_ms) { step(); }

  Tai read(std::int64_t true_ns) {
    if (random_() % 16 == 0) step();
    if (random_() % 8 != 0) last_ = {true_ns + true_ns / 1'000'000 * drift_ppm_ + offset_ns_};
    return last_;
  }

 private:
  std::int64_t pick(std::int64_t most) {
    return static_cast<std::int64_t>(random_() % static_cast<std::uint64_t>(2 * most + 1)) - most;
  }
  void step() {
    offset_ns_ = pick(spread_ms_ * kNsPerMs);
    drift_ppm_ = pick(200);
  }

  std::mt19937_64& random_;
  std::int64_t spread_ms_;
  std::int64_t offset_ns_ = 0;
  std::int64_t drift_ppm_ = 0;
  Tai last_{10'000 * kNsPerMs};
};

std::vector<DriftingClock> drifting_clocks(std::mt19937_64& random, std::size_t size, std::int64_t spread_ms) {
  std::vector<DriftingClock> clocks;
  while (clocks.size() < size)
    clocks.emplace_back(random, spread_ms);
  return clocks;
}

// Clocks within 200 ms of the truth, so within the limit of each other: nothing may be refused, and the paper's theorem
// holds to the letter: ms of an event = the largest physical ms of all events that it knows of, itself included.
TEST(HlcProperty, within_the_limit_all_is_served_in_causal_order_and_ms_is_the_largest_known_physical_one) {
  std::mt19937_64 random(2);
  for (int round = 0; round < 100'000; ++round) {
    const std::size_t processes = 2 + random() % 4;
    const History history = History::random(random, processes, 2 + random() % 19);
    std::vector<HybridClock> clocks(processes);
    std::vector<DriftingClock> physical = drifting_clocks(random, processes, 200);
    std::vector<HlcTimestamp> stamps;
    std::vector<std::uint64_t> physical_ms;
    std::int64_t true_ns = 10'000 * kNsPerMs;
    for (const auto& event : history.events()) {
      true_ns += static_cast<std::int64_t>(random() % 3'000'000);
      const Tai read = physical[event.process].read(true_ns);
      const HlcTimestamp remote = event.received ? stamps[*event.received] : HlcTimestamp{};
      const auto result = clocks[event.process].update(read, remote);
      ASSERT_TRUE(result) << "round " << round << ": " << text_of(result.error());
      stamps.push_back(*result);
      physical_ms.push_back(static_cast<std::uint64_t>(read.ns / kNsPerMs));
    }
    for (std::size_t b = 0; b < history.size(); ++b) {
      std::uint64_t largest_known = physical_ms[b];
      for (std::size_t a = 0; a < b; ++a) {
        if (!history.happened_before(a, b)) continue;
        ASSERT_LT(stamps[a], stamps[b]) << "round " << round << ", events " << a << " and " << b;
        largest_known = std::max(largest_known, physical_ms[a]);
      }
      ASSERT_EQ(stamps[b].ms(), largest_known) << "round " << round << ", event " << b;
    }
  }
}

// Clocks that are off by up to a second, and peers that send anything. What is served is in order and within the limit;
// what is refused is refused for a reason and leaves the clock as it was.
TEST(HlcProperty, beyond_the_limit_it_refuses_for_a_reason_and_nothing_changes) {
  std::mt19937_64 random(3);
  std::uint64_t served = 0;
  std::uint64_t remote_refused = 0;
  std::uint64_t own_refused = 0;
  for (int round = 0; round < 100'000; ++round) {
    std::vector<HybridClock> clocks(2 + random() % 4);
    std::vector<DriftingClock> physical = drifting_clocks(random, clocks.size(), 1000);
    HlcTimestamp in_flight;
    std::int64_t true_ns = 10'000 * kNsPerMs;
    for (int i = 0; i < 16; ++i) {
      const std::size_t at = random() % clocks.size();
      true_ns += static_cast<std::int64_t>(random() % 100'000'000);
      const Tai read = physical[at].read(true_ns);
      const auto ms = static_cast<std::uint64_t>(read.ns / kNsPerMs);
      HlcTimestamp remote = in_flight;
      if (random() % 8 == 0) remote = stamp(ms + random() % 600, random() % 2 == 0 ? kFull : random() % 3);
      if (random() % 16 == 0) remote = {random()};
      const HlcTimestamp last = clocks[at].last();
      const HlcTimestamp limit = stamp(ms + 500, kFull);
      const auto result = clocks[at].update(read, remote);
      if (result) {
        ++served;
        ASSERT_GT(*result, last);
        ASSERT_GT(*result, remote);
        ASSERT_GE(result->ms(), ms);
        ASSERT_LE(*result, limit);
        ASSERT_EQ(clocks[at].last(), *result);
        if (random() % 2 == 0) in_flight = *result;
        continue;
      }
      const bool own_is_ahead = last >= limit;
      ASSERT_TRUE(own_is_ahead || remote >= limit) << "refused for nothing";
      ASSERT_EQ(result.error(), own_is_ahead ? HlcFault::kAheadOfPhysical : HlcFault::kRemoteAhead);
      ++(own_is_ahead ? own_refused : remote_refused);
      ASSERT_EQ(clocks[at].last(), last) << "a refusal changes nothing";
    }
  }
  EXPECT_GT(served, 500'000U);
  EXPECT_GT(remote_refused, 50'000U);
  EXPECT_GT(own_refused, 10'000U);
}

}  // namespace
}  // namespace gnomon::clock
