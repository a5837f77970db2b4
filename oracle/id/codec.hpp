// SPDX-License-Identifier: Apache-2.0
//
// What people do with an ID that they already have: take it apart, build one, ask when its layout runs out, and turn
// a span of time into the bounds of a database query (WHERE id BETWEEN lo AND hi).
//
// All functions are pure; times are SmearedUtc, as embedded in the ID.
#pragma once

#include <cstdint>

#include <tl/expected.hpp>

#include "oracle/id/layout.hpp"

namespace gnomon::id {

struct Fields {
  time::SmearedUtc time;  // start of the unit
  mint::MachineId machine;
  std::uint64_t sequence = 0;
  friend constexpr bool operator==(const Fields&, const Fields&) = default;
};

/// The ID of the unit that contains `fields.time`.
[[nodiscard]] tl::expected<Id, LayoutError> encode(const Layout& layout, const Fields& fields);
[[nodiscard]] tl::expected<Fields, LayoutError> decode(const Layout& layout, Id id);

/// The first instant which the layout can't express. `in_signed`: of the IDs that stay positive in a signed 64-bit
/// column (earlier than the layout's own end only if the layout uses the top bit).
struct Exhaustion {
  time::SmearedUtc at;
  time::SmearedUtc in_signed;
};
[[nodiscard]] Exhaustion exhaustion(const Layout& layout);

/// What is left at `now`, until the signed exhaustion: never negative.
struct Headroom {
  time::Duration left;
  double used_fraction = 0;  // of the whole life since the epoch, 0 to 1
};
[[nodiscard]] Headroom headroom(const Layout& layout, time::SmearedUtc now);

/// Whether every ID of the layout is at most 2^53 - 1, the largest integer that a JavaScript number keeps exact.
[[nodiscard]] constexpr bool fits_javascript(const Layout& layout) { return layout.bits() <= 53; }

/// Smallest and largest ID of the units that overlap [from, to]: both bounds belong to the range, as in SQL's BETWEEN.
/// The part of the span outside the layout's life is cut off; a span wholly outside it, or with to < from, is refused.
struct IdRange {
  Id first;
  Id last;
  friend constexpr bool operator==(const IdRange&, const IdRange&) = default;
};
[[nodiscard]] tl::expected<IdRange, LayoutError> range_of(const Layout& layout, time::SmearedUtc from,
                                                          time::SmearedUtc to);

}  // namespace gnomon::id
