// SPDX-License-Identifier: Apache-2.0
//
// The system clock (CLOCK_REALTIME) as a source, with a bound that the operator states.
//
// The kernel's own estimate is not used: on a machine without a synchronised clock it says 16 s and
// means "unknown", and CLOCK_TAI equals CLOCK_REALTIME there. A bound that somebody stated can at
// least be held against somebody. The bound covers everything: offset, asymmetry, and up to a
// second around a leap second unless the host smears.
//
// Uniqueness never rests on this clock; see oracle/mint.
#pragma once

#include "ptp/time_source.hpp"

namespace gnomon::ptp {

class SystemSource final : public TimeSource {
 public:
  explicit SystemSource(time::Duration stated_bound) : bound_(stated_bound) {}

  [[nodiscard]] tl::expected<SourceSample, SourceError> sample() override;
  [[nodiscard]] std::string describe() const override;

 private:
  time::Duration bound_;
};

}  // namespace gnomon::ptp
