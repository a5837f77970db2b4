// SPDX-License-Identifier: Apache-2.0
//
// gnomon lease run: the shell around lease_run_machine. It carries events and effects between the machine, the lease,
// the command and the guard, and decides nothing.
//
// If this process is stopped or the host is suspended, its renewals stop, too: the guard kills the group at the end of
// the belief by a clock that goes on. In a suspend nobody runs; what runs first afterwards is not decided here. So the
// resource checks GNOMON_LEASE_TOKEN.
#include <fmt/core.h>
#include <poll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <utility>
#include <variant>

#include "cmd/gnomon/lease.hpp"
#include "cmd/gnomon/lease_child.hpp"
#include "cmd/gnomon/lease_guard.hpp"
#include "cmd/gnomon/lease_hold.hpp"
#include "cmd/gnomon/lease_run_machine.hpp"
#include "cmd/gnomon/lease_wish.hpp"
#include "cmd/text/rfc3339.hpp"
#include "platform/system_error.hpp"
#include "platform/uptime.hpp"

namespace gnomon::cmd {
namespace {

using namespace lease_run;

constexpr int kSignalBase = 128;
constexpr int kLookAfterGroupMs = 50;  // once the command has ended: not everybody's end is announced
constexpr std::int64_t kNsPerSecond = 1'000'000'000;

class Shell {
 public:
  Shell(const LeaseRunOptions& options, const Times& times, HeldLease& held, LeaseGuard& guard,
        const HeldSignals& signals, const Output& output)
      : options_(options),
        machine_(options.wish.name, times),
        held_(held),
        guard_(guard),
        signals_(signals),
        output_(output),
        timer_(::timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK)) {}

  int run() {
    feed(event::Granted{});
    while (!exit_code_) {
      wait();
      while (const auto signal = signals_.next())
        feed(event::Signalled{*signal});
      look_after_group();
      feed(event::Looked{});
    }
    return *exit_code_;
  }

 private:
  void wait() {
    // Without a timer: polled. A lost session is told once; then only the group's end is waited for.
    const bool is_lost = !held_.lease->holds();
    std::array<pollfd, 3> entries{pollfd{signals_.descriptor(), POLLIN, 0}, pollfd{timer_.get(), POLLIN, 0},
                                  pollfd{is_lost ? -1 : held_.lost.get(), POLLIN, 0}};
    const bool watches = machine_.state() == State::kClearing || !timer_.valid();
    (void)::poll(entries.data(), entries.size(), watches ? kLookAfterGroupMs : -1);
    std::uint64_t fired = 0;
    if (timer_.valid() && ::read(timer_.get(), &fired, sizeof fired) < 0) return;  // it was not the timer
  }

  void look_after_group() {
    if (!child_) return;
    bool guard_ended = false;
    const auto ended = child_->reap(guard_.pid(), guard_ended);
    if (guard_ended) {
      guard_.gone();
      say("the guard was killed: if this process is killed, too, only the command itself will be");
    }
    if (ended) feed(event::CommandEnded{*ended, child_->group_is_gone()});
    if (child_ && machine_.state() == State::kClearing && child_->group_is_gone()) feed(event::GroupGone{});
  }

  void feed(What what) {
    const time::Uptime now = platform::read_uptime();
    const time::Duration left = held_.lease->holds() ? held_.lease->left() : time::Duration{0};
    for (const Effect& effect : machine_.step({now, left, std::move(what)}))
      std::visit([this](const auto& e) { perform(e); }, effect);
    if (auto next = std::exchange(next_, std::nullopt)) feed(std::move(*next));
  }

  void perform(const effect::Start&) {
    const std::vector<std::pair<std::string, std::string>> environment{
        {"GNOMON_LEASE_NAME", options_.wish.name},
        {"GNOMON_LEASE_TOKEN", fmt::format("{}", held_.lease->token())},
        {"GNOMON_LEASE_SESSION", held_.session->id()},
    };
    auto child = LeaseChild::start(options_.command, environment, signals_.before());
    if (child) {
      child_.emplace(std::move(*child));
      next_ = event::Started{};
    } else {
      next_ = event::StartFailed{child.error().why, child.error().missing};
    }
  }
  void perform(const effect::Send& send) const {
    if (child_) child_->send(send.signal);
  }
  void perform(const effect::KillAt& kill) {
    if (child_ && guard_.pid() > 0) (void)guard_.kill_at(child_->group(), kill.at);  // its end is noticed elsewhere
  }
  void perform(const effect::Wake& wake) const {
    itimerspec when{};
    const std::int64_t ns = std::max<std::int64_t>(wake.at.ns, 1);  // zero would disarm it
    when.it_value.tv_sec = ns / kNsPerSecond;
    when.it_value.tv_nsec = ns % kNsPerSecond;
    if (timer_.valid()) ::timerfd_settime(timer_.get(), TFD_TIMER_ABSTIME, &when, nullptr);
  }
  void perform(const effect::Say& say_effect) const { say(say_effect.text); }
  void perform(const effect::Release&) {
    guard_.dismiss();
    child_.reset();
    if (!held_.lease->holds()) return;
    if (const auto released = held_.lease->release(); !released)
      say(fmt::format("{} could not be released, and runs out by itself: {}", options_.wish.name,
                      released.error().text));
  }
  void perform(const effect::Exit& exit) { exit_code_ = exit.code; }

  void say(const std::string& text) const {
    output_.err << "gnomon: " << text << '\n';
    output_.err.flush();
  }

  const LeaseRunOptions& options_;
  Machine machine_;
  HeldLease& held_;
  LeaseGuard& guard_;
  const HeldSignals& signals_;
  const Output& output_;
  platform::UniqueFd timer_;
  std::optional<LeaseChild> child_;
  std::optional<What> next_;
  std::optional<int> exit_code_;
};

}  // namespace

ExitCode run_lease_run(const LeaseRunOptions& options, const Output& output) {
  const auto wish = check_wish(options.wish);
  if (!wish) return output.fail(ExitCode::kUsage, wish.error());
  std::optional<time::Duration> grace;
  if (options.grace) {
    const auto given = parse_duration(*options.grace);
    if (!given) return output.fail(ExitCode::kUsage, "--grace: " + given.error());
    grace = *given;
  }
  const CheckedTimes times = times_for(wish->ttl, grace);
  if (!times.fault.empty()) return output.fail(ExitCode::kUsage, times.fault);
  const auto place = lease_place(options.where);
  if (!place) return output.fail(ExitCode::kUsage, place.error());
  output.out.flush();
  // Who started this process may have ignored it, and then no child could be waited for.
  std::signal(SIGCHLD, SIG_DFL);  // NOLINT(bugprone-signal-handler): nothing is handled
  // In this order: the guard before there is any thread, and with the signals as they are blocked here.
  const auto signals = HeldSignals::take();
  if (!signals) return output.fail(ExitCode::kRefused, signals.error());
  auto guard = LeaseGuard::start();
  if (!guard) return output.fail(ExitCode::kRefused, guard.error());
  auto held = take_lease(*place, *wish, lease_label(options.wish.label), *signals);
  if (!held) {
    if (held.error().signal != 0) return static_cast<ExitCode>(kSignalBase + held.error().signal);
    // Whatever the reason: the command was not run. Its own exit codes must not be mistaken for ours.
    const ExitCode code = held.error().code == ExitCode::kUsage ? ExitCode::kUsage : ExitCode::kRefused;
    return output.fail(code, held.error().text);
  }
  const int code = Shell(options, times.times, *held, *guard, *signals, output).run();
  return static_cast<ExitCode>(code);  // the command's own, whatever it is
}

}  // namespace gnomon::cmd
