// SPDX-License-Identifier: Apache-2.0
//
// The clocks of a simulated host. The source of time can be made to lie; the cycle counter can't (it may only be off by
// its rate error and by a little per core), because everything in gnomon that survives a lying source leans on it.
#pragma once

#include <cstdint>

#include "oracle/time/cycles.hpp"
#include "oracle/time/instant.hpp"

namespace gnomon::sim {

constexpr time::SmearedUtc kBirth{1'790'000'000'000'000'000};  // 2026-09-21: what an honest source reads at the start
constexpr std::uint64_t kNominalHz = 1'000'000'000;

/// The source that the daemon samples: a line that faults bend, break and put right again.
class SourceClock {
 public:
  [[nodiscard]] time::SmearedUtc at(time::Uptime t) const {
    const time::Duration passed = t - anchor_;
    return reading_ + passed + time::Duration{passed.ns * rate_ppm_ / 1'000'000};
  }
  /// What an honest source reads.
  [[nodiscard]] static time::SmearedUtc honest(time::Uptime t) { return {kBirth.ns + t.ns}; }
  [[nodiscard]] time::Duration error(time::Uptime t) const { return at(t) - honest(t); }

  void step(time::Uptime t, time::Duration by) { anchor_at(t, at(t) + by); }
  void drift(time::Uptime t, std::int64_t ppm) {
    anchor_at(t, at(t));
    rate_ppm_ = ppm;
  }
  void freeze(time::Uptime t) { drift(t, -1'000'000); }
  void heal(time::Uptime t) {
    anchor_at(t, honest(t));
    rate_ppm_ = 0;
  }

 private:
  void anchor_at(time::Uptime t, time::SmearedUtc reading) {
    anchor_ = t;
    reading_ = reading;
  }

  time::Uptime anchor_;
  time::SmearedUtc reading_ = kBirth;
  std::int64_t rate_ppm_ = 0;
};

/// The cycle counter of one core.
struct CoreCounter {
  std::int64_t rate_error_ppm = 0;
  std::int64_t offset = 0;  // cycles against the other cores

  [[nodiscard]] time::Cycles at(time::Uptime t) const {
    constexpr std::int64_t kSinceBoot = 5'000'000'000;
    return {static_cast<std::uint64_t>(kSinceBoot + t.ns + t.ns * rate_error_ppm / 1'000'000 + offset)};
  }
};

}  // namespace gnomon::sim
