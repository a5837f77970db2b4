// SPDX-License-Identifier: Apache-2.0
//
// TAI as people read it, and as they write it.
#pragma once

#include <string>
#include <string_view>

#include <tl/expected.hpp>

#include "oracle/time/instant.hpp"
#include "oracle/time/leap_table.hpp"

namespace gnomon::cmd {

/// The list of leap seconds that this host has installed (package tzdata), else the built-in table.
[[nodiscard]] const time::LeapTable& host_leap_table();

/// 2026-01-01T00:00:00.100Z, in UTC; a leap second is 23:59:60. Outside the table: the number of TAI nanoseconds.
[[nodiscard]] std::string utc_text(time::Tai t, const time::LeapTable& leaps);

/// Nanoseconds of TAI (as `gnomon now` prints them), RFC 3339 in UTC, or now, now+2s, now-1m after `now`. The error is
/// a sentence.
[[nodiscard]] tl::expected<time::Tai, std::string> parse_tai(std::string_view text, time::Tai now,
                                                             const time::LeapTable& leaps);

}  // namespace gnomon::cmd
