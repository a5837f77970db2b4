// SPDX-License-Identifier: Apache-2.0
//
// "Asked for after that one was answered, so it has to be larger", over all pairs of answers of a domain.
//
// Answers are sorted twice, by when they were asked for and by when they were there. Going through the first list, the
// second one is followed up to the same moment, and its largest value kept: whoever is not above that breaks the order,
// and the holder of that value is the witness. This is what linearizability of a counter asks for, as far as it needs
// no knowledge of the order inside overlapping calls.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <vector>

#include "oracle/time/instant.hpp"

namespace gnomon::chaos {

/// One answer, as the order sees it. Signed or unsigned values that are compared as they are.
template <typename Value>
struct Point {
  std::uint64_t domain = 0;  // only within one
  time::Tai asked{};
  time::Tai answered{};
  Value low{};   // has to be above all that was there when it was asked for
  Value high{};  // is what later ones have to be above
  std::size_t reference = 0;
  bool counts = true;  // whether later ones have to be above it; it is judged itself in any case
};

template <typename Value>
struct Inversion {
  Point<Value> earlier;
  Point<Value> later;
};

/// Sorts `points`. `found` is called with each inversion, once per later point.
template <typename Value, typename Found>
void find_inversions(std::vector<Point<Value>>& points, const Found& found) {
  std::vector<Point<Value>> there = points;
  std::sort(there.begin(), there.end(), [](const auto& a, const auto& b) {
    return a.domain != b.domain ? a.domain < b.domain : a.answered < b.answered;
  });
  std::sort(points.begin(), points.end(), [](const auto& a, const auto& b) {
    return a.domain != b.domain ? a.domain < b.domain : a.asked < b.asked;
  });
  std::size_t next = 0;
  std::optional<Point<Value>> largest;
  for (const Point<Value>& point : points) {
    if (largest && largest->domain != point.domain) largest.reset();
    while (next < there.size() && there[next].domain < point.domain)
      ++next;
    for (; next < there.size() && there[next].domain == point.domain && there[next].answered < point.asked; ++next)
      if (there[next].counts && (!largest || there[next].high > largest->high)) largest = there[next];
    if (largest && point.low <= largest->high) found(Inversion<Value>{*largest, point});
  }
}

}  // namespace gnomon::chaos
