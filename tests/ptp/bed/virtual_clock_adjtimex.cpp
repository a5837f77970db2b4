// SPDX-License-Identifier: Apache-2.0
#include "tests/ptp/bed/virtual_clock_adjtimex.hpp"

#include <algorithm>
#include <cerrno>

namespace gnomon::bed {
namespace {

constexpr unsigned kAdjtime = 0x8000;  // the kernel's ADJ_ADJTIME
constexpr int kReadOnlyStatus =
    STA_PPSSIGNAL | STA_PPSJITTER | STA_PPSWANDER | STA_PPSERROR | STA_CLOCKERR | STA_NANO | STA_MODE | STA_CLK;
constexpr std::int64_t kErrorGrowthUsPerS = 500;

// The largest step is a century: more would be a mistake, and less than the range of the type.
constexpr std::int64_t kMaxStepS = 3'155'760'000;

std::int64_t max_error_us(const ClockState& state, HostTime now) {
  const std::int64_t passed_s =
      std::max<std::int64_t>(0, time::saturating_sub(now, state.max_error_since).ns) / kBillion;
  return std::min(kUnknownErrorUs, state.max_error_us + kErrorGrowthUsPerS * passed_s);
}

int refusal(const ClockState& state, const timex& request) {
  if ((request.modes & kAdjtime) != 0)
    return request.modes == ADJ_OFFSET_SINGLESHOT && request.offset != 0 ? EOPNOTSUPP : 0;
  if ((request.modes & ADJ_TICK) != 0 && (request.tick < 900'000 / 100 || request.tick > 1'100'000 / 100))
    return EINVAL;
  const int status = (request.modes & ADJ_STATUS) != 0 ? request.status : state.status;
  if ((request.modes & ADJ_OFFSET) != 0 && request.offset != 0 && (status & STA_PLL) != 0) return EOPNOTSUPP;
  if ((request.modes & ADJ_SETOFFSET) != 0) {
    const std::int64_t limit = (request.modes & ADJ_NANO) != 0 ? kBillion : 1'000'000;
    if (request.time.tv_usec < 0 || request.time.tv_usec >= limit) return EINVAL;
    if (request.time.tv_sec > kMaxStepS || request.time.tv_sec < -kMaxStepS) return EINVAL;
  }
  return 0;
}

void keep_variables(ClockState& state, const timex& request, HostTime now) {
  if ((request.modes & ADJ_STATUS) != 0)
    state.status = (state.status & kReadOnlyStatus) | (request.status & ~kReadOnlyStatus);
  if ((request.modes & ADJ_NANO) != 0) state.status |= STA_NANO;
  if ((request.modes & ADJ_MICRO) != 0) state.status &= ~STA_NANO;
  if ((request.modes & ADJ_MAXERROR) != 0) {
    state.max_error_us = std::clamp<std::int64_t>(request.maxerror, 0, kUnknownErrorUs);
    state.max_error_since = now;
  }
  if ((request.modes & ADJ_ESTERROR) != 0)
    state.estimated_error_us = std::clamp<std::int64_t>(request.esterror, 0, kUnknownErrorUs);
  if ((request.modes & ADJ_TIMECONST) != 0) state.constant = std::clamp<std::int64_t>(request.constant, 0, 10);
  if ((request.modes & ADJ_TAI) != 0 && request.constant >= 0 && request.constant <= 100'000)
    state.tai_s = static_cast<std::int32_t>(request.constant);
}

void keep_rate(ClockState& state, const timex& request, HostTime now) {
  if ((request.modes & (ADJ_FREQUENCY | ADJ_TICK)) == 0) return;
  if ((request.modes & ADJ_FREQUENCY) != 0)
    state.frequency = std::clamp<std::int64_t>(request.freq, -kMaxFrequency, kMaxFrequency);
  if ((request.modes & ADJ_TICK) != 0) state.tick_us = request.tick;
  ++state.rate_changes;
  renew_rate(state, now);
}

void fill_in(const ClockState& state, timex& request, HostTime now) {
  const unsigned modes = request.modes;
  request = {};
  request.modes = modes;
  request.freq = state.frequency;
  request.tick = state.tick_us;
  request.status = state.status;
  request.tai = state.tai_s;
  request.constant = state.constant;
  request.maxerror = max_error_us(state, now);
  request.esterror = state.estimated_error_us;
  request.precision = 1;
  request.tolerance = kMaxFrequency;
  if (request.maxerror >= kUnknownErrorUs) request.status |= STA_UNSYNC;
  const std::int64_t shown = state.line.at(now).ns;
  const bool nano = (state.status & STA_NANO) != 0;
  request.time.tv_sec = shown / kBillion;
  request.time.tv_usec = nano ? shown % kBillion : shown % kBillion / 1000;
}

}  // namespace

void renew_rate(ClockState& state, HostTime now) {
  state.line.change(now, state.frozen ? Rate{0} : rate_of(state.drift_ppb, state.tick_us, state.frequency));
}

void step(ClockState& state, HostTime now, time::Duration by) {
  state.line.change(now, state.line.rate(), by);
  state.status |= STA_UNSYNC;
  state.max_error_us = kUnknownErrorUs;
  state.max_error_since = now;
  state.estimated_error_us = kUnknownErrorUs;
  ++state.steps;
}

int adjust(ClockState& state, timex& request, HostTime now) {
  if (const int fault = refusal(state, request); fault != 0) return -fault;
  // The flags of adjtime share bits with others, so nothing else may be read out of them.
  if ((request.modes & kAdjtime) == 0) {
    // The step first, as in the kernel: the same call may then declare the clock synchronised.
    if ((request.modes & ADJ_SETOFFSET) != 0) {
      const std::int64_t unit_ns = (request.modes & ADJ_NANO) != 0 ? 1 : 1000;
      step(state, now, time::seconds(request.time.tv_sec) + time::nanoseconds(request.time.tv_usec * unit_ns));
    }
    keep_variables(state, request, now);
    keep_rate(state, request, now);
  }
  fill_in(state, request, now);
  if ((request.status & STA_UNSYNC) != 0) return TIME_ERROR;
  if ((request.status & STA_INS) != 0) return TIME_INS;
  if ((request.status & STA_DEL) != 0) return TIME_DEL;
  return TIME_OK;
}

}  // namespace gnomon::bed
