// SPDX-License-Identifier: Apache-2.0
//
// The clock page: written by the clock thread, read by every worker once per burst.
#pragma once

#include <cstdint>

#include "oracle/mint/ordering.hpp"
#include "oracle/page/header.hpp"
#include "oracle/page/seqlock.hpp"
#include "oracle/time/cycles.hpp"
#include "oracle/time/instant.hpp"

namespace gnomon::page {

struct ClockRecord {
  mint::OrderingSnapshot ordering;
  time::CycleLine<time::Uptime> uptime;  // for rates and timeouts; never stepped
  time::Duration source_bound;           // the stated bound on |source - true time|
  std::uint64_t readings = 0;            // taken since the start
  std::uint64_t failed_readings = 0;
};

struct ClockPage {
  static constexpr PageKind kKind = PageKind::kClock;
  static constexpr std::uint32_t kVersion = 1;

  PageHeader header;
  alignas(64) Seqlock<ClockRecord> record;
};

}  // namespace gnomon::page
