// SPDX-License-Identifier: Apache-2.0
//
// The cycle counter of a simulated host. Its rate is a random walk between -200 and +200 ppm, at the edges as often as
// not: an oscillator that is only ever in the middle would let a forgotten growth of the uncertainty pass. It runs
// through whatever a process, a scheduler or a source of time does, because everything in gnomon that survives those
// leans on it. What a hypervisor or a suspend does to it ends an epoch: it stands still for a while, or jumps.
//
// The phase is kept exactly, in 10^-9 cycles, so that no error of this file's own is ever taken for a missed bound.
// Instants are asked for in ascending order. One thread.
#pragma once

#include <algorithm>
#include <cstdint>

#include "oracle/time/cycles.hpp"
#include "oracle/time/instant.hpp"
#include "oracle/time/int128.hpp"
#include "tests/sim/clocks.hpp"
#include "tests/sim/random.hpp"

namespace gnomon::sim {

class Oscillator {
 public:
  static constexpr std::int64_t kWorstPpb = 200'000;

  explicit Oscillator(Random random) : random_(random) { draw(); }

  [[nodiscard]] time::Cycles at(time::Uptime t) {
    return {static_cast<std::uint64_t>(kSinceBoot + ran(t).ns + jumped_)};
  }
  /// What a clock shows that is driven by it, jumps aside: CLOCK_MONOTONIC_RAW.
  [[nodiscard]] time::Duration ran(time::Uptime t) {
    while (t >= until_) {
      phase_ += run_since(until_);
      from_ = until_;
      draw();
    }
    return {static_cast<std::int64_t>((phase_ + run_since(t)) / kBillion)};
  }
  void stand_still(time::Uptime t, time::Duration length) {
    (void)ran(t);
    phase_ += run_since(t);
    from_ = t + length;
    draw();
    ++epoch_;
  }
  void jump(std::int64_t cycles) {
    jumped_ += cycles;
    ++epoch_;
  }
  /// Counts of two epochs can't be compared.
  [[nodiscard]] std::uint64_t epoch() const { return epoch_; }

 private:
  static constexpr std::int64_t kSinceBoot = 1'000'000'000'000'000;  // room to jump back
  static constexpr std::int64_t kBillion = 1'000'000'000;

  [[nodiscard]] time::Int128 run_since(time::Uptime t) const {
    return static_cast<time::Int128>(std::max<std::int64_t>(0, (t - from_).ns)) * (kBillion + rate_ppb_);
  }
  void draw() {
    constexpr std::int64_t kStep = kWorstPpb / 10;
    if (random_.below(4) == 0) rate_ppb_ = random_.below(2) == 0 ? kWorstPpb : -kWorstPpb;
    rate_ppb_ = std::clamp(rate_ppb_ + random_.between(-kStep, kStep), -kWorstPpb, kWorstPpb);
    until_ = from_ + random_.between(time::milliseconds(50), time::seconds(2));
  }

  Random random_;
  time::Uptime from_;
  time::Uptime until_;
  std::int64_t rate_ppb_ = 0;
  time::Int128 phase_ = 0;  // at from_, in 10^-9 cycles
  std::int64_t jumped_ = 0;
  std::uint64_t epoch_ = 0;
};
static_assert(kNominalHz == 1'000'000'000, "a cycle is a nanosecond here, but for the error of the rate");

}  // namespace gnomon::sim
