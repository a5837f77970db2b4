// SPDX-License-Identifier: Apache-2.0
//
// The hybrid logical clock: timestamps that respect happened-before, as Lamport's do, and stay close to physical time
// (S. Kulkarni, M. Demirbas, D. Madappa, B. Avva, M. Leone, "Logical Physical Clocks", OPODIS 2014).
//
// The paper keeps a pair (l, c) and takes four cases apart. Here both lie in one word, l above c, and the cases melt:
//
//   next = max(max(last, remote) + 1, first value of the physical millisecond)
//
// If l does not move, + 1 counts c; if physical time is ahead, c starts at 0; and a full c carries into l by itself.
//
//   monotone: each result is larger than every earlier one of the clock, and than the remote value given with it
//   bounded:  physical ms <= ms of a result <= physical ms + max_ahead, whoever sent what and however often it is asked
//
// Without the bound one mad peer drags every clock that hears of it into the future for good. So a remote value beyond
// it is refused. The same holds for the clock itself, and so a local now() can be refused, too: when physical time was
// stepped back by more than max_ahead, stood still for max_ahead x 2^18 calls (131 million by default), or has just
// taken a remote value at the limit; then until the next ms. To go on would be no service: other clocks would refuse
// the value. A refusal changes nothing; it ends when physical time moves on. Physical time need be neither monotone nor
// synchronised.
#pragma once

#include <algorithm>
#include <compare>
#include <cstdint>
#include <limits>
#include <string_view>

#include <tl/expected.hpp>

#include "oracle/time/instant.hpp"

namespace gnomon::clock {

constexpr unsigned kHlcCounterBits = 18;
constexpr unsigned kHlcMsBits = 64 - kHlcCounterBits;
constexpr std::uint64_t kHlcMaxCounter = (std::uint64_t{1} << kHlcCounterBits) - 1;

/// Milliseconds of TAI since 1970 above a counter. Ordered as one number. 0 is before every result and means "none".
struct HlcTimestamp {
  std::uint64_t value = 0;

  [[nodiscard]] constexpr std::uint64_t ms() const { return value >> kHlcCounterBits; }
  [[nodiscard]] constexpr std::uint64_t counter() const { return value & kHlcMaxCounter; }
  friend constexpr auto operator<=>(HlcTimestamp, HlcTimestamp) = default;
};

struct HlcOptions {
  /// How far the ms of a result may be ahead of the physical ms. Counted in whole ms, rounded down; negative is 0.
  time::Duration max_ahead = time::milliseconds(500);
};

enum class HlcFault : std::uint8_t {
  kPhysicalOutOfRange,  // physical time is before 1970
  kAheadOfPhysical,     // what this clock gave out already is as far ahead of physical time as it may be
  kRemoteAhead,         // a result after the remote value would be further ahead of physical time than it may be
};

[[nodiscard]] constexpr std::string_view text_of(HlcFault fault) {
  switch (fault) {
    case HlcFault::kPhysicalOutOfRange:
      return "physical time is before 1970 and has no hybrid timestamp; set the clock of this host right";
    case HlcFault::kAheadOfPhysical:
      return "this hybrid clock is as far ahead of physical time as it may be; ask again later, and look whether the "
             "clock of this host was set back or stands still";
    case HlcFault::kRemoteAhead:
      return "the received hybrid timestamp is further ahead of physical time than is allowed; it was not taken: "
             "compare the clocks of its sender and of this host";
  }
  return "unknown fault";
}

/// The clock of one worker. Thread-compatible. After a fault it is what it was before the call.
class HybridClock {
 public:
  constexpr HybridClock() : HybridClock(HlcOptions{}) {}
  /// Goes on after `last`.
  explicit constexpr HybridClock(HlcOptions options, HlcTimestamp last = {})
      : last_(last),
        reach_((in_ms(std::max<std::int64_t>(options.max_ahead.ns, 0)) << kHlcCounterBits) | kHlcMaxCounter) {}

  /// A local event, or the sending of a message, which carries the result.
  [[nodiscard]] tl::expected<HlcTimestamp, HlcFault> now(time::Tai physical) { return update(physical, {}); }

  /// The receipt of a message that carries `remote`; every value of it is safe to pass. 0 is none, as in now().
  [[nodiscard]] tl::expected<HlcTimestamp, HlcFault> update(time::Tai physical, HlcTimestamp remote) {
    const At now = at(physical);
    const HlcTimestamp next = update_or_none(now, remote);
    if (next == HlcTimestamp{}) [[unlikely]]
      return tl::make_unexpected(fault_of(physical, now.limit));
    return next;
  }
  /// What an update needs of the physical time: for many at the same.
  struct At {
    std::uint64_t first = 0;
    std::uint64_t limit = 0;  // 0 refuses everything
  };
  [[nodiscard]] constexpr At at(time::Tai physical) const {
    if (physical.ns < 0) return {};
    const std::uint64_t first = in_ms(physical.ns) << kHlcCounterBits;
    return {first, first + reach_};
  }
  /// As `update`, and 0 where that tells a fault. A value and a fault that meet in memory cost more than the update.
  [[nodiscard]] HlcTimestamp update_or_none(const At& at, HlcTimestamp remote) {
    const std::uint64_t before = std::max(last_.value, remote.value);
    if (before >= at.limit) [[unlikely]]
      return {};
    last_ = {std::max(before + 1, at.first)};
    return last_;
  }

  /// The last result; 0 if there was none.
  [[nodiscard]] constexpr HlcTimestamp last() const { return last_; }

 private:
  static constexpr std::uint64_t kNsPerMs = 1'000'000;

  static constexpr std::uint64_t in_ms(std::int64_t ns) { return static_cast<std::uint64_t>(ns) / kNsPerMs; }

  // No sum above can overflow: the largest instant plus the largest duration lie far inside the field of the ms. That
  // is also why no result ever comes near the top, and `before + 1` does not wrap: it is at most the limit.
  static constexpr std::uint64_t kLargestMs = std::numeric_limits<std::int64_t>::max() / kNsPerMs;
  static_assert(2 * kLargestMs < (std::uint64_t{1} << kHlcMsBits));

  // The clock's own lead is told first: it would be refused without any remote value, too, and time cures it.
  [[nodiscard]] constexpr HlcFault fault_of(time::Tai physical, std::uint64_t limit) const {
    if (physical.ns < 0) return HlcFault::kPhysicalOutOfRange;
    return last_.value >= limit ? HlcFault::kAheadOfPhysical : HlcFault::kRemoteAhead;
  }

  HlcTimestamp last_;
  std::uint64_t reach_;  // from the first value of the physical ms to the last one that is allowed
};

}  // namespace gnomon::clock
