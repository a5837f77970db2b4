// SPDX-License-Identifier: Apache-2.0
//
// What a driver may answer when a port's clock is read, and what is made of it; in virtual time.
#include "dataplane/dpdk/timesync.hpp"

#include <gtest/gtest.h>

#include <cerrno>
#include <string>

#include "dataplane/port_clock.hpp"
#include "tests/dataplane/dpdk/card.hpp"

namespace gnomon::test {
namespace {

using dataplane::PortClockFault;
using dataplane::dpdk::Timesync;
using PortTimesync = CardTest;

void expect_refused(const tl::expected<dataplane::PortClockReading, dataplane::PortClockError>& reading,
                    PortClockFault fault, const std::string& words) {
  ASSERT_FALSE(reading.has_value()) << reading->value_ns;
  EXPECT_EQ(reading.error().fault, fault) << reading.error().text;
  EXPECT_NE(reading.error().text.find(words), std::string::npos) << reading.error().text;
  EXPECT_NE(reading.error().text.find("card0 (net_card)"), std::string::npos) << reading.error().text;
}

TEST_F(PortTimesync, BracketsWhatTheCardShowed) {
  Timesync clock = settled();
  g_card.latencies = {900, 700, 300, 800, 600};
  const auto reading = clock.read(kGigahertz);
  ASSERT_TRUE(reading.has_value()) << reading.error().text;
  EXPECT_EQ(reading->after.count - reading->before.count, 300U) << "the narrowest counts";
  EXPECT_EQ(reading->value_ns, kToday + static_cast<std::int64_t>(reading->before.count) + 100);
  EXPECT_EQ(g_card.reads, 5U);
  EXPECT_EQ(g_card.port, 3U);
}

TEST_F(PortTimesync, BelievesNoFirstReading) {
  Timesync clock = enabled();
  expect_refused(clock.read(kGigahertz), PortClockFault::kSettling, "first time");
  pass(10 * kMillisecond);
  EXPECT_TRUE(clock.read(kGigahertz).has_value());
}

TEST_F(PortTimesync, FollowsAServo) {
  for (const std::int64_t ppm : {-500, 500}) {
    g_card = {};
    g_card.rate_ppm = ppm;
    Timesync clock = settled();
    for (int i = 0; i < 100; ++i) {
      const auto reading = clock.read(kGigahertz);
      ASSERT_TRUE(reading.has_value()) << reading.error().text;
      pass(10 * kMillisecond);
    }
  }
}

TEST_F(PortTimesync, SaysThatADriverHasNone) {
  for (const int code : {-ENOTSUP, -ENOSYS}) {
    g_card.enable_answer = code;
    const auto clock = Timesync::enable(3, "card0 (net_card)", kCardCalls);
    ASSERT_FALSE(clock.has_value());
    EXPECT_EQ(clock.error().fault, PortClockFault::kUnsupported);
    EXPECT_NE(clock.error().text.find("rte_eth_timesync_enable"), std::string::npos) << clock.error().text;
    EXPECT_NE(clock.error().text.find("phc:/dev/ptpN"), std::string::npos) << "what to do: " << clock.error().text;
    EXPECT_EQ(g_card.reads, 0U);
  }
}

// Some drivers enable what they can't read.
TEST_F(PortTimesync, SaysThatADriverCanEnableAndNotRead) {
  g_card.read_answer = -ENOTSUP;
  const auto clock = Timesync::enable(3, "card0 (net_card)", kCardCalls);
  ASSERT_FALSE(clock.has_value());
  EXPECT_EQ(clock.error().fault, PortClockFault::kUnsupported);
  EXPECT_NE(clock.error().text.find("rte_eth_timesync_read_time"), std::string::npos) << clock.error().text;
}

TEST_F(PortTimesync, RefusesWhatFailsToBeEnabled) {
  g_card.enable_answer = -EIO;
  const auto clock = Timesync::enable(3, "card0 (net_card)", kCardCalls);
  ASSERT_FALSE(clock.has_value());
  EXPECT_EQ(clock.error().fault, PortClockFault::kUnreadable);
}

TEST_F(PortTimesync, PassesErrorsOnAndRecovers) {
  Timesync clock = settled();
  for (const int code : {-EIO, -ENODEV, -EINVAL, -1}) {
    g_card.read_answer = code;
    expect_refused(clock.read(kGigahertz), PortClockFault::kUnreadable, "rte_eth_timesync_read_time");
    pass(10 * kMillisecond);
  }
  g_card.read_answer = 0;
  EXPECT_TRUE(clock.read(kGigahertz).has_value());
}

TEST_F(PortTimesync, RefusesWhatIsNoTime) {
  Timesync clock = settled();
  for (const timespec nonsense : {timespec{-1, 0}, timespec{1'760'000'000, -1}, timespec{1'760'000'000, kSecond},
                                  timespec{std::int64_t{1} << 62, 0}}) {
    g_card.distort = [&](unsigned, timespec& shown) { shown = nonsense; };
    expect_refused(clock.read(kGigahertz), PortClockFault::kMalformed, "no time");
  }
}

// Most drivers set it to zero when they enable it.
TEST_F(PortTimesync, RefusesAClockThatNobodySet) {
  g_card.ahead_ns = 0;
  Timesync clock = enabled();
  for (int i = 0; i < 3; ++i) {
    expect_refused(clock.read(kGigahertz), PortClockFault::kUnset, "nobody else sets it");
    pass(10 * kMillisecond);
  }
  g_card.ahead_ns = kToday;  // somebody does
  expect_refused(clock.read(kGigahertz), PortClockFault::kSettling, "first time");
  pass(10 * kMillisecond);
  EXPECT_TRUE(clock.read(kGigahertz).has_value());
}

TEST_F(PortTimesync, RefusesAClockThatStandsStill) {
  Timesync clock = settled();
  ASSERT_TRUE(clock.read(kGigahertz).has_value());
  g_card.frozen = true;
  for (int i = 0; i < 3; ++i) {
    pass(10 * kMillisecond);
    expect_refused(clock.read(kGigahertz), PortClockFault::kStale, "stands still");
  }
  g_card.frozen = false;
  EXPECT_TRUE(clock.read(kGigahertz).has_value());
}

// It stopped half way between two looks, so it has moved since the last.
TEST_F(PortTimesync, RefusesAClockThatHasJustStopped) {
  Timesync clock = settled();
  ASSERT_TRUE(clock.read(kGigahertz).has_value());
  pass(5 * kMillisecond);
  g_card.last = {g_card.now() / kSecond, g_card.now() % kSecond};
  g_card.frozen = true;
  pass(5 * kMillisecond);
  expect_refused(clock.read(kGigahertz), PortClockFault::kStale, "stands still");
}

// A card that is read so fast that its resolution hides whether it moves within a look.
TEST_F(PortTimesync, NeverBelievesAClockThatStoodStillFromTheStart) {
  Timesync clock = enabled();
  g_card.latencies.fill(90);
  g_card.frozen = true;
  g_card.last = {1'760'000'000, 0};
  expect_refused(clock.read(kGigahertz), PortClockFault::kSettling, "first time");
  for (int i = 0; i < 3; ++i) {
    pass(10 * kMillisecond);
    expect_refused(clock.read(kGigahertz), PortClockFault::kStale, "stands still");
  }
}

TEST_F(PortTimesync, BearsWithAResolutionOfAMicrosecond) {
  Timesync clock = settled();
  g_card.distort = [](unsigned, timespec& shown) { shown.tv_nsec -= shown.tv_nsec % 1000; };
  for (int i = 0; i < 100; ++i) {
    const auto reading = clock.read(kGigahertz);
    ASSERT_TRUE(reading.has_value()) << reading.error().text;
    pass(i % 2 == 0 ? 10 * kMillisecond : 100);
  }
}

TEST_F(PortTimesync, ReportsAStepBackOnceAndGoesOnFromThere) {
  Timesync clock = settled();
  ASSERT_TRUE(clock.read(kGigahertz).has_value());
  g_card.ahead_ns -= 37 * kSecond;
  pass(10 * kMillisecond);
  expect_refused(clock.read(kGigahertz), PortClockFault::kStale, "went back by 36");
  pass(10 * kMillisecond);
  const auto reading = clock.read(kGigahertz);
  ASSERT_TRUE(reading.has_value()) << reading.error().text;
  EXPECT_LT(reading->value_ns, kToday);
}

// A step ahead between two looks is the estimator's to judge: it knows the other sources.
TEST_F(PortTimesync, PassesAStepAheadOn) {
  Timesync clock = settled();
  ASSERT_TRUE(clock.read(kGigahertz).has_value());
  g_card.ahead_ns += kSecond;
  pass(10 * kMillisecond);
  EXPECT_TRUE(clock.read(kGigahertz).has_value());
}

// The low half wrapped around after the high half had been read, or before: 2^32 ns too little, or too much.
TEST_F(PortTimesync, RefusesAValueThatWasReadInPieces) {
  for (const std::int64_t torn : {std::int64_t{1} << 32, -(std::int64_t{1} << 32)})
    for (unsigned which = 0; which < 5; ++which) {
      g_card = {};
      Timesync clock = settled();
      g_card.distort = [&](unsigned read, timespec& shown) {
        if (read != which) return;
        const std::int64_t ns = shown.tv_sec * kSecond + shown.tv_nsec + torn;
        shown = {ns / kSecond, ns % kSecond};
      };
      expect_refused(clock.read(kGigahertz), PortClockFault::kMalformed, "read in pieces");
      g_card.distort = {};
      EXPECT_TRUE(clock.read(kGigahertz).has_value()) << "the next is whole again";
    }
}

}  // namespace
}  // namespace gnomon::test
