// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/clock_turns.hpp"

#include <utility>

namespace gnomon::sim {
namespace {

time::LeapTable leaps_that_hold() {
  time::LeapTable leaps(time::LeapTable::kLastUtc);  // the one in the product has expired in this world
  const time::LeapTable known = time::builtin_leap_table();
  for (const time::LeapEntry& entry : known.entries())
    (void)leaps.append(entry);
  return leaps;
}
const time::LeapTable kLeaps = leaps_that_hold();

ptp::ClockEstimatorOptions options_of(const Scenario& scenario, const HostPlan& plan) {
  ptp::ClockEstimatorOptions options;
  options.ordering = {
      .nominal = time::CycleRate::from_hz(kNominalHz), .max_lead = scenario.max_lead, .confirm = scenario.confirm};
  options.truth.nominal = options.ordering.nominal;
  options.truth.drift = {Oscillator::kWorstPpb};
  options.truth.cores = plan.cores;
  options.order_by_truth = plan.order_by_truth;
  return options;
}

}  // namespace

bool RecordOrigin::promises(std::uint64_t epoch_now, time::Cycles count) const {
  if (!assumptions_hold) return false;
  if (epoch_now == epoch) return true;
  const bool before = count < truth.anchor;
  const bool exposed = before ? truth.fast.span(truth.anchor.count - count.count) <= time::TrueTimeLine::kMaxLag
                              : count < truth.void_after;
  return !exposed;
}

ClockTurns::ClockTurns(Environment& environment, Host& host, std::int64_t core)
    : env_(environment),
      host_(host),
      core_(core),
      page_(std::make_unique<page::ClockPage>()),
      estimator_(options_of(environment.scenario, host.plan()), host.plan().sources.size()),
      assumptions_(options_of(environment.scenario, host.plan()).truth, host.plan().sources.size()),
      news_(host.plan().sources.size()),
      last_epoch_(host.epoch()) {
  host_.distrust();  // a new process has heard nothing yet
}

time::Duration ClockTurns::read() {
  const time::Duration half_width = env_.time_random.between(time::nanoseconds(20), env_.scenario.widest_reading);
  host_.read(env_.now(), core_, half_width, readings_);
  return half_width;
}

void ClockTurns::publish() {
  if (std::exchange(era_wanted_, false)) {
    estimator_.start_new_era();
    fresh_timeline_ = true;
  }
  for (std::size_t i = 0; i < news_.size(); ++i)
    news_[i] = readings_.sources[i].news;
  const page::ClockRecord& record = estimator_.step({.system = readings_.system,
                                                     .uptime = readings_.uptime,
                                                     .raw = readings_.raw,
                                                     .asleep = readings_.asleep,
                                                     .kernel_trusts_counter = !readings_.told_to_distrust,
                                                     .news = news_},
                                                    kLeaps);
  page_->record.write(record);
  if (!estimator_.counter_trusted()) host_.distrust();
  tell_assumptions();
  origin_.epoch = readings_.epoch;
  origin_.truth = record.truth;
  origin_.assumptions_hold = assumptions_.hold();
  // None, or not to be trusted, or a little older than the last, as after a small jump back.
  const bool taken = std::exchange(readings_taken_, record.readings) != record.readings;
  if (!taken || record.ordering.line.anchor != readings_.uptime.at) return;
  origin_.sampled_at = readings_.taken_at;
  origin_.ordering_epoch = readings_.epoch;
  origin_.reading = ordered_by(record);
  judge_belief();
}

bool ClockTurns::is_put_out(std::size_t source) const {
  const ptp::SourceView& view = estimator_.truth().sources()[source];
  return view.state == ptp::SourceState::kEvicted && view.error && view.error->fault == ptp::SourceFault::kWholeSeconds;
}

// What the ordering timeline has just followed.
time::SmearedUtc ClockTurns::ordered_by(const page::ClockRecord& record) const {
  const time::Now truth = record.truth.at(readings_.uptime.at);
  if (host_.plan().order_by_truth && truth) return {(truth->midpoint() - kTaiMinusUtc).ns};
  return {readings_.system->reading_ns};
}

// What the world did to the counter counts, whether or not the product has noticed.
void ClockTurns::tell_assumptions() {
  const bool other_counter = std::exchange(last_epoch_, readings_.epoch) != readings_.epoch;
  if (other_counter || !estimator_.counter_trusted()) return assumptions_.forget();
  for (std::size_t i = 0; i < readings_.sources.size(); ++i)
    assumptions_.heard(i, readings_.sources[i]);
  const time::Cycles now = readings_.uptime.at;
  const time::Now line = estimator_.record().truth.at(now);
  // Others read the line on other cores, so what is proved has to leave room for that.
  const time::Tai truth = true_time(readings_.taken_at);
  const time::Duration cores = host_.plan().cores;
  assumptions_.turn(now, line && line->contains(time::Interval{truth - cores, truth + cores}));
}

// Whether all that this process could know speaks for the day ahead: then it may believe in it, and its ids are gone.
// Of a time 37 s ahead only for about as long.
void ClockTurns::judge_belief() {
  const time::Uptime sampled_at = origin_.sampled_at;
  const time::Duration by = origin_.reading - SystemClock::honest(sampled_at);
  const bool ahead = by > time::seconds(20);
  const bool fresh = std::exchange(fresh_timeline_, false);
  if (!ahead) {
    day_ahead_since_.reset();
    believes_ = false;
    return;
  }
  if (!day_ahead_since_) day_ahead_since_ = sampled_at;
  const bool insisted = sampled_at - *day_ahead_since_ >= env_.scenario.confirm * 9 / 10;
  if ((fresh || insisted) && !std::exchange(believes_, true))
    ++(by > time::seconds(43'200) ? env_.false_futures : env_.near_futures);
}

}  // namespace gnomon::sim
