// SPDX-License-Identifier: Apache-2.0
//
// When the supervisor starts, signals and ends what. Event in, effects out: it forks nothing, reads no clock and waits
// for nobody (supervisor.hpp does), so its whole life is tested in virtual time.
//
//   starting -> serving -> (death) -> executing -> waiting -> starting ...        -> ended
//
// The naive supervisor restarts whatever died, at once. Then a daemon that can't start burns a CPU, a wrong
// configuration looks like a crash, and the new daemon is up before the old one's rights were given back, and waits
// for them. Here:
//   - there is one child at a time: a daemon, or the executor of a dead one's estate, never both;
//   - whoever died uncleanly is followed by an executor, which gives its rights back (control/estate.hpp) and is killed
//     after kExecutorLimit: then they run out by themselves;
//   - a daemon that refuses to start before any has ever served ends the supervisor with its code: that is for whoever
//     started it to decide. Once one has served, failures are tried again, 100 ms to 10 s apart;
//   - a clean end of the daemon is the end of the supervisor.
// Thread rule: one thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "cmd/gnomond/log.hpp"
#include "oracle/time/instant.hpp"

namespace gnomon::cmd::supervisor {

constexpr time::Duration kFirstDelay = time::milliseconds(100);  // from a death to the next start
constexpr time::Duration kLongestDelay = time::seconds(10);      // it doubles up to here
constexpr time::Duration kHealthy = time::seconds(60);           // who served for so long begins with kFirstDelay again
constexpr time::Duration kExecutorLimit = time::seconds(10);     // rights that it did not give back by then run out
constexpr time::Duration kSameRequest = time::milliseconds(500);  // as in the daemon: some senders signal twice at once
/// A daemon ends within 10 s of being asked to. One that does not is stuck, and is killed; before systemd kills all
/// (TimeoutStopSec), so that its rights can still be given back.
constexpr time::Duration kStopLimit = time::seconds(12);
/// So long a start may take before the service manager is told no more that all is well.
constexpr time::Duration kStartLimit = time::seconds(60);

/// How a child ended.
struct Ending {
  int code = 0;    // of exit(), if no signal ended it
  int signal = 0;  // 0: none
  [[nodiscard]] bool clean() const { return signal == 0 && code == 0; }
  friend bool operator==(const Ending&, const Ending&) = default;
};
[[nodiscard]] std::string text_of(const Ending& ending);

namespace event {
struct Begun {};
struct Ready {};  // the daemon says that it serves
struct DaemonEnded {
  Ending how;
};
struct ExecutorEnded {
  Ending how;
};
/// The fork failed, of whichever was asked for last.
struct ForkFailed {
  std::string why;
};
struct Signalled {
  int signal = 0;
};
struct Woken {};  // the instant of ArmTimer has come
}  // namespace event

using What = std::variant<event::Begun, event::Ready, event::DaemonEnded, event::ExecutorEnded, event::ForkFailed,
                          event::Signalled, event::Woken>;
struct Event {
  time::Uptime now;
  What what;
};

namespace effect {
/// `again`: not the first; the configuration is to be read anew before.
struct StartDaemon {
  bool again = false;
  friend bool operator==(const StartDaemon&, const StartDaemon&) = default;
};
/// For the daemon that ended last.
struct StartExecutor {
  friend bool operator==(const StartExecutor&, const StartExecutor&) = default;
};
/// To the child that runs.
struct Send {
  int signal = 0;
  friend bool operator==(const Send&, const Send&) = default;
};
struct ArmTimer {
  std::optional<time::Uptime> at;  // none: no more
  friend bool operator==(const ArmTimer&, const ArmTimer&) = default;
};
/// Tells the service manager that all is well while there is no daemon that could.
struct FeedWatchdog {
  friend bool operator==(const FeedWatchdog&, const FeedWatchdog&) = default;
};
struct Say {
  LogLevel level = LogLevel::kInfo;
  std::string text;
  friend bool operator==(const Say&, const Say&) = default;
};
/// There is no child any more.
struct Exit {
  int code = 0;
  friend bool operator==(const Exit&, const Exit&) = default;
};
}  // namespace effect

using Effect = std::variant<effect::StartDaemon, effect::StartExecutor, effect::Send, effect::ArmTimer,
                            effect::FeedWatchdog, effect::Say, effect::Exit>;

enum class State : std::uint8_t {
  kIdle,       // before the beginning
  kStarting,   // a daemon runs and does not serve yet
  kServing,    // a daemon serves
  kExecuting,  // an executor runs
  kWaiting,    // nobody runs; the next start is due later
  kEnded,
};

class Machine {
 public:
  /// `feed_every`: how often the service manager wants to hear that all is well; none: it does not ask.
  explicit Machine(std::optional<time::Duration> feed_every) : feed_every_(feed_every) {}

  [[nodiscard]] std::vector<Effect> step(const Event& event);
  [[nodiscard]] State state() const { return state_; }

 private:
  void on(const event::Begun& begun);
  void on(const event::Ready& ready);
  void on(const event::DaemonEnded& ended);
  void on(const event::ExecutorEnded& ended);
  void on(const event::ForkFailed& failed);
  void on(const event::Signalled& signalled);
  void on(const event::Woken& woken);

  [[nodiscard]] bool daemon_runs() const { return state_ == State::kStarting || state_ == State::kServing; }
  [[nodiscard]] bool vouches() const;
  void start_daemon();
  void start_executor();
  void plan_next_start();
  void go_on();
  void asked_to_stop(int signal);
  void exit(int code, const std::string& text);
  void feed_watchdog();
  void arm_timer();
  void say(LogLevel level, std::string text);
  template <typename T>
  void emit(T effect) {
    effects_.emplace_back(std::in_place_type<T>, std::move(effect));
  }

  std::optional<time::Duration> feed_every_;
  std::vector<Effect> effects_;
  State state_ = State::kIdle;
  time::Uptime now_;
  bool ever_served_ = false;

  time::Uptime started_;                // the present daemon, or the last
  std::optional<time::Uptime> served_;  // since when the present one serves
  std::optional<time::Uptime> died_;    // the last one; for the log
  time::Duration delay_ = kFirstDelay;
  time::Uptime next_start_;
  time::Uptime executor_until_;
  bool executor_killed_ = false;

  int stop_signal_ = 0;      // that ends it all; 0: none
  time::Uptime stop_asked_;  // when the last one was passed on
  time::Uptime stop_until_;  // then the daemon is killed
  bool daemon_killed_ = false;
  int exit_code_ = 0;  // once an executor has ended, if it ends it all

  time::Uptime next_feed_;
  std::optional<time::Uptime> armed_;
};

}  // namespace gnomon::cmd::supervisor
