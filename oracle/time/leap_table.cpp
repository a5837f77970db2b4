// SPDX-License-Identifier: Apache-2.0
#include "oracle/time/leap_table.hpp"

#include <algorithm>
#include <optional>

namespace gnomon::time {
namespace {

constexpr Duration kDay = seconds(86'400);
constexpr Duration kSecond = seconds(1);

LeapTableError refused(LeapTableFault fault) { return {fault, 0, std::string(text_of(fault))}; }

// The last entry with begin(i) <= t. From the back: nearly every question is about now, which the last entry answers.
template <typename T, typename Begin>
std::optional<std::size_t> entry_in_force(std::size_t size, T t, Begin begin) {
  for (std::size_t i = size; i-- > 0;)
    if (begin(i) <= t) return i;
  return std::nullopt;
}

}  // namespace

std::string_view text_of(LeapFault fault) {
  switch (fault) {
    case LeapFault::kBeforeTable:
      return "the instant lies before the leap table's first entry (1972 in the published one): the clock that it was "
             "read from is not set";
    case LeapFault::kOutOfRange:
      return "the instant lies beyond the year 2262: the clock that it was read from is wrong";
    case LeapFault::kReversed: return "the interval ends before it begins: whoever stated it is not to be used";
  }
  return "unknown leap fault";
}

std::string_view text_of(LeapTableFault fault) {
  switch (fault) {
    case LeapTableFault::kTextTooLarge: return "larger than 64 KiB, so it is no leap-seconds.list: check the path";
    case LeapTableFault::kTooManyLines: return "more than 1000 lines, so it is no leap-seconds.list: check the path";
    case LeapTableFault::kTooManyEntries: return "more than 64 entries, which is more than this version can hold";
    case LeapTableFault::kNoEntries: return "no entries, so it is no leap-seconds.list: check the path";
    case LeapTableFault::kMalformed: return "not what a leap-seconds.list has there: fetch an unaltered copy";
    case LeapTableFault::kOutOfRange:
      return "an instant outside 1972 to 2200, or TAI - UTC outside 0 to 999 s: fetch an unaltered copy";
    case LeapTableFault::kNotMidnight: return "a leap second that is not at midnight UTC is refused";
    case LeapTableFault::kNotAscending: return "an entry that is not at least 28 days after the one before is refused";
    case LeapTableFault::kNotOneSecond: return "TAI - UTC changes by something else than one second: refused";
    case LeapTableFault::kRepeated: return "a header that is there twice: fetch an unaltered copy";
    case LeapTableFault::kUpdateMissing: return "no '#$' line (last update): fetch an unaltered copy";
    case LeapTableFault::kExpiryMissing: return "no '#@' line (expiry): fetch an unaltered copy";
    case LeapTableFault::kExpiryTooEarly: return "expires before its last entry or its update: fetch an unaltered copy";
    case LeapTableFault::kHashMissing: return "no '#h' line (hash), so it may be cut off: fetch a whole copy";
    case LeapTableFault::kHashMismatch: return "the data do not match the '#h' line: fetch an unaltered copy";
    case LeapTableFault::kDenied:
      return "an announced leap second that the leap table rules out: check the source that announces it";
  }
  return "unknown leap table fault";
}

tl::expected<void, LeapTableFault> LeapTable::append(LeapEntry entry) {
  if (size_ == kCapacity) return tl::make_unexpected(LeapTableFault::kTooManyEntries);
  if (entry.from < kFirstUtc || entry.from > kLastUtc || entry.tai_minus_utc < Duration{} ||
      entry.tai_minus_utc > kLargestOffset || entry.tai_minus_utc.ns % kSecond.ns != 0)
    return tl::make_unexpected(LeapTableFault::kOutOfRange);
  if (entry.from.ns % kDay.ns != 0) return tl::make_unexpected(LeapTableFault::kNotMidnight);
  if (size_ > 0) {
    const LeapEntry& last = entries_[size_ - 1];
    if (entry.from < last.from + kMinApart) return tl::make_unexpected(LeapTableFault::kNotAscending);
    const Duration change = entry.tai_minus_utc - last.tai_minus_utc;
    if (change != kSecond && change != -kSecond) return tl::make_unexpected(LeapTableFault::kNotOneSecond);
  }
  entries_[size_++] = entry;
  return {};
}

tl::expected<LeapTable, LeapTableError> LeapTable::with_announced(AnnouncedLeap leap, Utc day_boundary) const {
  if (size_ == 0) return tl::make_unexpected(refused(LeapTableFault::kNoEntries));
  const Duration change = leap == AnnouncedLeap::kLeap61 ? kSecond : -kSecond;
  for (std::size_t i = 1; i < size_; ++i)
    if (entries_[i].from == day_boundary && step(i) == change) return *this;
  if (day_boundary < expires_) return tl::make_unexpected(refused(LeapTableFault::kDenied));
  LeapTable longer = *this;
  const auto added = longer.append({day_boundary, entries_[size_ - 1].tai_minus_utc + change});
  if (!added) return tl::make_unexpected(refused(added.error()));
  return longer;
}

tl::expected<Tai, LeapFault> LeapTable::to_tai(Utc utc) const {
  const auto i = entry_in_force(size_, utc, [&](std::size_t at) { return entries_[at].from; });
  if (!i) return tl::make_unexpected(LeapFault::kBeforeTable);
  Tai tai;
  if (__builtin_add_overflow(utc.ns, entries_[*i].tai_minus_utc.ns, &tai.ns))
    return tl::make_unexpected(LeapFault::kOutOfRange);
  // Readings of a second that will have been deleted never happen. Mapped straight they would lie past the deletion,
  // and the way to TAI would step back there.
  return *i + 1 < size_ ? std::min(tai, entries_[*i + 1].at()) : tai;
}

tl::expected<UtcReading, LeapFault> LeapTable::to_utc(Tai tai) const {
  const auto i = entry_in_force(size_, tai, [&](std::size_t at) { return begins(at); });
  if (!i) return tl::make_unexpected(LeapFault::kBeforeTable);
  return UtcReading{{tai.ns - entries_[*i].tai_minus_utc.ns}, tai < entries_[*i].at()};
}

tl::expected<Duration, LeapFault> LeapTable::offset_at(Utc utc) const {
  const auto i = entry_in_force(size_, utc, [&](std::size_t at) { return entries_[at].from; });
  if (!i) return tl::make_unexpected(LeapFault::kBeforeTable);
  return entries_[*i].tai_minus_utc;
}

tl::expected<Duration, LeapFault> LeapTable::offset_at(Tai tai) const {
  const auto i = entry_in_force(size_, tai, [&](std::size_t at) { return begins(at); });
  if (!i) return tl::make_unexpected(LeapFault::kBeforeTable);
  return entries_[*i].tai_minus_utc;
}

bool LeapTable::expired(Tai at) const {
  if (size_ == 0) return true;
  const auto reading = to_utc(at);
  return expired(reading ? reading->utc : Utc::min());
}

bool LeapTable::near_leap(Tai at, Duration within) const {
  for (std::size_t i = size_; i-- > 1;) {
    if (at >= saturating_add(begins(i), -within) && at <= saturating_add(entries_[i].at(), within)) return true;
  }
  return false;
}

LeapTable builtin_leap_table() {
  // Days since 1970 on which TAI - UTC became 10 s (1972-01-01), 11 s and so on, up to 37 s (2017-01-01).
  constexpr std::array<std::int64_t, 28> kDays{730,  912,   1096,  1461,  1826,  2191,  2557,  2922, 3287, 3652,
                                               4199, 4564,  4929,  5660,  6574,  7305,  7670,  8217, 8582, 8947,
                                               9496, 10043, 10592, 13149, 14245, 15522, 16617, 17167};
  constexpr Utc kExpires{1'782'604'800'000'000'000};  // 2026-06-28
  LeapTable table(kExpires);
  Duration offset = seconds(10);
  for (const std::int64_t day : kDays) {
    const Utc from = Utc{} + kDay * day;
    if (!table.append({from, offset})) return LeapTable(kExpires);
    offset = offset + kSecond;
  }
  return table;
}

}  // namespace gnomon::time
