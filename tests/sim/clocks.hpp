// SPDX-License-Identifier: Apache-2.0
//
// True time, and the system clock of a simulated host: a line that faults bend, break and put right again. The world's
// own instants are ns of true time since it began; no part of the product ever sees them.
#pragma once

#include <cstdint>

#include "oracle/time/instant.hpp"

namespace gnomon::sim {

constexpr time::SmearedUtc kBirth{1'790'000'000'000'000'000};  // 2026-09-21: what an honest source reads at the start
constexpr std::uint64_t kNominalHz = 1'000'000'000;
constexpr time::Duration kTaiMinusUtc = time::seconds(37);

/// No leap second is near, so smeared UTC is UTC here.
[[nodiscard]] constexpr time::Tai true_time(time::Uptime t) { return {kBirth.ns + kTaiMinusUtc.ns + t.ns}; }

class SystemClock {
 public:
  [[nodiscard]] time::SmearedUtc at(time::Uptime t) const {
    const time::Duration passed = t - anchor_;
    return reading_ + passed + time::Duration{passed.ns * rate_ppm_ / 1'000'000};
  }
  /// What an honest one reads.
  [[nodiscard]] static time::SmearedUtc honest(time::Uptime t) { return {kBirth.ns + t.ns}; }
  [[nodiscard]] time::Duration error(time::Uptime t) const { return at(t) - honest(t); }

  void step(time::Uptime t, time::Duration by) { anchor_at(t, at(t) + by); }
  void drift(time::Uptime t, std::int64_t ppm) {
    anchor_at(t, at(t));
    rate_ppm_ = ppm;
  }
  void freeze(time::Uptime t) { drift(t, -1'000'000); }
  void heal(time::Uptime t) {
    anchor_at(t, honest(t) + sane_error_);
    rate_ppm_ = 0;
  }
  /// Sane, and off by this much.
  void set_sane_error(time::Uptime t, time::Duration error) {
    sane_error_ = error;
    heal(t);
  }

 private:
  void anchor_at(time::Uptime t, time::SmearedUtc reading) {
    anchor_ = t;
    reading_ = reading;
  }

  time::Uptime anchor_;
  time::SmearedUtc reading_ = kBirth;
  std::int64_t rate_ppm_ = 0;
  time::Duration sane_error_;
};

}  // namespace gnomon::sim
