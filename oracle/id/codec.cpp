// SPDX-License-Identifier: Apache-2.0
#include "oracle/id/codec.hpp"

#include <algorithm>

namespace gnomon::id {
namespace {

// The first unit whose IDs have bit 63 set, if the layout reaches that bit at all.
std::uint64_t end_unit_signed(const Layout& layout) {
  const std::uint64_t end = layout.last_unit() + 1;
  return layout.bits() < 64 ? end : std::min(end, std::uint64_t{1} << (63 - layout.time_shift()));
}

}  // namespace

tl::expected<Id, LayoutError> encode(const Layout& layout, const Fields& fields) {
  if (fields.time < layout.epoch) return tl::make_unexpected(LayoutError::kTimeBeforeEpoch);
  const std::uint64_t unit = layout.unit_of(fields.time);
  if (unit > layout.last_unit()) return tl::make_unexpected(LayoutError::kTimeExhausted);
  if (!layout.fits(fields.machine)) return tl::make_unexpected(LayoutError::kMachineTooLarge);
  if (fields.sequence >= layout.sequences()) return tl::make_unexpected(LayoutError::kSequenceTooLarge);
  return layout.pack(unit, fields.machine, fields.sequence);
}

tl::expected<Fields, LayoutError> decode(const Layout& layout, Id id) {
  if (layout.bits() < 64 && (id.value >> layout.bits()) != 0) return tl::make_unexpected(LayoutError::kIdOutOfRange);
  const std::uint64_t machine = (id.value >> layout.sequence_bits) & (layout.machines() - 1);
  return Fields{.time = layout.start_of(id.value >> layout.time_shift()),
                .machine = {static_cast<std::uint16_t>(machine)},
                .sequence = id.value & (layout.sequences() - 1)};
}

Exhaustion exhaustion(const Layout& layout) {
  return {.at = layout.start_of(layout.last_unit() + 1), .in_signed = layout.start_of(end_unit_signed(layout))};
}

Headroom headroom(const Layout& layout, time::SmearedUtc now) {
  const time::SmearedUtc end = exhaustion(layout).in_signed;
  const time::Duration life = end - layout.epoch;
  const time::Duration used = std::clamp(time::saturating_sub(now, layout.epoch), time::Duration{0}, life);
  return {.left = life - used, .used_fraction = static_cast<double>(used.ns) / static_cast<double>(life.ns)};
}

tl::expected<IdRange, LayoutError> range_of(const Layout& layout, time::SmearedUtc from, time::SmearedUtc to) {
  if (to < from) return tl::make_unexpected(LayoutError::kSpanReversed);
  if (to < layout.epoch) return tl::make_unexpected(LayoutError::kTimeBeforeEpoch);
  const std::uint64_t first = layout.unit_of(from);  // 0 for everything before the epoch
  if (first > layout.last_unit()) return tl::make_unexpected(LayoutError::kTimeExhausted);
  const std::uint64_t last = std::min(layout.unit_of(to), layout.last_unit());
  const mint::MachineId last_machine{static_cast<std::uint16_t>(layout.machines() - 1)};
  return IdRange{.first = layout.pack(first, {0}, 0), .last = layout.pack(last, last_machine, layout.sequences() - 1)};
}

}  // namespace gnomon::id
