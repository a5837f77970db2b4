// SPDX-License-Identifier: Apache-2.0
//
// The system clock with the kernel's own word about it (adjtimex): a daemon that disciplines the clock keeps `maxerror`
// up to date, and the kernel lets it grow by 500 ppm from then on (RFC 5905, section 11; `man 2 adjtimex`).
//
// Believed only while the kernel calls the clock synchronised. A machine that nobody synchronises says 16 s and
// TAI - UTC 0, and both mean "unknown". ptp4l and phc2sys set maxerror to 0 only to keep the 16 s away, and mean
// nothing by it: their esterror stays larger, and that gives them away. systemd-timesyncd sets both to 0 while it slews
// by up to 0.4 s: an estimate of 0 gives it away, as nobody is that good.
//
// What is still to be slewed away is the kernel's own offset, where its PLL slews (ntpd), or part of maxerror: chronyd
// slews by the frequency, and adds to maxerror what is left.
//
// After a distrust the kernel's word is the one from before, if the machine slept or was restored from a snapshot: it
// counts again when maxerror has gone down, which only somebody who sets the clock makes it do.
//
// The daemon may set the clock between the reading and the word about it, so the kernel is asked before and after, and
// the worse of the two words counts; what the clock was moved by across the reading is added to the bound.
#pragma once

#include <optional>
#include <string>

#include "ptp/reference_clock.hpp"
#include "ptp/time_source.hpp"

namespace gnomon::ptp {

/// What adjtimex says, without its C struct.
struct KernelClockWord {
  bool synchronised = false;
  bool leap_announced = false;
  time::Duration max_error;
  time::Duration estimated_error;
  time::Duration offset;  // still being slewed away
};

/// The claim that follows from a reading and the kernel's word. Pure.
[[nodiscard]] ClaimOr kernel_claim(const ClockReading& reading, const KernelClockWord& word, Scale scale,
                                   time::CycleRate nominal);

class KernelSource final : public TimeSource {
 public:
  explicit KernelSource(Scale scale) : scale_(scale) {}

  [[nodiscard]] News poll(time::CycleRate nominal) override;
  void distrust() override;
  [[nodiscard]] std::string describe() const override { return "system clock, the kernel's estimate (adjtimex)"; }

 private:
  void watch(time::Duration max_error);

  Scale scale_;
  SystemClock clock_;
  bool distrusted_ = false;
  std::optional<time::Duration> max_error_;  // of the last turn, while distrusted
};

}  // namespace gnomon::ptp
