// SPDX-License-Identifier: Apache-2.0
//
// The clock of a DPDK port's card as the daemon sees it. No header of DPDK is needed here, as in ports.hpp.
//
// Clocks are asked for by the name of their device before its port is started, because a card has to be told; whoever
// asked reads, and hears "not started" until the port is. So a clock thread may run before there are ports, and goes on
// when they have ended.
//
// The clock is read and nothing else: it is never set, slewed or stopped from here. What its time is worth, somebody
// else has to say.
//
// Thread rule: `of` before Ports::make_pool; one thread reads, which may be another. Ports start and stop meanwhile on
// a third.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include <tl/expected.hpp>

#include "oracle/time/cycles.hpp"

namespace gnomon::dataplane {

enum class PortClockFault : std::uint8_t {
  kNotStarted,   // the port is not started yet, or has ended
  kUnsupported,  // its driver has no such clock
  kUnreadable,   // it has one, which could not be read
  kMalformed,    // it was read and makes no sense
  kUnset,        // it counts from its own start: nobody has set it
  kStale,        // it stands still, or went back
  kSettling,     // there is no earlier reading to hold this one against
};

struct PortClockError {
  PortClockFault fault = PortClockFault::kUnreadable;
  std::string text;  // complete sentence
};

/// Nanoseconds since 1970 of whatever timeline the clock is on, and the readings of the cycle counter around it.
struct PortClockReading {
  time::Cycles before;
  time::Cycles after;
  std::int64_t value_ns = 0;
};

class PortClock {
 public:
  /// `device`: as dpdk.devices has it, up to the first comma. Refused (kUnsupported) in a program without DPDK; whether
  /// the driver has a clock shows when the port is started, which fails if it has none.
  [[nodiscard]] static tl::expected<std::unique_ptr<PortClock>, PortClockError> of(const std::string& device);

  PortClock() = default;
  PortClock(const PortClock&) = delete;
  PortClock& operator=(const PortClock&) = delete;
  virtual ~PortClock() = default;

  /// The narrowest of several bracketed readings. `nominal` is the rate of the counter.
  [[nodiscard]] virtual tl::expected<PortClockReading, PortClockError> read(time::CycleRate nominal) = 0;
};

}  // namespace gnomon::dataplane
