// SPDX-License-Identifier: Apache-2.0
//
// What the half width of an interval is made of: a sum of hard terms, each of which is itself a bound. No term is a
// statistic (a mean plus so many deviations covers what it was fitted to), and none is left out because it is usually
// small. docs/uncertainty.md says of each where it comes from and what breaks it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "oracle/time/cycles.hpp"
#include "oracle/time/instant.hpp"

namespace gnomon::time {

/// All >= 0.
struct Uncertainty {
  Duration source;         // of the reference itself: the grandmaster's accuracy, a root dispersion, a stated bound
  Duration asymmetry;      // of the path: PTP's mean path delay in full, half of NTP's root delay, or as calibrated
  Duration offset;         // the largest |offset| from the reference that was seen lately
  Duration reading;        // how exactly the moment of the reading is known: half the width of its bracket, rounding
  Duration extrapolation;  // from the moment of the sample to the anchor
  Duration cores;          // counters of two cores at one moment
  Duration leap;           // 1 s while it is not certain which second of UTC it is

  [[nodiscard]] constexpr Duration sum() const {
    return source + asymmetry + offset + reading + extrapolation + cores + leap;
  }
  friend constexpr bool operator==(const Uncertainty&, const Uncertainty&) = default;
};

struct TermInfo {
  Duration Uncertainty::* term;
  std::string_view name;
  std::string_view help;
};

/// Every term, for whoever prints them.
constexpr std::array<TermInfo, 7> kTerms{{
    {&Uncertainty::source, "source", "the reference's own accuracy or stated bound"},
    {&Uncertainty::asymmetry, "asymmetry", "what the two directions of the path may differ by"},
    {&Uncertainty::offset, "offset", "largest offset from the reference seen lately"},
    {&Uncertainty::reading, "reading", "width of the bracketed clock reading"},
    {&Uncertainty::extrapolation, "extrapolation", "drift since the sample"},
    {&Uncertainty::cores, "cores", "cycle counters of two cores"},
    {&Uncertainty::leap, "leap", "one second while the leap second table is in doubt"},
}};

/// How far the rate of an oscillator may be from its nominal rate.
struct Drift {
  std::int64_t ppb = 200'000;  // 0 to 500'000'000; primitives.md 1.1: what cheap crystals are allowed

  /// The bounds on nanoseconds per cycle. 1/(1 - r) is 1 + r + r^2 + ..., so r alone would be a little too small.
  [[nodiscard]] constexpr std::int64_t outward_ppb() const { return ppb + (ppb / 1000) * (ppb / 1000) / 500 + 1; }
  [[nodiscard]] constexpr CycleRate slowest(CycleRate nominal) const { return nominal.adjusted(-outward_ppb()); }
  [[nodiscard]] constexpr CycleRate fastest(CycleRate nominal) const {
    return {nominal.adjusted(outward_ppb()).ns_per_cycle_q32 + 1};
  }
  /// By how much an interval grows on each side in `age` >= 0, rounded up.
  [[nodiscard]] constexpr Duration over(Duration age) const {
    return {static_cast<std::int64_t>(static_cast<Int128>(age.ns) * outward_ppb() / 1'000'000'000) + 1};
  }
};

}  // namespace gnomon::time
