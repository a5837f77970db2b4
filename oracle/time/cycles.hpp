// SPDX-License-Identifier: Apache-2.0
//
// The cycle counter as a value: what rdtsc or cntvct_el0 returned, and the line that maps it to nanoseconds. Reading
// the counter is not pure and lives in platform/; this is the arithmetic.
//
// A line is kept as anchor + (cycles since the anchor) * mult / 2^32. With 64x64->128 bit multiplication there is no
// horizon at which the product overflows, so a line that is minutes old (a stopped process, a dead clock thread) still
// reads right. Before its anchor a line reads as the anchor: a core whose counter lags by some cycles must not see
// time step back.
#pragma once

#include <compare>
#include <cstdint>

#include "oracle/time/instant.hpp"
#include "oracle/time/int128.hpp"

namespace gnomon::time {

/// A reading of the cycle counter.
struct Cycles {
  std::uint64_t count = 0;
  friend constexpr auto operator<=>(Cycles, Cycles) = default;
};

/// Nanoseconds per cycle in 32.32 fixed point. Zero stands still.
struct CycleRate {
  std::uint64_t ns_per_cycle_q32 = 0;

  /// From a frequency in Hz (> 0).
  static constexpr CycleRate from_hz(std::uint64_t hz) {
    return {static_cast<std::uint64_t>((static_cast<UInt128>(1'000'000'000) << 32) / hz)};
  }
  /// The same rate, faster by `ppb` parts per billion (slower if negative); |ppb| < 10^9.
  [[nodiscard]] constexpr CycleRate adjusted(std::int64_t ppb) const {
    const auto delta = static_cast<Int128>(ns_per_cycle_q32) * ppb / 1'000'000'000;
    return {static_cast<std::uint64_t>(static_cast<Int128>(ns_per_cycle_q32) + delta)};
  }
  [[nodiscard]] constexpr Duration span(std::uint64_t cycles) const {
    return {static_cast<std::int64_t>((static_cast<UInt128>(cycles) * ns_per_cycle_q32) >> 32)};
  }
  friend constexpr auto operator<=>(CycleRate, CycleRate) = default;
};

/// A straight line from cycles to an instant of timeline `T`.
template <typename T>
struct CycleLine {
  Cycles anchor;
  T at_anchor;
  CycleRate rate;

  [[nodiscard]] constexpr T at(Cycles now) const {
    return now <= anchor ? at_anchor : at_anchor + rate.span(now.count - anchor.count);
  }
};

}  // namespace gnomon::time
