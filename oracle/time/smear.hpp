// SPDX-License-Identifier: Apache-2.0
//
// Smeared UTC: the timeline without leap seconds that IDs embed.
//
// An ID holds milliseconds of UTC, and a UTC that counts a second twice would put IDs of two seconds into one. So a
// leap second is spread over the day around it, from noon UTC to noon UTC: at a positive one, 86401 seconds of TAI
// pass as 86400 smeared seconds, at a negative one 86399 (Google's smear, developers.google.com/time/smear). Outside
// those days smeared UTC is UTC.
//
//   monotone  both ways. TAI to smeared is strict at a negative leap and never stands still for longer than a
//             nanosecond at a positive one; the way back the other way round.
//   exact     at both noons, and on every day without a leap second.
//   inverse   to within 1 ns, never later than where it began: an instant is rounded down.
//
// An interval is converted end by end, its ends rounded outwards, so that containment survives the rounding.
//
// Two hosts agree about a smeared instant only if their tables do; that is why nothing but IDs and their windows lives
// on it. Past the table's expiry the last known offset is used: leap_doubt() says when not to rely on it.
#pragma once

#include <tl/expected.hpp>

#include "oracle/time/instant.hpp"
#include "oracle/time/interval.hpp"
#include "oracle/time/leap_table.hpp"

namespace gnomon::time {

[[nodiscard]] tl::expected<SmearedUtc, LeapFault> to_smeared(const LeapTable& table, Tai tai);
[[nodiscard]] tl::expected<Tai, LeapFault> to_tai(const LeapTable& table, SmearedUtc smeared);

[[nodiscard]] tl::expected<SmearedInterval, LeapFault> to_smeared(const LeapTable& table, Interval tai);
[[nodiscard]] tl::expected<Interval, LeapFault> to_tai(const LeapTable& table, SmearedInterval smeared);

}  // namespace gnomon::time
