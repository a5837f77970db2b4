// SPDX-License-Identifier: Apache-2.0
//
// When did that clock show this value? ptp4l stamps a Sync message by the clock that it disciplines (the system clock,
// or the card's), and says so a while later. To know the age of what it says, and to be free of what its servo did to
// the clock since, the stamp has to be put on the cycle counter's axis.
//
// So the clock is read every turn, bracketed by the counter, and the readings are kept. A value between two of them was
// shown between their moments; how exactly is known follows from how fast or slow the clock may have run in between.
// Computing back from one late reading instead would take a step of the clock for an age.
//
// Pure. One thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include <tl/expected.hpp>

#include "oracle/time/cycles.hpp"
#include "oracle/time/instant.hpp"

namespace gnomon::ptp {

enum class TrackFault : std::uint8_t {
  kNotYet,   // later than the last reading: ask again after the next
  kTooOld,   // before the readings that are kept
  kStepped,  // the clock was stepped around that value
};

struct Moment {
  time::Cycles at;
  time::Duration width;  // the true moment lies within `at` +- this
};

class ClockTrack {
 public:
  static constexpr std::size_t kReadings = 512;
  /// How much faster or slower than the counter the clock may run: kernels slew by at most 500 ppm, and the two
  /// oscillators may differ by 200 ppm each.
  static constexpr std::int64_t kMaxRatePpm = 1000;

  /// In ascending order of `at`; one that is not is ignored. `half_width`: of its bracket.
  void add(time::Cycles at, std::int64_t value_ns, time::Duration half_width);
  void clear() { size_ = 0; }
  /// When the clock was read last; zero if it never was.
  [[nodiscard]] time::Cycles last() const { return size_ == 0 ? time::Cycles{} : newest(0).at; }

  /// When the clock showed `value_ns`. What it showed twice, because of a step back, is refused as kStepped.
  [[nodiscard]] tl::expected<Moment, TrackFault> when(std::int64_t value_ns, time::CycleRate nominal) const;

 private:
  struct Reading {
    time::Cycles at;
    std::int64_t value_ns = 0;
    time::Duration half_width;
  };
  [[nodiscard]] const Reading& newest(std::size_t age) const {
    return readings_[(next_ + kReadings - 1 - age) % kReadings];
  }

  std::array<Reading, kReadings> readings_{};
  std::size_t next_ = 0;
  std::size_t size_ = 0;
};

}  // namespace gnomon::ptp
