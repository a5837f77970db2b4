// SPDX-License-Identifier: Apache-2.0
#include "ptp/cycle_calibration.hpp"

#include <fmt/format.h>
#include <time.h>

#include <algorithm>
#include <fstream>
#include <optional>

#include "oracle/time/int128.hpp"
#include "platform/cycle_counter.hpp"
#include "platform/system_error.hpp"

namespace gnomon::ptp {
namespace {

constexpr int kAttempts = 5;
constexpr auto kMinSpan = time::milliseconds(20);

tl::unexpected<CalibrationError> refuse(CalibrationFault fault, std::string text) {
  return tl::make_unexpected(CalibrationError{fault, std::move(text)});
}

time::Cycles middle(const RawReading& reading) { return reading.middle(); }

// Cycles per second between two readings; nothing if either the counter or the clock did not
// advance.
std::optional<std::uint64_t> rate_between(const RawReading& first, const RawReading& last) {
  const time::Duration elapsed = last.value - first.value;
  if (elapsed <= time::Duration{0} || middle(last) <= middle(first)) return std::nullopt;
  const std::uint64_t cycles = middle(last).count - middle(first).count;
  const auto hz = static_cast<time::UInt128>(cycles) * 1'000'000'000 / static_cast<time::UInt128>(elapsed.ns);
  return static_cast<std::uint64_t>(std::min<time::UInt128>(hz, ~std::uint64_t{0}));
}

tl::expected<RawReading, CalibrationError> read_raw() {
  bool failed = false;
  const RawReading best = narrowest_of(kReadingsPerSample, platform::read_cycles, [&failed] {
    timespec now{};
    failed = failed || clock_gettime(CLOCK_MONOTONIC_RAW, &now) != 0;
    return time::Duration{std::int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec};
  });
  if (!failed) return best;
  return refuse(CalibrationFault::kClockUnreadable, platform::system_error("read CLOCK_MONOTONIC_RAW").text);
}

void sleep_for(time::Duration d) {
  timespec wait{d.ns / 1'000'000'000, d.ns % 1'000'000'000};
  while (nanosleep(&wait, &wait) != 0) {
  }
}

struct Measured {
  std::uint64_t hz = 0;
  std::int64_t error_ppb = 0;
};

tl::expected<Measured, CalibrationError> measure(time::Duration span) {
  std::array<RawReading, 3> readings;
  for (std::size_t i = 0; i < readings.size(); ++i) {
    if (i != 0) sleep_for(span / 2);
    const auto reading = read_raw();
    if (!reading) return tl::make_unexpected(reading.error());
    readings[i] = *reading;
  }
  const auto hz = cycles_per_second(readings);
  if (!hz) return tl::make_unexpected(hz.error());
  return Measured{*hz, calibration_error_ppb(readings)};
}

std::string kernel_clocksource() {
  std::ifstream file("/sys/devices/system/clocksource/clocksource0/current_clocksource");
  std::string name;
  file >> name;
  return name;
}

bool is_cycle_counter(const std::string& clocksource) {
#if defined(__x86_64__)
  return clocksource == "tsc";
#else
  return clocksource == "arch_sys_counter";
#endif
}

}  // namespace

bool kernel_trusts_counter() { return is_cycle_counter(kernel_clocksource()); }

tl::expected<std::uint64_t, CalibrationError> cycles_per_second(const std::array<RawReading, 3>& readings) {
  const auto whole = rate_between(readings[0], readings[2]);
  const auto early = rate_between(readings[0], readings[1]);
  const auto late = rate_between(readings[1], readings[2]);
  if (!whole || !early || !late)
    return refuse(CalibrationFault::kCounterBackwards,
                  "the cycle counter did not advance while time passed: this machine has no usable "
                  "counter (see docs/limits.md)");
  if (*whole < kMinCyclesPerSecond || *whole > kMaxCyclesPerSecond)
    return refuse(CalibrationFault::kOutOfRange,
                  fmt::format("the cycle counter runs at {} Hz; believable are {} Hz to {} Hz", *whole,
                              kMinCyclesPerSecond, kMaxCyclesPerSecond));
  const std::uint64_t apart = std::max(*early, *late) - std::min(*early, *late);
  const auto ppb = static_cast<std::int64_t>(static_cast<time::UInt128>(apart) * 1'000'000'000 / *whole);
  if (ppb > kMaxHalvesDifferPpb)
    return refuse(CalibrationFault::kUnsteady,
                  fmt::format("the cycle counter changed its speed while it was measured ({} Hz, "
                              "then {} Hz): it is not invariant, or the machine stalls for long",
                              *early, *late));
  return *whole;
}

std::int64_t calibration_error_ppb(const std::array<RawReading, 3>& readings) {
  const std::uint64_t blur = (readings[0].width_cycles() + readings[2].width_cycles()) / 2 + 1;
  const std::uint64_t cycles = middle(readings[2]).count - middle(readings[0]).count;
  return static_cast<std::int64_t>(static_cast<time::UInt128>(blur) * 1'000'000'000 / cycles) + 1;
}

tl::expected<CycleCalibration, CalibrationError> calibrate_cycles(time::Duration span) {
  auto measured = measure(std::max(span, kMinSpan));
  // A thread that was held up in the middle of a reading looks like an unsteady counter; one that
  // is measured again does not.
  for (int attempt = 1; attempt < kAttempts && !measured; ++attempt) {
    if (measured.error().fault != CalibrationFault::kUnsteady) break;
    measured = measure(std::max(span, kMinSpan));
  }
  if (!measured) return tl::make_unexpected(measured.error());
  CycleCalibration calibration{measured->hz, time::CycleRate::from_hz(measured->hz), measured->error_ppb,
                               kernel_clocksource(), false};
  calibration.kernel_trusts_counter = is_cycle_counter(calibration.clocksource);
  return calibration;
}

}  // namespace gnomon::ptp
