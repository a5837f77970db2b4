// SPDX-License-Identifier: Apache-2.0
//
// The text of leap-seconds.list, as the IERS and NIST publish it and tzdata installs it, read into a LeapTable.
//
//   #$ <NTP seconds>            last update
//   #@ <NTP seconds>            expiry
//   <NTP seconds> <TAI - UTC>   one line per entry; whatever follows a '#' is a comment
//   #h <five words of hex>      SHA-1 of all those digits in one row: update, expiry, then the entries
//
// A lenient reader takes a file whose last line was lost for one that knows no leap second, and is a second off. This
// one takes the whole file or nothing: each header once, the hash there and right, and every invariant of a table. NTP
// seconds count from 1900 and do not wrap in 2036 here. A word of the hash may lack its leading zeros: some publishers
// drop them.
//
// Pure: text in, a table or the first fault with its line out. Never throws on what it is given, bounded in all sizes.
#pragma once

#include <cstddef>
#include <string_view>

#include <tl/expected.hpp>

#include "oracle/time/leap_table.hpp"

namespace gnomon::time {

constexpr std::size_t kMaxLeapListBytes = 65'536;
constexpr std::size_t kMaxLeapListLines = 1'000;

[[nodiscard]] tl::expected<LeapTable, LeapTableError> parse_leap_list(std::string_view text);

}  // namespace gnomon::time
