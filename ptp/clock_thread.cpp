// SPDX-License-Identifier: Apache-2.0
#include "ptp/clock_thread.hpp"

#include <pthread.h>
#include <time.h>

#include <algorithm>
#include <system_error>
#include <utility>

#include "platform/cycle_counter.hpp"

namespace gnomon::ptp {
namespace {

constexpr auto kMinInterval = time::milliseconds(1);
constexpr auto kMaxInterval = time::milliseconds(100);

tl::unexpected<ClockStartError> refuse(ClockStartFault fault, std::string text) {
  return tl::make_unexpected(ClockStartError{fault, std::move(text)});
}

// Of at most kMaxInterval, so that a stop is noticed soon; ended early by a signal, which does no
// harm.
void sleep_for(time::Duration d) {
  const timespec wait{d.ns / 1'000'000'000, d.ns % 1'000'000'000};
  clock_nanosleep(CLOCK_MONOTONIC, 0, &wait, nullptr);
}

time::Uptime boot_time() {
  timespec now{};
  clock_gettime(CLOCK_BOOTTIME,
                &now);  // can't fail: the clock id is valid on every kernel that runs this
  return {std::int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec};
}

UptimeReading read_uptime() {
  const auto best = narrowest_of(kReadingsPerSample, platform::read_cycles, boot_time);
  return {{best.before.count + (best.after.count - best.before.count) / 2}, best.value};
}

}  // namespace

ClockThread::ClockThread(const ClockThreadOptions& options, std::unique_ptr<TimeSource> source, page::ClockPage& page)
    : options_(options), source_(std::move(source)), page_(page) {
  options_.interval = std::clamp(options_.interval, kMinInterval, kMaxInterval);
}

ClockThread::~ClockThread() { stop(); }

tl::expected<void, ClockStartError> ClockThread::start() {
  if (estimator_) return refuse(ClockStartFault::kAlreadyStarted, "the clock was started already");
  if (options_.ordering.nominal == time::CycleRate{}) {
    auto calibration = calibrate_cycles();
    if (!calibration) return refuse(ClockStartFault::kCalibration, calibration.error().text);
    calibration_ = std::move(*calibration);
    options_.ordering.nominal = calibration_.rate;
  }
  estimator_ = std::make_unique<ClockEstimator>(options_.ordering);

  const time::Uptime deadline = time::saturating_add(boot_time(), options_.start_limit);
  while (!turn()) {
    if (boot_time() >= deadline)
      return refuse(ClockStartFault::kSource, "no time from the " + source_->describe() + ": " + last_failure());
    sleep_for(options_.interval);
  }
  try {
    thread_ = std::thread([this] { run(); });
  } catch (const std::system_error& error) {
    return refuse(ClockStartFault::kThread, std::string("cannot start the clock thread: ") + error.what());
  }
  return {};
}

bool ClockThread::turn() {
  if (new_era_requested_.exchange(false, std::memory_order_relaxed)) estimator_->start_new_era();
  const auto sample = source_->sample();
  page_.record.write(estimator_->step(sample, read_uptime()));
  if (sample) return true;
  const std::lock_guard lock(failure_mutex_);
  last_failure_ = sample.error().text;
  return false;
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

std::string ClockThread::last_failure() const {
  const std::lock_guard lock(failure_mutex_);
  return last_failure_;
}

}  // namespace gnomon::ptp
