// SPDX-License-Identifier: Apache-2.0
#include "ptp/clock_estimator.hpp"

#include <algorithm>

#include "oracle/time/int128.hpp"

namespace gnomon::ptp {

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

ClockEstimator::ClockEstimator(const mint::OrderingOptions& options)
    : nominal_(options.nominal), ordering_(options), uptime_(options.nominal) {}

const page::ClockRecord& ClockEstimator::step(const tl::expected<SourceSample, SourceError>& sample,
                                              const UptimeReading& uptime) {
  const UptimeReading last = last_.value_or(uptime);
  const bool ran_ahead = counter_ran_ahead(last, uptime);
  if (ran_ahead) re_anchor(last, uptime);
  last_ = uptime;
  record_.uptime = uptime_.step(uptime);
  record_.ordering = ordering_.snapshot();
  if (!sample || ran_ahead) {
    ++record_.failed_readings;
    return record_;
  }
  ++record_.readings;
  if (new_era_) ordering_.start_new_era();
  new_era_ = false;
  record_.ordering = ordering_.step({.at = sample->middle(), .reading = sample->reading});
  // The reading was made anywhere between its two brackets.
  record_.source_bound = sample->bound + nominal_.span(sample->width_cycles() / 2 + 1);
  return record_;
}

bool ClockEstimator::counter_ran_ahead(const UptimeReading& from, const UptimeReading& to) const {
  if (to.at <= from.at) return false;
  const time::Duration passed = to.uptime - from.uptime;
  const time::Duration too_much = nominal_.span(to.at.count - from.at.count) - passed;
  return too_much > kGrossly && too_much > passed / 10;
}

void ClockEstimator::re_anchor(const UptimeReading& from, const UptimeReading& to) {
  const time::Duration passed = to.uptime - from.uptime;
  ordering_.re_anchor(to.at, record_.ordering.line.at(from.at) + passed);
  uptime_.re_anchor(to.at, record_.uptime.at(from.at) + passed);
}

}  // namespace gnomon::ptp
