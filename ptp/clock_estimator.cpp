// SPDX-License-Identifier: Apache-2.0
#include "ptp/clock_estimator.hpp"

#include <algorithm>

#include "oracle/time/int128.hpp"

namespace gnomon::ptp {

const time::CycleLine<time::Uptime>& UptimeTimeline::step(const UptimeReading& reading) {
  if (!line_) return line_.emplace(reading.at, reading.uptime, nominal_);
  if (reading.at < line_->anchor) return *line_;

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

ClockEstimator::ClockEstimator(const mint::OrderingOptions& options)
    : nominal_(options.nominal), ordering_(options), uptime_(options.nominal) {}

const page::ClockRecord& ClockEstimator::step(const tl::expected<SourceSample, SourceError>& sample,
                                              const UptimeReading& uptime) {
  record_.uptime = uptime_.step(uptime);
  if (!sample) {
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

}  // namespace gnomon::ptp
