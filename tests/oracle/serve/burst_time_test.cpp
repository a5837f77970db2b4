// SPDX-License-Identifier: Apache-2.0
#include "oracle/serve/burst_time.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <type_traits>

namespace gnomon::serve {
namespace {

const time::SmearedUtc kStart{1'767'225'600'000'000'000};
constexpr time::CycleRate kNominal = time::CycleRate::from_hz(1'000'000'000);  // a cycle is a nanosecond

page::ClockRecord record_at(std::uint64_t cycles, time::SmearedUtc t) {
  page::ClockRecord record;
  record.ordering.line = {{cycles}, t, kNominal};
  record.ordering.lead_left = time::milliseconds(700);
  record.ordering.state = mint::OrderingState::kFollowing;
  record.ordering.era = {3};
  record.uptime = {{cycles}, {5'000}, kNominal};
  return record;
}

static_assert(std::is_trivially_copyable_v<BurstTime>, "it is copied once per burst");

TEST(BurstClock, has_no_time_before_the_page_was_written) {
  const auto page = std::make_unique<page::ClockPage>();
  BurstClock clock(*page);
  EXPECT_EQ(clock.at({1000}).ordering, mint::OrderingState::kNoTime);
  EXPECT_EQ(clock.at({1000}).truth, tl::make_unexpected(time::ClockFault::kNotProven));
  EXPECT_FALSE(clock.fresh());
}

TEST(BurstClock, reads_the_line_at_the_cycles_of_the_burst) {
  const auto page = std::make_unique<page::ClockPage>();
  page->record.write(record_at(1'000'000, kStart));
  BurstClock clock(*page);
  const BurstTime time = clock.at({1'000'250});
  EXPECT_TRUE(clock.fresh());
  EXPECT_EQ(time.mint.now, kStart + time::Duration{250});
  EXPECT_EQ(time.mint.lead_left, time::milliseconds(700));
  EXPECT_EQ(time.mint.era.value, 3U);
  EXPECT_EQ(time.uptime.ns, 5'250);
  EXPECT_EQ(clock.at({999'000}).mint.now, kStart) << "a core whose counter lags sees the anchor, not the past";
}

TEST(BurstClock, goes_on_with_the_last_record_while_a_write_is_under_way_and_takes_the_next_one) {
  const auto page = std::make_unique<page::ClockPage>();
  page->record.write(record_at(1'000'000, kStart));
  BurstClock clock(*page);
  (void)clock.at({1'000'000});
  auto* sequence = reinterpret_cast<std::atomic<std::uint64_t>*>(&page->record);  // odd: the writer was stopped
  sequence->fetch_add(1);
  EXPECT_EQ(clock.at({61'000'000'000}).mint.now, kStart + time::Duration{60'999'000'000}) << "it extrapolates";
  EXPECT_FALSE(clock.fresh());
  sequence->fetch_add(1);
  page->record.write(record_at(61'000'000'000, kStart + time::seconds(60)));
  EXPECT_EQ(clock.at({61'000'000'001}).mint.now, kStart + time::seconds(60) + time::Duration{1});
  EXPECT_TRUE(clock.fresh());
}

TEST(BurstClock, reads_the_true_time_at_the_same_cycles_until_it_is_void) {
  const auto page = std::make_unique<page::ClockPage>();
  page::ClockRecord record = record_at(1'000'000, kStart);
  const time::Tai tai{kStart.ns + 37'000'000'000};
  record.truth = {.anchor = {1'000'000},
                  .void_after = {2'000'000},
                  .earliest = tai - time::microseconds(3),
                  .latest = tai + time::microseconds(2),
                  .slow = kNominal.adjusted(-200'000),
                  .fast = kNominal.adjusted(200'000),
                  .fault = time::ClockFault::kNone};
  page->record.write(record);
  BurstClock clock(*page);
  EXPECT_EQ(clock.at({1'700'000}).truth, record.truth.at({1'700'000}));
  EXPECT_TRUE(clock.at({1'700'000}).truth->contains(tai + time::Duration{700'000}));
  const BurstTime late = clock.at({2'000'000});
  EXPECT_EQ(late.truth, tl::make_unexpected(time::ClockFault::kVoid));
  EXPECT_EQ(late.ordering, mint::OrderingState::kFollowing) << "IDs need no interval";
  record.truth = time::TrueTimeLine::refusing(time::ClockFault::kDisagreement);
  page->record.write(record);
  EXPECT_EQ(clock.at({1'700'000}).truth, tl::make_unexpected(time::ClockFault::kDisagreement));
}

TEST(BurstClock, tells_a_line_that_is_younger_than_the_reading_from_one_that_is_void) {
  const auto page = std::make_unique<page::ClockPage>();
  page::ClockRecord record = record_at(1'000'000'000, kStart);
  record.truth = {.anchor = {1'000'000'000},
                  .void_after = {2'000'000'000},
                  .earliest = time::Tai{kStart.ns},
                  .latest = time::Tai{kStart.ns + 1},
                  .slow = kNominal.adjusted(-200'000),
                  .fast = kNominal.adjusted(200'000),
                  .fault = time::ClockFault::kNone};
  page->record.write(record);
  BurstClock clock(*page);
  EXPECT_TRUE(clock.met_a_younger_line(clock.at({1})));
  EXPECT_FALSE(clock.met_a_younger_line(clock.at({1'000'000'000})));
  EXPECT_FALSE(clock.met_a_younger_line(clock.at({2'000'000'000}))) << "to read again would not help";
  record.truth = time::TrueTimeLine::refusing(time::ClockFault::kCounterUntrusted);
  page->record.write(record);
  EXPECT_FALSE(clock.met_a_younger_line(clock.at({1}))) << "nor here";
}

}  // namespace
}  // namespace gnomon::serve
