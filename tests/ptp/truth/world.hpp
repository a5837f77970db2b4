// SPDX-License-Identifier: Apache-2.0
//
// A host in virtual time with a ground truth: a cycle counter that drifts, a clock that a servo disciplines, the Sync
// messages of a grandmaster over a path with delays, and sources with stated bounds. The production code (PtpFollower,
// ClockTrack, TrueTimeEstimator, fusion) is fed from it, and its every answer is compared with the truth.
//
// A history is drawn within the bounds that the host states, at their edges as a rule: an error that is only ever drawn
// from the middle would never be missed. In each history one kind of error is large and the others are small, so that
// no term can lean on its neighbours.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "oracle/time/leap_table.hpp"
#include "ptp/ptp_follower.hpp"
#include "ptp/true_time_estimator.hpp"

namespace gnomon::truth {

/// Which error a history is about.
enum class Focus : std::uint8_t {
  kAsymmetry,  // one direction of the path takes nearly all of the round trip
  kAccuracy,   // the grandmaster is off by all that it states
  kOffset,     // the servo is still far from where it aims, and time stamps have spikes
  kReading,    // clocks are read by a thread that is held up
  kDrift,      // the counter drifts at its bound, and Sync messages stay away for seconds
  kLie,        // a source with a stated bound lies, clinging to what others say
  kJump,       // the only source is off by more than its bound for a few turns
  kSeconds,    // the grandmaster is off by whole seconds from some moment on
  kLeap,       // the leap table has expired and lacks a leap second
  kPath,       // one direction of the path becomes longer, which ptp4l's median takes seconds to notice
};
constexpr std::array<Focus, 10> kFocuses{Focus::kAsymmetry, Focus::kAccuracy, Focus::kOffset, Focus::kReading,
                                         Focus::kDrift,     Focus::kLie,      Focus::kJump,   Focus::kSeconds,
                                         Focus::kLeap,      Focus::kPath};

/// What a history came to.
struct Verdict {
  std::uint32_t asked = 0;
  std::uint32_t served = 0;
  std::uint32_t missed = 0;  // intervals without the truth in them
  std::string first_miss;    // of the first: by how much, when
  std::int64_t largest_epsilon_ns = 0;
};

/// One history of that kind from that seed.
[[nodiscard]] Verdict run_history(Focus focus, std::uint64_t seed);

}  // namespace gnomon::truth
