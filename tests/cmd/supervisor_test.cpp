// SPDX-License-Identifier: Apache-2.0
//
// The supervisor's hands, with real processes, signals and deaths, and a daemon and an executor of the test's own: a
// few lines that read signals, in place of gnomond.
#include "cmd/gnomond/supervisor/supervisor.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <new>
#include <string>
#include <thread>

#include "cmd/gnomond/log.hpp"
#include "platform/unique_fd.hpp"
#include "tests/support/eventually.hpp"
#include "tests/support/scratch_folder.hpp"

namespace gnomon::cmd::supervisor {
namespace {

using support::eventually;

/// What the processes tell the test. Plain atomics in shared memory: nothing hangs on their order.
struct Board {
  std::atomic<int> daemons{0};  // started
  std::atomic<pid_t> daemon{0};
  std::atomic<int> serving{0};
  std::atomic<int> reloads{0};
  std::atomic<int> stops{0};
  std::atomic<int> executors{0};
  std::atomic<pid_t> executor{0};
  std::atomic<pid_t> dead{0};          // whom the last executor was told of
  std::atomic<bool> was_gone{false};   // and it was, reaped
  std::atomic<bool> lock_free{false};  // as the last executor found it
  std::atomic<bool> go_on{false};      // the test's word
  std::atomic<int> restarts_read{0};
  std::atomic<pid_t> watchdog{0};
  std::atomic<int> inherited{0};
};

/// A daemon that reads its signals as the real one does, until it is asked to end.
int serve(Board& board, const std::function<void()>& ready) {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP})
    sigaddset(&set, signal);
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  ready();
  ++board.serving;
  while (true) {
    const int signal = sigwaitinfo(&set, nullptr);
    if (signal == SIGHUP) ++board.reloads;
    if (signal != SIGTERM && signal != SIGINT) continue;
    ++board.stops;
    return 0;
  }
}

pid_t partner_of_watchdog() {
  const char* named = std::getenv("WATCHDOG_PID");
  return named == nullptr ? 0 : static_cast<pid_t>(std::strtol(named, nullptr, 10));
}

/// A supervisor in a process of its own. What it leaves behind becomes the test's child, and ends with the test.
class Stage {
 public:
  using Daemon = std::function<int(Board&, const std::function<void()>&)>;
  using Executor = std::function<int(Board&)>;

  explicit Stage(const Daemon& daemon = serve, const Executor& executor = {}, const std::function<void()>& before = {})
      : board_(*new(shared_memory()) Board) {
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    supervisor_ = fork();
    if (supervisor_ != 0) return;
    if (before) before();
    _exit(supervise_all(daemon, executor));
  }
  ~Stage() {
    board_.go_on = true;
    if (is_child(supervisor_)) kill(supervisor_, SIGKILL);
    waitpid(supervisor_, nullptr, 0);  // its children are this process's now, unless they ended
    for (const pid_t pid : {board_.executor.load(), board_.daemon.load()})
      if (pid > 0 && is_child(pid)) kill(pid, SIGKILL);
    while (waitpid(-1, nullptr, 0) > 0) {
    }
    munmap(&board_, sizeof(Board));
  }
  Stage(const Stage&) = delete;
  Stage& operator=(const Stage&) = delete;

  [[nodiscard]] Board& board() { return board_; }
  [[nodiscard]] pid_t supervisor() const { return supervisor_; }
  void signal(int number) const { kill(supervisor_, number); }
  /// Kills the daemon that serves now.
  void kill_daemon() { kill(board_.daemon, SIGKILL); }
  [[nodiscard]] bool serves(int daemons) {
    return eventually([&] { return board_.serving == daemons; });
  }
  /// The supervisor's exit code; -1: it does not end, or a signal ended it.
  int ends() {
    int status = 0;
    const bool ended = eventually([&] { return waitpid(supervisor_, &status, WNOHANG) == supervisor_; });
    return ended && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }

 private:
  static void* shared_memory() {
    void* memory = mmap(nullptr, sizeof(Board), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) std::abort();
    return memory;
  }
  static bool is_child(pid_t pid) {
    siginfo_t info{};
    return waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == 0;
  }
  int supervise_all(const Daemon& daemon, const Executor& executor) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);  // a test that is ended leaves no supervisor
    set_log_level("error");
    const Hooks hooks{
        .before_restart = [this] { ++board_.restarts_read; },
        .daemon =
            [&](const std::function<void()>& ready) {
              board_.daemon = getpid();
              ++board_.daemons;
              _exit(daemon(board_, ready));
              return 0;
            },
        .executor =
            [&](const DeadDaemon& dead) {
              board_.executor = getpid();
              board_.dead = dead.pid;
              board_.was_gone = kill(dead.pid, 0) != 0 && errno == ESRCH;
              ++board_.executors;
              _exit(executor ? executor(board_) : 0);
              return 0;
            },
        .feed_watchdog = {},
    };
    const auto code = supervise(hooks, std::nullopt);
    return code ? *code : 99;
  }

  Board& board_;
  pid_t supervisor_ = -1;
};

TEST(Supervisor, AStopReachesTheDaemonAndBothEndCleanly) {
  for (const int signal : {SIGTERM, SIGINT}) {
    Stage stage;
    ASSERT_TRUE(stage.serves(1));
    stage.signal(signal);
    EXPECT_EQ(stage.ends(), 0);
    EXPECT_EQ(stage.board().stops, 1);
    EXPECT_EQ(stage.board().executors, 0);
  }
}

TEST(Supervisor, AKilledDaemonIsReapedThenItsEstateIsExecutedThenTheNextServes) {
  Stage stage;
  for (int death = 1; death <= 3; ++death) {
    ASSERT_TRUE(stage.serves(death));
    const pid_t killed = stage.board().daemon;
    stage.kill_daemon();
    ASSERT_TRUE(stage.serves(death + 1));
    EXPECT_EQ(stage.board().executors, death);
    EXPECT_EQ(stage.board().dead, killed);
    EXPECT_TRUE(stage.board().was_gone);
    EXPECT_NE(stage.board().daemon, killed);
    EXPECT_EQ(stage.board().restarts_read, death);
  }
  stage.signal(SIGTERM);
  EXPECT_EQ(stage.ends(), 0);
}

TEST(Supervisor, AKilledSupervisorTakesTheDaemonAlongCleanly) {
  Stage stage;
  ASSERT_TRUE(stage.serves(1));
  stage.signal(SIGKILL);
  EXPECT_TRUE(eventually([&] { return stage.board().stops == 1; })) << "it is asked to end, and may give rights back";
  EXPECT_EQ(stage.board().executors, 0);
}

TEST(Supervisor, ARefusalOfTheFirstDaemonIsPassedOn) {
  for (const int code : {1, 2}) {
    Stage stage([code](Board&, const std::function<void()>&) { return code; });
    EXPECT_EQ(stage.ends(), code);
    EXPECT_EQ(stage.board().executors, 0);
    EXPECT_EQ(stage.board().daemons, 1);
  }
}

TEST(Supervisor, AFailureAfterServiceIsTriedAgain) {
  Stage stage([](Board& board, const std::function<void()>& ready) {
    if (board.daemons > 2) return serve(board, ready);
    if (board.daemons == 1) ready();  // said in the very moment of the end, and heard
    return 2;
  });
  ASSERT_TRUE(stage.serves(1));
  EXPECT_EQ(stage.board().daemons, 3);
  EXPECT_EQ(stage.board().executors, 1) << "the second never served, and held nothing";
}

// One that comes before the daemon reads its signals is kept for it, and ends nobody.
TEST(Supervisor, SignalsAreKeptForADaemonThatIsStarting) {
  Stage stage([](Board& board, const std::function<void()>& ready) {
    while (!board.go_on)
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    return serve(board, ready);
  });
  ASSERT_TRUE(eventually([&] { return stage.board().daemons == 1; }));
  stage.signal(SIGHUP);
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  stage.board().go_on = true;
  ASSERT_TRUE(stage.serves(1));
  EXPECT_TRUE(eventually([&] { return stage.board().reloads == 1; }));
  stage.signal(SIGHUP);
  EXPECT_TRUE(eventually([&] { return stage.board().reloads == 2; }));
  stage.signal(SIGTERM);
  EXPECT_EQ(stage.ends(), 0);
  EXPECT_EQ(stage.board().daemons, 1);
}

TEST(Supervisor, AStopWhileTheDaemonStartsIsKeptToo) {
  Stage stage([](Board& board, const std::function<void()>& ready) {
    while (!board.go_on)
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    return serve(board, ready);
  });
  ASSERT_TRUE(eventually([&] { return stage.board().daemons == 1; }));
  stage.signal(SIGTERM);
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  stage.board().go_on = true;
  EXPECT_EQ(stage.ends(), 0);
  EXPECT_EQ(stage.board().stops, 1);
}

TEST(Supervisor, AnExecutorThatIsKilledHoldsNothingUp) {
  Stage stage(serve, [](Board&) {
    pause();
    return 0;
  });
  ASSERT_TRUE(stage.serves(1));
  stage.kill_daemon();
  ASSERT_TRUE(eventually([&] { return stage.board().executors == 1; }));
  EXPECT_EQ(stage.board().daemons, 1) << "not both at once";
  kill(stage.board().executor, SIGKILL);
  EXPECT_TRUE(stage.serves(2));
}

// A terminal and systemd signal every process of theirs; an executor is not ended by that.
TEST(Supervisor, AnExecutorIsNotEndedByAStop) {
  Stage stage(serve, [](Board& board) {
    while (!board.go_on)
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    return 0;
  });
  ASSERT_TRUE(stage.serves(1));
  stage.kill_daemon();
  ASSERT_TRUE(eventually([&] { return stage.board().executors == 1; }));
  kill(stage.board().executor, SIGTERM);
  stage.signal(SIGTERM);
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  EXPECT_EQ(waitpid(stage.supervisor(), nullptr, WNOHANG), 0) << "it waits for the executor";
  stage.board().go_on = true;
  EXPECT_EQ(stage.ends(), 0);
  EXPECT_EQ(stage.board().daemons, 1);
}

// Locks are dropped with the last descriptor of them. None may have found its way into another process.
TEST(Supervisor, TheLocksOfADeadDaemonAreFree) {
  const support::ScratchFolder folder;
  const std::string path = (folder.path() / "lock").string();
  const auto lock = [path] {
    const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    return fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0;  // kept open: it ends with the process
  };
  Stage stage([lock](Board& board, const std::function<void()>& ready) { return lock() ? serve(board, ready) : 7; },
              [lock](Board& board) {
                board.lock_free = lock();
                return 0;
              });
  ASSERT_TRUE(stage.serves(1));
  stage.kill_daemon();
  ASSERT_TRUE(stage.serves(2));
  EXPECT_TRUE(stage.board().lock_free);
  EXPECT_EQ(stage.board().daemons, 2) << "the second took the lock at once";
}

TEST(Supervisor, AStoppedSupervisorIsOnlyLate) {
  Stage stage;
  ASSERT_TRUE(stage.serves(1));
  stage.signal(SIGSTOP);
  stage.kill_daemon();
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  EXPECT_EQ(stage.board().executors, 0);
  stage.signal(SIGCONT);
  EXPECT_TRUE(stage.serves(2));
  EXPECT_EQ(stage.board().executors, 1);
}

TEST(Supervisor, ADaemonInheritsNoDescriptorOfTheSupervisor) {
  Stage stage([](Board& board, const std::function<void()>& ready) {
    for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
      std::error_code gone;
      const std::string target = std::filesystem::read_symlink(entry.path(), gone).string();
      if (target.find("signalfd") != std::string::npos || target.find("pidfd") != std::string::npos) ++board.inherited;
    }
    return serve(board, ready);
  });
  ASSERT_TRUE(stage.serves(1));
  stage.kill_daemon();
  ASSERT_TRUE(stage.serves(2));
  EXPECT_EQ(stage.board().inherited, 0);
}

TEST(Supervisor, TheDaemonIsTheWatchdogsPartner) {
  Stage stage(
      [](Board& board, const std::function<void()>& ready) {
        board.watchdog = partner_of_watchdog();
        return serve(board, ready);
      },
      {}, [] { setenv("WATCHDOG_PID", std::to_string(getpid()).c_str(), 1); });
  for (int daemon = 1; daemon <= 2; ++daemon) {
    ASSERT_TRUE(stage.serves(daemon));
    EXPECT_EQ(stage.board().watchdog, stage.board().daemon);
    stage.kill_daemon();
  }
}

TEST(Supervisor, AWatchdogOfSomebodyElseStaysTheirs) {
  Stage stage(
      [](Board& board, const std::function<void()>& ready) {
        board.watchdog = partner_of_watchdog();
        return serve(board, ready);
      },
      {}, [] { setenv("WATCHDOG_PID", "1", 1); });
  ASSERT_TRUE(stage.serves(1));
  EXPECT_EQ(stage.board().watchdog, 1);
}

// As on an old kernel, or under the filter of an old container runtime.
void deny_pidfds() {
  std::array<sock_filter, 4> program{
      sock_filter BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      sock_filter BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_pidfd_open, 0, 1),
      sock_filter BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
      sock_filter BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog filter{static_cast<unsigned short>(program.size()), program.data()};
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) != 0)
    _exit(98);
  if (syscall(SYS_pidfd_open, getpid(), 0) != -1 || errno != ENOSYS) _exit(97);
}

TEST(Supervisor, WithoutPidfdsSigchldWakesIt) {
  Stage stage(serve, {}, deny_pidfds);
  ASSERT_TRUE(stage.serves(1));
  stage.kill_daemon();
  EXPECT_TRUE(stage.serves(2));
  EXPECT_EQ(stage.board().executors, 1);
  stage.signal(SIGTERM);
  EXPECT_EQ(stage.ends(), 0);
}

// Who starts it may ignore SIGCHLD, and then the kernel reaps children before anybody has seen how they ended.
TEST(Supervisor, StartedWithSigchldIgnoredItStillSeesHowChildrenEnd) {
  Stage stage(serve, {}, [] { std::signal(SIGCHLD, SIG_IGN); });
  ASSERT_TRUE(stage.serves(1));
  stage.kill_daemon();
  EXPECT_TRUE(stage.serves(2));
  EXPECT_EQ(stage.board().executors, 1);
}

TEST(Supervisor, RefusesAProcessThatHasThreads) {
  Stage stage(serve, {}, [] { std::thread([] { pause(); }).detach(); });
  EXPECT_EQ(stage.ends(), 99);
  EXPECT_EQ(stage.board().daemons, 0);
}

}  // namespace
}  // namespace gnomon::cmd::supervisor
