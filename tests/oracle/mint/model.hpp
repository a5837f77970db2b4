// SPDX-License-Identifier: Apache-2.0
//
// The generator as its specification reads, without a thought for speed: one ID is found by looking
// at every unit and every right in order. What the real generator answers must be exactly what this
// one answers.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>

#include "oracle/mint/generator.hpp"

namespace gnomon::mint::testing {

class ModelGenerator {
 public:
  explicit ModelGenerator(const id::Layout& layout) : layout_(layout) {}

  void adopt(const RightSet& rights) {
    if (rights.generation == rights_.generation) {
      rights_ = rights;
      return;
    }
    if (rights.era != rights_.era)
      first_allowed_ = 0;
    else if (open_)
      first_allowed_ = open_->unit + 1;
    std::array<std::int64_t, kMaxRightsPerWorker> used{};
    for (std::size_t i = 0; i < rights.count; ++i) {
      used[i] = rights.slots[i].floor.ns;
      for (std::size_t j = 0; j < rights_.count; ++j)
        if (rights_.slots[j].token == rights.slots[i].token) used[i] = std::max(used[i], used_until_[j]);
    }
    used_until_ = used;
    open_.reset();
    rights_ = rights;
  }

  Take take(const MintTime& time, std::uint32_t wanted) {
    const bool some_left = open_ && open_->next < layout_.sequences() && time.now < start(open_->unit + 1);
    if (some_left && start(open_->unit) - time.now <= time.lead_left) return hand_out(wanted, false);
    if (rights_.count == 0 || time.era != rights_.era) return refused(Refusal::kNotLeased);
    if (!anything_fits()) return refused(Refusal::kDoesNotFit);
    const std::uint64_t unit_now = layout_.unit_of(time.now);
    if (unit_now > layout_.last_unit()) return refused(Refusal::kLayoutExhausted);

    if (open_ && unit_now <= open_->unit) {
      const auto slot = slot_for(open_->unit, open_->slot + 1);
      const auto ahead = start(open_->unit) - time.now;
      if (ahead > time.lead_left) return refused(Refusal::kClockBehind, ahead - time.lead_left);
      if (!slot) return refused(Refusal::kExhausted, start(open_->unit + 1) - time.now);
      open_ = Open{open_->unit, *slot, 0};
      return hand_out(wanted, true);
    }
    const std::uint64_t from = std::max(unit_now, first_allowed_);
    for (std::uint64_t unit = from; unit <= layout_.last_unit() && start(unit) < highest_ceiling(); ++unit) {
      const auto slot = slot_for(unit, 0);
      if (!slot) continue;
      const auto ahead = start(unit) - time.now;
      if (ahead > time.lead_left) return refused(Refusal::kClockBehind, ahead - time.lead_left);
      open_ = Open{unit, *slot, 0};
      return hand_out(wanted, true);
    }
    return refused(Refusal::kNotLeased);
  }

  [[nodiscard]] time::SmearedUtc used_until(std::size_t slot) const { return {used_until_[slot]}; }

 private:
  struct Open {
    std::uint64_t unit;
    std::size_t slot;
    std::uint64_t next;
  };

  [[nodiscard]] time::SmearedUtc start(std::uint64_t unit) const { return layout_.start_of(unit); }

  static Take refused(Refusal refusal, time::Duration retry_after = {}) {
    Take take;
    take.refusal = refusal;
    take.retry_after = retry_after;
    return take;
  }

  Take hand_out(std::uint32_t wanted, bool opened) {
    Take take;
    take.count = static_cast<std::uint32_t>(std::min<std::uint64_t>(wanted, layout_.sequences() - open_->next));
    take.first = layout_.pack(open_->unit, rights_.slots[open_->slot].machine, open_->next);
    take.slot = static_cast<std::uint8_t>(open_->slot);
    take.opened = opened;
    open_->next += take.count;
    used_until_[open_->slot] = start(open_->unit + 1).ns;
    return take;
  }

  [[nodiscard]] bool anything_fits() const {
    for (const Right& right : rights_.rights())
      if (layout_.fits(right.machine)) return true;
    return false;
  }

  [[nodiscard]] time::SmearedUtc highest_ceiling() const {
    time::SmearedUtc highest = time::SmearedUtc::min();
    for (const Right& right : rights_.rights())
      highest = std::max(highest, right.ceiling);
    return highest;
  }

  [[nodiscard]] std::optional<std::size_t> slot_for(std::uint64_t unit, std::size_t from) const {
    for (std::size_t i = from; i < rights_.count; ++i) {
      const Right& right = rights_.slots[i];
      if (layout_.fits(right.machine) && start(unit).ns >= used_before(i, unit) && start(unit) < right.ceiling)
        return i;
    }
    return std::nullopt;
  }
  // The floor, or the end of what an earlier generation used under the same token.
  [[nodiscard]] std::int64_t used_before(std::size_t slot, std::uint64_t unit) const {
    const bool present_unit = open_ && open_->unit == unit && open_->slot == slot;
    return present_unit ? rights_.slots[slot].floor.ns : std::max(rights_.slots[slot].floor.ns, used_until_[slot]);
  }

  id::Layout layout_;
  RightSet rights_;
  std::array<std::int64_t, kMaxRightsPerWorker> used_until_{};
  std::optional<Open> open_;
  std::uint64_t first_allowed_ = 0;
};

}  // namespace gnomon::mint::testing
