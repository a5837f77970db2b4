// SPDX-License-Identifier: Apache-2.0
//
// Lamport's clock: the clock condition on random histories, the total order that extends it, and what happens at the
// top. The source document's example is in traces/.
#include "oracle/clock/lamport.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "tests/oracle/clock/history.hpp"

namespace gnomon::clock {
namespace {

constexpr LamportTime kAlmostTop{LamportTime::max().count - 1};

static_assert(LamportClock().last() == LamportTime{0});
static_assert(LamportTime{2} < LamportTime{10});

TEST(Lamport, counts_events_and_goes_past_what_it_receives) {
  LamportClock clock;
  EXPECT_EQ(clock.tick(), LamportTime{1});
  EXPECT_EQ(clock.tick(), LamportTime{2});
  EXPECT_EQ(clock.receive({10}), LamportTime{11}) << "the larger one is the message's";
  EXPECT_EQ(clock.receive({3}), LamportTime{12}) << "the larger one is its own";
  EXPECT_EQ(clock.receive({12}), LamportTime{13}) << "both are the same";
  EXPECT_EQ(clock.last(), LamportTime{13});
}

TEST(Lamport, goes_on_after_a_restart) {
  LamportClock clock(LamportTime{41});
  EXPECT_EQ(clock.tick(), LamportTime{42});
}

TEST(Lamport, gives_out_the_largest_time_once_and_never_wraps) {
  LamportClock clock(kAlmostTop);
  EXPECT_EQ(clock.tick(), LamportTime::max());
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(clock.tick(), tl::make_unexpected(LamportFault::kClockAtTop));
    EXPECT_EQ(clock.receive({5}), tl::make_unexpected(LamportFault::kClockAtTop));
    EXPECT_EQ(clock.receive(LamportTime::max()), tl::make_unexpected(LamportFault::kClockAtTop));
    EXPECT_EQ(clock.last(), LamportTime::max());
  }
}

TEST(Lamport, refuses_a_remote_time_that_nothing_can_follow_and_stays_what_it_was) {
  LamportClock clock(LamportTime{7});
  EXPECT_EQ(clock.receive(LamportTime::max()), tl::make_unexpected(LamportFault::kRemoteAtTop));
  EXPECT_EQ(clock.last(), LamportTime{7});
  EXPECT_EQ(clock.tick(), LamportTime{8});
  EXPECT_EQ(clock.receive(kAlmostTop), LamportTime::max());
}

TEST(Lamport, orders_equal_times_by_process) {
  const LamportStamp a{{5}, {1}};
  const LamportStamp b{{5}, {2}};
  const LamportStamp c{{6}, {0}};
  EXPECT_LT(a, b);
  EXPECT_LT(b, c) << "the time weighs more than the process";
  EXPECT_NE(a, b);
}

TEST(Lamport, each_fault_has_a_text_of_its_own) {
  EXPECT_NE(text_of(LamportFault::kClockAtTop), text_of(LamportFault::kRemoteAtTop));
  EXPECT_EQ(text_of(static_cast<LamportFault>(99)), "unknown fault");
}

std::vector<LamportStamp> stamps_of(const History& history, std::size_t processes) {
  std::vector<LamportClock> clocks(processes);
  std::vector<LamportStamp> stamps;
  for (const auto& event : history.events()) {
    auto& clock = clocks[event.process];
    const auto time = event.received ? clock.receive(stamps[*event.received].time) : clock.tick();
    stamps.push_back({time.value(), {event.process}});
  }
  return stamps;
}

TEST(LamportProperty, what_happened_before_has_the_smaller_time_but_not_the_reverse) {
  std::mt19937_64 random(1);
  int ordered_pairs = 0;
  int smaller_but_concurrent = 0;
  for (int round = 0; round < 3000; ++round) {
    const std::size_t processes = 2 + random() % 5;
    const History history = History::random(random, processes, 2 + random() % 39);
    const auto stamps = stamps_of(history, processes);
    for (std::size_t a = 0; a < history.size(); ++a) {
      for (std::size_t b = 0; b < history.size(); ++b) {
        if (history.happened_before(a, b)) {
          ++ordered_pairs;
          ASSERT_LT(stamps[a].time, stamps[b].time) << "round " << round << ", events " << a << " and " << b;
        } else if (stamps[a].time < stamps[b].time) {
          ++smaller_but_concurrent;
        }
      }
    }
  }
  EXPECT_GT(ordered_pairs, 100'000);
  EXPECT_GT(smaller_but_concurrent, 100'000) << "a smaller time proves nothing, and the histories show it";
}

TEST(LamportProperty, the_total_order_is_strict_and_extends_happened_before) {
  std::mt19937_64 random(2);
  for (int round = 0; round < 1000; ++round) {
    const std::size_t processes = 2 + random() % 5;
    const History history = History::random(random, processes, 2 + random() % 39);
    const auto stamps = stamps_of(history, processes);
    auto sorted = stamps;
    std::sort(sorted.begin(), sorted.end());
    ASSERT_EQ(std::adjacent_find(sorted.begin(), sorted.end()), sorted.end()) << "no two events share a stamp";
    for (std::size_t a = 0; a < history.size(); ++a) {
      for (std::size_t b = 0; b < history.size(); ++b) {
        if (history.happened_before(a, b)) {
          ASSERT_LT(stamps[a], stamps[b]);
        }
      }
    }
  }
}

}  // namespace
}  // namespace gnomon::clock
