// SPDX-License-Identifier: Apache-2.0
#include "cmd/gnomond/supervisor/supervisor.hpp"

#include <fcntl.h>
#include <fmt/core.h>
#include <poll.h>
#include <pthread.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <iterator>
#include <memory>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "cmd/gnomond/log.hpp"
#include "cmd/gnomond/supervisor/machine.hpp"
#include "platform/system_error.hpp"
#include "platform/unique_fd.hpp"
#include "platform/uptime.hpp"

namespace gnomon::cmd::supervisor {
namespace {

constexpr std::array kPassedOn{SIGTERM, SIGINT, SIGABRT, SIGHUP, SIGUSR1, SIGUSR2};
// Blocked in the children: a daemon reads them (signals.hpp), and an executor is not to be ended by what a terminal or
// systemd sends to all processes at once.
constexpr std::array kHeldBack{SIGTERM, SIGINT, SIGHUP};

bool has_threads() {
  std::error_code unknown;
  const std::filesystem::directory_iterator tasks("/proc/self/task", unknown);
  return !unknown && std::distance(begin(tasks), end(tasks)) > 1;
}

// Not valid where the kernel has none. By hand: glibc 2.36 declares its wrapper without C linkage.
int open_pidfd(pid_t pid) { return static_cast<int>(::syscall(SYS_pidfd_open, pid, 0U)); }

sigset_t with(sigset_t set, const auto& signals) {
  for (const int signal : signals)
    sigaddset(&set, signal);
  return set;
}

// systemd names its watchdog's partner by the pid that it started.
void become_partner_of_watchdog(pid_t parent) {
  const char* named = std::getenv("WATCHDOG_PID");  // NOLINT(concurrency-mt-unsafe): one thread
  if (named == nullptr || std::to_string(parent) != named) return;
  ::setenv("WATCHDOG_PID", std::to_string(::getpid()).c_str(), 1);  // NOLINT(concurrency-mt-unsafe): likewise
}

struct Child {
  pid_t pid = 0;  // 0: there is none
  time::Uptime started;
  platform::UniqueFd pidfd;  // not valid where the kernel has none
};

class Shell {
 public:
  Shell(const Hooks& hooks, std::optional<time::Duration> feed_every) : hooks_(hooks), machine_(feed_every) {}

  Or<int> run() {
    if (auto ready = take_signals(); !ready) return tl::make_unexpected(ready.error());
    feed(event::Begun{});
    while (!exit_code_) {
      wait();
      hear_ready();
      hear_signals();
      reap();
      if (wake_at_ && platform::read_uptime() >= *wake_at_) feed(event::Woken{});
    }
    return *exit_code_;
  }

 private:
  Or<void> take_signals() {
    // Who started us may have ignored it, and then no child could be waited for.
    std::signal(SIGCHLD, SIG_DFL);  // NOLINT(bugprone-signal-handler): nothing is handled
    sigset_t ours;
    sigemptyset(&ours);
    ours = with(with(ours, kPassedOn), std::array{SIGCHLD});
    if (const int code = pthread_sigmask(SIG_BLOCK, &ours, &mask_before_); code != 0)
      return refused(platform::system_error("block signals", code).text);
    signals_.reset(signalfd(-1, &ours, SFD_CLOEXEC | SFD_NONBLOCK));
    if (!signals_.valid()) return refused(platform::system_error("make a descriptor for signals").text);
    return {};
  }

  void wait() {
    std::array<pollfd, 3> entries{pollfd{signals_.get(), POLLIN, 0}, pollfd{child_.pidfd.get(), POLLIN, 0},
                                  pollfd{ready_.get(), POLLIN, 0}};
    int timeout = -1;
    if (wake_at_) {
      const std::int64_t left = (*wake_at_ - platform::read_uptime()).ns;
      timeout = static_cast<int>(std::clamp<std::int64_t>((left + 999'999) / 1'000'000, 0, 3'600'000));
    }
    (void)::poll(entries.data(), entries.size(), timeout);  // what is not there yet is found not to be there
  }

  void hear_ready() {
    char byte = 0;
    if (!ready_.valid()) return;
    const ssize_t size = ::read(ready_.get(), &byte, 1);
    if (size < 0) return;  // nothing yet
    ready_.reset();        // it has said all, or has ended
    if (size == 1) feed(event::Ready{});
  }

  void hear_signals() {
    signalfd_siginfo info{};
    while (::read(signals_.get(), &info, sizeof info) == static_cast<ssize_t>(sizeof info))
      if (info.ssi_signo != SIGCHLD) feed(event::Signalled{static_cast<int>(info.ssi_signo)});
  }

  void reap() {
    int status = 0;
    if (child_.pid == 0 || ::waitpid(child_.pid, &status, WNOHANG) != child_.pid) return;
    hear_ready();  // what it said before it ended comes first
    ready_.reset();
    const Ending how =
        WIFSIGNALED(status) ? Ending{.code = 0, .signal = WTERMSIG(status)} : Ending{.code = WEXITSTATUS(status)};
    if (!executor_runs_) dead_ = {.pid = child_.pid, .started = child_.started};
    child_ = {};
    if (std::exchange(executor_runs_, false))
      feed(event::ExecutorEnded{how});
    else
      feed(event::DaemonEnded{how});
  }

  void feed(What what) {
    for (const Effect& effect : machine_.step({platform::read_uptime(), std::move(what)}))
      std::visit([&](const auto& e) { perform(e); }, effect);
    // An effect may have failed. There is no recursion: a start that fails is not tried again in the same turn.
    if (const std::string why = std::exchange(fork_failure_, {}); !why.empty()) feed(event::ForkFailed{why});
  }

  void perform(const effect::StartDaemon& start) {
    if (start.again && hooks_.before_restart) hooks_.before_restart();
    std::array<int, 2> ends{-1, -1};
    if (::pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK) != 0) {
      fork_failure_ = platform::system_error("make a pipe to a daemon").text;
      return;
    }
    ready_.reset(ends[0]);
    const auto told = std::make_shared<platform::UniqueFd>(ends[1]);
    fork_child(SIGTERM, [&] {
      const auto ready = [told] {
        const char byte = 1;
        if (::write(told->get(), &byte, 1) < 0) return;  // nobody reads: the supervisor is gone, and its signal comes
      };
      return hooks_.daemon(ready);
    });
  }

  void perform(const effect::StartExecutor&) {
    // Killed with its supervisor: what it does is one commit, whole or not at all.
    if (fork_child(SIGKILL, [&] { return hooks_.executor(dead_); })) executor_runs_ = true;
  }

  /// False, and `fork_failure_`, if there is no child now.
  bool fork_child(int death_signal, const std::function<int()>& body) {
    const pid_t parent = ::getpid();
    const time::Uptime started = platform::read_uptime();
    (void)std::fflush(nullptr);  // or the child writes it once more
    const pid_t pid = ::fork();
    if (pid < 0) {
      fork_failure_ = platform::system_error("start a process").text;
      return false;
    }
    if (pid == 0) {
      ::prctl(PR_SET_PDEATHSIG, death_signal);
      if (::getppid() != parent) ::_exit(status_of(ExitCode::kRefused));  // it died before it could be told
      signals_.reset();
      ready_.reset();
      const sigset_t mask = with(mask_before_, kHeldBack);
      pthread_sigmask(SIG_SETMASK, &mask, nullptr);
      become_partner_of_watchdog(parent);
      std::exit(body());  // NOLINT(concurrency-mt-unsafe): as a return from main
    }
    // The child can't have been reaped, so this is no other process. Where it fails, SIGCHLD wakes.
    child_ = {.pid = pid, .started = started, .pidfd = platform::UniqueFd(open_pidfd(pid))};
    return true;
  }

  void perform(const effect::Send& send) const {
    if (child_.pid > 0) ::kill(child_.pid, send.signal);
  }
  void perform(const effect::ArmTimer& timer) { wake_at_ = timer.at; }
  void perform(const effect::FeedWatchdog&) const {
    if (hooks_.feed_watchdog) hooks_.feed_watchdog();
  }
  static void perform(const effect::Say& say) { log_line(say.level, say.text); }
  void perform(const effect::Exit& exit) { exit_code_ = exit.code; }

  const Hooks& hooks_;
  Machine machine_;
  sigset_t mask_before_{};
  platform::UniqueFd signals_;
  platform::UniqueFd ready_;  // the present daemon's word that it serves
  Child child_;
  bool executor_runs_ = false;
  DeadDaemon dead_;
  std::string fork_failure_;
  std::optional<time::Uptime> wake_at_;
  std::optional<int> exit_code_;
};

}  // namespace

Or<int> supervise(const Hooks& hooks, std::optional<std::chrono::microseconds> feed_watchdog_every) {
  if (has_threads())
    return refused(
        "the supervisor can't begin: this process has threads already, which a fork would leave half way; this is a "
        "defect of gnomond, please report it, and turn server.supervise off meanwhile");
  std::optional<time::Duration> feed_every;
  if (feed_watchdog_every) feed_every = time::microseconds(feed_watchdog_every->count());
  return Shell(hooks, feed_every).run();
}

}  // namespace gnomon::cmd::supervisor
