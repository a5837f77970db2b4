// SPDX-License-Identifier: Apache-2.0
#include "oracle/mint/ordering.hpp"

#include <algorithm>

#include "oracle/canary.hpp"
#include "oracle/time/int128.hpp"

namespace gnomon::mint {

const OrderingSnapshot& OrderingTimeline::step(const SourceReading& reading) {
  if (snapshot_.state == OrderingState::kNoTime) {
    set_to(reading);
    return snapshot_;
  }
  if (reading.at < snapshot_.line.anchor) {
    if (options_.nominal.span(snapshot_.line.anchor.count - reading.at.count) <= kCoresDiffer) return snapshot_;
    // How long ago the last reading was is not known any more. Where the line stood then is the least that can be said;
    // workers have read on since, and their generators tolerate the older time until the source has pulled it up.
    re_anchor(reading.at, snapshot_.line.at_anchor);
  }

  const time::SmearedUtc predicted = snapshot_.line.at(reading.at);
  const time::Duration error = time::saturating_sub(reading.reading, predicted);  // > 0: the source is ahead
  // Leaving `behind` takes a little more than entering it, so that noise at the limit does not flap.
  const bool was_behind = snapshot_.state == OrderingState::kBehind;
  const time::Duration limit = was_behind ? resume_lead() : options_.max_lead;

  if (error > options_.follow_within) {
    if (jump_is_confirmed(reading, error)) {
      set_to(reading);
    } else {
      snapshot_.line = {reading.at, predicted, options_.nominal};
      publish(OrderingState::kUnconfirmed, time::Duration{0} - error);
    }
    return snapshot_;
  }
  jump_.reset();
  if (error < -limit)
    hold(reading, predicted);
  else
    follow(reading, predicted, error);
  return snapshot_;
}

void OrderingTimeline::re_anchor(time::Cycles at, time::SmearedUtc value) {
  if (snapshot_.state == OrderingState::kNoTime) return;
  snapshot_.line = {at, std::max(value, snapshot_.line.at_anchor), options_.nominal};
  jump_.reset();  // first seen at a count that means nothing any more
}

void OrderingTimeline::start_new_era() {
  snapshot_.state = OrderingState::kNoTime;
  ++snapshot_.era.value;
  jump_.reset();
}

void OrderingTimeline::set_to(const SourceReading& reading) {
  snapshot_.line = {reading.at, reading.reading, options_.nominal};
  jump_.reset();
  publish(OrderingState::kFollowing, time::Duration{0});
}

void OrderingTimeline::follow(const SourceReading& reading, time::SmearedUtc predicted, time::Duration error) {
  const auto ppb = static_cast<std::int64_t>(static_cast<time::Int128>(error.ns) * 1'000'000'000 / kServoHorizonNs);
  const std::int64_t slew = std::clamp(ppb, -options_.max_slew_ppb, options_.max_slew_ppb);
  snapshot_.line = {reading.at, predicted, options_.nominal.adjusted(slew)};
  publish(OrderingState::kFollowing, -error);
}

void OrderingTimeline::hold(const SourceReading& reading, time::SmearedUtc predicted) {
  snapshot_.line = {reading.at, predicted, time::CycleRate{0}};
  publish(OrderingState::kBehind, time::saturating_sub(predicted, reading.reading));
}

// The source insists on one and the same jump: every reading within `follow_within` of the first that claimed it, for
// `confirm` by the cycle counter and at least a handful of readings.
bool OrderingTimeline::jump_is_confirmed(const SourceReading& reading, time::Duration error) {
  if (canary::planted(canary::Bug::kUnconfirmedJump)) return true;
  const auto differs = [&](time::Duration a, time::Duration b) {
    const time::Duration d = a - b;
    return d > options_.follow_within || -d > options_.follow_within;
  };
  if (!jump_ || differs(error, jump_->size)) {
    jump_ = ForwardJump{.first_seen = reading.at, .size = error};
    return false;
  }
  ++jump_->confirmations;
  const time::Duration insisted = options_.nominal.span(reading.at.count - jump_->first_seen.count);
  return jump_->confirmations >= kMinConfirmations && insisted >= options_.confirm;
}

void OrderingTimeline::publish(OrderingState state, time::Duration lead) {
  snapshot_.state = state;
  snapshot_.lead = lead;
  snapshot_.behind_for = state == OrderingState::kBehind ? lead - resume_lead() : time::Duration{0};
  snapshot_.lead_left = std::max(time::Duration{0}, options_.max_lead - std::max(time::Duration{0}, lead));
}

}  // namespace gnomon::mint
