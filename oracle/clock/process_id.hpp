// SPDX-License-Identifier: Apache-2.0
//
// Who an event belongs to, in logical clocks. A name of its own, because a raw number beside a counter gets swapped.
//
//   one id, one process: an id must not be used by two processes, nor again by one that has lost its counters, or the
//                        clocks order events that have nothing to do with each other.
#pragma once

#include <compare>
#include <cstdint>

namespace gnomon::clock {

/// A process as logical clocks know it. Every value is valid; the order breaks ties and means nothing else.
struct ProcessId {
  std::uint64_t value = 0;
  friend constexpr auto operator<=>(ProcessId, ProcessId) = default;
};

}  // namespace gnomon::clock
