// SPDX-License-Identifier: Apache-2.0
//
// SharedClock over a restart of the daemon: the old page serves until it gives no time, for whatever reason, and then
// the page that stands under the name by then does; it is looked for now and then only.
#include <gtest/gtest.h>
#include <sys/mman.h>

#include <chrono>
#include <thread>
#include <utility>

#include "tests/client/shared_clock_daemon.hpp"

namespace gnomon::client {
namespace {

using namespace testing;  // NOLINT(google-build-using-namespace)
using SharedClockRestart = SharedClockTest;

TEST_F(SharedClockRestart, ARestartIsPickedUpOnceTheOldPageIsVoid) {
  start_daemon({1});
  publish(time::microseconds(3));
  SharedClock clock = opened();
  for (std::uint64_t number = 2; number < 6; ++number) {
    OwnedClockPage old = std::move(*page_);
    start_daemon({number});
    publish(time::microseconds(5));
    EXPECT_EQ(clock.now()->width(), time::nanoseconds(6001)) << "the old page is right until it is void";
    std::swap(old, *page_);
    publish(time::microseconds(3), 1);
    std::swap(old, *page_);
    ASSERT_TRUE(recovers(clock)) << "incarnation " << number;
    expect_contained(clock);
    EXPECT_EQ(clock.now()->width(), time::nanoseconds(10'001)) << "the time of the new page";
    publish(time::microseconds(3));
  }
}

// A line that says why there is none does not become void: its fault must not hide the next daemon either.
TEST_F(SharedClockRestart, ARestartIsPickedUpWhateverTheOldPageLacked) {
  for (std::size_t i = 1; i < time::kClockFaults; ++i) {
    start_daemon({2 * i});
    refuse(static_cast<time::ClockFault>(i));
    SharedClock clock = opened();
    ASSERT_FALSE(clock.now());
    start_daemon({2 * i + 1});
    publish(time::microseconds(3));
    EXPECT_TRUE(recovers(clock)) << i;
  }
}

TEST_F(SharedClockRestart, APageThatIsNotReadyYetIsPickedUpWhenItIs) {
  start_daemon({1});
  publish(time::microseconds(3), 1);
  SharedClock clock = opened();
  start_daemon({2});
  (*page_)->header.magic.store(0);
  const Error error = wait_for_error(clock);
  EXPECT_TRUE(says(error, "is gnomond stopped?")) << error.text;
  EXPECT_TRUE(says(error, "not ready yet")) << error.text;
  page::stamp(**page_, 2, 2, 3);
  publish(time::microseconds(3));
  EXPECT_TRUE(recovers(clock));
}

TEST_F(SharedClockRestart, ADaemonOfAnotherVersionIsNamed) {
  start_daemon({1});
  publish(time::microseconds(3), 1);
  SharedClock clock = opened();
  start_daemon({2});
  (*page_)->header.version = page::ClockPage::kVersion + 1;
  const Error error = wait_for_error(clock);
  EXPECT_EQ(error.kind, ErrorKind::kClockUnsynchronised);
  EXPECT_TRUE(says(error, "another version")) << error.text;
}

TEST_F(SharedClockRestart, LooksForAnotherPageOnlyNowAndThen) {
  start_daemon({1});
  refuse(time::ClockFault::kNoSource);
  SharedClock clock = opened();
  for (std::uint64_t number = 2; number < 5; ++number) {
    if (number > 2) std::this_thread::sleep_for(std::chrono::milliseconds(11));
    const time::Uptime looked = read_uptime();  // at the latest now, in the next call
    ASSERT_FALSE(clock.now());
    start_daemon({number});
    publish(time::microseconds(3));
    EXPECT_FALSE(clock.read()) << "which never looks";
    ASSERT_TRUE(recovers(clock));
    EXPECT_GE(read_uptime() - looked, SharedClock::kLookInterval);
    refuse(time::ClockFault::kNoSource);
  }
}

TEST_F(SharedClockRestart, APageThatComesBackToLifeNeedsNoLook) {
  start_daemon({1});
  publish(time::microseconds(3), 1);
  SharedClock clock = opened();
  wait_for_error(clock);
  ASSERT_EQ(shm_unlink(("/" + name()).c_str()), 0);
  publish(time::microseconds(3));  // the same writer, which was only held up
  expect_contained(clock);
}

// The same file stamped anew, as no gnomond does it.
TEST_F(SharedClockRestart, AnotherIncarnationInTheSameFileIsPickedUp) {
  start_daemon({1});
  publish(time::microseconds(3));
  SharedClock clock = opened();
  expect_contained(clock);
  page::stamp(**page_, 9, 2, 3);
  publish(time::microseconds(5));
  const auto now = clock.now();
  ASSERT_TRUE(now) << now.error().text;
  EXPECT_EQ(now->width(), time::nanoseconds(10'001));
}

TEST_F(SharedClockRestart, ACommitWaitOutlivesARestart) {
  start_daemon({1});
  publish(time::microseconds(3));
  SharedClock clock = opened();
  const time::Tai t = clock.now()->latest + time::milliseconds(100);
  std::thread daemon([this] {
    const OwnedClockPage old = std::move(*page_);
    page_.reset();
    start_daemon({2});
    publish(time::microseconds(3));
    time::TrueTimeLine ended = time::TrueTimeLine::refusing(time::ClockFault::kCounterUntrusted);
    old->truth.write(page::PublishedLine::of(ended, 1));
  });
  const auto passed = clock.commit_wait(t, time::seconds(1));
  daemon.join();
  ASSERT_TRUE(passed) << passed.error().text;
  EXPECT_GT(passed->earliest, t);
  EXPECT_GT(true_time(), t);
}

}  // namespace
}  // namespace gnomon::client
