// SPDX-License-Identifier: Apache-2.0
//
// One clock read per burst, taken after the burst arrived: every answer of the burst uses it. The staleness that this
// causes is the time the burst takes to answer, some tens of microseconds at 64 datagrams of 22 messages.
//
// The true time is read off at the same count, so it contains a moment after every request of the burst arrived and
// before any reply leaves.
#pragma once

#include <cstdint>

#include <tl/expected.hpp>

#include "oracle/canary.hpp"
#include "oracle/mint/mint_time.hpp"
#include "oracle/mint/ordering.hpp"
#include "oracle/page/clock_page.hpp"
#include "oracle/time/cycles.hpp"
#include "oracle/time/instant.hpp"
#include "oracle/time/true_time.hpp"

namespace gnomon::serve {

struct BurstTime {
  mint::MintTime mint;
  mint::OrderingState ordering = mint::OrderingState::kNoTime;
  time::Duration lead{};      // of the ordering timeline over the clock behind it
  time::Duration behind_for;  // in state kBehind: until the source is within the budget again
  time::Uptime uptime;
  time::Now truth = tl::make_unexpected(time::ClockFault::kNotProven);
};

/// Reads the clock page. It keeps the last good record: a writer that was stopped in the middle of a write costs
/// freshness (the lines extrapolate) and never order. Only the line of the true time becomes void, by itself.
class BurstClock {
 public:
  explicit BurstClock(const page::ClockPage& page) : page_(page) {}

  [[nodiscard]] BurstTime at(time::Cycles now) {
    if (page_.record.version() != version_) fresh_ = page_.record.try_read(record_, version_);
    const mint::OrderingSnapshot& ordering = record_.ordering;
    const bool never_void =
        canary::planted(canary::Bug::kIgnoredVoid) && record_.truth.fault == time::ClockFault::kNone;
    return {.mint = {ordering.line.at(now), ordering.lead_left, ordering.era},
            .ordering = ordering.state,
            .lead = ordering.lead,
            .behind_for = ordering.behind_for,
            .uptime = record_.uptime.at(now),
            .truth = never_void ? time::Now(record_.truth.extrapolated(now)) : record_.truth.at(now)};
  }
  /// Whether `at(now)` met a line that is younger than its reading by more than cores differ: the thread was held up
  /// between the two, and reads again.
  [[nodiscard]] bool met_a_younger_line(const BurstTime& time) const {
    return record_.truth.fault == time::ClockFault::kNone && !time.truth &&
           time.truth.error() == time::ClockFault::kCounterUntrusted;
  }
  /// Whether the last `at` saw the newest record.
  [[nodiscard]] bool fresh() const { return fresh_; }

 private:
  const page::ClockPage& page_;
  page::ClockRecord record_{};
  std::uint64_t version_ = 0;
  bool fresh_ = false;
};

}  // namespace gnomon::serve
