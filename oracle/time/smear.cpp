// SPDX-License-Identifier: Apache-2.0
#include "oracle/time/smear.hpp"

#include <cstddef>
#include <cstdint>

#include "oracle/time/int128.hpp"

namespace gnomon::time {
namespace {

constexpr Duration kHalfDay = seconds(43'200);
constexpr Duration kDay = seconds(86'400);

enum class Rounding : std::uint8_t { kDown, kUp };

/// The smear around leap second `i` >= 1 of a table: where it starts on both timelines, and how long it lasts in TAI.
struct Smear {
  Tai tai;
  SmearedUtc smeared;
  Duration lasts;
};

Smear smear_of(const LeapTable& table, std::size_t i) {
  const LeapEntry& entry = table.entries()[i];
  const SmearedUtc noon{(entry.from - kHalfDay).ns};
  return {{noon.ns + entry.tai_minus_utc.ns - table.step(i).ns}, noon, kDay + table.step(i)};
}

// length * to / from, for length >= 0.
Duration scaled(Duration length, Duration to, Duration from, Rounding rounding) {
  const Int128 up = rounding == Rounding::kUp ? from.ns - 1 : 0;
  return {static_cast<std::int64_t>((static_cast<Int128>(length.ns) * to.ns + up) / from.ns)};
}

tl::expected<SmearedUtc, LeapFault> smeared_at(const LeapTable& table, Tai tai, Rounding rounding) {
  for (std::size_t i = table.entries().size(); i-- > 1;) {
    const Smear smear = smear_of(table, i);
    if (tai < smear.tai) continue;
    if (tai - smear.tai < smear.lasts) return smear.smeared + scaled(tai - smear.tai, kDay, smear.lasts, rounding);
    return SmearedUtc{tai.ns - table.entries()[i].tai_minus_utc.ns};
  }
  if (table.entries().empty() || tai < table.entries()[0].at()) return tl::make_unexpected(LeapFault::kBeforeTable);
  return SmearedUtc{tai.ns - table.entries()[0].tai_minus_utc.ns};
}

tl::expected<Tai, LeapFault> plain_tai(SmearedUtc smeared, const LeapEntry& entry) {
  Tai tai;
  if (__builtin_add_overflow(smeared.ns, entry.tai_minus_utc.ns, &tai.ns))
    return tl::make_unexpected(LeapFault::kOutOfRange);
  return tai;
}

tl::expected<Tai, LeapFault> tai_at(const LeapTable& table, SmearedUtc smeared, Rounding rounding) {
  for (std::size_t i = table.entries().size(); i-- > 1;) {
    const Smear smear = smear_of(table, i);
    if (smeared < smear.smeared) continue;
    if (smeared - smear.smeared < kDay) return smear.tai + scaled(smeared - smear.smeared, smear.lasts, kDay, rounding);
    return plain_tai(smeared, table.entries()[i]);
  }
  if (table.entries().empty() || smeared.ns < table.entries()[0].from.ns)
    return tl::make_unexpected(LeapFault::kBeforeTable);
  return plain_tai(smeared, table.entries()[0]);
}

// End by end through `convert`, rounded outwards.
template <typename To, typename From, typename Convert>
tl::expected<IntervalOf<To>, LeapFault> both_ends(IntervalOf<From> from, Convert convert) {
  if (from.latest < from.earliest) return tl::make_unexpected(LeapFault::kReversed);
  const tl::expected<To, LeapFault> earliest = convert(from.earliest, Rounding::kDown);
  const tl::expected<To, LeapFault> latest = convert(from.latest, Rounding::kUp);
  if (!earliest) return tl::make_unexpected(earliest.error());
  if (!latest) return tl::make_unexpected(latest.error());
  return IntervalOf<To>{*earliest, *latest};
}

}  // namespace

tl::expected<SmearedUtc, LeapFault> to_smeared(const LeapTable& table, Tai tai) {
  return smeared_at(table, tai, Rounding::kDown);
}

tl::expected<Tai, LeapFault> to_tai(const LeapTable& table, SmearedUtc smeared) {
  return tai_at(table, smeared, Rounding::kDown);
}

tl::expected<SmearedInterval, LeapFault> to_smeared(const LeapTable& table, Interval tai) {
  return both_ends<SmearedUtc>(tai, [&](Tai t, Rounding rounding) { return smeared_at(table, t, rounding); });
}

tl::expected<Interval, LeapFault> to_tai(const LeapTable& table, SmearedInterval smeared) {
  return both_ends<Tai>(smeared, [&](SmearedUtc t, Rounding rounding) { return tai_at(table, t, rounding); });
}

}  // namespace gnomon::time
