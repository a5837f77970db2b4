// SPDX-License-Identifier: Apache-2.0
//
// A claim on its source's timeline as an interval of TAI. The only place where a source's UTC becomes TAI: with the
// leap table, and with a second of doubt wherever a second may be missing (oracle/time/leap_doubt.hpp).
#pragma once

#include <tl/expected.hpp>

#include "oracle/time/interval.hpp"
#include "oracle/time/leap_table.hpp"
#include "oracle/time/uncertainty.hpp"
#include "ptp/claim.hpp"

namespace gnomon::ptp {

struct TaiClaim {
  time::Interval interval;
  time::Uncertainty terms;  // the claim's, leap doubt included
};

/// `leap_announced`: some source announces a leap second, or did lately. The table may not know it yet, and the
/// announcement may be false: either way a UTC is in doubt.
[[nodiscard]] tl::expected<TaiClaim, SourceError> claim_to_tai(const Claim& claim, const time::LeapTable& leaps,
                                                               bool leap_announced);

}  // namespace gnomon::ptp
