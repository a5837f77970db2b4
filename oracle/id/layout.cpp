// SPDX-License-Identifier: Apache-2.0
#include "oracle/id/layout.hpp"

#include <algorithm>
#include <limits>

#include "oracle/time/int128.hpp"

namespace gnomon::id {
namespace {

constexpr time::SmearedUtc kEpoch2021{1'609'459'200'000'000'000};    // 2021-01-01T00:00:00Z
constexpr time::SmearedUtc kEpochLatest{7'258'118'400'000'000'000};  // 2200-01-01T00:00:00Z
constexpr unsigned kMaxMachineBits = 16;
constexpr unsigned kMaxSequenceBits = 32;

constexpr bool is_name_char(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_'; }

constexpr Layout named(LayoutNumber number, std::string_view name, time::SmearedUtc epoch, time::Duration unit,
                       unsigned time_bits, unsigned machine_bits, unsigned sequence_bits) {
  Layout layout;
  layout.number = number;
  std::copy(name.begin(), name.end(), layout.name_bytes.begin());
  layout.epoch = epoch;
  layout.unit = unit;
  layout.time_bits = static_cast<std::uint8_t>(time_bits);
  layout.machine_bits = static_cast<std::uint8_t>(machine_bits);
  layout.sequence_bits = static_cast<std::uint8_t>(sequence_bits);
  return layout;
}

// The last representable unit must start inside int64 nanoseconds. A 63-bit time field of 10 s units would not, so the
// usable part of such a field is refused at the door rather than wrapped in the hot path.
bool last_unit_overflows(time::SmearedUtc epoch, time::Duration unit, unsigned time_bits) {
  const auto units = static_cast<time::UInt128>(1) << time_bits;
  const auto end = units * static_cast<time::UInt128>(unit.ns) + static_cast<time::UInt128>(epoch.ns);
  return end > static_cast<time::UInt128>(std::numeric_limits<std::int64_t>::max());
}

}  // namespace

std::string_view text_of(LayoutError error) {
  switch (error) {
    case LayoutError::kNumberOutOfRange: return "custom layouts are numbered 16 to 255";
    case LayoutError::kNameInvalid: return "a layout's name has 1 to 31 characters of a-z, 0-9, '-' and '_'";
    case LayoutError::kFieldEmpty: return "time, machine and sequence need at least one bit each";
    case LayoutError::kTooManyBits:
      return "a layout has at most 64 bits, of them at most 16 for the machine and 32 for the sequence, and its time "
             "field must end before the year 2262";
    case LayoutError::kUnitOutOfRange: return "a layout's unit is 1 us to 10 s";
    case LayoutError::kEpochOutOfRange: return "a layout's epoch lies between 1970-01-01 and 2200-01-01";
    case LayoutError::kTimeBeforeEpoch: return "the time lies before the layout's epoch";
    case LayoutError::kTimeExhausted: return "the time lies past the layout's last unit";
    case LayoutError::kMachineTooLarge: return "the machine id does not fit the layout's machine field";
    case LayoutError::kSequenceTooLarge: return "the sequence does not fit the layout's sequence field";
    case LayoutError::kIdOutOfRange: return "the ID has bits above the layout's fields";
    case LayoutError::kSpanReversed: return "the span of time ends before it begins";
  }
  return "unknown layout error";
}

std::array<Layout, 3> builtin_layouts() {
  constexpr time::Duration kMillisecond = time::milliseconds(1);
  return {named(kSnowflake, "snowflake", kEpoch2021, kMillisecond, 41, 10, 12),
          named(kInstagram, "instagram", kEpoch2021, kMillisecond, 41, 13, 10),
          named(kJs53, "js53", kEpoch2021, kMillisecond, 41, 5, 7)};
}

tl::expected<Layout, LayoutError> make_layout(LayoutNumber number, std::string_view name, time::SmearedUtc epoch,
                                              time::Duration unit, unsigned time_bits, unsigned machine_bits,
                                              unsigned sequence_bits) {
  const auto refused = [](LayoutError error) { return tl::make_unexpected(error); };
  if (number.value < kFirstCustomLayout || number.value > kLastCustomLayout)
    return refused(LayoutError::kNumberOutOfRange);
  if (name.empty() || name.size() > Layout::kNameCapacity || !std::all_of(name.begin(), name.end(), is_name_char))
    return refused(LayoutError::kNameInvalid);
  if (time_bits == 0 || machine_bits == 0 || sequence_bits == 0) return refused(LayoutError::kFieldEmpty);
  if (time_bits > 62 || machine_bits > kMaxMachineBits || sequence_bits > kMaxSequenceBits ||
      time_bits + machine_bits + sequence_bits > 64)
    return refused(LayoutError::kTooManyBits);
  if (unit < time::microseconds(1) || unit > time::seconds(10)) return refused(LayoutError::kUnitOutOfRange);
  if (epoch < time::SmearedUtc{0} || epoch > kEpochLatest) return refused(LayoutError::kEpochOutOfRange);
  if (last_unit_overflows(epoch, unit, time_bits)) return refused(LayoutError::kTooManyBits);
  return named(number, name, epoch, unit, time_bits, machine_bits, sequence_bits);
}

}  // namespace gnomon::id
