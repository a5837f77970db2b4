// SPDX-License-Identifier: Apache-2.0
#include "ptp/clock_thread.hpp"

#include <fmt/format.h>
#include <pthread.h>
#include <time.h>

#include <algorithm>
#include <limits>
#include <system_error>
#include <utility>

#include "oracle/time/smear.hpp"
#include "platform/cycle_counter.hpp"
#include "ptp/core_skew.hpp"

namespace gnomon::ptp {
namespace {

constexpr auto kMinInterval = time::milliseconds(1);
constexpr auto kMaxInterval = time::milliseconds(100);
constexpr auto kDay = time::seconds(86'400);

tl::unexpected<ClockStartError> refuse(ClockStartFault fault, std::string text) {
  return tl::make_unexpected(ClockStartError{fault, std::move(text)});
}

// Of at most kMaxInterval, so that a stop is noticed soon; ended early by a signal, which does no
// harm.
void sleep_for(time::Duration d) {
  const timespec wait{d.ns / 1'000'000'000, d.ns % 1'000'000'000};
  clock_nanosleep(CLOCK_MONOTONIC, 0, &wait, nullptr);
}

// None of these can fail: the clock ids are valid on every kernel that runs this.
std::int64_t read_clock(clockid_t id) {
  timespec now{};
  clock_gettime(id, &now);
  return std::int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

UptimeReading read_uptime() {
  const auto best =
      narrowest_of(kReadingsPerSample, platform::read_cycles, [] { return time::Uptime{read_clock(CLOCK_BOOTTIME)}; });
  return {best.middle(), best.value};
}

// Between its two halves the thread may be held up, so the smallest of a few differences counts.
time::Duration time_asleep() {
  time::Duration least = time::Duration{std::numeric_limits<std::int64_t>::max()};
  for (int i = 0; i < kReadingsPerSample; ++i) {
    const std::int64_t monotonic = read_clock(CLOCK_MONOTONIC);
    least = std::min(least, time::Duration{read_clock(CLOCK_BOOTTIME) - monotonic});
  }
  return least;
}

}  // namespace

ClockThread::ClockThread(const ClockThreadOptions& options, ClockSources sources, page::ClockPage& page)
    : options_(options),
      sources_(std::move(sources)),
      page_(page),
      leaps_in_use_(options.leaps),
      leaps_(options.leaps) {
  options_.interval = std::clamp(options_.interval, kMinInterval, kMaxInterval);
  if (sources_.system_counts) counted_.push_back(sources_.system.get());
  for (const auto& source : sources_.others)
    counted_.push_back(source.get());
  for (const TimeSource* const source : counted_)
    names_.push_back(source->describe());
}

ClockThread::~ClockThread() { stop(); }

tl::expected<void, ClockStartError> ClockThread::start() {
  if (estimator_) return refuse(ClockStartFault::kAlreadyStarted, "the clock was started already");
  if (auto calibrated = calibrate(); !calibrated) return calibrated;
  estimator_ = std::make_unique<ClockEstimator>(options_.estimator, counted_.size());
  resume();
  const std::int64_t began = read_clock(CLOCK_BOOTTIME);
  while (!turn()) {
    if (read_clock(CLOCK_BOOTTIME) - began >= options_.start_limit.ns)
      return refuse(ClockStartFault::kSource,
                    "no time from the " + sources_.system->describe() + ": " + last_failure());
    sleep_for(options_.interval);
  }
  // Without a trusted counter there will be none.
  while (calibration_.kernel_trusts_counter && estimator_->record().truth.fault != time::ClockFault::kNone &&
         read_clock(CLOCK_BOOTTIME) - began < options_.truth_limit.ns) {
    sleep_for(options_.interval);
    turn();
  }
  try {
    thread_ = std::thread([this] { run(); });
  } catch (const std::system_error& error) {
    return refuse(ClockStartFault::kThread, std::string("cannot start the clock thread: ") + error.what());
  }
  return {};
}

tl::expected<void, ClockStartError> ClockThread::calibrate() {
  ClockEstimatorOptions& to = options_.estimator;
  if (to.ordering.nominal != time::CycleRate{}) {
    calibration_.rate = to.ordering.nominal;
    calibration_.kernel_trusts_counter = true;
  } else {
    auto calibration = calibrate_cycles();
    if (!calibration) return refuse(ClockStartFault::kCalibration, calibration.error().text);
    calibration_ = std::move(*calibration);
    to.ordering.nominal = calibration_.rate;
    to.truth.drift.ppb += calibration_.error_ppb;
  }
  to.truth.nominal = to.ordering.nominal;
  if (options_.measure_cores) to.truth.cores = measure_core_skew(to.truth.nominal);
  return {};
}

// What an earlier run had proved still holds if the counter ran on since then: it kept pace with CLOCK_BOOTTIME, which
// nothing stops.
void ClockThread::resume() {
  const auto& details = options_.previous_details;
  const auto& line = options_.previous_line;
  if (!details || !line || line->fault != time::ClockFault::kNone || !calibration_.kernel_trusts_counter) return;
  const UptimeReading now = read_uptime();
  if (now.at < line->anchor || details->supported_at > line->anchor) return;
  const time::CycleRate nominal = calibration_.rate;
  const time::Duration since_support = nominal.span(now.at.count - details->supported_at.count);
  const time::Duration by_counter = nominal.span(now.at.count - details->uptime.anchor.count);
  const time::Duration by_uptime = now.uptime - details->uptime.at_anchor;
  const time::Duration allowed = time::milliseconds(2) + time::Duration{by_counter.ns / 1000};
  const time::Duration apart = by_counter - by_uptime;
  if (now.at < details->uptime.anchor || apart > allowed || -apart > allowed) return;
  if (since_support > options_.estimator.truth.holdover) return;
  time::TrueTimeLine proven = *line;
  const time::Drift& drift = options_.estimator.truth.drift;
  const time::Interval here = line->extrapolated(now.at);
  proven.anchor = now.at;
  proven.earliest = here.earliest;
  proven.latest = here.latest;
  proven.slow = drift.slowest(nominal);
  proven.fast = drift.fastest(nominal);
  estimator_->resume(proven, details->supported_at);
  resumed_ = true;
}

bool ClockThread::turn() {
  if (new_era_requested_.exchange(false, std::memory_order_relaxed)) estimator_->start_new_era();
  const bool told_to_distrust = distrust_requested_.exchange(false, std::memory_order_relaxed);
  const time::CycleRate nominal = calibration_.rate;
  News system = sources_.system->poll(nominal);
  news_.clear();
  if (sources_.system_counts) news_.push_back(system);
  for (const auto& source : sources_.others)
    news_.push_back(source->poll(nominal));
  const auto raw = narrowest_of(kReadingsPerSample, platform::read_cycles,
                                [] { return time::Uptime{read_clock(CLOCK_MONOTONIC_RAW)}; });
  const time::Duration asleep = time_asleep();
  const ClockEvent event{
      .system = system.value_or(tl::make_unexpected(SourceError{SourceFault::kUnreadable, "it said nothing"})),
      .uptime = read_uptime(),
      .raw = UptimeReading{raw.middle(), raw.value + asleep},
      .asleep = asleep,
      .kernel_trusts_counter =
          calibration_.kernel_trusts_counter && !told_to_distrust && !trust_lost_.load(std::memory_order_relaxed),
      .phc2sys_runs = phc2sys_runs_.load(std::memory_order_relaxed),
      .news = news_};
  if (!event.system) failure_ = event.system.error().text;
  const page::ClockRecord& record = estimator_->step(event, leaps_in_use_);
  publish(record);
  show(record, event.uptime.at);
  if (!estimator_->counter_trusted())
    for (TimeSource* const source : counted_)
      source->distrust();
  return event.system.has_value();
}

void ClockThread::publish(const page::ClockRecord& record) {
  page_.record.write(record);
  page_.truth.write(page::PublishedLine::of(record.truth, page_.header.incarnation));
  const TrueTimeView& truth = estimator_->truth().view();
  page::ClockDetails details;
  details.terms = truth.terms;
  details.sampled_at = truth.sampled_at;
  details.supported_at = truth.supported_at;
  details.nominal = calibration_.rate;
  details.uptime = record.uptime;
  details.sources = static_cast<std::uint32_t>(counted_.size());
  details.roots = truth.roots;
  details.holdover = truth.holdover;
  if (truth.best < names_.size()) details.name(names_[truth.best]);
  page_.details.write(details);
}

// Somebody who looks may be preempted while he holds the lock, for as long as the scheduler likes; the clock goes on
// without him.
void ClockThread::show(const page::ClockRecord& record, time::Cycles at) {
  const std::unique_lock lock(mutex_, std::try_to_lock);
  if (!lock.owns_lock()) return;
  leaps_in_use_ = leaps_;
  if (!shown_) shown_.emplace();
  shown_->truth = estimator_->truth().view();
  const auto sources = estimator_->truth().sources();
  shown_->sources.assign(sources.begin(), sources.end());  // into the room of the turn before
  shown_->at = at;
  shown_->ordering = record.ordering.line;
  shown_->last_failure = failure_;
}

void ClockThread::run() {
  pthread_setname_np(pthread_self(), "gnomon-clock");
  while (!stop_requested_.load(std::memory_order_relaxed)) {  // join() orders what follows
    sleep_for(options_.interval);
    turn();
  }
}

void ClockThread::stop() {
  stop_requested_.store(true, std::memory_order_relaxed);
  if (thread_.joinable()) thread_.join();
}

void ClockThread::use_leaps(const time::LeapTable& leaps) {
  const std::lock_guard lock(mutex_);
  leaps_ = leaps;
}

std::string ClockThread::last_failure() const {
  const std::lock_guard lock(mutex_);
  return shown_ ? shown_->last_failure : std::string();
}

ClockStatus ClockThread::status() const {
  const std::lock_guard lock(mutex_);
  ClockStatus out;
  out.leaps = leaps_;
  out.nominal = calibration_.rate;
  out.options = options_.estimator;
  out.leap_table_expires = leaps_.expires();
  out.phc2sys_runs = phc2sys_runs_.load(std::memory_order_relaxed);
  out.resumed = resumed_;
  if (!calibration_.kernel_trusts_counter)
    out.counter_problem =
        fmt::format("the kernel's clocksource is '{}', not the cycle counter", calibration_.clocksource);
  else if (trust_lost_.load(std::memory_order_relaxed))
    out.counter_problem = "the kernel has ceased to use the cycle counter since the start";
  if (!shown_) return out;
  out.at = shown_->at;
  out.truth = shown_->truth;
  for (std::size_t i = 0; i < names_.size(); ++i)
    out.sources.push_back({names_[i], shown_->sources[i]});
  const auto now = time::to_tai(leaps_, shown_->ordering.at(platform::read_cycles()));
  if (!now) return out;
  out.tai_minus_utc = leaps_.offset_at(*now).value_or(time::Duration{});
  out.leap_table_expired = leaps_.expired(*now);
  out.leap_near = leaps_.near_leap(*now, kDay);
  return out;
}

std::string ClockThread::describe_sources() const {
  std::string text;
  for (const std::string& name : names_)
    text += (text.empty() ? "" : "; ") + name;
  return text;
}

}  // namespace gnomon::ptp
