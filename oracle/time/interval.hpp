// SPDX-License-Identifier: Apache-2.0
//
// An interval of time: the only form in which gnomon says what time it is. A single instant with an error beside it
// invites its reader to drop the error; from an interval there is nothing to drop.
//
//   contained:  the true time lies in [earliest, latest], both ends included (J. C. Corbett et al., "Spanner", OSDI
//               2012, section 3)
//
// A conversion between timelines goes end by end through a monotone function, so it keeps containment. The midpoint may
// order and be logged; it is never called the time.
#pragma once

#include <algorithm>
#include <optional>

#include "oracle/time/instant.hpp"

namespace gnomon::time {

/// [earliest, latest] on the timeline of `T`; earliest <= latest.
template <typename T>
struct IntervalOf {
  T earliest;
  T latest;

  friend constexpr bool operator==(IntervalOf, IntervalOf) = default;

  [[nodiscard]] constexpr bool contains(T t) const { return earliest <= t && t <= latest; }
  [[nodiscard]] constexpr bool contains(IntervalOf other) const {
    return earliest <= other.earliest && other.latest <= latest;
  }
  [[nodiscard]] constexpr Duration width() const { return saturating_sub(latest, earliest); }
  /// Half the width, rounded up: how wrong the midpoint can be at most.
  [[nodiscard]] constexpr Duration epsilon() const { return {width().ns / 2 + width().ns % 2}; }
  [[nodiscard]] constexpr T midpoint() const { return earliest + Duration{width().ns / 2}; }
  /// Both ends moved outwards by `by` >= 0.
  [[nodiscard]] constexpr IntervalOf widened(Duration by) const {
    return {saturating_add(earliest, -by), saturating_add(latest, by)};
  }
};

using Interval = IntervalOf<Tai>;
using SmearedInterval = IntervalOf<SmearedUtc>;

/// What both have in common; nothing if they don't meet.
template <typename T>
[[nodiscard]] constexpr std::optional<IntervalOf<T>> intersection(IntervalOf<T> a, IntervalOf<T> b) {
  const IntervalOf<T> both{std::max(a.earliest, b.earliest), std::min(a.latest, b.latest)};
  if (both.latest < both.earliest) return std::nullopt;
  return both;
}

/// The smallest interval that covers both.
template <typename T>
[[nodiscard]] constexpr IntervalOf<T> hull(IntervalOf<T> a, IntervalOf<T> b) {
  return {std::min(a.earliest, b.earliest), std::max(a.latest, b.latest)};
}

}  // namespace gnomon::time
