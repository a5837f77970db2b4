// SPDX-License-Identifier: Apache-2.0
#include "ptp/clock_estimator.hpp"

#include <algorithm>
#include <utility>

#include "oracle/canary.hpp"
#include "oracle/time/int128.hpp"
#include "oracle/time/smear.hpp"

namespace gnomon::ptp {
namespace {

// What the clock that orders says, on the timeline that IDs embed. Where the leap table can't tell (before 1972), the
// reading stands for itself: IDs have to be issued whatever the clock says.
time::SmearedUtc smeared_reading(const Claim& claim, const time::LeapTable& leaps) {
  const time::SmearedUtc as_it_is{claim.reading_ns};
  if (claim.scale == Scale::kSmearedUtc) return as_it_is;
  const auto tai = claim.scale == Scale::kTai ? time::Tai{claim.reading_ns}
                                              : leaps.to_tai(time::Utc{claim.reading_ns}).value_or(time::Tai::min());
  return time::to_smeared(leaps, tai).value_or(as_it_is);
}

}  // namespace

const time::CycleLine<time::Uptime>& UptimeTimeline::step(const UptimeReading& reading) {
  if (!line_) return line_.emplace(reading.at, reading.uptime, nominal_);
  if (reading.at < line_->anchor) {
    if (nominal_.span(line_->anchor.count - reading.at.count) <= kCoresDiffer) return *line_;
    // How long ago the last reading was, the counter can't say. Its value is the least that uptime is now, and what it
    // lacks is made up for at once below.
    re_anchor(reading.at, line_->at_anchor);
  }

  const time::Uptime predicted = line_->at(reading.at);
  const time::Duration error = time::saturating_sub(reading.uptime, predicted);
  if (error > kStepBeyond) {
    *line_ = {reading.at, reading.uptime, nominal_};
    return *line_;
  }
  const auto ppb = static_cast<time::Int128>(error.ns) * 1'000'000'000 / kHorizonNs;
  const auto slew = std::clamp<time::Int128>(ppb, -kMaxSlewPpb, kMaxSlewPpb);
  *line_ = {reading.at, predicted, nominal_.adjusted(static_cast<std::int64_t>(slew))};
  return *line_;
}

void UptimeTimeline::re_anchor(time::Cycles at, time::Uptime value) {
  if (line_) *line_ = {at, std::max(value, line_->at_anchor), nominal_};
}

ClockEstimator::ClockEstimator(const ClockEstimatorOptions& options, std::size_t sources)
    : nominal_(options.ordering.nominal),
      options_(options),
      ordering_(options.ordering),
      uptime_(options.ordering.nominal),
      truth_(options.truth, sources) {}

const page::ClockRecord& ClockEstimator::step(const ClockEvent& event, const time::LeapTable& leaps) {
  const UptimeReading last = last_.value_or(event.uptime);
  const bool ran_ahead = counter_ran_ahead(last, event.uptime);
  if (ran_ahead) re_anchor(last, event.uptime);
  step_truth(event, leaps);
  last_ = event.uptime;
  record_.uptime = uptime_.step(event.uptime);
  record_.ordering = ordering_.snapshot();
  const auto reading = reading_to_order_by(event, leaps);
  if (!reading || ran_ahead) {
    ++record_.failed_readings;
    return record_;
  }
  ++record_.readings;
  if (new_era_) ordering_.start_new_era();
  new_era_ = false;
  record_.ordering = ordering_.step(*reading);
  return record_;
}

void ClockEstimator::step_truth(const ClockEvent& event, const time::LeapTable& leaps) {
  const UptimeReading pace = event.raw.value_or(event.uptime);
  const UptimeReading last = std::exchange(last_pace_, pace).value_or(pace);
  const bool slept = last_ && event.asleep - asleep_ > kReadingsDiffer;
  asleep_ = event.asleep;
  const bool told = !event.kernel_trusts_counter && !canary::planted(canary::Bug::kIgnoredNotice);
  counter_trusted_ = !told && !slept && kept_pace(last, pace);
  if (!counter_trusted_) truth_ordered_at_.reset();
  record_.truth = truth_
                      .step({.now = event.uptime.at,
                             .counter_trusted = counter_trusted_,
                             .phc2sys_runs = event.phc2sys_runs,
                             .news = event.news},
                            leaps)
                      .line;
}

std::optional<mint::SourceReading> ClockEstimator::reading_to_order_by(const ClockEvent& event,
                                                                       const time::LeapTable& leaps) {
  const time::Cycles now = event.uptime.at;
  if (options_.order_by_truth) {
    const auto true_time = record_.truth.at(now);
    const auto smeared =
        true_time ? time::to_smeared(leaps, true_time->midpoint()) : tl::make_unexpected(time::LeapFault::kOutOfRange);
    if (smeared) {
      truth_ordered_at_ = now;
      return mint::SourceReading{now, *smeared};
    }
    // A clock that was left behind for good reasons is not taken up again because the better one is out for a while.
    const bool lately = truth_ordered_at_ && now > *truth_ordered_at_ &&
                        nominal_.span(now.count - truth_ordered_at_->count) <= options_.truth.holdover;
    if (lately) return std::nullopt;
  }
  if (!event.system) return std::nullopt;
  return mint::SourceReading{event.system->at, smeared_reading(*event.system, leaps)};
}

bool ClockEstimator::counter_ran_ahead(const UptimeReading& from, const UptimeReading& to) const {
  if (to.at <= from.at) return false;
  const time::Duration passed = to.uptime - from.uptime;
  const time::Duration too_much = nominal_.span(to.at.count - from.at.count) - passed;
  return too_much > kGrossly && too_much > passed / 10;
}

bool ClockEstimator::kept_pace(const UptimeReading& from, const UptimeReading& to) const {
  const time::Duration passed = to.uptime - from.uptime;
  const time::Duration ran =
      to.at < from.at ? -nominal_.span(from.at.count - to.at.count) : nominal_.span(to.at.count - from.at.count);
  const time::Duration apart = ran - passed;
  const time::Duration allowed = kReadingsDiffer + time::Duration{passed.ns / 1'000'000 * kSlewPpm};
  return apart <= allowed && -apart <= allowed;
}

void ClockEstimator::re_anchor(const UptimeReading& from, const UptimeReading& to) {
  const time::Duration passed = to.uptime - from.uptime;
  ordering_.re_anchor(to.at, record_.ordering.line.at(from.at) + passed);
  uptime_.re_anchor(to.at, record_.uptime.at(from.at) + passed);
}

}  // namespace gnomon::ptp
