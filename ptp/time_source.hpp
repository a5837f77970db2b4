// SPDX-License-Identifier: Apache-2.0
//
// A source of time behind one interface: the system clock, a clock in a network card, ptp4l, chrony, the kernel.
//
// The clock thread gives every source a turn about a hundred times a second. A source never waits in its turn: it takes
// what has arrived, asks for what is due, and says what is new. One that waited for an answer of a daemon that hangs
// would hold up all others, and the published line with them.
//
// A reading of a clock is worth nothing without knowing *when* it was taken: a thread that is preempted between the
// clock read and the counter read pairs two moments that are milliseconds apart, and nothing in the numbers shows it.
// So every reading is bracketed by two reads of the cycle counter, several are taken, and the narrowest counts.
//
// Thread rule: one thread (the clock thread) uses a source.
#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include "oracle/time/cycles.hpp"
#include "ptp/claim.hpp"

namespace gnomon::ptp {

/// How many bracketed readings the narrowest is chosen from. The first ones run on cold caches.
constexpr int kReadingsPerSample = 5;

/// A value and the readings of the cycle counter around it.
template <typename Value>
struct Bracketed {
  time::Cycles before;
  time::Cycles after;
  Value value;

  /// The moment that the value is ascribed to; it is off by at most half the width.
  [[nodiscard]] constexpr time::Cycles middle() const { return {before.count + (after.count - before.count) / 2}; }
  [[nodiscard]] constexpr std::uint64_t width_cycles() const { return after.count - before.count; }
  /// The share of this reading in an uncertainty, rounded up, by a counter that is up to 1000 ppm slower than it says.
  [[nodiscard]] constexpr time::Duration half_width(time::CycleRate nominal) const {
    const time::Duration half = nominal.span(width_cycles() / 2 + 1);
    return half + half / 999 + time::nanoseconds(2);
  }
};

class TimeSource {
 public:
  TimeSource() = default;
  TimeSource(const TimeSource&) = delete;
  TimeSource& operator=(const TimeSource&) = delete;
  virtual ~TimeSource() = default;

  /// One turn: what is new, if anything. `nominal` is the rate of the counter.
  [[nodiscard]] virtual News poll(time::CycleRate nominal) = 0;
  /// The counter can't be trusted across this moment: readings from before it mean nothing any more.
  virtual void distrust() {}
  /// For logs and `gnomon status`, e.g. "system clock, stated bound 10 ms".
  [[nodiscard]] virtual std::string describe() const = 0;
};

/// Calls `read` `times` (>= 1) times between two reads of the counter; the narrowest of these counts.
template <typename ReadCycles, typename Read>
[[nodiscard]] auto narrowest_of(int times, ReadCycles&& read_cycles, Read&& read) -> Bracketed<decltype(read())> {
  const auto once = [&]() -> Bracketed<decltype(read())> {
    const time::Cycles before = read_cycles();
    auto value = read();
    const time::Cycles after = read_cycles();
    return {before, after, std::move(value)};
  };
  auto best = once();
  for (int i = 1; i < times; ++i) {
    auto next = once();
    if (next.width_cycles() < best.width_cycles()) best = std::move(next);
  }
  return best;
}

}  // namespace gnomon::ptp
