// SPDX-License-Identifier: Apache-2.0
//
// From what the sources say to what is published: the decision part of the clock thread. Event in, record out; it reads
// no clock and owns no thread, so tests and the simulator run this very code in virtual time.
//
// Two things are told apart. The *true time* is an interval or an error, and true_time_estimator.hpp decides it. The
// *ordering timeline* always goes on, because IDs need no synchronised clock: it follows one clock of this machine, or,
// where better sources are configured, the middle of the true time once there is one.
//
// Invariants:
//   - a failed reading changes nothing but a counter: the lines run on by the cycle counter;
//   - the ordering timeline obeys mint::OrderingTimeline's rules, whatever the source says;
//   - the uptime line is not set back; it is slewed towards CLOCK_BOOTTIME and steps only ahead (after a suspend, in
//     which the counter stood still);
//   - a jump of the counter moves neither line: see below.
//
// A machine that is restored or migrated may find its counter anywhere. If it went back, the lines go on from where
// they stood at the last reading. If it ran ahead of CLOCK_BOOTTIME by more than a second and a tenth, it says nothing
// about that turn: both lines go on by the span of CLOCK_BOOTTIME, and the sample, which may stem from either side of
// the jump, counts as failed. A worker may have read the old line across the jump, for up to one sampling period, and
// sees an older time after; generators tolerate that. The true time is less patient: whenever counter and
// CLOCK_BOOTTIME disagree by more than a slewed clock can, or the machine slept, all that was proved is dropped. A
// counter that lags CLOCK_BOOTTIME needs no such care: uptime steps ahead, and the ordering timeline wants the source
// to insist, for a wrong hardware clock may be behind it.
#pragma once

#include <optional>
#include <span>

#include "oracle/mint/ordering.hpp"
#include "oracle/page/clock_page.hpp"
#include "oracle/time/cycles.hpp"
#include "oracle/time/instant.hpp"
#include "ptp/claim.hpp"
#include "ptp/true_time_estimator.hpp"

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

struct ClockEstimatorOptions {
  mint::OrderingOptions ordering;
  TrueTimeOptions truth;
  /// The ordering timeline follows the true time where there is one, and the system clock until then. Otherwise it
  /// follows the system clock alone.
  bool order_by_truth = false;
};

/// One turn of the clock thread.
struct ClockEvent {
  ClaimOr system;        // the clock that orders
  UptimeReading uptime;  // read after it
  /// CLOCK_MONOTONIC_RAW plus `asleep`, if it was read: nobody slews it, so it shows whether the counter kept pace.
  std::optional<UptimeReading> raw = std::nullopt;
  time::Duration asleep;  // CLOCK_BOOTTIME minus CLOCK_MONOTONIC: how long the machine slept since boot
  bool kernel_trusts_counter{};
  bool phc2sys_runs{};
  std::span<const News> news;  // one for each source
};

class ClockEstimator {
 public:
  /// Both nominal rates are the calibrated rate of the counter.
  ClockEstimator(const ClockEstimatorOptions& options, std::size_t sources);

  const page::ClockRecord& step(const ClockEvent& event, const time::LeapTable& leaps);

  /// What an earlier run of the daemon had proved in this boot. Only if the counter ran on since then.
  void resume(const time::TrueTimeLine& proven, time::Cycles supported_at) { truth_.resume(proven, supported_at); }
  /// The next good sample starts a new era of the ordering timeline. Only after every right of the
  /// present era was revoked and acknowledged.
  void start_new_era() { new_era_ = true; }

  [[nodiscard]] const page::ClockRecord& record() const { return record_; }
  [[nodiscard]] const TrueTimeEstimator& truth() const { return truth_; }
  /// Whether the counter ran on in the latest turn. If not, readings that others keep mean nothing any more.
  [[nodiscard]] bool counter_trusted() const { return counter_trusted_; }

 private:
  static constexpr time::Duration kGrossly = time::seconds(1);
  /// The raw clock and the counter may stem from two oscillators; and a reading may be off by its width.
  static constexpr std::int64_t kSlewPpm = 1000;
  static constexpr time::Duration kReadingsDiffer = time::milliseconds(1);

  [[nodiscard]] bool counter_ran_ahead(const UptimeReading& from, const UptimeReading& to) const;
  [[nodiscard]] bool kept_pace(const UptimeReading& from, const UptimeReading& to) const;
  void re_anchor(const UptimeReading& from, const UptimeReading& to);
  void step_truth(const ClockEvent& event, const time::LeapTable& leaps);
  [[nodiscard]] std::optional<mint::SourceReading> reading_to_order_by(const ClockEvent& event,
                                                                       const time::LeapTable& leaps);

  time::CycleRate nominal_;
  ClockEstimatorOptions options_;
  mint::OrderingTimeline ordering_;
  UptimeTimeline uptime_;
  TrueTimeEstimator truth_;
  std::optional<UptimeReading> last_;
  std::optional<UptimeReading> last_pace_;
  time::Duration asleep_;
  std::optional<time::Cycles> truth_ordered_at_;  // when the ordering timeline last followed the true time
  page::ClockRecord record_{};
  bool counter_trusted_ = true;
  bool new_era_ = false;
};

}  // namespace gnomon::ptp
