// SPDX-License-Identifier: Apache-2.0
//
// TrueTime: now() as an interval that contains the true time, or an error (Corbett et al., OSDI 2012, section 3).
//
// What is published is two straight lines from one anchor: the earliest the true time can be, at the slowest rate that
// the counter can have, and the latest, at the fastest. So the interval grows with age by itself, a reader does two
// multiplications, and no later reader can forget to add the growth. The naive form, a midpoint with an error bar that
// somebody else widens, was wrong wherever its widener stalled (docs/uncertainty.md).
//
// The lines hold for counts before the anchor too: whoever read the counter just before a new line was published, or on
// a core that lags by a little, gets an interval that contains the moment of his reading.
//
// A line that is not renewed becomes void: its writer watches for what the counter can't show (a suspend, a migration),
// and without a writer nobody does.
#pragma once

#include <cstdint>
#include <string_view>

#include <tl/expected.hpp>

#include "oracle/time/cycles.hpp"
#include "oracle/time/int128.hpp"
#include "oracle/time/interval.hpp"

namespace gnomon::time {

/// Why there is no interval.
enum class ClockFault : std::uint8_t {
  kNone,
  kNotProven,         // nothing has been proved since the start
  kNoSource,          // no source is healthy, and what they said last is too long ago
  kDisagreement,      // no instant is allowed by as many sources as must be believed
  kContradiction,     // what the sources say now can't follow from what they said before
  kCounterUntrusted,  // the counter may stop or jump: the kernel doesn't use it, or the machine was suspended or moved
  kTooWide,           // the uncertainty exceeds the stated limit
  kVoid,              // the page was not renewed: its writer is stopped or dead
  kUnreadable,        // the page can't be read
};
constexpr std::size_t kClockFaults = 9;

constexpr std::string_view name_of(ClockFault fault) {
  switch (fault) {
    case ClockFault::kNone: return "synchronised";
    case ClockFault::kNotProven: return "not_proven";
    case ClockFault::kNoSource: return "no_source";
    case ClockFault::kDisagreement: return "disagreement";
    case ClockFault::kContradiction: return "contradiction";
    case ClockFault::kCounterUntrusted: return "counter_untrusted";
    case ClockFault::kTooWide: return "too_wide";
    case ClockFault::kVoid: return "void";
    case ClockFault::kUnreadable: return "unreadable";
  }
  return "unknown";
}

constexpr std::string_view text_of(ClockFault fault) {
  switch (fault) {
    case ClockFault::kNone: return "synchronised";
    case ClockFault::kNotProven:
      return "nothing has been proved since the start: wait; `gnomon clock` says what each source lacks";
    case ClockFault::kNoSource:
      return "no source of time is healthy, and the last good sample is too old: `gnomon clock` says what each lacks";
    case ClockFault::kDisagreement:
      return "the sources contradict each other and no majority is left: find the one that lies, or add a source";
    case ClockFault::kContradiction:
      return "the sources deny what they said before: refused until enough samples agree again";
    case ClockFault::kCounterUntrusted:
      return "the cycle counter can't be trusted (another clocksource, or the machine was suspended or moved)";
    case ClockFault::kTooWide:
      return "the uncertainty exceeds clock.max_epsilon_us (docs/uncertainty.md has its terms)";
    case ClockFault::kVoid: return "the clock page is not renewed: is gnomond stopped?";
    case ClockFault::kUnreadable: return "the clock page can't be read: is it being written, or damaged?";
  }
  return "unknown fault";
}

using Now = tl::expected<Interval, ClockFault>;

struct TrueTimeLine {
  /// How far a reading may lie before the anchor. Cores differ by less; a counter that went back by more has jumped.
  static constexpr Duration kMaxLag = milliseconds(100);

  Cycles anchor;
  Cycles void_after;  // at this count and from then on: kVoid
  Tai earliest;       // at the anchor
  Tai latest;
  CycleRate slow;  // no second has more cycles than this says ...
  CycleRate fast;  // ... and none fewer
  ClockFault fault = ClockFault::kNotProven;

  /// A line that says why there is none, and from `until` on that nobody says anything any more.
  static constexpr TrueTimeLine refusing(ClockFault why, Cycles until = {}) {
    TrueTimeLine line{};
    line.fault = why;
    line.anchor = line.void_after = until;  // so no count lies between them
    return line;
  }

  /// The interval of the moment at which the counter read `now`.
  [[nodiscard]] constexpr Now at(Cycles now) const {
    if (now.count - anchor.count < void_after.count - anchor.count) [[likely]]  // also: anchor <= now
      return after_anchor(now.count - anchor.count);
    return rarely(now);
  }
  /// Without a limit of age: for whoever knows by other means that the counter ran on (a restart of the daemon).
  [[nodiscard]] constexpr Interval extrapolated(Cycles now) const {
    return now >= anchor ? after_anchor(now.count - anchor.count) : before_anchor(anchor.count - now.count);
  }

  /// Whether no count can lead it astray: no sum overflows, and one with a fault gives no interval. Every line of an
  /// estimator is; one from elsewhere need not be.
  [[nodiscard]] constexpr bool well_formed() const {
    constexpr std::int64_t kFarthest = std::int64_t{1} << 61;
    constexpr CycleRate kSlowestCounter{std::uint64_t{1} << 43};  // 2 us a cycle
    const bool ends = -kFarthest <= earliest.ns && earliest <= latest && latest.ns <= kFarthest;
    const bool counts = anchor <= void_after && void_after.count - anchor.count < kFarCycles;
    return ends && counts && slow <= fast && fast < kSlowestCounter &&
           (fault == ClockFault::kNone || anchor == void_after);
  }

  friend constexpr bool operator==(const TrueTimeLine&, const TrueTimeLine&) = default;

 private:
  static constexpr std::uint64_t kFarCycles = std::uint64_t{1} << 50;  // days, of the fastest counter

  // Rounded outwards: a span is rounded down, which is right for the earlier end.
  [[nodiscard]] constexpr Interval after_anchor(std::uint64_t cycles) const {
    return {earliest + slow.span(cycles), latest + fast.span(cycles) + nanoseconds(1)};
  }
  [[nodiscard]] constexpr Interval before_anchor(std::uint64_t cycles) const {
    return {earliest - fast.span(cycles) - nanoseconds(1), latest - slow.span(cycles)};
  }
  [[nodiscard]] constexpr Now rarely(Cycles now) const {
    if (fault != ClockFault::kNone)
      return tl::make_unexpected(void_after != Cycles{} && now >= void_after ? ClockFault::kVoid : fault);
    if (now >= anchor) return tl::make_unexpected(ClockFault::kVoid);
    if (anchor.count - now.count >= kFarCycles || fast.span(anchor.count - now.count) > kMaxLag)
      return tl::make_unexpected(ClockFault::kCounterUntrusted);
    return before_anchor(anchor.count - now.count);
  }
};

/// TT.after(t): t has definitely passed. TT.before(t): t has definitely not arrived. Both false: nobody knows.
[[nodiscard]] constexpr bool is_after(const Interval& now, Tai t) { return now.earliest > t; }
[[nodiscard]] constexpr bool is_before(const Interval& now, Tai t) { return now.latest < t; }

}  // namespace gnomon::time
