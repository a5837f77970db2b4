// SPDX-License-Identifier: Apache-2.0
#include "oracle/time/leap_doubt.hpp"

#include <cstddef>

#include "oracle/time/smear.hpp"

namespace gnomon::time {
namespace {

constexpr Duration kSecond = seconds(1);
constexpr Duration kNear = seconds(86'400);
// Shorter than from any end of June to the end of December, and back.
constexpr Duration kHalfYear = seconds(std::int64_t{180} * 86'400);

// One second per half-year begun since the expiry.
Duration unknown_leaps(const LeapTable& table, Tai about) {
  const auto reading = table.to_utc(about);
  if (!reading || !table.expired(reading->utc)) return {};
  return kSecond * (saturating_sub(reading->utc, table.expires()).ns / kHalfYear.ns + 1);
}

// By how much an inserted second moves the ends: the entry whose ambiguous second, which starts at `from` + `starts`,
// holds `utc`; nothing if there is none.
Duration ambiguity(const LeapTable& table, Utc utc, Duration starts) {
  for (std::size_t i = table.entries().size(); i-- > 1;) {
    const Utc start = table.entries()[i].from + starts;
    if (table.step(i) == kSecond && start <= utc && utc < start + kSecond) return kSecond;
  }
  return {};
}

}  // namespace

std::string_view text_of(DoubtReason reason) {
  switch (reason) {
    case DoubtReason::kNone: return "the second is certain";
    case DoubtReason::kNearLeap: return "within a day of a leap second: certain again a day after it";
    case DoubtReason::kUnknownSmear:
      return "it is not known whether the source smears leap seconds: state it in the configuration";
    case DoubtReason::kExpiredTable: return "the leap table has expired: update tzdata";
  }
  return "unknown reason";
}

LeapDoubt leap_doubt(const LeapTable& table, Tai about, SmearKind source_smear) {
  LeapDoubt doubt;
  if (table.near_leap(about, kNear)) doubt = {kSecond, DoubtReason::kNearLeap};
  if (source_smear == SmearKind::kUnknown) doubt = {kSecond, DoubtReason::kUnknownSmear};
  if (table.expired(about)) doubt = {doubt.margin + unknown_leaps(table, about), DoubtReason::kExpiredTable};
  return doubt;
}

tl::expected<Interval, LeapFault> to_tai_interval(IntervalOf<Utc> utc, const LeapTable& table, LeapDoubt doubt) {
  if (utc.latest < utc.earliest) return tl::make_unexpected(LeapFault::kReversed);
  const auto earliest = table.to_tai(utc.earliest);
  const auto latest = table.to_tai(utc.latest);
  if (!earliest) return tl::make_unexpected(earliest.error());
  if (!latest) return tl::make_unexpected(latest.error());
  // 00:00:00 may be the inserted second, counted as tomorrow's first; 23:59:59 may be its second pass.
  const Interval tai{*earliest - ambiguity(table, utc.earliest, {}), *latest + ambiguity(table, utc.latest, -kSecond)};
  return tai.widened(doubt.margin);
}

tl::expected<Interval, LeapFault> to_tai_interval(SmearedInterval smeared, const LeapTable& table, LeapDoubt doubt) {
  const auto tai = to_tai(table, smeared);
  if (!tai) return tl::make_unexpected(tai.error());
  return tai->widened(doubt.margin);
}

}  // namespace gnomon::time
