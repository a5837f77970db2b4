// SPDX-License-Identifier: Apache-2.0
//
// The two clocks of a host on which somebody holds leases, or serves them by the clock of its boot:
//
//   steady   CLOCK_MONOTONIC_RAW   the oscillator, off by up to 200 ppm; stands still in a suspend
//   uptime   CLOCK_BOOTTIME        the same, slewed by up to 300 ppm more; goes on in a suspend
//
// So in true time neither is ever slow by more than the 500 ppm that a keeper allows for, but one of them may stop. A
// reboot begins both anew, under another boot id. Instants are asked for in ascending order. One thread.
#pragma once

#include <algorithm>
#include <cstdint>

#include "client/lease/session_keeper.hpp"
#include "oracle/lease/moment.hpp"
#include "oracle/time/instant.hpp"
#include "tests/sim/oscillator.hpp"
#include "tests/sim/random.hpp"

namespace gnomon::sim::leases {

class Machine {
 public:
  static constexpr std::int64_t kWorstSlewPpm = 300;

  explicit Machine(Random random, bool exact = false) : random_(random), exact_(exact), oscillator_(random_.fork()) {
    draw_boot();
  }

  [[nodiscard]] client::HostClocks read(time::Uptime t) {
    const time::Duration ran = ran_until(t) - ran_at_boot_;
    return {{kAtBoot.ns + ran.ns}, {kAtBoot.ns + (ran + slept(t) + slewed(t)).ns}};
  }
  [[nodiscard]] const lease::Boot& boot() const { return boot_; }
  /// What it says by the clock of its boot.
  [[nodiscard]] lease::Moment moment(time::Uptime t) {
    const time::Tai now{read(t).uptime.ns};
    return {boot_, {now, now}};
  }

  void suspend(time::Uptime t, time::Duration length) {
    slept_ = slept(t);
    if (exact_) {
      ran_ = ran_until(t);
      runs_from_ = t + length;
    } else {
      oscillator_.stand_still(t, length);
    }
    asleep_from_ = t;
    asleep_for_ = length;
  }
  [[nodiscard]] bool is_asleep(time::Uptime t) const { return t < asleep_from_ + asleep_for_; }
  void slew(time::Uptime t, std::int64_t ppm) {
    slewed_ = slewed(t);
    slew_from_ = t;
    slew_ppm_ = ppm;
  }
  /// It was off, and its clocks begin at `t`.
  void reboot(time::Uptime t) {
    ran_at_boot_ = ran_until(t);
    slept_ = slewed_ = asleep_for_ = {};
    slew_ppm_ = 0;
    draw_boot();
  }

 private:
  static constexpr time::Uptime kAtBoot{
      1'000'000};  // until anybody runs: less than it was off, or zero would be earlier

  [[nodiscard]] time::Duration ran_until(time::Uptime t) {
    if (!exact_) return oscillator_.ran(t);
    return ran_ + std::max(time::Duration{0}, t - runs_from_);
  }
  [[nodiscard]] time::Duration slept(time::Uptime t) const {
    return slept_ + std::clamp(t - asleep_from_, time::Duration{0}, asleep_for_);
  }
  [[nodiscard]] time::Duration slewed(time::Uptime t) const {
    return slewed_ + time::Duration{(t - slew_from_).ns / 1000 * slew_ppm_ / 1000};
  }
  void draw_boot() {
    for (std::uint8_t& byte : boot_)
      byte = static_cast<std::uint8_t>(random_.between(1, 255));  // all zero is the true time
  }

  Random random_;
  bool exact_;  // the oscillator is perfect
  Oscillator oscillator_;
  lease::Boot boot_{};
  time::Duration ran_;  // of the perfect one, until it stood still
  time::Uptime runs_from_;
  time::Duration ran_at_boot_;
  time::Duration slept_;
  time::Uptime asleep_from_;
  time::Duration asleep_for_;
  time::Duration slewed_;
  time::Uptime slew_from_;
  std::int64_t slew_ppm_ = 0;
};

}  // namespace gnomon::sim::leases
