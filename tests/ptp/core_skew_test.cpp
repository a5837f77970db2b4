// SPDX-License-Identifier: Apache-2.0
//
// What two cores' counters may differ by: the arithmetic, and the measurement on the machine at hand, held against
// exchanges of the test's own.
#include "ptp/core_skew.hpp"

#include <gtest/gtest.h>
#include <pthread.h>
#include <sched.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <filesystem>
#include <iterator>
#include <limits>
#include <thread>
#include <utility>
#include <vector>

#include "platform/cycle_counter.hpp"
#include "ptp/cycle_calibration.hpp"

namespace gnomon::ptp {
namespace {

TEST(PairOffset, IsAsLargeAsEitherSideAllows) {
  EXPECT_EQ((PairOffset{-5, 10}.magnitude()), 10U);
  EXPECT_EQ((PairOffset{-30, 10}.magnitude()), 30U) << "B may be behind A by more than ahead of it";
  EXPECT_EQ((PairOffset{5, 20}.magnitude()), 20U) << "B is ahead for certain";
  EXPECT_EQ((PairOffset{-30, -10}.magnitude()), 30U) << "B is behind for certain";
  EXPECT_EQ((PairOffset{0, 0}.magnitude()), 0U);
}

std::vector<int> cpus_of_this_thread() {
  cpu_set_t set;
  CPU_ZERO(&set);
  pthread_getaffinity_np(pthread_self(), sizeof set, &set);
  std::vector<int> cpus;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu)
    if (CPU_ISSET(static_cast<std::size_t>(cpu), &set)) cpus.push_back(cpu);
  return cpus;
}

void pin_to(int cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(static_cast<std::size_t>(cpu), &set);
  pthread_setaffinity_np(pthread_self(), sizeof set, &set);
}

std::size_t threads_of_this_process() {
  return static_cast<std::size_t>(
      std::distance(std::filesystem::directory_iterator("/proc/self/task"), std::filesystem::directory_iterator()));
}

/// By how many cycles at most a counter value from `first` lay ahead of one that was read later on `second`; negative
/// if it never did. Each waits for the other by giving way, so a busy machine makes it slow and not wrong.
std::int64_t furthest_ahead(int first, int second) {
  constexpr std::uint64_t kRounds = 2'000;
  std::atomic<std::uint64_t> sent{0};
  std::atomic<std::uint64_t> received{0};
  std::atomic<std::uint64_t> count{0};
  std::int64_t most = std::numeric_limits<std::int64_t>::min();
  const auto wait_for = [](const std::atomic<std::uint64_t>& word, std::uint64_t round) {
    for (int spins = 0; word.load(std::memory_order_acquire) != round; ++spins)  // pairs with the other's store
      if (spins % 1'000 == 999) sched_yield();
  };
  {
    const std::jthread receiver([&] {
      pin_to(second);
      for (std::uint64_t round = 1; round <= kRounds; ++round) {
        wait_for(sent, round);
        const std::uint64_t here = platform::read_cycles().count;
        most = std::max(most, static_cast<std::int64_t>(count.load(std::memory_order_relaxed) - here));
        received.store(round, std::memory_order_release);
      }
    });
    const std::jthread sender([&] {
      pin_to(first);
      for (std::uint64_t round = 1; round <= kRounds; ++round) {
        count.store(platform::read_cycles().count, std::memory_order_relaxed);
        sent.store(round, std::memory_order_release);
        wait_for(received, round);
      }
    });
  }
  return most;
}

class CoreSkew : public testing::Test {
 protected:
  void SetUp() override {
    const auto calibration = calibrate_cycles();
    if (!calibration) GTEST_SKIP() << calibration.error().text;
    nominal = calibration->rate;
  }
  time::CycleRate nominal;
};

TEST_F(CoreSkew, CoversWhatLaterReadingsOnOtherCoresShow) {
  const std::vector<int> cpus = cpus_of_this_thread();
  if (cpus.size() < 2) GTEST_SKIP() << "one core only: there is nothing to compare";
  const time::Duration bound = measure_core_skew(nominal);
  for (const auto& [a, b] : {std::pair{cpus.front(), cpus.back()}, std::pair{cpus.back(), cpus.front()}}) {
    const std::int64_t ahead = std::max<std::int64_t>(0, furthest_ahead(a, b));
    EXPECT_LE(nominal.span(static_cast<std::uint64_t>(ahead)), bound) << "CPU " << a << " to CPU " << b;
  }
}

// No signal goes from core to core in no time, so a bound of nothing would be a guess.
TEST_F(CoreSkew, IsNeverNothingBetweenTwoCores) {
  if (cpus_of_this_thread().size() < 2) GTEST_SKIP() << "one core only";
  EXPECT_GT(measure_core_skew(nominal), time::nanoseconds(1));
}

// A pair is waited for 20 ms at most. Twice that is the bound between two others; and twenty times that is what a busy
// machine may make of it here.
TEST_F(CoreSkew, IsBoundedOnABusyMachineToo) { EXPECT_LE(measure_core_skew(nominal), time::milliseconds(20) * 2 * 20); }

TEST_F(CoreSkew, LeavesTheCallingThreadWhereItWas) {
  const std::vector<int> before = cpus_of_this_thread();
  const std::size_t threads = threads_of_this_process();
  (void)measure_core_skew(nominal);
  EXPECT_EQ(cpus_of_this_thread(), before);
  // A thread that was joined may still be listed for a moment.
  for (int i = 0; i < 2'000 && threads_of_this_process() > threads; ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  EXPECT_EQ(threads_of_this_process(), threads) << "its threads have ended";
}

}  // namespace
}  // namespace gnomon::ptp
