// SPDX-License-Identifier: Apache-2.0
//
// kill -9 at random instants. A child takes and extends rights as fast as it can and says, through a pipe, what it
// promised; it is killed, and whoever comes next must know of every promise. (The kernel outlives the child, so this
// shows that the order of writes is right at every instant, not that the disk keeps its word.)
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <random>
#include <thread>

#include "control/state.hpp"
#include "tests/control/holder.hpp"
#include "tests/control/temp_directory.hpp"

namespace gnomon::control {
namespace {

struct Promise {
  std::uint64_t machine;
  std::int64_t ceiling;
};

// Never returns: opens the state, takes two ids a few times, extends them for ever, and reports after every journal.
[[noreturn]] void promise_for_ever(const StatePaths& paths, int report, time::SmearedUtc now) {
  auto state = open_state(paths, "child");
  if (!state) _exit(1);
  Promises promises;
  Holder holder(*state, promises);
  for (std::int64_t step = 0;; ++step) {
    const time::SmearedUtc at = now + time::milliseconds(step);
    const bool takes = step % 8 == 0 && step < 32;  // eight of the sixteen ids at most
    if (!(takes ? holder.take(2, at) : holder.extend(at))) _exit(2);
    for (const lease::HeldRight& right : holder.held()) {
      const Promise promise{right.machine.value, right.ceiling.ns};
      if (write(report, &promise, sizeof promise) != sizeof promise) _exit(3);
    }
  }
}

// Bounded: a child that never promises is found by what was told in all.
void wait_for_promise(int report) {
  pollfd readable{report, POLLIN, 0};
  while (poll(&readable, 1, 10'000) < 0 && errno == EINTR) {
  }
}

TEST(Kill, NothingPromisedIsForgotten) {
  const int rounds = std::getenv("GNOMON_TEST_FULL") != nullptr ? 200 : 20;
  const TempDirectory directory;
  const StatePaths paths = StatePaths::of(directory.file("gnomon.db"));
  std::mt19937_64 random(std::random_device{}());
  Promises promises;
  std::uint64_t told = 0;
  for (int round = 0; round < rounds; ++round) {
    // Far enough apart that the previous lives' ids are free again.
    const time::SmearedUtc now = kHolderStart + time::seconds(100) * round;
    std::array<int, 2> ends{};
    ASSERT_EQ(pipe(ends.data()), 0);
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      close(ends[0]);
      promise_for_ever(paths, ends[1], now);
    }
    close(ends[1]);
    // Every other child dies while it promises, however slow it is; the rest at any moment, that of its opening too.
    if (round % 2 == 1) wait_for_promise(ends[0]);
    const auto life = std::chrono::microseconds(random() % 60'000);
    std::this_thread::sleep_for(life);
    kill(child, SIGKILL);
    Promise promise{};
    while (read(ends[0], &promise, sizeof promise) == sizeof promise) {
      ++told;
      time::SmearedUtc& end = promises[{static_cast<std::uint16_t>(promise.machine)}];
      end = std::max(end, time::SmearedUtc{promise.ceiling});
    }
    close(ends[0]);
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status)) << "the child ended by itself with " << WEXITSTATUS(status);

    auto state = open_state(paths, "test");
    ASSERT_TRUE(state) << "after " << life.count() << " us: " << state.error().text;
    const lease::RightTable table = lease::read_rights(state->store->list(lease::kRightPrefix)->entries);
    for (const auto& [machine, end] : promises)
      ASSERT_GE(table.find(machine)->window->value.ceiling, end) << "machine id " << machine.value;
  }
  EXPECT_GT(told, static_cast<std::uint64_t>(rounds)) << "the children were killed before they promised anything";
  expect_nothing_promised_twice(paths, promises);
}

}  // namespace
}  // namespace gnomon::control
