// SPDX-License-Identifier: Apache-2.0
//
// The arithmetic of a virtual clock: a broken line over the host's CLOCK_REALTIME.
//
// A line kept as value + elapsed * rate in doubles loses nanoseconds within an hour, and one that drops the fraction of
// a nanosecond at each change of rate (a servo makes eight a second) drifts by microseconds: a test would blame the
// servo. So a rate is a 60-bit fraction, products are 128 bits wide, and each piece starts with the fraction that the
// one before ended with.
//
// The last kHistory pieces are kept, because a packet's timestamp is translated after the fact: a clock that was
// stepped in between must still say what it showed when the packet came.
//
// Pure: the host's time is an argument. Invariants: pieces[0] is the newest, `since` never grows from one to the next,
// and without a step the value does not jump where two meet.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>

#include "oracle/time/instant.hpp"
#include "oracle/time/int128.hpp"

namespace gnomon::bed {

/// The host's CLOCK_REALTIME, which nobody here ever sets.
using HostTime = time::Instant<struct HostTimeline>;
/// What a process under a virtual clock takes for CLOCK_REALTIME.
using VirtualTime = time::Instant<struct VirtualTimeline>;

constexpr std::int64_t kNominalTickUs = 10'000;         // of USER_HZ = 100
constexpr std::int64_t kMaxFrequency = 500 * 65'536;    // 500 ppm, in the kernel's unit of 2^-16 ppm
constexpr std::int64_t kMaxDriftPpb = 100'000'000;      // 10 %
constexpr std::int64_t kFrequencyOne = 65'536'000'000;  // the rate 1 in units of 2^-16 ppm
constexpr std::int64_t kBillion = 1'000'000'000;

/// Virtual nanoseconds per host nanosecond, times 2^60. At most 1.22.
struct Rate {
  std::int64_t q60 = std::int64_t{1} << 60;
  friend constexpr bool operator==(Rate, Rate) = default;
};

/// What the servo asks for, which the kernel adds up, on an oscillator that is `drift_ppb` fast.
constexpr Rate rate_of(std::int64_t drift_ppb, std::int64_t tick_us, std::int64_t frequency) {
  const auto one = static_cast<time::Int128>(1) << 60;
  const time::Int128 asked = one * tick_us / kNominalTickUs + one * frequency / kFrequencyOne;
  return {static_cast<std::int64_t>(asked * (kBillion + drift_ppb) / kBillion)};
}

/// A straight piece of the line.
struct Piece {
  HostTime since;
  VirtualTime value;           // at `since`
  std::uint64_t fraction = 0;  // of a nanosecond, to be added to it; times 2^60
  Rate rate;

  struct Reading {
    VirtualTime value;
    std::uint64_t fraction = 0;
  };
  /// Also before `since`, where the line is prolonged. Ends at the range of the type instead of wrapping.
  [[nodiscard]] constexpr Reading read(HostTime host) const {
    const std::int64_t elapsed = time::saturating_sub(host, since).ns;
    const time::Int128 passed = static_cast<time::Int128>(elapsed) * rate.q60 + fraction;
    constexpr time::Int128 kMost = std::numeric_limits<std::int64_t>::max();
    const time::Int128 whole = (passed >> 60) + value.ns;
    if (whole > kMost) return {VirtualTime::max(), 0};
    if (whole < -kMost) return {VirtualTime::min(), 0};
    return {{static_cast<std::int64_t>(whole)},
            static_cast<std::uint64_t>(passed & ((static_cast<time::Int128>(1) << 60) - 1))};
  }
};

constexpr std::size_t kHistory = 16;

class Line {
 public:
  Line() = default;
  constexpr Line(HostTime host, VirtualTime value, Rate rate) {
    for (Piece& piece : pieces_)
      piece = {host, value, 0, rate};
  }

  [[nodiscard]] constexpr VirtualTime at(HostTime host) const { return covering(host).read(host).value; }
  [[nodiscard]] constexpr Rate rate() const { return pieces_[0].rate; }
  /// The last change.
  [[nodiscard]] constexpr HostTime since() const { return pieces_[0].since; }

  /// From `host` on it runs at `rate`, and is `step` further. A change before the last one counts from there.
  constexpr void change(HostTime host, Rate rate, time::Duration step = {}) {
    const HostTime from = host < since() ? since() : host;
    const Piece::Reading now = pieces_[0].read(from);
    for (std::size_t i = kHistory - 1; i > 0; --i)
      pieces_[i] = pieces_[i - 1];
    pieces_[0] = {from, time::saturating_add(now.value, step), now.fraction, rate};
  }

 private:
  [[nodiscard]] constexpr const Piece& covering(HostTime host) const {
    for (const Piece& piece : pieces_)
      if (host >= piece.since) return piece;
    return pieces_[kHistory - 1];
  }

  std::array<Piece, kHistory> pieces_{};
};

}  // namespace gnomon::bed
