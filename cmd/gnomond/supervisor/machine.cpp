// SPDX-License-Identifier: Apache-2.0
#include "cmd/gnomond/supervisor/machine.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <csignal>

#include "cmd/exit_code.hpp"

namespace gnomon::cmd::supervisor {
namespace {

constexpr std::int64_t kNsPerMs = 1'000'000;

std::string milliseconds_text(time::Duration duration) { return fmt::format("{} ms", duration.ns / kNsPerMs); }

// SIGABRT is the service manager's watchdog, which means the daemon: it has stopped saying that all is well. It gets
// the signal for its core; the manager starts all of it again.
bool ends_all(int signal) { return signal == SIGTERM || signal == SIGINT || signal == SIGABRT; }

}  // namespace

std::string text_of(const Ending& ending) {
  if (ending.signal != 0) return fmt::format("signal {} ended it", ending.signal);
  return fmt::format("it ended with exit code {}", ending.code);
}

std::vector<Effect> Machine::step(const Event& event) {
  effects_.clear();
  if (state_ == State::kEnded) return {};
  now_ = event.now;
  std::visit([this](const auto& e) { on(e); }, event.what);
  feed_watchdog();
  arm_timer();
  return std::exchange(effects_, {});
}

void Machine::on(const event::Begun&) {
  if (state_ == State::kIdle) start_daemon();
}

void Machine::on(const event::Ready&) {
  if (state_ != State::kStarting) return;
  state_ = State::kServing;
  served_ = now_;
  ever_served_ = true;
  if (died_) say(LogLevel::kInfo, "a new daemon serves, " + milliseconds_text(now_ - *died_) + " after the death");
  died_.reset();
}

void Machine::on(const event::DaemonEnded& ended) {
  if (!daemon_runs()) return;
  const bool had_served = state_ == State::kServing;
  died_ = now_;
  if (ended.how.clean()) return exit(status_of(ExitCode::kOk), "");
  if (stop_signal_ != 0) {
    // Who ends by the very signal that asks for the end had not yet begun to listen.
    const bool obeyed = ended.how.signal == stop_signal_ && stop_signal_ != SIGABRT;
    const int failure = ended.how.signal == 0 ? ended.how.code : status_of(ExitCode::kRefused);
    exit_code_ = obeyed ? status_of(ExitCode::kOk) : failure;
    if (!obeyed) say(LogLevel::kWarn, "the daemon was asked to end, and " + text_of(ended.how));
    return start_executor();
  }
  if (!ever_served_ && ended.how.signal == 0) return exit(ended.how.code, "");  // it has said why
  say(LogLevel::kError, "the daemon died: " + text_of(ended.how));
  plan_next_start();
  if (had_served || ended.how.signal != 0) return start_executor();
  go_on();
}

void Machine::on(const event::ExecutorEnded& ended) {
  if (state_ != State::kExecuting) return;
  if (executor_killed_)
    say(LogLevel::kWarn, "giving back what the dead daemon held took too long and was ended; its rights run out");
  else if (ended.how.signal != 0)  // else it has said itself what came of it
    say(LogLevel::kWarn,
        "giving back what the dead daemon held failed, " + text_of(ended.how) + "; its rights run out");
  go_on();
}

void Machine::on(const event::ForkFailed& failed) {
  say(LogLevel::kError, failed.why);
  if (state_ == State::kExecuting) return go_on();
  if (!daemon_runs()) return;
  if (!ever_served_) return exit(status_of(ExitCode::kRefused), "");
  plan_next_start();
  go_on();
}

void Machine::on(const event::Signalled& signalled) {
  if (ends_all(signalled.signal)) return asked_to_stop(signalled.signal);
  // Without a daemon a request to read the configuration again is done by the next start.
  if (daemon_runs()) emit(effect::Send{signalled.signal});
}

void Machine::asked_to_stop(int signal) {
  const bool first = stop_signal_ == 0;
  if (!first && now_ - stop_asked_ < kSameRequest) return;
  stop_asked_ = now_;
  if (first) {
    stop_signal_ = signal;
    stop_until_ = now_ + kStopLimit;
    exit_code_ = status_of(signal == SIGABRT ? ExitCode::kRefused : ExitCode::kOk);
  }
  if (daemon_runs()) return emit(effect::Send{signal});  // a second one ends it without giving rights back
  if (state_ == State::kExecuting && !first) {
    executor_killed_ = true;
    return emit(effect::Send{SIGKILL});
  }
  if (state_ != State::kExecuting) exit(exit_code_, "asked to end while no daemon ran");
}

void Machine::on(const event::Woken&) {
  if (state_ == State::kWaiting && now_ >= next_start_) return start_daemon();
  if (state_ == State::kExecuting && now_ >= executor_until_ && !executor_killed_) {
    executor_killed_ = true;
    return emit(effect::Send{SIGKILL});
  }
  if (daemon_runs() && stop_signal_ != 0 && now_ >= stop_until_ && !daemon_killed_) {
    daemon_killed_ = true;
    say(LogLevel::kError, "the daemon did not end within " + milliseconds_text(kStopLimit) + ": it is killed");
    emit(effect::Send{SIGKILL});
  }
}

void Machine::start_daemon() {
  const bool again = state_ != State::kIdle;
  state_ = State::kStarting;
  started_ = now_;
  served_.reset();
  emit(effect::StartDaemon{again});
}

void Machine::start_executor() {
  state_ = State::kExecuting;
  executor_until_ = now_ + kExecutorLimit;
  executor_killed_ = false;
  emit(effect::StartExecutor{});
}

void Machine::plan_next_start() {
  if (served_ && now_ - *served_ >= kHealthy) delay_ = kFirstDelay;
  next_start_ = now_ + delay_;
  delay_ = std::min(delay_ * 2, kLongestDelay);
}

// Nobody runs: the end, the next start, or a wait for it.
void Machine::go_on() {
  if (stop_signal_ != 0) return exit(exit_code_, "");
  if (now_ >= next_start_) return start_daemon();
  state_ = State::kWaiting;
  say(LogLevel::kInfo, "the next daemon is started in " + milliseconds_text(next_start_ - now_));
}

void Machine::exit(int code, const std::string& text) {
  if (!text.empty()) say(LogLevel::kInfo, text);
  state_ = State::kEnded;
  emit(effect::Exit{code});
}

// Whether it is for the supervisor to say that all is well: a daemon that serves does so itself, and the manager
// listens from the first one on. A start that takes too long is not well.
bool Machine::vouches() const {
  const bool starts = state_ == State::kStarting && now_ - started_ < kStartLimit;
  const bool between = state_ == State::kExecuting || state_ == State::kWaiting;
  return feed_every_ && ever_served_ && stop_signal_ != SIGABRT && (starts || between);
}

void Machine::feed_watchdog() {
  if (!feed_every_ || !vouches() || now_ < next_feed_) return;
  next_feed_ = now_ + *feed_every_;
  emit(effect::FeedWatchdog{});
}

void Machine::arm_timer() {
  std::optional<time::Uptime> next;
  const auto consider = [&](bool applies, time::Uptime at) {
    if (applies && (!next || at < *next)) next = at;
  };
  consider(state_ == State::kWaiting, next_start_);
  consider(state_ == State::kExecuting && !executor_killed_, executor_until_);
  consider(daemon_runs() && stop_signal_ != 0 && !daemon_killed_, stop_until_);
  consider(vouches(), next_feed_);
  if (next == armed_) return;
  armed_ = next;
  emit(effect::ArmTimer{next});
}

void Machine::say(LogLevel level, std::string text) { emit(effect::Say{level, std::move(text)}); }

}  // namespace gnomon::cmd::supervisor
