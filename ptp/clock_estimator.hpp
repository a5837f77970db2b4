// SPDX-License-Identifier: Apache-2.0
//
// From samples to what is published: the decision part of the clock thread. Event in, record out;
// it reads no clock and owns no thread, so tests and the simulator run this very code in virtual
// time.
//
// Invariants:
//   - a failed sample changes nothing but a counter: the lines run on by the cycle counter;
//   - the ordering timeline obeys mint::OrderingTimeline's rules, whatever the source says;
//   - the uptime line is not set back; it is slewed towards CLOCK_BOOTTIME and steps only ahead (after a suspend, in
//     which the counter stood still);
//   - a jump of the counter moves neither line: see below.
//
// A machine that is restored or migrated may find its counter anywhere. If it went back, the lines go on from where
// they stood at the last reading. If it ran ahead of CLOCK_BOOTTIME by more than a second and a tenth, it says nothing
// about that turn: both lines go on by the span of CLOCK_BOOTTIME, and the sample, which may stem from either side of
// the jump, counts as failed. A worker may have read the old line across the jump, for up to one sampling period, and
// sees an older time after; generators tolerate that. A counter that lags CLOCK_BOOTTIME needs no such care: uptime
// steps ahead, and the ordering timeline wants the source to insist, for a wrong hardware clock may be behind it.
#pragma once

#include <optional>

#include "oracle/mint/ordering.hpp"
#include "oracle/page/clock_page.hpp"
#include "oracle/time/cycles.hpp"
#include "oracle/time/instant.hpp"
#include "ptp/time_source.hpp"

namespace gnomon::ptp {

/// CLOCK_BOOTTIME, and when it was read.
struct UptimeReading {
  time::Cycles at;
  time::Uptime uptime;
};

/// Uptime as a line that is not set back. One thread.
class UptimeTimeline {
 public:
  explicit UptimeTimeline(time::CycleRate nominal) : nominal_(nominal) {}

  const time::CycleLine<time::Uptime>& step(const UptimeReading& reading);

  /// The counter has jumped to `at`, where the line goes on at `value` or where it stood at the last reading, whichever
  /// is later. Nothing before the first reading.
  void re_anchor(time::Cycles at, time::Uptime value);

 private:
  static constexpr std::int64_t kHorizonNs = 1'000'000'000;  // an error is slewed away within about a second
  static constexpr std::int64_t kMaxSlewPpb = 500'000;
  static constexpr time::Duration kStepBeyond = time::milliseconds(10);
  static constexpr time::Duration kCoresDiffer = time::milliseconds(1);  // at most; by more, the counter jumped back

  time::CycleRate nominal_;
  std::optional<time::CycleLine<time::Uptime>> line_;
};

class ClockEstimator {
 public:
  /// options.nominal is the calibrated rate of the counter.
  explicit ClockEstimator(const mint::OrderingOptions& options);

  /// One turn: what the source said (or that it failed), and the uptime, read after it.
  const page::ClockRecord& step(const tl::expected<SourceSample, SourceError>& sample, const UptimeReading& uptime);

  /// The next good sample starts a new era of the ordering timeline. Only after every right of the
  /// present era was revoked and acknowledged.
  void start_new_era() { new_era_ = true; }

  [[nodiscard]] const page::ClockRecord& record() const { return record_; }

 private:
  static constexpr time::Duration kGrossly = time::seconds(1);

  [[nodiscard]] bool counter_ran_ahead(const UptimeReading& from, const UptimeReading& to) const;
  void re_anchor(const UptimeReading& from, const UptimeReading& to);

  time::CycleRate nominal_;
  mint::OrderingTimeline ordering_;
  UptimeTimeline uptime_;
  std::optional<UptimeReading> last_;
  page::ClockRecord record_{};
  bool new_era_ = false;
};

}  // namespace gnomon::ptp
