// SPDX-License-Identifier: Apache-2.0
//
// Instants as people write them: RFC 3339, always printed in UTC. IDs embed smeared UTC, which differs from UTC by less
// than a second and only within twelve hours of a leap second; it is printed as if it were UTC (docs/limits.md).
//
// std::format of chrono is missing in g++ 12 and strptime depends on the locale, so the few digits are read by hand.
#pragma once

#include <string>
#include <string_view>

#include <tl/expected.hpp>

#include "oracle/time/instant.hpp"

namespace gnomon::cmd {

/// 2024-01-01T00:00:00.100Z: as many of 0, 3, 6 or 9 fraction digits as the value needs.
[[nodiscard]] std::string rfc3339(time::SmearedUtc t);

/// `2024-01-01T00:00:00Z`, with a fraction of up to 9 digits and with an offset such as +02:00; `2024-01-01` is
/// midnight UTC. Years 1970 to 2261. The error is a sentence.
[[nodiscard]] tl::expected<time::SmearedUtc, std::string> parse_rfc3339(std::string_view text);

/// `90d 4h`, `3h 12m`, `1.250s`: two largest units, for people.
[[nodiscard]] std::string human_duration(time::Duration d);

/// `1ms`, `250us`, `10s`, `2h`, `7d`: a number and a unit. The error is a sentence.
[[nodiscard]] tl::expected<time::Duration, std::string> parse_duration(std::string_view text);

/// `now`, `now-1h`, `now+30d`, or what parse_rfc3339 takes.
[[nodiscard]] tl::expected<time::SmearedUtc, std::string> parse_time(std::string_view text, time::SmearedUtc now);

}  // namespace gnomon::cmd
