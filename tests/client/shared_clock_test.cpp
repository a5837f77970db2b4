// SPDX-License-Identifier: Apache-2.0
//
// The clock of a process beside the daemon, on pages that this test writes: found, refused, void, gone, cut short. And
// commit-waits on it in real time, of which only that is asserted which holds however slow the machine is.
#include "client/shared_clock.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "oracle/page/worker_page.hpp"
#include "platform/unique_fd.hpp"
#include "tests/client/shared_clock_daemon.hpp"

namespace gnomon::client {
namespace {

using namespace testing;  // NOLINT(google-build-using-namespace)

// --- open
// -------------------------------------------------------------------------------------------------------------

TEST_F(SharedClockTest, GivesTheTimeOfThePage) {
  start_daemon({1});
  publish(time::microseconds(3));
  SharedClock clock = opened();
  for (int i = 0; i < 1000; ++i)
    expect_contained(clock);
  publish(time::microseconds(1));
  const auto narrower = clock.now();
  ASSERT_TRUE(narrower);
  EXPECT_LE(narrower->width(), time::nanoseconds(2001)) << "the newest line counts";
  const time::Now read = clock.read();
  ASSERT_TRUE(read);
  EXPECT_GE(read->latest, narrower->latest);
}

TEST_F(SharedClockTest, WithoutAPageItSaysThatNoDaemonRunsHere) {
  const Error error = refused();
  EXPECT_EQ(error.kind, ErrorKind::kUnreachable);
  EXPECT_TRUE(try_elsewhere(error.kind)) << "later it may stand there";
  EXPECT_TRUE(says(error, "/dev/shm/" + name())) << error.text;
  EXPECT_TRUE(says(error, "is gnomond running on this host")) << error.text;
}

TEST_F(SharedClockTest, WhatIsNoNameOfAnInstanceIsRefused) {
  for (const std::string& instance : {std::string(), std::string("a/b"), std::string(".."), std::string("Main"),
                                      std::string(33, 'a'), std::string("a\0b", 3)}) {
    const auto clock = SharedClock::open({.instance = instance});
    ASSERT_FALSE(clock.has_value()) << instance;
    EXPECT_EQ(clock.error().kind, ErrorKind::kBadArgument);
  }
}

TEST_F(SharedClockTest, APageThatIsNotReadyIsRefusedAndOneWithoutATimeIsNot) {
  auto unready = OwnedClockPage::create(name());
  ASSERT_TRUE(unready.has_value());
  EXPECT_EQ(refused().kind, ErrorKind::kSystem);
  page::stamp(**unready, 1, 2, 3);
  SharedClock clock = opened();
  EXPECT_EQ(clock.now().error().kind, ErrorKind::kClockUnsynchronised);
  EXPECT_EQ(clock.read().error(), time::ClockFault::kUnreadable);
}

TEST_F(SharedClockTest, AForeignPageIsRefused) {
  {
    auto worker = platform::OwnedPage<page::WorkerPage>::create(name());
    ASSERT_TRUE(worker.has_value());
    page::stamp(**worker, 1, 2, 3);
    const Error error = refused();
    EXPECT_EQ(error.kind, ErrorKind::kSystem);
    EXPECT_TRUE(says(error, "another kind")) << error.text;
  }
  start_daemon({1});
  (*page_)->header.magic.store(0x1234);
  EXPECT_TRUE(says(refused(), "not a gnomon page"));
}

TEST_F(SharedClockTest, AnotherVersionAndAnotherSizeAreRefused) {
  start_daemon({1});
  (*page_)->header.version = page::ClockPage::kVersion + 1;
  EXPECT_EQ(refused().kind, ErrorKind::kSystem);
  EXPECT_TRUE(says(refused(), "another version")) << refused().text;
  page::stamp(**page_, 1, 2, 3);
  (*page_)->header.size += 64;
  EXPECT_EQ(refused().kind, ErrorKind::kSystem);
  EXPECT_TRUE(says(refused(), "another size")) << refused().text;
}

TEST_F(SharedClockTest, AFileThatIsTooShortIsRefused) {
  const platform::UniqueFd fd(shm_open(("/" + name()).c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  ASSERT_TRUE(fd.valid());
  ASSERT_EQ(ftruncate(fd.get(), sizeof(page::ClockPage) - 1), 0);
  EXPECT_EQ(refused().kind, ErrorKind::kSystem);
  EXPECT_TRUE(says(refused(), "too short")) << refused().text;
}

// By a child, because root may read everything, and who has become somebody else can't clean up.
TEST_F(SharedClockTest, APageThatMayNotBeReadIsRefused) {
  start_daemon({1});
  publish(time::microseconds(3));
  ASSERT_EQ(chmod(("/dev/shm/" + name()).c_str(), 0), 0);
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    if (geteuid() == 0 && setuid(65'534) != 0) _exit(2);
    const auto clock = SharedClock::open(options());
    _exit(!clock && clock.error().kind == ErrorKind::kSystem && says(clock.error(), "its mode") ? 0 : 1);
  }
  int status = -1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

// --- now
// --------------------------------------------------------------------------------------------------------------

TEST_F(SharedClockTest, ACorruptPageGivesNoTimeUntilItIsWrittenAgain) {
  start_daemon({1});
  publish(time::microseconds(3));
  SharedClock clock = opened();
  expect_contained(clock);
  page::PublishedLine damaged = page::PublishedLine::of(time::TrueTimeLine{}, 1);
  damaged.line.fault = time::ClockFault::kNone;
  damaged.line.void_after = {~std::uint64_t{0}};
  (*page_)->truth.write(damaged);
  const auto now = clock.now();
  ASSERT_FALSE(now);
  EXPECT_EQ(now.error().kind, ErrorKind::kClockUnsynchronised);
  EXPECT_TRUE(says(now.error(), time::text_of(time::ClockFault::kUnreadable))) << now.error().text;
  publish(time::microseconds(3));
  expect_contained(clock);
}

TEST_F(SharedClockTest, WhatTheDaemonLacksIsToldInItsWords) {
  start_daemon({1});
  SharedClock clock = opened();
  for (std::size_t i = 1; i < time::kClockFaults; ++i) {
    const auto fault = static_cast<time::ClockFault>(i);
    refuse(fault);
    const auto now = clock.now();
    ASSERT_FALSE(now);
    EXPECT_EQ(now.error().kind, ErrorKind::kClockUnsynchronised);
    EXPECT_TRUE(says(now.error(), time::text_of(fault))) << now.error().text;
    EXPECT_TRUE(says(now.error(), name())) << now.error().text;
    EXPECT_EQ(clock.read().error(), fault);
  }
}

TEST_F(SharedClockTest, IsVoidSoonAfterTheWriterIsGone) {
  start_daemon({1});
  SharedClock clock = opened();
  const time::Tai published = true_time();
  publish(time::microseconds(3), 3'000'000);
  page_.reset();  // the file stays, as it does when gnomond ends
  const Error error = wait_for_error(clock);
  EXPECT_EQ(error.kind, ErrorKind::kClockUnsynchronised);
  EXPECT_TRUE(says(error, "is gnomond stopped?")) << error.text;
  EXPECT_EQ(clock.read().error(), time::ClockFault::kVoid);
  EXPECT_GE(true_time() - published, time::nanoseconds(3'000'000)) << "and not before";
}

TEST_F(SharedClockTest, AFileThatIsRemovedServesUntilItIsVoidAndThenSaysSo) {
  start_daemon({1});
  publish(time::microseconds(3));
  SharedClock clock = opened();
  ASSERT_EQ(shm_unlink(("/" + name()).c_str()), 0);
  expect_contained(clock);
  publish(time::microseconds(3), 1);
  const Error error = wait_for_error(clock);
  EXPECT_TRUE(says(error, "is gnomond stopped?")) << error.text;
  EXPECT_TRUE(says(error, "there is no other page")) << error.text;
}

// The rest of a memory page that a file covers in part reads as zeros.
TEST_F(SharedClockTest, APageThatIsCutShortServesUntilItIsVoid) {
  static_assert(sizeof(page::ClockPage) <= 4096);
  start_daemon({1});
  publish(time::microseconds(3));
  SharedClock clock = opened();
  expect_contained(clock);
  ASSERT_EQ(truncate(("/dev/shm/" + name()).c_str(), sizeof(page::PageHeader)), 0);
  expect_contained(clock);
  EXPECT_EQ(refused().kind, ErrorKind::kSystem);
}

// --- one object
// -------------------------------------------------------------------------------------------------------

TEST_F(SharedClockTest, MovesWithItsPage) {
  start_daemon({1});
  publish(time::microseconds(3));
  SharedClock clock = opened();
  SharedClock moved = std::move(clock);
  expect_contained(moved);
  SharedClock other = opened();
  other = std::move(moved);
  expect_contained(other);
  publish(time::microseconds(1));
  EXPECT_EQ(other.now()->width(), time::nanoseconds(2001));
}

TEST_F(SharedClockTest, OneForEachThreadServesThemAll) {
  start_daemon({1});
  publish(time::microseconds(3));
  std::vector<std::thread> threads;
  threads.reserve(4);
  for (int i = 0; i < 4; ++i)
    threads.emplace_back([clock = opened()]() mutable {
      for (int reads = 0; reads < 2000; ++reads)
        expect_contained(clock);
    });
  for (int i = 0; i < 2000; ++i)
    publish(time::microseconds(i % 7));
  for (std::thread& thread : threads)
    thread.join();
}

TEST_F(SharedClockTest, AForkedChildGoesOnUsingIt) {
  start_daemon({1});
  publish(time::microseconds(3));
  SharedClock clock = opened();
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    const time::Tai before = true_time();
    const auto now = clock.now();
    _exit(now && now->latest >= before && now->earliest <= true_time() ? 0 : 1);
  }
  int status = -1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  expect_contained(clock);
}

// --- commit_wait
// ------------------------------------------------------------------------------------------------------

TEST_F(SharedClockTest, ACommitWaitEndsWhenTHasPassedForCertain) {
  start_daemon({1});
  publish(time::milliseconds(1));
  SharedClock clock = opened();
  for (const auto ahead : {time::milliseconds(-5), time::Duration{0}, time::microseconds(30), time::milliseconds(3),
                           time::milliseconds(40)}) {
    const time::Tai t = clock.now()->latest + ahead;
    const auto passed = clock.commit_wait(t, time::seconds(1));
    ASSERT_TRUE(passed) << passed.error().text;
    EXPECT_GT(passed->earliest, t);
    EXPECT_GT(true_time(), t);
    EXPECT_GT(clock.now()->earliest, t);
  }
}

TEST_F(SharedClockTest, ACommitWaitTooFarAheadIsRefusedAtOnce) {
  start_daemon({1});
  publish(time::microseconds(3));
  SharedClock clock = opened();
  const auto refused = clock.commit_wait(clock.now()->latest + time::seconds(3000), time::seconds(2));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::kTooFar);
  EXPECT_TRUE(says(refused.error(), "the limit is 2000 ms")) << refused.error().text;
  EXPECT_EQ(clock.commit_wait(clock.now()->latest, time::nanoseconds(-1)).error().kind, ErrorKind::kBadArgument);
}

TEST_F(SharedClockTest, ACommitWaitEndsInAnErrorWhenTheClockIsLost) {
  start_daemon({1});
  publish(time::microseconds(3));
  SharedClock clock = opened();
  const time::Tai t = clock.now()->latest + time::seconds(3000);
  publish(time::microseconds(3), 20'000'000);
  page_.reset();
  const auto lost = clock.commit_wait(t, time::seconds(3600));
  ASSERT_FALSE(lost);
  EXPECT_EQ(lost.error().kind, ErrorKind::kClockUnsynchronised);
  EXPECT_TRUE(says(lost.error(), "is gnomond stopped?")) << lost.error().text;
}

}  // namespace
}  // namespace gnomon::client
