// SPDX-License-Identifier: Apache-2.0
//
// One answer of `now`, `time_sync` or `commit_wait` as the checkers see it: decoded from the bytes of the reply, beside
// what the world knows of the moments between which it came about.
#pragma once

#include <cstdint>

#include "oracle/time/instant.hpp"
#include "oracle/time/interval.hpp"

namespace gnomon::sim {

struct TimeAnswer {
  std::uint32_t process = 0;
  std::uint32_t worker = 0;
  time::Interval interval;
  time::Tai arrived;  // true time when the request had arrived
  time::Tai left;     // and when the reply could leave
  /// What promise C rests on, as the world keeps it: bounds of sources and oscillator, a counter that ran through.
  bool assumptions_hold = false;
};

}  // namespace gnomon::sim
