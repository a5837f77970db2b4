// SPDX-License-Identifier: Apache-2.0
//
// Vector clocks: one counter per process, so that of any two events it can be told whether one happened before the
// other or neither did (C. Fidge, "Timestamps in Message-Passing Systems That Preserve the Partial Ordering", 1988;
// F. Mattern, "Virtual Time and Global States of Distributed Systems", 1989).
//
// The textbook's array has one place for every process that there might be, and two processes must agree on the places.
// This one is sparse: pairs of process id and counter, for the processes that it has heard of; no pair is a counter of
// 0.
//
//   canonical: entries ascend by process id, none twice, none with counter 0. So equal clocks have equal entries and
//              equal bytes, and a loop over two clocks is a merge.
//   exact:     with one clock per process that ticks for each event, before/after is happened-before, both ways.
//   bounded:   at most kMaxEntries processes, so every clock can be encoded and every encoding has a largest size.
//
// Encoding, little-endian, 4 + 16 n bytes: u8 version 1, u8 zero, u16 n, then n times (u64 process id, u64 counter).
// Fixed width, because a varint has several spellings of one number and then each must be refused but one.
//
// Values; thread-compatible. They allocate: not for the path of a packet.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include <tl/expected.hpp>

#include "oracle/clock/process_id.hpp"

namespace gnomon::clock {

/// How one clock lies to another.
enum class Causality : std::uint8_t { kBefore, kAfter, kEqual, kConcurrent };
[[nodiscard]] std::string_view text_of(Causality causality);

enum class VectorFault : std::uint8_t {
  kCountAtTop,        // the process has counted the largest number of events
  kTooManyProcesses,  // the clock would have more than kMaxEntries entries
  kUnknownOwnEvents,  // a message knows more events of this process than it has made itself
};
[[nodiscard]] std::string_view text_of(VectorFault fault);

enum class VectorDecodeFault : std::uint8_t {
  kTruncated,       // shorter than its own header says
  kOtherVersion,    // not version 1
  kReserved,        // the reserved byte is not zero
  kTooManyEntries,  // more entries than the reader allows
  kNotAscending,    // a process id is not larger than the one before it
  kZeroCount,       // an entry with counter 0, which is written by leaving it out
  kTrailing,        // bytes after the last entry
};
[[nodiscard]] std::string_view text_of(VectorDecodeFault fault);

struct VectorEntry {
  ProcessId process;
  std::uint64_t count = 0;
  friend constexpr bool operator==(VectorEntry, VectorEntry) = default;
};

/// A vector time, and the clock of a process, which is its latest. After a fault it is what it was before the call.
class VectorClock {
 public:
  static constexpr std::size_t kMaxEntries = 1024;

  /// A local event of `self`, or the sending of a message, which carries the clock as it is then.
  [[nodiscard]] tl::expected<void, VectorFault> tick(ProcessId self);

  /// Takes in all that `other` knows: the larger counter of each process. No event.
  [[nodiscard]] tl::expected<void, VectorFault> merge(const VectorClock& other);

  /// The receipt by `self` of a message that carries `remote`: merge, then tick. A message that knows of events which
  /// `self` never made is refused: either it is false, or `self` has lost its counters and must not use its id again.
  [[nodiscard]] tl::expected<void, VectorFault> receive(ProcessId self, const VectorClock& remote);

  /// Number of events of `process` that this clock knows of.
  [[nodiscard]] std::uint64_t count_of(ProcessId process) const;
  /// Ascending by process, no counter 0.
  [[nodiscard]] std::span<const VectorEntry> entries() const { return entries_; }

  /// kBefore: what `a` knows, `b` knows, and more. An event of `a` happened before one of `b`.
  [[nodiscard]] static Causality compare(const VectorClock& a, const VectorClock& b);
  friend bool operator==(const VectorClock&, const VectorClock&) = default;

  /// The one encoding of this clock.
  [[nodiscard]] std::vector<std::byte> encode() const;
  /// Takes exactly what encode() makes, with at most `max_entries` entries. Allocates only for entries that are there.
  [[nodiscard]] static tl::expected<VectorClock, VectorDecodeFault> decode(std::span<const std::byte> bytes,
                                                                           std::size_t max_entries = kMaxEntries);

 private:
  std::vector<VectorEntry> entries_;
};

}  // namespace gnomon::clock
