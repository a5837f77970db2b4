// SPDX-License-Identifier: Apache-2.0
//
// A clock that can be read: the system clock, a clock in a network card (PHC) through the kernel, or one through
// DPDK. Reading is all it does; what its time is worth, somebody else has to say.
//
// Thread rule: one thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include <tl/expected.hpp>

#include "ptp/claim.hpp"
#include "ptp/time_source.hpp"

namespace gnomon::ptp {

/// Nanoseconds since 1970 of whatever timeline the clock is on.
using ClockReading = Bracketed<std::int64_t>;

class ReferenceClock {
 public:
  ReferenceClock() = default;
  ReferenceClock(const ReferenceClock&) = delete;
  ReferenceClock& operator=(const ReferenceClock&) = delete;
  virtual ~ReferenceClock() = default;

  /// The narrowest of at least kReadingsPerSample.
  [[nodiscard]] virtual tl::expected<ClockReading, SourceError> read(time::CycleRate nominal) = 0;
  [[nodiscard]] virtual ClockKind kind() const = 0;
  [[nodiscard]] virtual std::string describe() const = 0;
};

/// How much further the clock went from one reading to the next than the counter allows for by itself: what somebody
/// set it by in between, or slewed it.
[[nodiscard]] time::Duration clock_moved(const ClockReading& first, const ClockReading& second,
                                         time::CycleRate nominal);

/// CLOCK_REALTIME.
class SystemClock final : public ReferenceClock {
 public:
  [[nodiscard]] tl::expected<ClockReading, SourceError> read(time::CycleRate nominal) override;
  [[nodiscard]] ClockKind kind() const override { return ClockKind::kSystem; }
  [[nodiscard]] std::string describe() const override { return "system clock"; }
};

}  // namespace gnomon::ptp
