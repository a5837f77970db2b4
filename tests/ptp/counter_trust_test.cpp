// SPDX-License-Identifier: Apache-2.0
//
// A counter that the kernel has ceased to use, or that somebody warns of, under a running clock thread: now() is
// refused, what was proved before is dropped, and IDs go on.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <thread>

#include "platform/cycle_counter.hpp"
#include "ptp/clock_thread.hpp"
#include "ptp/sources.hpp"
#include "tests/support/eventually.hpp"

namespace gnomon::ptp {
namespace {

using support::eventually;

using time::ClockFault;

/// The system clock, unless it is told to fall silent.
class ToldSource final : public TimeSource {
 public:
  struct Orders {
    std::atomic<bool> silent{false};
    std::atomic<int> distrusted{0};
  };
  explicit ToldSource(std::shared_ptr<Orders> orders) : orders_(std::move(orders)) {}

  News poll(time::CycleRate nominal) override {
    if (orders_->silent) return std::nullopt;
    return inner_->poll(nominal);
  }
  void distrust() override { ++orders_->distrusted; }
  std::string describe() const override { return "told source"; }

 private:
  std::unique_ptr<TimeSource> inner_ = system_source(time::milliseconds(1));
  std::shared_ptr<Orders> orders_;
};

class CounterTrust : public testing::Test {
 protected:
  /// A thread that orders by the system clock and tells the true time from a source of the test's. A rate that is given
  /// stands for a counter that the kernel trusts.
  void start(bool given_rate = true) {
    ClockThreadOptions options;
    options.measure_cores = false;
    options.interval = time::milliseconds(2);
    if (given_rate) {
      const auto calibration = calibrate_cycles();
      ASSERT_TRUE(calibration) << calibration.error().text;
      options.estimator.ordering.nominal = calibration->rate;
      options.estimator.truth.drift.ppb += calibration->error_ppb;
    }
    ClockSources sources;
    sources.system = system_source(time::milliseconds(1));
    sources.system_counts = false;
    sources.others.push_back(std::make_unique<ToldSource>(orders));
    clock = std::make_unique<ClockThread>(options, std::move(sources), *page);
    const auto started = clock->start();
    ASSERT_TRUE(started) << started.error().text;
  }
  [[nodiscard]] page::ClockRecord record() const {
    page::ClockRecord out;
    std::uint64_t version = 0;
    EXPECT_TRUE(page->record.try_read(out, version));
    return out;
  }
  /// As workers and as other processes see it; the two are written one after the other.
  [[nodiscard]] bool both_say(ClockFault fault) const {
    page::PublishedLine published;
    std::uint64_t version = 0;
    return page->truth.try_read(published, version) && published.line.fault == fault && record().truth.fault == fault;
  }
  void let_turns_pass(std::uint64_t turns) const {
    const std::uint64_t until = record().readings + turns;
    EXPECT_TRUE(eventually([&] { return record().readings >= until; })) << "IDs have their clock all the same";
  }

  std::shared_ptr<ToldSource::Orders> orders = std::make_shared<ToldSource::Orders>();
  std::unique_ptr<page::ClockPage> page = std::make_unique<page::ClockPage>();
  std::unique_ptr<ClockThread> clock;
};

TEST_F(CounterTrust, ServesAsLongAsTheKernelKeepsToTheCounter) {
  start();
  ASSERT_TRUE(eventually([&] { return both_say(ClockFault::kNone); }));
  clock->note_kernel_trust(true);
  let_turns_pass(10);
  EXPECT_TRUE(eventually([&] { return both_say(ClockFault::kNone); }));
  EXPECT_EQ(clock->status().counter_problem, "");
  EXPECT_EQ(orders->distrusted, 0);
}

// The rate was calibrated against the kernel's clock, so a kernel that comes back to the counter mends nothing.
TEST_F(CounterTrust, OnceLostIsLostForThisRun) {
  start();
  ASSERT_TRUE(eventually([&] { return both_say(ClockFault::kNone); }));
  clock->note_kernel_trust(false);
  ASSERT_TRUE(eventually([&] { return both_say(ClockFault::kCounterUntrusted); }));
  EXPECT_EQ(record().truth.at(platform::read_cycles()).error(), ClockFault::kCounterUntrusted);
  EXPECT_NE(clock->status().counter_problem.find("ceased"), std::string::npos) << clock->status().counter_problem;
  clock->note_kernel_trust(true);
  let_turns_pass(30);
  EXPECT_TRUE(both_say(ClockFault::kCounterUntrusted));
  EXPECT_EQ(record().ordering.state, mint::OrderingState::kFollowing) << "uniqueness and order don't rest on it";
  EXPECT_GT(orders->distrusted, 0) << "sources are told that their readings mean nothing";
}

// A notice of a resumption or a migration: what was known is void, and what is said afterwards counts.
TEST_F(CounterTrust, AfterAWarningOnlyWhatIsSaidAfterwardsCounts) {
  start();
  ASSERT_TRUE(eventually([&] { return both_say(ClockFault::kNone); }));
  orders->silent = true;
  let_turns_pass(10);
  ASSERT_TRUE(both_say(ClockFault::kNone)) << "what was proved holds for a while without a source";
  clock->distrust_counter();
  ASSERT_TRUE(eventually([&] { return orders->distrusted > 0; }));
  ASSERT_TRUE(eventually([&] { return both_say(ClockFault::kNoSource); })) << "nothing is left of it";
  let_turns_pass(10);
  EXPECT_TRUE(both_say(ClockFault::kNoSource));
  EXPECT_EQ(orders->distrusted, 1) << "one warning, one turn";
  orders->silent = false;
  EXPECT_TRUE(eventually([&] { return both_say(ClockFault::kNone); })) << "and it recovers by itself";
  EXPECT_EQ(clock->status().counter_problem, "");
}

TEST_F(CounterTrust, OfThisMachineIsAsItsKernelSays) {
  const bool trusted = kernel_trusts_counter();
  start(false);
  EXPECT_TRUE(eventually([&] { return both_say(trusted ? ClockFault::kNone : ClockFault::kCounterUntrusted); }));
  EXPECT_EQ(clock->calibration().kernel_trusts_counter, trusted);
  EXPECT_EQ(clock->status().counter_problem.empty(), trusted) << clock->status().counter_problem;
  const std::string names = trusted ? "" : "'" + clock->calibration().clocksource + "'";
  EXPECT_NE(clock->status().counter_problem.find(names), std::string::npos) << clock->status().counter_problem;
}

}  // namespace
}  // namespace gnomon::ptp
