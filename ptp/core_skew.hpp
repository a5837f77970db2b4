// SPDX-License-Identifier: Apache-2.0
//
// How far the cycle counters of two cores may differ at one moment. The clock thread anchors a line on one core, and a
// worker or another process reads the counter on another: the difference goes straight into the interval, so it is
// measured, and is a term of the sum.
//
// Two pinned threads hand a counter value back and forth. What is received was read earlier, so receiver minus sender
// is at least the offset between their counters, and the smallest such difference bounds it; the other direction bounds
// it from below. No assumption about the time of flight is made: it only widens the bound. The kernel's own check at
// boot (tsc_sync.c) works alike, and only says whether it saw a difference.
#pragma once

#include <cstdint>

#include "oracle/time/cycles.hpp"
#include "oracle/time/instant.hpp"

namespace gnomon::ptp {

/// Bounds on (counter of B) - (counter of A).
struct PairOffset {
  std::int64_t at_least = 0;
  std::int64_t at_most = 0;
  /// How far apart the two may be, in cycles.
  [[nodiscard]] std::uint64_t magnitude() const;
};

/// An upper bound over all pairs of the CPUs that threads of this process may be put on. Takes a few milliseconds for
/// each CPU. A pair that can't be measured (its CPU is busy with something else) counts with kUnmeasuredSkew. CPUs
/// outside of this process's cpuset are not looked at.
[[nodiscard]] time::Duration measure_core_skew(time::CycleRate nominal);

/// What is assumed of a pair of cores that couldn't be measured.
constexpr time::Duration kUnmeasuredSkew = time::microseconds(100);

}  // namespace gnomon::ptp
