// SPDX-License-Identifier: Apache-2.0
//
// What a generator is told about time: one reading per burst, so up to a burst's length (tens of microseconds) stale.
#pragma once

#include "oracle/mint/names.hpp"
#include "oracle/time/instant.hpp"

namespace gnomon::mint {

struct MintTime {
  time::SmearedUtc now;  // of the ordering timeline, not of the source
  time::Duration
      lead_left;  // how much further than `now` a unit may start: max_lead minus the timeline's own lead, >= 0
  Era era;        // of the ordering timeline that `now` was read from
};

}  // namespace gnomon::mint
