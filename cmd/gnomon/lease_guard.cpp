// SPDX-License-Identifier: Apache-2.0
#include "cmd/gnomon/lease_guard.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <limits>
#include <utility>

#include "platform/system_error.hpp"

namespace gnomon::cmd {
namespace {

constexpr std::int64_t kNsPerSecond = 1'000'000'000;

/// What goes through the pipe; small enough to be written whole.
struct Order {
  std::int64_t at_ns = 0;
  pid_t group = 0;
  std::int32_t reserved = 0;
};

void arm(int timer, std::int64_t at_ns) {
  itimerspec when{};
  when.it_value.tv_sec = at_ns / kNsPerSecond;
  when.it_value.tv_nsec = at_ns % kNsPerSecond;
  if (at_ns <= 0) when.it_value = {0, 1};  // all zero would disarm it
  ::timerfd_settime(timer, TFD_TIMER_ABSTIME, &when, nullptr);
}

/// Nothing but descriptors 0 to 2, which point nowhere, and the two of its own.
void close_all_but(int first, int second) {
  const int nowhere = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  for (int fd = STDIN_FILENO; fd <= STDERR_FILENO && nowhere >= 0; ++fd)
    ::dup2(nowhere, fd);
  const int low = first < second ? first : second;
  const int high = first < second ? second : first;
  const auto close_between = [](int from, int to) {
    if (from <= to) ::close_range(static_cast<unsigned>(from), static_cast<unsigned>(to), 0);
  };
  close_between(STDERR_FILENO + 1, low - 1);
  close_between(low + 1, high - 1);
  close_between(high + 1, std::numeric_limits<int>::max());
}

[[noreturn]] void stand_guard(int pipe) {
  ::prctl(PR_SET_NAME, "gnomon-guard");
  ::setpgid(0, 0);  // a terminal's signals are not for it
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, nullptr);
  const int timer = ::timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);
  if (timer < 0) ::_exit(1);
  close_all_but(pipe, timer);
  pid_t group = 0;
  while (true) {
    std::array<pollfd, 2> entries{pollfd{pipe, POLLIN, 0}, pollfd{timer, POLLIN, 0}};
    if (::poll(entries.data(), entries.size(), -1) < 0) continue;
    // Orders first: one that is there already moves the instant.
    Order order;
    ssize_t size = 0;
    while ((size = ::read(pipe, &order, sizeof order)) == static_cast<ssize_t>(sizeof order)) {
      group = order.group;
      arm(timer, order.at_ns);
    }
    const bool alone = size == 0;
    std::uint64_t fired = 0;
    const bool due = ::read(timer, &fired, sizeof fired) == static_cast<ssize_t>(sizeof fired);
    if ((alone || due) && group > 0) ::kill(-group, SIGKILL);
    if (alone) ::_exit(0);
  }
}

}  // namespace

tl::expected<LeaseGuard, std::string> LeaseGuard::start() {
  std::array<int, 2> ends{-1, -1};
  if (::pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK) != 0)
    return tl::make_unexpected(platform::system_error("make a pipe to the guard").text);
  platform::UniqueFd reads(ends[0]);
  platform::UniqueFd writes(ends[1]);
  const pid_t pid = ::fork();
  if (pid < 0) return tl::make_unexpected(platform::system_error("start the guard").text);
  if (pid == 0) stand_guard(reads.get());
  return LeaseGuard(pid, std::move(writes));
}

LeaseGuard::~LeaseGuard() { dismiss(); }

bool LeaseGuard::kill_at(pid_t group, time::Uptime at) {
  const Order order{.at_ns = at.ns, .group = group};
  return pipe_.valid() && ::write(pipe_.get(), &order, sizeof order) == static_cast<ssize_t>(sizeof order);
}

/// Killed, and not told to go: it may have been stopped, and would be waited for in vain.
void LeaseGuard::dismiss() {
  if (!pipe_.valid()) return;
  if (pid_ > 0) {
    ::kill(pid_, SIGKILL);
    while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
    }
  }
  pid_ = 0;
  pipe_.reset();
}

}  // namespace gnomon::cmd
