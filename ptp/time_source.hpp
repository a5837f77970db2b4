// SPDX-License-Identifier: Apache-2.0
//
// A source of time, behind one interface: the system clock today, PHC, ptp4l and chrony later.
//
// A reading is worth nothing without knowing *when* it was taken: a thread that is preempted
// between the clock read and the counter read pairs two moments that are milliseconds apart, and
// nothing in the numbers shows it. So every reading is bracketed by two reads of the cycle counter,
// several are taken, and the narrowest counts: the reading was made somewhere between `before` and
// `after`, and that width is part of the error.
//
// Thread rule: one thread (the clock thread) samples a source.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include <tl/expected.hpp>

#include "oracle/time/cycles.hpp"
#include "oracle/time/instant.hpp"

namespace gnomon::ptp {

/// How many bracketed readings a sample is chosen from. The first ones run on cold caches.
constexpr int kReadingsPerSample = 5;

/// One bracketed reading of a source, on the source's own timeline. The sources that exist today
/// speak UTC, which is taken as smeared UTC; whoever states the bound states it for that, leap
/// seconds included.
struct SourceSample {
  time::Cycles before;
  time::Cycles after;
  time::SmearedUtc reading;
  time::Duration bound;  // on |reading - true time| at the moment of the reading; the width comes on top

  /// The moment that the reading is ascribed to; it is off by at most half the width.
  [[nodiscard]] constexpr time::Cycles middle() const { return {before.count + (after.count - before.count) / 2}; }
  [[nodiscard]] constexpr std::uint64_t width_cycles() const { return after.count - before.count; }
};

enum class SourceFault : std::uint8_t {
  kUnreadable,  // the clock or file can't be read
  kMalformed,   // it was read and makes no sense
  kNotSynchronised,
};

struct SourceError {
  SourceFault fault = SourceFault::kUnreadable;
  std::string text;  // complete sentence
};

class TimeSource {
 public:
  TimeSource() = default;
  TimeSource(const TimeSource&) = delete;
  TimeSource& operator=(const TimeSource&) = delete;
  virtual ~TimeSource() = default;

  [[nodiscard]] virtual tl::expected<SourceSample, SourceError> sample() = 0;
  /// For logs and `gnomon status`, e.g. "system clock, stated bound 10 ms".
  [[nodiscard]] virtual std::string describe() const = 0;
};

/// A value and the readings of the cycle counter around it.
template <typename Value>
struct Bracketed {
  time::Cycles before;
  time::Cycles after;
  Value value;
};

/// Calls `read` `times` (>= 1) times between two reads of the counter; the narrowest of these
/// counts.
template <typename ReadCycles, typename Read>
[[nodiscard]] auto narrowest_of(int times, ReadCycles&& read_cycles, Read&& read) -> Bracketed<decltype(read())> {
  const auto once = [&]() -> Bracketed<decltype(read())> {
    const time::Cycles before = read_cycles();
    auto value = read();
    return {before, read_cycles(), std::move(value)};
  };
  auto best = once();
  for (int i = 1; i < times; ++i) {
    auto next = once();
    if (next.after.count - next.before.count < best.after.count - best.before.count) best = std::move(next);
  }
  return best;
}

}  // namespace gnomon::ptp
