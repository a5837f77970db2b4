// SPDX-License-Identifier: Apache-2.0
//
// What is special about a world with a store that several hosts share: how often they show themselves, how far their
// clocks may be off, and what befalls them, the store and its data.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "oracle/time/instant.hpp"
#include "tests/sim/random.hpp"

namespace gnomon::sim {

struct Scenario;

enum class SharedFault : std::uint8_t {
  kKill,         // a daemon is killed; another one starts on its host
  kStop,         // SIGTERM, and another one starts
  kPause,        // SIGSTOP, then SIGCONT
  kPauseThread,  // one thread is not scheduled for a while
  kAway,         // nothing of one host reaches the store
  kLosesAnswers,
  kSlow,
  kAllAway,
  kAllLoseAnswers,
  kNudge,      // a clock steps within its tolerance, and stays there
  kDayAhead,   // a clock is mad: it insists, for long enough to be followed or not, until somebody repairs it
  kDayBehind,  // likewise
  kCreeps,     // it goes ahead or back by steps that are below what counts as a jump, again and again
  kRuns,       // it runs fast or slow by a few per cent
  kClone,      // a machine is told that it is a copy
  kRestore,    // an older image of the store is put back; some time later an operator recovers it
  kHeal,       // an operator retires a machine id that is in use
  kPlant,      // a free machine id turns out to have a ceiling of next year
};
constexpr std::size_t kSharedFaultKinds = 18;
[[nodiscard]] std::string_view name_of(SharedFault fault);

struct SharedPlan {
  time::Duration heartbeat;
  time::Duration tolerance;
  std::vector<time::Duration> clock_errors;  // by host: what its clock is off while it is sane
  std::vector<SharedFault> faults;

  [[nodiscard]] bool has(SharedFault fault) const;
  /// By more than this two sane clocks are never apart, and by no more than this a clock is off unnoticed: two
  /// tolerances until intervals don't meet any more, what is left of the other's error, and what lies between two
  /// readings.
  [[nodiscard]] time::Duration agreement() const {
    return tolerance * 2 + tolerance * 2 / 5 + heartbeat * 3 + time::milliseconds(500);
  }
  /// A daemon that nothing disturbs knows what the others' clocks say, and they what its own says: it joins within
  /// four times the two heartbeats that an answer may take (lease::ClockVote).
  [[nodiscard]] time::Duration acquaintance() const { return heartbeat * 10 + time::seconds(2); }
};

/// Makes a world of many hosts of a scenario: hosts, ids, store and faults are drawn anew.
void make_shared(Random& random, Scenario& scenario);
[[nodiscard]] std::string text_of(const SharedPlan& plan);

}  // namespace gnomon::sim
