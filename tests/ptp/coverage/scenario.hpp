// SPDX-License-Identifier: Apache-2.0
//
// What a scenario is: who there is, what happens to them when, and what has to come of it, all stated before it runs.
//
// "now() always contained the truth" holds under assumptions: sources keep to their stated bounds, all but a minority
// of them; the counter keeps to the oscillator's bound. A scenario that breaks one of these says so itself, at the
// event that does it and at the one that mends it. A miss outside of those spans is a bug, whatever the machine was
// busy with; no run decides afterwards what it is to be forgiven.
//
// Times are from the first interval that the witness was given. `tests/ptp/coverage/scenarios.cpp` has them all.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "ptp/claim.hpp"
#include "ptp/true_time_estimator.hpp"
#include "tests/ptp/bed/rack.hpp"

namespace gnomon::coverage {

/// A clock of the scenario: a grandmaster's, or one that the witness reads as a file.
struct Whose {
  bool is_file = false;
  std::size_t index = 0;
};
constexpr Whose grandmaster(std::size_t index) { return {false, index}; }
constexpr Whose file(std::size_t index) { return {true, index}; }

// ---- what may happen

struct StepClock {
  Whose whose;
  time::Duration by;
};
struct DriftClock {
  Whose whose;
  std::int64_t ppb = 0;
};
struct Signal {
  std::size_t grandmaster = 0;
  int number = 0;  // SIGSTOP, SIGCONT; SIGKILL to end it
};
/// The grandmaster says so of itself from now on.
struct Declare {
  std::size_t grandmaster = 0;
  bed::GrandmasterSettings settings;
};
/// What the way from a host to the others does from now on. Needs RackOptions::with_path.
struct Way {
  std::size_t from_host = 0;
  bed::Passage passage;
};
/// chronyd of the first grandmaster dies.
struct KillServer {};

using Deed = std::variant<StepClock, DriftClock, Signal, Declare, Way, KillServer>;

struct Event {
  time::Duration at;
  Deed deed;
  /// Whether the assumptions hold from here on; nothing: as before.
  std::optional<bool> holds{};
  /// When they hold again: so long after.
  time::Duration after{};
};

// ---- who there is

enum class Followed : std::uint8_t {
  kPtp4l,          // the client's ptp4l follows the grandmasters
  kChronyd,        // the client's chronyd (-x: it never sets the clock) follows a chronyd on the first grandmaster
  kSilentChronyd,  // the same, and nobody answers
};

/// A clock that the witness reads as a file, beside what the host follows.
struct FileClock {
  time::Duration bound;
  bed::VirtualClock::Start start{};
};

// ---- what has to come of it

/// Something that the witness has to show at least once, after an event (-1: at any time) and after the sight before.
struct Sight {
  int after_event = -1;
  std::size_t source = 0;
  std::variant<ptp::SourceState, ptp::SourceFault, time::ClockFault> what;  // the latter: of now() itself
};

struct Expected {
  double served_percent = 90;    // at least, since the first interval
  bool synchronises = true;      // else nothing may ever be served
  bool believes_lies = false;    // misses are to be expected while the assumptions are broken, and have to be seen
  time::Duration width{};        // the median epsilon at most this while they hold; 0: any
  time::Duration grows_to{};     // at some time epsilon is at least this
  time::Duration ends_within{};  // the median epsilon of the last second; 0: any
  std::vector<Sight> sights{};
  bool evicts = false;  // some source has to be evicted; else none may be
};

struct Scenario {
  std::string name;
  std::string what;  // a sentence
  bed::RackOptions rack{};
  std::vector<bed::GrandmasterSettings> grandmasters{bed::GrandmasterSettings{}};  // as they begin, in order
  bool announces_leap = false;  // what linuxptp 4 does not, but for half a day before a real one
  Followed followed = Followed::kPtp4l;
  std::string scale = "utc";  // what the witness is told that ptp4l's grandmasters count
  std::vector<FileClock> files{};
  std::vector<Deed> before{};   // anybody starts
  std::vector<Event> events{};  // in ascending order
  time::Duration length = time::seconds(8);
  Expected expected{};
};

[[nodiscard]] std::vector<Scenario> scenarios();

}  // namespace gnomon::coverage
