// SPDX-License-Identifier: Apache-2.0
//
// Lamport's logical clock: one counter per process that orders events without any physical time (L. Lamport, "Time,
// Clocks, and the Ordering of Events in a Distributed System", CACM 1978).
//
//   clock condition: if a happened before b, then time(a) < time(b). Not the reverse: of two times nobody can tell
//                    whether the events are ordered or concurrent. Who needs that takes a vector clock.
//   total order:     by (time, process). It extends happened-before and is one of many orders that do.
//
// The naive counter wraps at its top, and then orders everything that follows before everything that was. This one
// stops there with an error. A peer can bring it there at once by sending a large time: a Lamport time has no unit, so
// nothing tells a large one from a false one. Take times only from processes that are trusted to count; the hybrid
// clock has a limit for the others.
#pragma once

#include <compare>
#include <cstdint>
#include <limits>
#include <string_view>

#include <tl/expected.hpp>

#include "oracle/clock/process_id.hpp"

namespace gnomon::clock {

/// Number of an event; 0 is before every event.
struct LamportTime {
  std::uint64_t count = 0;

  static constexpr LamportTime max() { return {std::numeric_limits<std::uint64_t>::max()}; }
  friend constexpr auto operator<=>(LamportTime, LamportTime) = default;
};

/// An event in the total order. Distinct events have distinct stamps as long as process ids are distinct.
struct LamportStamp {
  LamportTime time;
  ProcessId process;
  friend constexpr auto operator<=>(LamportStamp, LamportStamp) = default;
};

enum class LamportFault : std::uint8_t {
  kClockAtTop,   // this clock has given out the largest time
  kRemoteAtTop,  // the received time is the largest: nothing can come after it
};

[[nodiscard]] constexpr std::string_view text_of(LamportFault fault) {
  switch (fault) {
    case LamportFault::kClockAtTop:
      return "this Lamport clock stands at its largest time and orders no further event; start anew, with new process "
             "ids";
    case LamportFault::kRemoteAtTop:
      return "the received Lamport time is the largest there is and nothing can come after it; it was not taken: look "
             "at its sender";
  }
  return "unknown fault";
}

/// The clock of one process. Thread-compatible. After a fault it is what it was before the call.
class LamportClock {
 public:
  LamportClock() = default;
  /// Goes on after `last`, the time of the last event before a restart.
  explicit constexpr LamportClock(LamportTime last) : last_(last) {}

  /// A local event, or the sending of a message, which carries the result.
  [[nodiscard]] tl::expected<LamportTime, LamportFault> tick() { return receive({}); }

  /// The receipt of a message that carries `remote`. The result is larger than it, and than every earlier result.
  [[nodiscard]] tl::expected<LamportTime, LamportFault> receive(LamportTime remote) {
    if (last_ == LamportTime::max()) return tl::make_unexpected(LamportFault::kClockAtTop);
    if (remote == LamportTime::max()) return tl::make_unexpected(LamportFault::kRemoteAtTop);
    last_ = {(remote > last_ ? remote.count : last_.count) + 1};
    return last_;
  }

  /// Time of the last event.
  [[nodiscard]] constexpr LamportTime last() const { return last_; }

 private:
  LamportTime last_;
};

}  // namespace gnomon::clock
