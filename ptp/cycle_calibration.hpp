// SPDX-License-Identifier: Apache-2.0
//
// How fast the cycle counter runs, measured against CLOCK_MONOTONIC_RAW (which nobody slews).
//
// What the CPU states about itself is missing or wrong in many virtual machines, so it is measured:
// two bracketed readings of the clock, at least 20 ms apart, with one in the middle. A counter that
// changes its speed (no invariant TSC) or a thread that was held up shows as two halves that
// disagree, and then nothing is believed.
//
// A few ppm of error are harmless to the ordering timeline, which slews by far more; the uncertainty of the true time
// counts them in. What the plausibility check must catch is a rate that is wrong by a factor.
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include <tl/expected.hpp>

#include "oracle/time/cycles.hpp"
#include "oracle/time/instant.hpp"
#include "ptp/time_source.hpp"

namespace gnomon::ptp {

constexpr std::uint64_t kMinCyclesPerSecond = 1'000'000;  // Arm's generic timer may be that slow
constexpr std::uint64_t kMaxCyclesPerSecond = 20'000'000'000;
constexpr std::int64_t kMaxHalvesDifferPpb = 1'000'000;  // the two halves of a calibration

struct CycleCalibration {
  std::uint64_t hz = 0;
  time::CycleRate rate;
  std::int64_t error_ppb = 0;  // how far `hz` may be from what the kernel's own clock makes of the counter
  std::string clocksource;     // what the kernel itself uses; empty if it doesn't say
  /// Whether the kernel trusts the counter. If not (hpet, acpi_pm, a paravirtual clock) the counter
  /// may stop or jump under pauses and migration; ordering and uniqueness hold all the same,
  /// uncertainty does not.
  bool kernel_trusts_counter = false;
};

enum class CalibrationFault : std::uint8_t {
  kClockUnreadable,
  kCounterBackwards,  // it did not advance, or went back
  kOutOfRange,        // slower than 1 MHz or faster than 20 GHz
  kUnsteady,          // the two halves differ by more than 1000 ppm
};

struct CalibrationError {
  CalibrationFault fault = CalibrationFault::kClockUnreadable;
  std::string text;  // complete sentence
};

/// Whether the kernel uses the counter for its own clocks at this moment; it stops to when its watchdog finds it wrong.
/// Reads a file of sysfs.
[[nodiscard]] bool kernel_trusts_counter();

/// CLOCK_MONOTONIC_RAW between two readings of the counter.
using RawReading = Bracketed<time::Duration>;

/// The arithmetic: readings at the start, in the middle and at the end. Pure.
[[nodiscard]] tl::expected<std::uint64_t, CalibrationError> cycles_per_second(
    const std::array<RawReading, 3>& readings);

/// How wrong that frequency can be: both ends were read somewhere within their brackets. Pure; of readings that
/// cycles_per_second has accepted.
[[nodiscard]] std::int64_t calibration_error_ppb(const std::array<RawReading, 3>& readings);

/// Measures for `span` (>= 20 ms; waits, sleeping). Tries a few times before it gives up.
[[nodiscard]] tl::expected<CycleCalibration, CalibrationError> calibrate_cycles(
    time::Duration span = time::milliseconds(20));

}  // namespace gnomon::ptp
