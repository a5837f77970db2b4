// SPDX-License-Identifier: Apache-2.0
//
// The supervisor's decisions, in virtual time: who is started after whom, how often, and how it all ends.
#include <gtest/gtest.h>

#include <algorithm>
#include <csignal>
#include <string>
#include <variant>
#include <vector>

#include "cmd/exit_code.hpp"
#include "cmd/gnomond/supervisor/machine.hpp"

namespace gnomon::cmd::supervisor {
namespace {

using time::milliseconds;
using time::seconds;

constexpr Ending kKilled{.code = 0, .signal = SIGKILL};
constexpr Ending kFailed{.code = 1, .signal = 0};
constexpr Ending kClean{};

/// Feeds a machine and plays the processes: it knows which child runs, and checks what must hold in any case.
class Theatre {
 public:
  explicit Theatre(std::optional<time::Duration> feed_every = std::nullopt) : machine_(feed_every) {}

  void happens(What what) {
    for (Effect& effect : machine_.step({now, std::move(what)}))
      std::visit([this](const auto& e) { perform(e); }, effect);
  }
  void begin() { happens(event::Begun{}); }
  void serve() {
    begin();
    happens(event::Ready{});
  }
  void daemon_ends(const Ending& how) {
    ASSERT_TRUE(std::exchange(daemon, false));
    happens(event::DaemonEnded{how});
  }
  void executor_ends(const Ending& how = kClean) {
    ASSERT_TRUE(std::exchange(executor, false));
    happens(event::ExecutorEnded{how});
  }
  void signal(int number) { happens(event::Signalled{number}); }
  /// Time goes on; what the machine asked to be woken for happens when it is due.
  void pass(time::Duration by) {
    const time::Uptime until = now + by;
    for (int turns = 0; wake_at && *wake_at <= until; ++turns) {
      ASSERT_LT(turns, 10'000) << "it asks to be woken again and again";
      now = std::max(now, *wake_at);
      wake_at.reset();
      rearmed_ = false;
      happens(event::Woken{});
      if (!rearmed_) break;
    }
    now = until;
  }
  [[nodiscard]] State state() const { return machine_.state(); }
  [[nodiscard]] bool said(const std::string& part) const {
    return std::any_of(log.begin(), log.end(),
                       [&](const std::string& line) { return line.find(part) != std::string::npos; });
  }

  time::Uptime now{seconds(1000).ns};
  bool daemon = false;
  bool executor = false;
  int daemons = 0;
  int executors = 0;
  int read_again = 0;
  int fed = 0;
  std::vector<int> sent;
  std::vector<std::string> log;
  std::optional<int> code;
  std::optional<time::Uptime> wake_at;

 private:
  void perform(const effect::StartDaemon& start) {
    ASSERT_FALSE(daemon || executor) << "one child at a time";
    EXPECT_EQ(start.again, daemons > 0);
    daemon = true;
    ++daemons;
    if (start.again) ++read_again;
  }
  void perform(const effect::StartExecutor&) {
    ASSERT_FALSE(daemon || executor) << "one child at a time";
    executor = true;
    ++executors;
  }
  void perform(const effect::Send& send) {
    EXPECT_TRUE(daemon || executor) << "a signal for nobody";
    sent.push_back(send.signal);
  }
  void perform(const effect::ArmTimer& timer) {
    wake_at = timer.at;
    rearmed_ = true;
  }
  void perform(const effect::FeedWatchdog&) { ++fed; }
  void perform(const effect::Say& say) { log.push_back(say.text); }
  void perform(const effect::Exit& exit) {
    EXPECT_FALSE(daemon || executor) << "a child is left behind";
    EXPECT_FALSE(code) << "it ends once";
    code = exit.code;
  }

  Machine machine_;
  bool rearmed_ = false;
};

TEST(SupervisorMachine, StartsOneDaemonAndEndsWithIt) {
  Theatre play;
  play.serve();
  EXPECT_EQ(play.state(), State::kServing);
  play.daemon_ends(kClean);
  EXPECT_EQ(play.code, 0);
  EXPECT_EQ(play.daemons, 1);
  EXPECT_EQ(play.executors, 0);
}

TEST(SupervisorMachine, WhoeverDiesIsFollowedByAnExecutorAndThenByADaemon) {
  for (const Ending& how : {kKilled, kFailed, Ending{.code = 0, .signal = SIGSEGV}}) {
    Theatre play;
    play.serve();
    play.daemon_ends(how);
    EXPECT_TRUE(play.executor);
    play.pass(milliseconds(20));
    play.executor_ends();
    EXPECT_FALSE(play.daemon) << "100 ms from the death to the next start";
    play.pass(milliseconds(79));
    EXPECT_FALSE(play.daemon);
    play.pass(milliseconds(1));
    EXPECT_TRUE(play.daemon);
    EXPECT_EQ(play.read_again, 1);
    play.happens(event::Ready{});
    EXPECT_TRUE(play.said("100 ms after the death"));
    EXPECT_FALSE(play.code);
  }
}

// What it held is given back first, however long that takes.
TEST(SupervisorMachine, TheNextDaemonWaitsForTheExecutor) {
  Theatre play;
  play.serve();
  play.daemon_ends(kKilled);
  play.pass(seconds(5));
  EXPECT_FALSE(play.daemon);
  play.executor_ends();
  EXPECT_TRUE(play.daemon) << "at once: the delay is over";
}

TEST(SupervisorMachine, AnExecutorThatHangsIsKilledAndItsRightsRunOut) {
  Theatre play;
  play.serve();
  play.daemon_ends(kKilled);
  play.pass(kExecutorLimit - milliseconds(1));
  EXPECT_TRUE(play.sent.empty());
  play.pass(milliseconds(1));
  EXPECT_EQ(play.sent, std::vector<int>{SIGKILL});
  play.pass(seconds(60));
  EXPECT_EQ(play.sent.size(), 1U);
  play.executor_ends(kKilled);
  EXPECT_TRUE(play.daemon);
  EXPECT_TRUE(play.said("took too long"));
}

TEST(SupervisorMachine, AnExecutorThatCrashesHoldsNothingUp) {
  Theatre play;
  play.serve();
  play.daemon_ends(kKilled);
  play.executor_ends(Ending{.code = 0, .signal = SIGSEGV});
  EXPECT_TRUE(play.said("signal 11"));
  play.pass(milliseconds(100));
  EXPECT_TRUE(play.daemon);
}

TEST(SupervisorMachine, ADaemonThatNeverServedPassesItsCodeOn) {
  for (const int code : {1, 2, 3, 70}) {
    Theatre play;
    play.begin();
    play.daemon_ends({.code = code, .signal = 0});
    EXPECT_EQ(play.code, code);
    EXPECT_EQ(play.executors, 0);
  }
}

TEST(SupervisorMachine, ADaemonThatCrashedBeforeItServedIsTriedAgain) {
  Theatre play;
  play.begin();
  play.daemon_ends(kKilled);
  EXPECT_TRUE(play.executor) << "it may have held rights";
  play.executor_ends();
  play.pass(milliseconds(100));
  EXPECT_TRUE(play.daemon);
  play.daemon_ends({.code = 2, .signal = 0});
  EXPECT_EQ(play.code, 2) << "none has ever served";
}

// Once one has served, a failure passes: a disk that was full, a port that was taken.
TEST(SupervisorMachine, AfterASuccessfulRunFailuresAreTriedAgainEverLater) {
  Theatre play;
  play.serve();
  play.daemon_ends(kKilled);
  play.executor_ends();
  std::vector<std::int64_t> delays_ms;
  for (int i = 0; i < 10; ++i) {
    const time::Uptime died = play.now;
    while (!play.daemon) {
      ASSERT_TRUE(play.wake_at);
      play.pass(*play.wake_at - play.now);
    }
    delays_ms.push_back((play.now - died).ns / 1'000'000);
    play.daemon_ends({.code = 2, .signal = 0});
    EXPECT_EQ(play.executors, 1) << "a refusal holds nothing";
  }
  EXPECT_EQ(delays_ms, (std::vector<std::int64_t>{100, 200, 400, 800, 1600, 3200, 6400, 10'000, 10'000, 10'000}));
  EXPECT_FALSE(play.code);
}

TEST(SupervisorMachine, AMinuteOfServiceMakesTheNextRestartQuickAgain) {
  for (const bool healthy : {true, false}) {
    Theatre play;
    play.serve();
    for (int i = 0; i < 3; ++i) {  // 100, 200, 400 ms
      play.daemon_ends(kKilled);
      play.executor_ends();
      play.pass(seconds(1));
      play.happens(event::Ready{});
    }
    play.pass(healthy ? kHealthy : kHealthy - seconds(2));
    play.daemon_ends(kKilled);
    play.executor_ends();
    play.pass(milliseconds(100));
    EXPECT_EQ(play.daemon, healthy);
  }
}

TEST(SupervisorMachine, AStopIsPassedOnOnceAndWaitedFor) {
  for (const int signal : {SIGTERM, SIGINT}) {
    Theatre play;
    play.serve();
    play.signal(signal);
    play.pass(milliseconds(499));
    play.signal(signal);  // who signals a whole group does it twice
    EXPECT_EQ(play.sent, std::vector<int>{signal});
    EXPECT_FALSE(play.code);
    play.daemon_ends(kClean);
    EXPECT_EQ(play.code, 0);
    EXPECT_EQ(play.executors, 0);
  }
}

// A second request ends the daemon at once, without its own release; then the executor does it.
TEST(SupervisorMachine, ASecondStopIsPassedOnAndTheExecutorGivesBack) {
  Theatre play;
  play.serve();
  play.signal(SIGTERM);
  play.pass(milliseconds(500));
  play.signal(SIGTERM);
  EXPECT_EQ(play.sent, (std::vector<int>{SIGTERM, SIGTERM}));
  play.daemon_ends(kFailed);
  EXPECT_TRUE(play.executor);
  EXPECT_FALSE(play.code);
  play.executor_ends();
  EXPECT_EQ(play.code, 1);
  EXPECT_EQ(play.daemons, 1);
}

TEST(SupervisorMachine, ADaemonThatDoesNotEndIsKilledInTime) {
  Theatre play;
  play.serve();
  play.signal(SIGTERM);
  play.pass(kStopLimit);
  EXPECT_EQ(play.sent, (std::vector<int>{SIGTERM, SIGKILL}));
  play.pass(seconds(100));
  EXPECT_EQ(play.sent.size(), 2U);
  play.daemon_ends(kKilled);
  EXPECT_TRUE(play.executor);
  play.executor_ends();
  EXPECT_EQ(play.code, 1);
}

// The signal may come before the daemon has begun to read signals.
TEST(SupervisorMachine, ADaemonThatTheStopItselfEndedIsNoFailure) {
  Theatre play;
  play.begin();
  play.signal(SIGTERM);
  play.daemon_ends({.code = 0, .signal = SIGTERM});
  EXPECT_TRUE(play.executor);
  play.executor_ends();
  EXPECT_EQ(play.code, 0);
}

TEST(SupervisorMachine, AStopWhileNobodyRunsEndsAtOnce) {
  Theatre play;
  play.serve();
  play.daemon_ends(kKilled);
  play.executor_ends();
  play.signal(SIGTERM);
  EXPECT_EQ(play.code, 0);
  EXPECT_EQ(play.daemons, 1);
}

TEST(SupervisorMachine, AStopWhileTheExecutorRunsWaitsForIt) {
  Theatre play;
  play.serve();
  play.daemon_ends(kKilled);
  play.signal(SIGTERM);
  EXPECT_TRUE(play.sent.empty()) << "it is one commit: let it be done";
  EXPECT_FALSE(play.code);
  play.executor_ends();
  EXPECT_EQ(play.code, 0);
  EXPECT_EQ(play.daemons, 1);
}

TEST(SupervisorMachine, ASecondStopEndsTheExecutor) {
  Theatre play;
  play.serve();
  play.daemon_ends(kKilled);
  play.signal(SIGTERM);
  play.pass(seconds(1));
  play.signal(SIGTERM);
  EXPECT_EQ(play.sent, std::vector<int>{SIGKILL});
  play.executor_ends(kKilled);
  EXPECT_EQ(play.code, 0);
}

// systemd's watchdog: the daemon gets the signal for its core, what it held is given back, and systemd starts anew.
TEST(SupervisorMachine, TheWatchdogsSignalEndsItAllWithAFailure) {
  Theatre play(seconds(1));
  play.serve();
  play.signal(SIGABRT);
  EXPECT_EQ(play.sent, std::vector<int>{SIGABRT});
  play.daemon_ends({.code = 0, .signal = SIGABRT});
  EXPECT_TRUE(play.executor);
  play.executor_ends();
  EXPECT_EQ(play.code, 1);
  EXPECT_EQ(play.fed, 0);
}

TEST(SupervisorMachine, OtherSignalsGoToTheDaemonIfThereIsOne) {
  Theatre play;
  play.begin();
  for (const int signal : {SIGHUP, SIGUSR1, SIGUSR2, SIGHUP})
    play.signal(signal);
  EXPECT_EQ(play.sent, (std::vector<int>{SIGHUP, SIGUSR1, SIGUSR2, SIGHUP}));
  play.happens(event::Ready{});
  play.daemon_ends(kKilled);
  play.signal(SIGHUP);
  EXPECT_EQ(play.sent.size(), 4U) << "an executor reads no configuration";
  play.executor_ends();
  play.signal(SIGHUP);
  EXPECT_EQ(play.sent.size(), 4U);
  play.pass(milliseconds(100));
  EXPECT_EQ(play.read_again, 1) << "the next daemon reads it anyway";
}

TEST(SupervisorMachine, VouchesForItselfOnlyBetweenDaemons) {
  Theatre play(seconds(5));
  play.begin();
  play.pass(seconds(30));
  EXPECT_EQ(play.fed, 0) << "nobody listens before a daemon has said that it serves";
  play.happens(event::Ready{});
  play.pass(seconds(300));
  EXPECT_EQ(play.fed, 0) << "a daemon that serves speaks for itself";
  play.daemon_ends(kKilled);
  EXPECT_EQ(play.fed, 1) << "at once: the dead one may have spoken last a while ago";
  play.pass(seconds(9));
  EXPECT_EQ(play.fed, 2);
  play.executor_ends();
  EXPECT_TRUE(play.daemon);
  play.pass(seconds(300));
  EXPECT_GE(play.fed, 13);
  EXPECT_LE(play.fed, 15) << "a start that takes more than a minute is not well";
}

TEST(SupervisorMachine, AForkThatFailsIsTriedAgainOnceOneHasServed) {
  Theatre first;
  first.begin();
  first.daemon = false;
  first.happens(event::ForkFailed{"no process"});
  EXPECT_EQ(first.code, 1);

  Theatre play;
  play.serve();
  play.daemon_ends(kKilled);
  play.executor = false;
  play.happens(event::ForkFailed{"no process"});
  EXPECT_FALSE(play.code);
  play.pass(milliseconds(100));
  EXPECT_TRUE(play.daemon);
  play.daemon = false;
  play.happens(event::ForkFailed{"no process"});
  play.pass(milliseconds(199));
  EXPECT_FALSE(play.daemon);
  play.pass(milliseconds(1));
  EXPECT_TRUE(play.daemon);
}

TEST(SupervisorMachine, NothingHappensAfterTheEnd) {
  Theatre play;
  play.serve();
  play.daemon_ends(kClean);
  play.signal(SIGTERM);
  play.signal(SIGHUP);
  play.happens(event::Woken{});
  play.begin();
  EXPECT_EQ(play.daemons, 1);
  EXPECT_TRUE(play.sent.empty());
}

}  // namespace
}  // namespace gnomon::cmd::supervisor
