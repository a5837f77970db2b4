// SPDX-License-Identifier: Apache-2.0
//
// gnomon lease run's decisions, in virtual time: when the command is started, asked, killed, and when the lease is
// released.
#include "cmd/gnomon/lease_run_machine.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <csignal>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace gnomon::cmd::lease_run {
namespace {

using time::milliseconds;
using time::seconds;

constexpr time::Duration kTtl = seconds(10);
constexpr Times kTimes{.grace = seconds(1), .reserve = milliseconds(500)};

/// Feeds a machine and plays the command, its group and the guard. It checks what must hold in any case.
class Theatre {
 public:
  /// `obeys`: whether the command ends when it is asked to.
  explicit Theatre(bool obeys = true) : machine_("a", kTimes), obeys_(obeys) { renew(); }

  void happens(What what) {
    for (Effect& effect : machine_.step({now, left(), std::move(what)}))
      std::visit([this](const auto& e) { perform(e); }, effect);
    settle();
  }
  void begin() {
    happens(event::Granted{});
    if (started) happens(event::Started{});
  }
  void renew() { belief_end = now + kTtl; }
  void lose() {
    belief_end = now;
    happens(event::Looked{});
  }
  void command_ends(const Ending& how) {
    ASSERT_TRUE(std::exchange(command, false));
    happens(event::CommandEnded{how, others == 0});
  }
  /// Time goes on in steps; the guard and the machine's timer act when they are due.
  void pass(time::Duration by) {
    const time::Uptime until = now + by;
    while (now < until) {
      time::Uptime next = until;
      if (wake_at && *wake_at > now) next = std::min(next, *wake_at);
      if (guard_at && *guard_at > now) next = std::min(next, *guard_at);
      now = next;
      if (group_lives()) {
        EXPECT_LT(now, belief_end) << "something runs although the lease is over";
      }
      const bool due = wake_at && *wake_at <= now;
      if (due) wake_at.reset();
      if (due && !stopped) happens(event::Looked{});
      if (guard_at && *guard_at <= now && group_lives()) guard_kills();
    }
  }
  [[nodiscard]] bool group_lives() const { return command || others > 0; }
  [[nodiscard]] int count(int signal) const { return static_cast<int>(std::count(sent.begin(), sent.end(), signal)); }
  [[nodiscard]] State state() const { return machine_.state(); }

  time::Uptime now{1'000'000'000'000};
  time::Uptime belief_end;
  bool stopped = false;  // this process: neither timer nor signals reach it
  bool started = false;
  bool command = false;
  int others = 0;  // of the group, besides the command
  bool guard_killed = false;
  std::vector<int> sent;
  std::vector<std::string> said;
  std::optional<time::Uptime> wake_at;
  std::optional<time::Uptime> guard_at;
  bool released = false;
  std::optional<int> exit_code;

 private:
  [[nodiscard]] time::Duration left() const { return std::max(belief_end - now, time::Duration{0}); }
  void perform(const effect::Start&) {
    EXPECT_FALSE(started);
    started = command = true;
  }
  void perform(const effect::Send& send) {
    EXPECT_TRUE(group_lives()) << "a signal to a group that may be somebody else's by now";
    sent.push_back(send.signal);
    if (send.signal == SIGKILL || (send.signal == SIGTERM && obeys_)) dying_ = send.signal;
  }
  void perform(const effect::KillAt& kill) {
    EXPECT_LE(kill.at, belief_end) << "the guard would come too late";
    EXPECT_GT(kill.at, belief_end - kTimes.reserve) << "the guard must not forestall the machine";
    guard_at = kill.at;
  }
  void perform(const effect::Wake& wake) { wake_at = wake.at; }
  void perform(const effect::Say& say) { said.push_back(say.text); }
  void perform(const effect::Release&) {
    EXPECT_FALSE(released);
    EXPECT_FALSE(group_lives()) << "released while something of the group lives";
    released = true;
  }
  void perform(const effect::Exit& exit) {
    EXPECT_TRUE(released);
    exit_code = exit.code;
  }
  /// The group does what it was told to.
  void settle() {
    const int signal = std::exchange(dying_, 0);
    if (signal == 0 || !group_lives()) return;
    // The command first, and the others while that is told.
    const bool alone = others == 0;
    if (std::exchange(command, false)) happens(event::CommandEnded{{.code = 0, .signal = signal}, alone});
    if (std::exchange(others, 0) != 0) happens(event::GroupGone{});
  }
  void guard_kills() {
    guard_killed = true;
    others = 0;
    command = false;
  }

  Machine machine_;
  bool obeys_;
  int dying_ = 0;
};

TEST(LeaseRunMachine, PassesTheCommandsExitCodeOn) {
  for (const auto& [how, code] :
       {std::pair{Ending{}, 0}, std::pair{Ending{.code = 37}, 37}, std::pair{Ending{.signal = SIGINT}, 130},
        std::pair{Ending{.signal = SIGKILL}, 137}}) {
    Theatre theatre;
    theatre.begin();
    EXPECT_TRUE(theatre.started);
    theatre.command_ends(how);
    EXPECT_EQ(theatre.exit_code, code);
    EXPECT_TRUE(theatre.said.empty());
  }
}

TEST(LeaseRunMachine, LeavesTheCommandAloneWhileTheLeaseIsRenewed) {
  Theatre theatre;
  theatre.begin();
  for (int i = 0; i < 1'000; ++i) {
    theatre.pass(kTtl / 3);
    theatre.renew();
  }
  EXPECT_TRUE(theatre.sent.empty());
  EXPECT_TRUE(theatre.command);
  EXPECT_FALSE(theatre.guard_killed) << "the guard hears of renewals, too";
}

TEST(LeaseRunMachine, AsksBeforeTheEndOfTheBelief) {
  Theatre theatre;
  theatre.begin();
  theatre.pass(kTtl - kTimes.grace - kTimes.reserve - milliseconds(1));
  EXPECT_EQ(theatre.count(SIGTERM), 0);
  theatre.pass(milliseconds(1));
  EXPECT_EQ(theatre.count(SIGTERM), 1);
  EXPECT_EQ(theatre.count(SIGCONT), 1) << "or who is stopped would not hear it";
  EXPECT_EQ(theatre.exit_code, 1) << "not the command's own code: it was interrupted";
  EXPECT_FALSE(theatre.said.empty());
}

TEST(LeaseRunMachine, KillsWhoDoesNotEndBeforeTheEndOfTheBelief) {
  Theatre theatre(false);
  theatre.begin();
  theatre.pass(kTtl - kTimes.reserve - milliseconds(1));
  EXPECT_EQ(theatre.count(SIGTERM), 1);
  EXPECT_EQ(theatre.count(SIGKILL), 0) << "it has the whole grace";
  theatre.pass(milliseconds(1));
  EXPECT_EQ(theatre.count(SIGKILL), 1);
  EXPECT_EQ(theatre.exit_code, 1);
  EXPECT_FALSE(theatre.guard_killed);
}

TEST(LeaseRunMachine, ARenewalInTheLastMomentSparesTheCommand) {
  Theatre theatre(false);
  theatre.begin();
  theatre.pass(kTtl - kTimes.grace);
  EXPECT_EQ(theatre.count(SIGTERM), 1);
  theatre.renew();
  theatre.pass(kTtl / 2);
  EXPECT_EQ(theatre.count(SIGKILL), 0);
  EXPECT_TRUE(theatre.command);
  theatre.pass(kTtl / 2 - kTimes.grace);
  EXPECT_EQ(theatre.count(SIGTERM), 2) << "and is asked again the next time";
  theatre.renew();
  theatre.happens(event::Looked{});
  theatre.command_ends({});
  EXPECT_EQ(theatre.exit_code, 1) << "it was asked to end for the lease's sake";
}

TEST(LeaseRunMachine, ALostLeaseKillsAtOnce) {
  Theatre theatre(false);
  theatre.begin();
  theatre.pass(seconds(1));
  theatre.lose();
  EXPECT_EQ(theatre.count(SIGTERM), 0) << "there is no time left to ask";
  EXPECT_EQ(theatre.count(SIGKILL), 1);
  EXPECT_EQ(theatre.exit_code, 1);
}

TEST(LeaseRunMachine, HoldsTheLeaseUntilTheWholeGroupIsGone) {
  Theatre theatre(false);
  theatre.others = 2;
  theatre.begin();
  theatre.command_ends({.code = 3});
  EXPECT_EQ(theatre.count(SIGTERM), 1) << "what the command left running is asked to end";
  EXPECT_FALSE(theatre.released);
  theatre.pass(kTimes.grace - milliseconds(1));
  EXPECT_EQ(theatre.count(SIGKILL), 0);
  theatre.pass(milliseconds(1));
  EXPECT_EQ(theatre.count(SIGKILL), 1);
  EXPECT_TRUE(theatre.released);
  EXPECT_EQ(theatre.exit_code, 3) << "the lease was held all the time";
}

TEST(LeaseRunMachine, WhatIsLeftIsKilledBeforeTheBeliefEndsToo) {
  Theatre theatre(false);
  theatre.others = 1;
  theatre.begin();
  theatre.pass(kTtl - kTimes.grace - kTimes.reserve - milliseconds(1));
  theatre.command_ends({});
  theatre.pass(kTtl);
  EXPECT_GE(theatre.count(SIGKILL), 1);
  EXPECT_TRUE(theatre.released);
}

TEST(LeaseRunMachine, ForwardsSignalsAndKillsNobodyForThem) {
  Theatre theatre(false);
  theatre.begin();
  for (const int signal : {SIGINT, SIGTERM, SIGHUP})
    theatre.happens(event::Signalled{signal});
  for (const int signal : {SIGINT, SIGTERM, SIGHUP})
    EXPECT_EQ(theatre.count(signal), 1);
  EXPECT_EQ(theatre.count(SIGKILL), 0);
  EXPECT_TRUE(theatre.command);
  theatre.command_ends({.signal = SIGTERM});
  EXPECT_EQ(theatre.exit_code, 143);
}

TEST(LeaseRunMachine, ASignalBeforeTheGrantStartsNothing) {
  Theatre theatre;
  theatre.happens(event::Signalled{SIGTERM});
  EXPECT_EQ(theatre.exit_code, 143);
  theatre.begin();
  EXPECT_FALSE(theatre.started);
}

TEST(LeaseRunMachine, AGrantThatIsNearlyOverStartsNothing) {
  Theatre theatre;
  theatre.pass(kTtl - kTimes.grace - kTimes.reserve);
  theatre.begin();
  EXPECT_FALSE(theatre.started);
  EXPECT_EQ(theatre.exit_code, 1);
  EXPECT_FALSE(theatre.said.empty());
}

TEST(LeaseRunMachine, AFailedStartIsToldAsShellsDo) {
  for (const bool missing : {true, false}) {
    Theatre theatre;
    theatre.happens(event::Granted{});
    theatre.command = false;
    theatre.happens(event::StartFailed{"no such thing", missing});
    EXPECT_EQ(theatre.exit_code, missing ? 127 : 126);
    EXPECT_TRUE(theatre.released);
    EXPECT_EQ(theatre.said, std::vector<std::string>{"no such thing"});
  }
}

TEST(LeaseRunMachine, TheGuardKillsInTheBeliefsLastMomentIfThisProcessIsStopped) {
  Theatre theatre(false);
  theatre.begin();
  theatre.pass(kTtl / 3);
  theatre.stopped = true;
  theatre.pass(kTtl);  // checks at each step that nothing runs beyond the belief
  EXPECT_TRUE(theatre.guard_killed);
  EXPECT_FALSE(theatre.group_lives());
  theatre.happens(event::CommandEnded{{.signal = SIGKILL}, true});  // continued, it finds this
  EXPECT_EQ(theatre.exit_code, 1) << "that was the lease, and not the command's own end";
  EXPECT_FALSE(theatre.said.empty());
}

TEST(LeaseRunMachine, ACommandThatEndedInTimeKeepsItsCode) {
  Theatre theatre(false);
  theatre.begin();
  theatre.stopped = true;
  theatre.command = false;  // by itself, while nobody looked
  theatre.pass(kTtl);
  theatre.happens(event::CommandEnded{{.code = 3}, true});
  EXPECT_EQ(theatre.exit_code, 3);
}

TEST(LeaseRunMachine, NothingOutlivesTheBeliefWhateverHappens) {
  for (unsigned seed = 1; seed <= 300; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    const auto one_in = [&random](unsigned n) { return random() % n == 0; };
    Theatre theatre(one_in(2));
    theatre.others = static_cast<int>(random() % 3);
    theatre.begin();
    for (int i = 0; i < 200 && !theatre.exit_code; ++i) {
      theatre.pass(milliseconds(static_cast<std::int64_t>(random() % 4'000)));
      if (theatre.exit_code) break;
      if (one_in(2) && theatre.belief_end > theatre.now) theatre.renew();
      if (one_in(20)) theatre.happens(event::Signalled{SIGINT});
      if (one_in(40)) theatre.lose();
      if (one_in(30) && theatre.command) theatre.command_ends({});
      if (!theatre.exit_code && theatre.group_lives()) {
        EXPECT_LT(theatre.now, theatre.belief_end);
      }
    }
    if (!theatre.exit_code) {
      theatre.pass(kTtl * 2);  // no renewal any more
      EXPECT_TRUE(theatre.exit_code);
    }
    EXPECT_TRUE(theatre.released);
  }
}

TEST(LeaseRunTimes, TheGraceHasToFitIntoTheTtl) {
  for (const time::Duration ttl : {milliseconds(200), seconds(1), seconds(10), seconds(600)}) {
    const CheckedTimes usual = times_for(ttl, std::nullopt);
    EXPECT_EQ(usual.fault, "") << ttl.ns;
    EXPECT_GT(usual.times.reserve.ns, 0);
    EXPECT_LE((usual.times.grace + usual.times.reserve).ns, ttl.ns / 3) << "one failed renewal must be borne";
    EXPECT_NE(times_for(ttl, ttl / 3).fault, "");
    EXPECT_NE(times_for(ttl, milliseconds(-1)).fault, "");
    EXPECT_EQ(times_for(ttl, time::Duration{0}).fault, "");
  }
  EXPECT_NE(times_for(milliseconds(100), std::nullopt).fault, "") << "no time at all to end anything in";
  const CheckedTimes wide = times_for(seconds(10), seconds(3));
  EXPECT_EQ(times_for(seconds(12), seconds(3)).fault, "") << wide.fault << " tells a TTL that is enough";
}

}  // namespace
}  // namespace gnomon::cmd::lease_run
