// SPDX-License-Identifier: Apache-2.0
//
// The ID generator of one worker and one layout (primitives.md 2.2, without its trust in the clock).
//
// The textbook generator compares "now" with the last timestamp and throws or spins when the clock stepped back; its
// uniqueness rests on the clock and on nobody else having the machine id. This one rests on rights alone:
//
//   - it opens a unit only if the unit's start lies inside the window of a right it holds (`Right::covers`);
//   - units are opened in ascending order; machine ids inside a unit in ascending order; sequences ascending;
//   - a sequence never wraps inside a unit, also when it does not start at zero;
//   - handed an older time it stays in its last unit, as long as that is within the lead budget; it never reopens one.
//
// So every (unit, machine, sequence) is handed out at most once per token, and IDs of one worker ascend. Across
// generations of rights the order holds too, because the first unit of a new generation lies after the last unit of
// the previous one; only a new era (policy `rotate`) gives that up.
//
// Nothing here reads a clock, locks or allocates. Thread rule: one thread.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>

#include "oracle/id/layout.hpp"
#include "oracle/mint/mint_time.hpp"
#include "oracle/mint/right.hpp"
#include "oracle/time/instant.hpp"

namespace gnomon::mint {

/// Why no ID can be had at that instant.
enum class Refusal : std::uint8_t {
  kNone,
  kExhausted,        // the unit's sequences are used up: more at the next unit (`retry_after`)
  kNotLeased,        // no right covers this time
  kClockBehind,      // the first unit that may be used is further ahead than the lead budget (`retry_after`)
  kLayoutExhausted,  // the layout's time field ends before now
  kDoesNotFit,       // no machine id of this worker fits the layout's field
};

/// A contiguous range of IDs, or why there is none.
struct Take {
  id::Id first;
  std::uint32_t count = 0;  // 1 .. wanted if refusal is kNone, else 0
  std::uint8_t slot = 0;    // index in the RightSet of the right that was used
  Refusal refusal = Refusal::kNone;
  bool opened = false;  // a unit was opened: `used_until(slot)` has grown and must be published before the reply
  time::Duration retry_after;
};

class IdGenerator {
 public:
  /// `rotating_start`: a unit's sequence starts somewhere in its lower half instead of at zero, so that IDs taken at
  /// low load spread over shards that look at the low bits. Costs up to half of the capacity of a unit.
  IdGenerator(const id::Layout& layout, bool rotating_start) : rotating_start_(rotating_start), layout_(layout) {}

  /// Takes over a worker's rights. The same generation again may only raise ceilings; another one closes the unit.
  void adopt(const RightSet& rights);

  /// Up to `wanted` (>= 1) IDs in one contiguous range, possibly fewer.
  [[nodiscard]] Take take(const MintTime& time, std::uint32_t wanted) {
    if (next_ == end_ || time.now >= unit_end_ || time.now + time.lead_left < unit_start_) [[unlikely]]
      return take_from_next(time, wanted);
    return cut(wanted);
  }

  /// End of the last unit opened under the right in `slot` of the present generation (the floor if there was none):
  /// what a release may lower that right's ceiling to, as far as this layout is concerned.
  [[nodiscard]] time::SmearedUtc used_until(std::size_t slot) const { return used_until_[slot]; }

  [[nodiscard]] const id::Layout& layout() const { return layout_; }
  /// IDs that the next unit yields at least, under the rights held (for retry times); never less than 1.
  [[nodiscard]] std::uint64_t unit_capacity() const;

 private:
  static constexpr std::size_t kNoSlot = kMaxRightsPerWorker;

  /// IDs of the open unit, of which some are left.
  [[nodiscard]] Take cut(std::uint32_t wanted) {
    Take take;
    take.first = next_;
    take.count = static_cast<std::uint32_t>(std::min<std::uint64_t>(wanted, end_.value - next_.value));
    take.slot = slot_;
    next_.value += take.count;
    return take;
  }
  [[nodiscard]] Take take_from_next(const MintTime& time, std::uint32_t wanted);
  [[nodiscard]] Take open(const MintTime& time);
  [[nodiscard]] Take exhausted(const MintTime& time) const;
  [[nodiscard]] std::size_t covering_slot(std::uint64_t unit, std::size_t from) const;
  [[nodiscard]] std::optional<std::uint64_t> first_unit_after(std::uint64_t after) const;
  [[nodiscard]] std::uint64_t start_sequence(std::uint64_t unit) const;
  void enter(std::uint64_t unit, std::size_t slot);
  void close();

  // The fields that every request touches stand together.
  id::Id next_;                  // of (unit_, slot_), as end_
  id::Id end_;                   // one past the last; 0 after all ones. Equal: nothing left
  time::SmearedUtc unit_start_;  // of unit_: may lie ahead of now, but never further than the lead budget
  time::SmearedUtc unit_end_ = time::SmearedUtc::min();  // start of unit_ + 1
  std::uint8_t slot_ = 0;

  bool rotating_start_;
  bool has_unit_ = false;  // unit_ was opened in this generation
  bool fits_any_ = false;
  std::uint64_t unit_ = 0;
  std::uint64_t min_unit_ = 0;  // the first unit that this generation may open
  RightSet rights_;
  std::array<time::SmearedUtc, kMaxRightsPerWorker> used_until_{};
  id::Layout layout_;
};

}  // namespace gnomon::mint
