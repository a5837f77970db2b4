// SPDX-License-Identifier: Apache-2.0
#include "ptp/fixed_source.hpp"

#include <fmt/format.h>

#include "oracle/canary.hpp"

namespace gnomon::ptp {

News FixedSource::poll(time::CycleRate nominal) {
  const auto reading = clock_->read(nominal);
  if (!reading) return tl::make_unexpected(reading.error());
  Claim claim;
  claim.at = reading->middle();
  claim.scale = scale_;
  claim.reading_ns = reading->value;
  claim.terms.source = bound_;
  claim.terms.reading = canary::planted(canary::Bug::kDroppedWidth) ? time::Duration{} : reading->half_width(nominal);
  claim.root = {.reference = 0, .clock = clock_->kind(), .bare_clock = true, .disciplines = false};
  return ClaimOr(claim);
}

std::string FixedSource::describe() const {
  return fmt::format("{}, stated bound {:.3f} ms", clock_->describe(), static_cast<double>(bound_.ns) / 1e6);
}

}  // namespace gnomon::ptp
