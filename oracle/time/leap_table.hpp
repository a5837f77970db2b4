// SPDX-License-Identifier: Apache-2.0
//
// What UTC is, told from TAI: a table of the instants at which TAI - UTC changes by a second.
//
// The naive way is a constant of 37 s. It is wrong for the past, and one day it will be wrong by a whole second for the
// present. And UTC as computers count it (POSIX: 86400 seconds a day) is no clock: at a positive leap second it counts
// one second twice, at a negative one it leaves one out. So UTC comes in here and goes out here, and nowhere else:
//
//   Utc  POSIX UTC nanoseconds. During an inserted second it is 23:59:59 once more, as Linux counts it; the second pass
//        is flagged. Its way to TAI takes the first pass, and folds a deleted second into the instant of the deletion,
//        so that it is monotone.
//
// Invariants of a table: at most 64 entries, in ascending order, each at midnight, at least 28 days apart (so the
// smears of two leaps never meet, and a flag that is still up on the day after a leap is not believed), each differing
// from the one before by exactly a second. A table is known to be right only until it expires; later a leap second may
// be missing from it (oracle/time/leap_doubt.hpp). UTC by whole seconds began in 1972: nothing before is converted.
//
// Sources: ITU-R TF.460-6, IERS Bulletin C, POSIX.1-2017 section 4.16. Pure; tables are values.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include <tl/expected.hpp>

#include "oracle/time/instant.hpp"

namespace gnomon::time {

struct UtcTimeline;
using Utc = Instant<UtcTimeline>;

/// Why an instant could not be converted.
enum class LeapFault : std::uint8_t {
  kBeforeTable,  // earlier than the table's first entry
  kOutOfRange,   // the result would not fit 64 bits of nanoseconds
  kReversed,     // an interval that ends before it begins
};
[[nodiscard]] std::string_view text_of(LeapFault fault);

/// Why a table, or an addition to one, was refused.
enum class LeapTableFault : std::uint8_t {
  kTextTooLarge,
  kTooManyLines,
  kTooManyEntries,
  kNoEntries,
  kMalformed,      // a line that is not what such a line looks like
  kOutOfRange,     // an instant outside 1972 to 2200, or an offset outside 0 to 999 s
  kNotMidnight,    // TAI - UTC changes at midnight UTC only
  kNotAscending,   // earlier than the line before, or too soon after it
  kNotOneSecond,   // a step that is not one second
  kRepeated,       // a header that is there twice
  kUpdateMissing,  // no "#$" line
  kExpiryMissing,  // no "#@" line
  kExpiryTooEarly,
  kHashMissing,   // no "#h" line, which is the last: the file was cut off
  kHashMismatch,  // the data are not those that were published
  kDenied,        // an announced leap second that a table in force rules out
};
[[nodiscard]] std::string_view text_of(LeapTableFault fault);

struct LeapTableError {
  LeapTableFault fault = LeapTableFault::kMalformed;
  std::size_t line = 0;  // from 1; 0: not about a line
  std::string text;      // for the operator
};

/// From `from` on, TAI - UTC is `tai_minus_utc`.
struct LeapEntry {
  Utc from;
  Duration tai_minus_utc;

  /// The same instant in TAI: 00:00:00, after the leap second.
  [[nodiscard]] constexpr Tai at() const { return {from.ns + tai_minus_utc.ns}; }
  friend constexpr bool operator==(LeapEntry, LeapEntry) = default;
};

/// A leap second that a time source announces for the end of a day.
enum class AnnouncedLeap : std::uint8_t {
  kLeap61,  // the day's last minute has 61 seconds
  kLeap59,  // it has 59
};

struct UtcReading {
  Utc utc;
  bool in_leap_second = false;  // 23:59:60: `utc` shows 23:59:59 for the second time
  friend constexpr bool operator==(UtcReading, UtcReading) = default;
};

class LeapTable {
 public:
  static constexpr std::size_t kCapacity = 64;
  static constexpr Duration kMinApart = seconds(28 * 86'400);
  static constexpr Utc kFirstUtc{63'072'000'000'000'000};    // 1972-01-01
  static constexpr Utc kLastUtc{7'258'118'400'000'000'000};  // 2200-01-01
  static constexpr Duration kLargestOffset = seconds(999);

  /// An empty table: converts nothing.
  LeapTable() = default;
  explicit LeapTable(Utc expires) : expires_(expires) {}

  /// Adds an entry after the last. A refused entry leaves the table as it was.
  [[nodiscard]] tl::expected<void, LeapTableFault> append(LeapEntry entry);

  /// This table with the leap second that somebody announced for the midnight `day_boundary`. One that it has already
  /// changes nothing; one before the expiry that it has not is refused, because the table rules it out: then one of
  /// the two is wrong, and the announcer is to be doubted. The expiry stays.
  [[nodiscard]] tl::expected<LeapTable, LeapTableError> with_announced(AnnouncedLeap leap, Utc day_boundary) const;

  /// TAI - UTC for a UTC reading; at an ambiguous reading, that of its first pass.
  [[nodiscard]] tl::expected<Duration, LeapFault> offset_at(Utc utc) const;
  /// TAI - UTC at an instant; inside an inserted second, the new one.
  [[nodiscard]] tl::expected<Duration, LeapFault> offset_at(Tai tai) const;
  /// Monotone. The first of the two instants at which a repeating clock shows `utc`; a deleted second is folded.
  [[nodiscard]] tl::expected<Tai, LeapFault> to_tai(Utc utc) const;
  [[nodiscard]] tl::expected<UtcReading, LeapFault> to_utc(Tai tai) const;

  /// Whether leap seconds may be missing from the table at that time. Of an empty table: always.
  [[nodiscard]] bool expired(Utc at) const { return size_ == 0 || at >= expires_; }
  [[nodiscard]] bool expired(Tai at) const;
  /// Whether a leap second of the table lies at most `within` >= 0 before or after.
  [[nodiscard]] bool near_leap(Tai at, Duration within) const;

  [[nodiscard]] Utc expires() const { return expires_; }
  /// In ascending order. The first is where the table begins, each other one is a leap second.
  [[nodiscard]] std::span<const LeapEntry> entries() const { return {entries_.data(), size_}; }
  /// By how much entry `i` changes TAI - UTC: a second, or minus a second; of the first entry nothing.
  [[nodiscard]] Duration step(std::size_t i) const {
    return i == 0 ? Duration{} : entries()[i].tai_minus_utc - entries()[i - 1].tai_minus_utc;
  }
  /// Where entry `i` begins to count in TAI: an inserted second belongs to it.
  [[nodiscard]] Tai begins(std::size_t i) const {
    return step(i) > Duration{} ? entries()[i].at() - step(i) : entries()[i].at();
  }

 private:
  std::array<LeapEntry, kCapacity> entries_{};
  std::size_t size_ = 0;
  Utc expires_ = Utc::min();
};

/// What was known when this was written: 28 entries, TAI - UTC = 37 s since 2017, valid until 2026-06-28. For a host
/// without a leap-seconds.list; after that day it is as good as any expired table.
[[nodiscard]] LeapTable builtin_leap_table();

}  // namespace gnomon::time
