// SPDX-License-Identifier: Apache-2.0
//
// The thread around the estimator: real counter, real threads, a source that does as told.
#include "ptp/clock_thread.hpp"

#include <gtest/gtest.h>
#include <time.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "platform/cycle_counter.hpp"
#include "ptp/cycle_calibration.hpp"
#include "ptp/sources.hpp"
#include "tests/support/eventually.hpp"

namespace gnomon::ptp {
namespace {

using support::eventually;

/// The system clock, shifted or failing as its owner says.
class ToldSource final : public TimeSource {
 public:
  struct Orders {
    std::atomic<bool> fail{false};
    std::atomic<std::int64_t> offset_ns{0};
  };
  explicit ToldSource(std::shared_ptr<Orders> orders) : orders_(std::move(orders)) {}

  News poll(time::CycleRate nominal) override {
    if (orders_->fail) return tl::make_unexpected(SourceError{SourceFault::kNotSynchronised, "told to fail"});
    News news = inner_->poll(nominal);
    (*news)->reading_ns += orders_->offset_ns;
    return news;
  }
  std::string describe() const override { return "told source"; }

 private:
  std::unique_ptr<TimeSource> inner_ = system_source(time::milliseconds(1));
  std::shared_ptr<Orders> orders_;
};

class ClockThreadTest : public testing::Test {
 protected:
  std::unique_ptr<TimeSource> source() { return std::make_unique<ToldSource>(orders); }
  page::ClockRecord record() const {
    page::ClockRecord out;
    std::uint64_t version = 0;
    EXPECT_TRUE(page->record.try_read(out, version));
    return out;
  }

  std::shared_ptr<ToldSource::Orders> orders = std::make_shared<ToldSource::Orders>();
  std::unique_ptr<page::ClockPage> page = std::make_unique<page::ClockPage>();
};

TEST_F(ClockThreadTest, HasPublishedOnceItHasStarted) {
  ClockThread clock({}, source(), *page);
  EXPECT_EQ(page->record.version(), 0U);
  ASSERT_TRUE(clock.start());
  const page::ClockRecord first = record();
  EXPECT_EQ(first.ordering.state, mint::OrderingState::kFollowing);
  EXPECT_GT(clock.calibration().hz, 0U);

  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  const std::int64_t system_ns = std::int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
  EXPECT_LT(std::abs(first.ordering.line.at(platform::read_cycles()).ns - system_ns), 1'000'000'000);
  EXPECT_TRUE(eventually([&] { return record().readings > 20; }));
  EXPECT_EQ(clock.start().error().fault, ClockStartFault::kAlreadyStarted);
}

TEST_F(ClockThreadTest, CountsFailuresAndRunsOn) {
  ClockThread clock({}, source(), *page);
  ASSERT_TRUE(clock.start());
  EXPECT_EQ(clock.last_failure(), "");
  orders->fail = true;
  ASSERT_TRUE(eventually([&] { return record().failed_readings > 3; }));
  const page::ClockRecord failing = record();
  EXPECT_EQ(failing.ordering.state, mint::OrderingState::kFollowing);
  EXPECT_EQ(clock.last_failure(), "told to fail");
  orders->fail = false;
  EXPECT_TRUE(eventually([&] { return record().readings > failing.readings + 3; }));
}

TEST_F(ClockThreadTest, ShowsWhatItKnowsOfItsSources) {
  ClockThread clock({}, source(), *page);
  EXPECT_TRUE(clock.status().sources.empty()) << "it has looked at none yet";
  ASSERT_TRUE(clock.start());
  const ClockStatus first = clock.status();
  ASSERT_EQ(first.sources.size(), 1U);
  EXPECT_EQ(first.sources[0].description, "told source");
  // Without a counter to carry it on, what a source claims is of no use, and is not counted.
  if (!clock.calibration().kernel_trusts_counter) GTEST_SKIP() << "the kernel does not trust this counter";
  EXPECT_GE(first.sources[0].view.claims + first.sources[0].view.errors, 1U) << "start() has looked";
  EXPECT_GT(first.at.count, 0U);
  EXPECT_EQ(first.nominal, clock.calibration().rate);
  EXPECT_FALSE(first.leaps.entries().empty());
  orders->fail = true;
  ASSERT_TRUE(eventually([&] { return clock.status().sources[0].view.error.has_value(); }));
  EXPECT_EQ(clock.status().sources[0].view.error->text, "told to fail");
  orders->fail = false;
  EXPECT_TRUE(eventually([&] { return clock.status().at > first.at; }));
  clock.stop();
  EXPECT_EQ(clock.status().sources.size(), 1U) << "what it knew last";
}

TEST_F(ClockThreadTest, GoesOnWhileManyLook) {
  ClockThread clock({}, source(), *page);
  ASSERT_TRUE(clock.start());
  std::atomic<bool> stop{false};
  std::atomic<std::uint64_t> looks{0};
  std::vector<std::thread> lookers;
  lookers.reserve(2);
  for (int i = 0; i < 2; ++i)
    lookers.emplace_back([&] {
      while (!stop) {
        clock.use_leaps(clock.status().leaps);
        (void)clock.last_failure();
        ++looks;
        std::this_thread::yield();
      }
    });
  const std::uint64_t before = record().readings;
  const time::Cycles shown = clock.status().at;
  EXPECT_TRUE(eventually([&] { return record().readings > before + 20; }));
  EXPECT_TRUE(eventually([&] { return looks > 100 && clock.status().at > shown; })) << "and they get to see something";
  stop = true;
  for (std::thread& looker : lookers)
    looker.join();
}

TEST_F(ClockThreadTest, TakesUpANewLeapTable) {
  ClockThread clock({}, source(), *page);
  ASSERT_TRUE(clock.start());
  time::LeapTable expired(time::LeapTable::kFirstUtc + time::seconds(86'400));
  ASSERT_TRUE(expired.append(time::builtin_leap_table().entries()[0]));
  clock.use_leaps(expired);
  EXPECT_EQ(clock.status().leap_table_expires, expired.expires());
  EXPECT_TRUE(clock.status().leap_table_expired);
  // A table that expired half a century ago leaves so many seconds in doubt that the claim is too wide.
  if (!clock.calibration().kernel_trusts_counter) GTEST_SKIP() << "the kernel does not trust this counter";
  EXPECT_TRUE(eventually([&] { return clock.status().sources[0].view.terms.leap > time::seconds(50); }));
}

TEST_F(ClockThreadTest, DoesNotStartWithoutTime) {
  orders->fail = true;
  ClockThreadOptions options;
  options.interval = time::milliseconds(1);
  options.start_limit = time::milliseconds(30);
  ClockThread clock(options, source(), *page);
  const auto started = clock.start();
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error().fault, ClockStartFault::kSource);
  EXPECT_NE(started.error().text.find("told to fail"), std::string::npos);
}

TEST_F(ClockThreadTest, WaitsForTheTrueTimeWhereThereMayBeOneAndStartsWithoutIt) {
  const bool may_be = kernel_trusts_counter();
  ClockThreadOptions options;
  options.truth_limit = may_be ? time::milliseconds(150) : time::seconds(100);
  ClockSources witness;
  witness.system = source();
  witness.system_counts = false;
  ClockThread clock(options, std::move(witness), *page);
  const auto began = std::chrono::steady_clock::now();
  ASSERT_TRUE(clock.start());
  EXPECT_EQ(record().ordering.state, mint::OrderingState::kFollowing);
  EXPECT_NE(record().truth.fault, time::ClockFault::kNone);
  const auto took = std::chrono::steady_clock::now() - began;
  if (may_be) {
    EXPECT_GE(took, std::chrono::milliseconds(150));
  } else {
    EXPECT_LT(took, std::chrono::seconds(50)) << "it waited for what can't come";
  }
}

TEST_F(ClockThreadTest, TellsNoTrueTimeOnceTheKernelHasLeftTheCounter) {
  const auto calibrated = calibrate_cycles();
  ASSERT_TRUE(calibrated) << calibrated.error().text;
  ClockThreadOptions options;
  options.estimator.ordering.nominal = calibrated->rate;  // who states the rate trusts the counter
  ClockThread clock(options, source(), *page);
  ASSERT_TRUE(clock.start());
  EXPECT_EQ(clock.status().counter_problem, "");
  clock.note_kernel_trust(false);
  EXPECT_NE(clock.status().counter_problem.find("ceased to use the cycle counter"), std::string::npos);
  EXPECT_TRUE(eventually([&] { return record().truth.fault == time::ClockFault::kCounterUntrusted; }));
  clock.note_kernel_trust(true);
  EXPECT_NE(clock.status().counter_problem, "") << "what ran on meanwhile, nobody knows";
}

TEST_F(ClockThreadTest, StartsANewEraOnRequest) {
  ClockThread clock({}, source(), *page);
  ASSERT_TRUE(clock.start());
  orders->offset_ns = -3'600'000'000'000;
  ASSERT_TRUE(eventually([&] { return record().ordering.state == mint::OrderingState::kBehind; }));
  const page::ClockRecord behind = record();
  clock.request_new_era();
  ASSERT_TRUE(eventually([&] { return record().ordering.era > behind.ordering.era; }));
  EXPECT_EQ(record().ordering.state, mint::OrderingState::kFollowing);
  EXPECT_LT(record().ordering.line.at(platform::read_cycles()), behind.ordering.line.at_anchor - time::seconds(3000));
}

TEST_F(ClockThreadTest, LeavesItsLastRecordWhenItStops) {
  ClockThread clock({}, source(), *page);
  ASSERT_TRUE(clock.start());
  clock.stop();
  clock.stop();
  const std::uint64_t version = page->record.version();
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  EXPECT_EQ(page->record.version(), version);
  EXPECT_EQ(record().ordering.state, mint::OrderingState::kFollowing);
}

}  // namespace
}  // namespace gnomon::ptp
