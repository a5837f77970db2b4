// SPDX-License-Identifier: Apache-2.0
#include "oracle/serve/burst_time.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>

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

TEST(BurstClock, has_no_time_before_the_page_was_written) {
  const auto page = std::make_unique<page::ClockPage>();
  BurstClock clock(*page);
  EXPECT_EQ(clock.at({1000}).ordering, mint::OrderingState::kNoTime);
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

}  // namespace
}  // namespace gnomon::serve
