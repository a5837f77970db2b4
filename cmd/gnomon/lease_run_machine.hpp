// SPDX-License-Identifier: Apache-2.0
//
// When `gnomon lease run` starts, asks, kills and releases what. Event in, effects out: it forks nothing, reads no
// clock and waits for nobody (lease_run.cpp does), so its whole life is tested in virtual time.
//
//   idle -> starting -> running -> (the command ended) -> clearing -> ended
//
// The naive wrapper starts the command, renews in the background, and releases once the command has ended. Then a
// command outlives a lease that could not be renewed, and what the command left running goes on under the next holder's
// nose. Here, for as long as anything of the command's process group lives:
//   - `grace + reserve` before the end of the belief the group is asked to end (SIGTERM), and `reserve` before it the
//     group is killed; a renewal that comes through in between moves both;
//   - a lease that is lost at once (the server says so) means SIGKILL at once;
//   - what is left of the group once the command itself has ended gets SIGTERM, and SIGKILL after `grace`;
//   - the lease is released only once nothing of the group is left.
// A second process, the guard (lease_guard.hpp), is told until when the belief lasts, and kills the group if this one
// was stopped or killed.
// Thread rule: one thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "oracle/time/instant.hpp"

namespace gnomon::cmd::lease_run {

struct Times {
  time::Duration grace;    // from SIGTERM to SIGKILL
  time::Duration reserve;  // from SIGKILL to the end of the belief
};
/// What a lease of `ttl` allows, or a sentence on why it does not: the command must not be asked to end merely because
/// one renewal failed. Without a grace: a tenth of the TTL,
/// or what there is.
struct CheckedTimes {
  Times times;
  std::string fault;  // empty: fine
};
[[nodiscard]] CheckedTimes times_for(time::Duration ttl, std::optional<time::Duration> grace);

/// How the command ended.
struct Ending {
  int code = 0;    // of exit(), if no signal ended it
  int signal = 0;  // 0: none
  friend bool operator==(const Ending&, const Ending&) = default;
};
/// As a shell tells it: 128 + n for signal n.
[[nodiscard]] int status_of(const Ending& ending);

namespace event {
struct Granted {};  // the lease is held
struct Started {};
struct StartFailed {
  std::string why;
  bool missing = false;  // there is no such program
};
/// `alone`: nothing else of its group lives. Then nothing is sent any more: the number of the group may be another's.
struct CommandEnded {
  Ending how;
  bool alone = true;
};
struct GroupGone {};  // nothing of the group is left
struct Signalled {
  int signal = 0;
};
struct Looked {};  // time has passed, or the belief may have changed
}  // namespace event

using What = std::variant<event::Granted, event::Started, event::StartFailed, event::CommandEnded, event::GroupGone,
                          event::Signalled, event::Looked>;
struct Event {
  time::Uptime now;
  time::Duration left;  // for how long, from `now` on, the lease may be believed in; zero: it is lost
  What what;
};

namespace effect {
struct Start {
  friend bool operator==(const Start&, const Start&) = default;
};
/// To the whole group.
struct Send {
  int signal = 0;
  friend bool operator==(const Send&, const Send&) = default;
};
/// To the guard: at this instant it kills the group, unless it hears another one before.
struct KillAt {
  time::Uptime at;
  friend bool operator==(const KillAt&, const KillAt&) = default;
};
struct Wake {
  time::Uptime at;
  friend bool operator==(const Wake&, const Wake&) = default;
};
struct Say {
  std::string text;
  friend bool operator==(const Say&, const Say&) = default;
};
/// The guard is let go, the lease released and the session closed.
struct Release {
  friend bool operator==(const Release&, const Release&) = default;
};
struct Exit {
  int code = 0;
  friend bool operator==(const Exit&, const Exit&) = default;
};
}  // namespace effect

using Effect =
    std::variant<effect::Start, effect::Send, effect::KillAt, effect::Wake, effect::Say, effect::Release, effect::Exit>;

enum class State : std::uint8_t { kIdle, kStarting, kRunning, kClearing, kEnded };

class Machine {
 public:
  /// `name`: of the lease, for what it says.
  Machine(std::string name, const Times& times) : name_(std::move(name)), times_(times) {}

  [[nodiscard]] std::vector<Effect> step(const Event& event);
  [[nodiscard]] State state() const { return state_; }

 private:
  void on(const event::Granted& granted);
  void on(const event::Started& started);
  void on(const event::StartFailed& failed);
  void on(const event::CommandEnded& ended);
  void on(const event::GroupGone& gone);
  void on(const event::Signalled& signalled);
  void on(const event::Looked& looked);

  [[nodiscard]] bool group_lives() const { return state_ == State::kRunning || state_ == State::kClearing; }
  void watch_belief();
  void watch_clearing();
  void ask_group();
  void kill_group(const std::string& why);
  void plan();
  void finish(int code);
  template <typename T>
  void emit(T effect) {
    effects_.emplace_back(std::in_place_type<T>, std::move(effect));
  }

  std::string name_;
  Times times_;
  std::vector<Effect> effects_;
  State state_ = State::kIdle;
  time::Uptime now_;
  time::Duration left_;
  std::optional<Ending> ending_;
  bool asked_ = false;         // to end, because the belief ends
  bool killed_ = false;        // by this machine
  bool lease_failed_ = false;  // the group was asked or killed for the lease's sake
  time::Uptime cleared_by_;    // then what the command left behind is killed
};

}  // namespace gnomon::cmd::lease_run
