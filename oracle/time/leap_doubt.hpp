// SPDX-License-Identifier: Apache-2.0
//
// How an interval of UTC becomes an interval of TAI that still contains the true time.
//
// A UTC source is right about the fraction of a second and may be wrong about the second: the leap table here may have
// expired, a server may have stepped too early or too late, or may smear in a way that nobody told. Converted with the
// table alone, such an interval is narrow, plausible and false. So a whole second is added on both sides wherever one
// may be missing:
//
//   within a day of a leap second, or if the source's smear is unknown   1 s: stepped, repeated, folded or smeared,
//                                                                        a UTC is never further off than that
//   past the expiry of the table                                         1 s per half-year begun since then, because
//                                                                        leap seconds come half a year apart at least
//   both                                                                 the sum, as each is a bound of its own
//
// A caller that can't use so wide an interval refuses the source instead. A source that smears as we do (kSmeared)
// speaks SmearedUtc and is converted by the inverse smear, not as if it were UTC.
//
// The margin covers leap seconds, not lies: a source that is off by other seconds is for the fusion to find.
// Pure. Source: docs of chrony (leapsecmode) and ntpd show the kinds of step and smear that are met in practice.
#pragma once

#include <cstdint>
#include <string_view>

#include <tl/expected.hpp>

#include "oracle/time/instant.hpp"
#include "oracle/time/interval.hpp"
#include "oracle/time/leap_table.hpp"

namespace gnomon::time {

/// What a UTC source does with a leap second.
enum class SmearKind : std::uint8_t {
  kStep,     // POSIX UTC: a second twice, or one left out
  kSmeared,  // 24 h linear, noon to noon: oracle/time/smear.hpp
  kUnknown,
};

/// Why the second is in doubt; of several reasons, the last of these.
enum class DoubtReason : std::uint8_t {
  kNone,
  kNearLeap,
  kUnknownSmear,
  kExpiredTable,
};
[[nodiscard]] std::string_view text_of(DoubtReason reason);

/// How far to widen on both sides, and why. The default is certainty.
struct LeapDoubt {
  Duration margin;
  DoubtReason reason = DoubtReason::kNone;

  [[nodiscard]] constexpr bool certain() const { return reason == DoubtReason::kNone; }
  friend constexpr bool operator==(LeapDoubt, LeapDoubt) = default;
};

/// `about`: an instant inside the interval that is to be converted, or near it; minutes don't matter.
[[nodiscard]] LeapDoubt leap_doubt(const LeapTable& table, Tai about, SmearKind source_smear);

/// Of a source that steps (or whose smear is unknown, with the doubt that comes of it). Also without doubt, an end in a
/// second that is counted twice takes the outer of its two meanings, whether the source repeats 23:59:59 (Linux) or
/// 00:00:00 (POSIX arithmetic).
[[nodiscard]] tl::expected<Interval, LeapFault> to_tai_interval(IntervalOf<Utc> utc, const LeapTable& table,
                                                                LeapDoubt doubt);
/// Of a source that smears from noon to noon.
[[nodiscard]] tl::expected<Interval, LeapFault> to_tai_interval(SmearedInterval smeared, const LeapTable& table,
                                                                LeapDoubt doubt);

}  // namespace gnomon::time
