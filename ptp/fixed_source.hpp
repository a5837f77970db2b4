// SPDX-License-Identifier: Apache-2.0
//
// A clock with a bound that the operator states: the system clock of a laptop, the clock of a hypervisor's virtual
// card.
//
// The kernel's own estimate is not used: on a machine without a synchronised clock it says 16 s and means "unknown". A
// bound that somebody stated can at least be held against somebody. It covers the clock's offset from true time; drift
// since the reading and the width of the reading come on top.
//
// Uniqueness never rests on this clock; see oracle/mint.
#pragma once

#include <memory>

#include "ptp/reference_clock.hpp"
#include "ptp/time_source.hpp"

namespace gnomon::ptp {

class FixedSource final : public TimeSource {
 public:
  FixedSource(std::unique_ptr<ReferenceClock> clock, Scale scale, time::Duration stated_bound)
      : clock_(std::move(clock)), scale_(scale), bound_(stated_bound) {}

  [[nodiscard]] News poll(time::CycleRate nominal) override;
  [[nodiscard]] std::string describe() const override;

 private:
  std::unique_ptr<ReferenceClock> clock_;
  Scale scale_;
  time::Duration bound_;
};

}  // namespace gnomon::ptp
