// SPDX-License-Identifier: Apache-2.0
//
// Layouts of 64-bit IDs as data: time | machine | sequence from the top bit down (primitives.md 2.2, 2.3).
//
// Naive generators hard-code the shifts and learn too late that a field was truncated (two machines with one id) or
// that the time field ran out in production. Here a layout is a checked value: it says when it is exhausted, how many
// machines it can tell apart and whether its IDs survive a JavaScript number, and everything else asks it.
//
// Invariants of a valid layout (`make_layout` checks them): every field has at least one bit, together at most 64; the
// unit is 1 us to 10 s; the epoch lies between 1970 and 2200; the time field ends before int64 nanoseconds do (2262).
// Layouts are immutable once numbered.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include <tl/expected.hpp>

#include "oracle/mint/names.hpp"
#include "oracle/time/instant.hpp"

namespace gnomon::id {

/// Number of a layout on the wire (`format`) and in the store: 1-15 built in, 16-255 custom.
struct LayoutNumber {
  std::uint16_t value = 0;
  friend constexpr auto operator<=>(LayoutNumber, LayoutNumber) = default;
};

constexpr LayoutNumber kSnowflake{1};
constexpr LayoutNumber kInstagram{2};
constexpr LayoutNumber kJs53{3};
constexpr std::uint16_t kFirstCustomLayout = 16;
constexpr std::uint16_t kLastCustomLayout = 255;

/// A 64-bit ID, as users store it.
struct Id {
  std::uint64_t value = 0;
  friend constexpr auto operator<=>(Id, Id) = default;
};

struct Layout {
  static constexpr std::size_t kNameCapacity = 31;

  LayoutNumber number;
  std::array<char, kNameCapacity + 1> name_bytes{};  // zero-terminated
  time::SmearedUtc epoch;
  time::Duration unit;
  std::uint8_t time_bits = 0;
  std::uint8_t machine_bits = 0;
  std::uint8_t sequence_bits = 0;

  [[nodiscard]] constexpr std::string_view name() const { return {name_bytes.data()}; }
  [[nodiscard]] constexpr unsigned bits() const { return 0U + time_bits + machine_bits + sequence_bits; }
  /// IDs per machine and unit.
  [[nodiscard]] constexpr std::uint64_t sequences() const { return std::uint64_t{1} << sequence_bits; }
  /// Machine ids 0 .. machines()-1 fit the field untruncated.
  [[nodiscard]] constexpr std::uint32_t machines() const { return std::uint32_t{1} << machine_bits; }
  [[nodiscard]] constexpr bool fits(mint::MachineId id) const { return id.value < machines(); }
  /// Last value of the time field.
  [[nodiscard]] constexpr std::uint64_t last_unit() const { return (std::uint64_t{1} << time_bits) - 1; }
  [[nodiscard]] constexpr unsigned time_shift() const { return 0U + machine_bits + sequence_bits; }

  /// Start of a unit. Valid for unit <= last_unit() + 1 (`make_layout` makes sure that this can't overflow).
  [[nodiscard]] constexpr time::SmearedUtc start_of(std::uint64_t unit_index) const {
    return epoch + unit * static_cast<std::int64_t>(unit_index);
  }
  /// The unit that contains t; 0 for every t before the epoch. May exceed last_unit().
  [[nodiscard]] constexpr std::uint64_t unit_of(time::SmearedUtc t) const {
    return t <= epoch ? 0 : static_cast<std::uint64_t>((t - epoch).ns) / static_cast<std::uint64_t>(unit.ns);
  }
  /// The first unit whose start is at or after t.
  [[nodiscard]] constexpr std::uint64_t first_unit_from(time::SmearedUtc t) const {
    const std::uint64_t u = unit_of(t);
    return start_of(u) < t ? u + 1 : u;
  }
  /// Packs the fields. All three must be in range: unit_index <= last_unit(), fits(machine), sequence < sequences().
  [[nodiscard]] constexpr Id pack(std::uint64_t unit_index, mint::MachineId machine, std::uint64_t sequence) const {
    return {(unit_index << time_shift()) | (std::uint64_t{machine.value} << sequence_bits) | sequence};
  }

  friend constexpr bool operator==(const Layout&, const Layout&) = default;
};

/// Why a layout, or a value under a layout, is refused.
enum class LayoutError : std::uint8_t {
  kNumberOutOfRange,  // custom layouts are numbered 16-255
  kNameInvalid,       // 1-31 characters of a-z, 0-9, '-' and '_'
  kFieldEmpty,        // each field needs at least one bit
  kTooManyBits,       // more than 64 bits, machine over 16, sequence over 32, or time beyond the year 2262
  kUnitOutOfRange,    // 1 us to 10 s
  kEpochOutOfRange,   // 1970-01-01 to 2200-01-01
  kTimeBeforeEpoch,   // nothing to encode: the instant lies before the layout's epoch
  kTimeExhausted,     // the instant lies past the layout's last unit
  kMachineTooLarge,   // the machine id does not fit the field
  kSequenceTooLarge,  // the sequence does not fit the field
  kIdOutOfRange,      // the ID has bits above the layout's fields
  kSpanReversed,      // a span of time that ends before it begins
};
[[nodiscard]] std::string_view text_of(LayoutError error);

/// The layouts that every gnomon knows: snowflake 41/10/12, instagram 41/13/10, js53 41/5/7; epoch 2021-01-01, 1 ms.
[[nodiscard]] std::array<Layout, 3> builtin_layouts();
/// A custom layout, checked. `name` is copied.
[[nodiscard]] tl::expected<Layout, LayoutError> make_layout(LayoutNumber number, std::string_view name,
                                                            time::SmearedUtc epoch, time::Duration unit,
                                                            unsigned time_bits, unsigned machine_bits,
                                                            unsigned sequence_bits);

}  // namespace gnomon::id
