// SPDX-License-Identifier: Apache-2.0
//
// Strong types for time. A raw int64 of nanoseconds has cost other systems whole outages (a TAI value taken for UTC is
// wrong by 37 s and looks plausible), so an instant carries its timeline in its type and two timelines never mix.
//
//   Tai         TAI nanoseconds since 1970-01-01T00:00:00 TAI. Everything inside gnomon and on the wire.
//   SmearedUtc  UTC nanoseconds since the Unix epoch with leap seconds smeared (24 h linear, noon to noon). Lives only
//               inside IDs and in the windows that guard them: it is the timeline which the IDs embed.
//   Uptime      Nanoseconds of a clock that nobody steps (CLOCK_BOOTTIME). For timeouts, rates and retry times.
//
// All are trivially copyable and thread-compatible. Range: +-292 years around the origin; arithmetic that may leave it
// saturates (`saturating_add`), plain operators assert nothing and are for values that are known to be in range.
#pragma once

#include <compare>
#include <cstdint>
#include <limits>

namespace gnomon::time {

/// A signed length of time in nanoseconds.
struct Duration {
  std::int64_t ns = 0;

  friend constexpr auto operator<=>(Duration, Duration) = default;
  friend constexpr Duration operator+(Duration a, Duration b) { return {a.ns + b.ns}; }
  friend constexpr Duration operator-(Duration a, Duration b) { return {a.ns - b.ns}; }
  friend constexpr Duration operator-(Duration a) { return {-a.ns}; }
  friend constexpr Duration operator*(Duration a, std::int64_t k) { return {a.ns * k}; }
  friend constexpr Duration operator/(Duration a, std::int64_t k) { return {a.ns / k}; }
};

constexpr Duration nanoseconds(std::int64_t n) { return {n}; }
constexpr Duration microseconds(std::int64_t n) { return {n * 1'000}; }
constexpr Duration milliseconds(std::int64_t n) { return {n * 1'000'000}; }
constexpr Duration seconds(std::int64_t n) { return {n * 1'000'000'000}; }

/// An instant of the timeline that `Tag` names.
template <typename Tag>
struct Instant {
  std::int64_t ns = 0;

  static constexpr Instant max() { return {std::numeric_limits<std::int64_t>::max()}; }
  static constexpr Instant min() { return {std::numeric_limits<std::int64_t>::min()}; }

  friend constexpr auto operator<=>(Instant, Instant) = default;
  friend constexpr Instant operator+(Instant t, Duration d) { return {t.ns + d.ns}; }
  friend constexpr Instant operator-(Instant t, Duration d) { return {t.ns - d.ns}; }
  friend constexpr Duration operator-(Instant a, Instant b) { return {a.ns - b.ns}; }
};

using Tai = Instant<struct TaiTimeline>;
using SmearedUtc = Instant<struct SmearedUtcTimeline>;
using Uptime = Instant<struct UptimeTimeline>;

/// t + d, kept inside the range of the type instead of wrapping.
template <typename Tag>
constexpr Instant<Tag> saturating_add(Instant<Tag> t, Duration d) {
  std::int64_t sum = 0;
  if (!__builtin_add_overflow(t.ns, d.ns, &sum)) return {sum};
  return d.ns < 0 ? Instant<Tag>::min() : Instant<Tag>::max();
}

/// a - b, kept inside the range of the type instead of wrapping.
template <typename Tag>
constexpr Duration saturating_sub(Instant<Tag> a, Instant<Tag> b) {
  std::int64_t difference = 0;
  if (!__builtin_sub_overflow(a.ns, b.ns, &difference)) return {difference};
  return {a.ns < b.ns ? std::numeric_limits<std::int64_t>::min() : std::numeric_limits<std::int64_t>::max()};
}

}  // namespace gnomon::time
