// SPDX-License-Identifier: Apache-2.0
//
// A virtual clock as adjtimex(2) and the calls beside it see it: a line, and the variables that the kernel keeps with
// it.
//
// A servo is only as good as the kernel's answers to it. One that is told "ok" and ignored converges to nothing, so
// what isn't modelled is refused (EOPNOTSUPP), and what is follows kernel/time/ntp.c: frequency and tick add up; a
// frequency beyond 500 ppm is cut off without a word; a step marks the clock unsynchronised; maxerror grows by 500 ppm
// of the time that passed, up to 16 s, where the clock counts as unsynchronised.
//
// Not modelled: the phase-locked loop (ADJ_OFFSET with STA_PLL), adjtime's singleshot, PPS, and the leap second at the
// end of the day (STA_INS and STA_DEL are kept and reported; no second is inserted).
#pragma once

#include <sys/timex.h>

#include <cstdint>

#include "tests/ptp/bed/virtual_clock_line.hpp"

namespace gnomon::bed {

constexpr std::int64_t kUnknownErrorUs = 16'000'000;

/// All there is to know about a virtual clock. Trivially copyable.
struct ClockState {
  Line line;
  std::int64_t drift_ppb = 0;  // of the oscillator; not the servo's to change
  bool frozen = false;
  std::int64_t frequency = 0;  // 2^-16 ppm
  std::int64_t tick_us = kNominalTickUs;
  std::int32_t status = STA_UNSYNC;
  std::int32_t tai_s = 0;
  std::int64_t constant = 2;
  std::int64_t max_error_us = kUnknownErrorUs;
  HostTime max_error_since;
  std::int64_t estimated_error_us = kUnknownErrorUs;
  std::uint64_t rate_changes = 0;  // by adjtimex
  std::uint64_t steps = 0;         // by whomever
};

/// To be called after any of drift, frozen, frequency, tick.
void renew_rate(ClockState& state, HostTime now);
/// As the kernel does it: the clock is unsynchronised thereafter.
void step(ClockState& state, HostTime now, time::Duration by);

/// adjtimex(2): carries out `request.modes`, then fills in the whole of `request`. Returns the clock's state (TIME_OK
/// and so on) or -errno, in which case nothing has changed.
[[nodiscard]] int adjust(ClockState& state, timex& request, HostTime now);

}  // namespace gnomon::bed
