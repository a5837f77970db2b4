// SPDX-License-Identifier: Apache-2.0
#include "oracle/mint/generator.hpp"

#include "oracle/canary.hpp"

namespace gnomon::mint {
namespace {

Take refuse(Refusal refusal, time::Duration retry_after = {}) {
  Take take;
  take.refusal = refusal;
  take.retry_after = retry_after;
  return take;
}

// splitmix64's finaliser: neighbouring units get unrelated starts.
std::uint64_t mix(std::uint64_t x) {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
  return x ^ (x >> 31);
}

}  // namespace

void IdGenerator::adopt(const RightSet& rights) {
  const bool same_era = rights.era == rights_.era;
  if (same_era && rights.generation == rights_.generation) {  // only ceilings were raised
    for (std::size_t i = 0; i < rights_.count; ++i)
      rights_.slots[i].ceiling = std::max(rights_.slots[i].ceiling, rights.slots[i].ceiling);
    return;
  }
  if (!same_era)
    min_unit_ = 0;
  else if (has_unit_ && !canary::planted(canary::Bug::kForgottenUnit))
    min_unit_ = unit_ + 1;
  close();

  const RightSet before = rights_;
  const auto used_before = used_until_;
  rights_ = rights;
  fits_any_ = false;
  for (std::size_t i = 0; i < rights_.count; ++i) {
    Right& right = rights_.slots[i];
    for (std::size_t j = 0; j < before.count; ++j)  // a token that stays never gets a used part of its window back
      if (before.slots[j].token == right.token && before.slots[j].machine == right.machine)
        right.floor = std::max(right.floor, used_before[j]);
    used_until_[i] = right.floor;
    fits_any_ = fits_any_ || layout_.fits(right.machine);
  }
}

std::uint64_t IdGenerator::unit_capacity() const {
  std::uint64_t slots = 0;
  for (const Right& right : rights_.rights())
    if (layout_.fits(right.machine) && (!has_unit_ || right.covers(unit_end_))) ++slots;
  const std::uint64_t per_slot = rotating_start_ ? layout_.sequences() / 2 : layout_.sequences();
  return std::max<std::uint64_t>(1, slots * per_slot);
}

Take IdGenerator::take_from_next(const MintTime& time, std::uint32_t wanted) {
  const Take opened = open(time);
  if (opened.refusal != Refusal::kNone) return opened;
  Take take = cut(wanted);
  take.opened = true;
  return take;
}

// Chooses the next (unit, machine id) that may be used and enters it.
Take IdGenerator::open(const MintTime& time) {
  if (rights_.count == 0 || time.era != rights_.era) return refuse(Refusal::kNotLeased);
  if (!fits_any_) return refuse(Refusal::kDoesNotFit);

  const std::uint64_t unit_now = layout_.unit_of(time.now);
  if (unit_now > layout_.last_unit()) return refuse(Refusal::kLayoutExhausted);

  std::uint64_t unit = 0;
  std::size_t slot = kNoSlot;
  // The same unit still, or an older time: only the next machine id is left.
  const bool stays = has_unit_ && unit_now <= unit_ && !canary::planted(canary::Bug::kReopenedUnit);
  if (stays) {
    unit = unit_;
    slot = covering_slot(unit, std::size_t{slot_} + 1);
    if (slot == kNoSlot) return exhausted(time);
  } else {
    unit = std::max(unit_now, min_unit_);
    slot = covering_slot(unit, 0);
    if (slot == kNoSlot) {
      const std::optional<std::uint64_t> later = first_unit_after(unit);
      if (!later) return refuse(Refusal::kNotLeased);
      unit = *later;
      slot = covering_slot(unit, 0);
    }
    if (unit > layout_.last_unit()) return refuse(Refusal::kLayoutExhausted);
  }
  const time::Duration ahead = time::saturating_sub(layout_.start_of(unit), time.now);
  if (ahead > time.lead_left && !canary::planted(canary::Bug::kIgnoredLead))
    return refuse(Refusal::kClockBehind, ahead - time.lead_left);
  enter(unit, slot);
  return {};
}

// All machine ids of the present unit are used up. Within the lead budget that means waiting for the next unit; a time
// that fell further back than that is a clock that is behind.
Take IdGenerator::exhausted(const MintTime& time) const {
  const time::Duration wait = time::saturating_sub(unit_end_, time.now);
  const time::Duration beyond = wait - layout_.unit - time.lead_left;
  if (beyond > time::Duration{0}) return refuse(Refusal::kClockBehind, beyond);
  return refuse(Refusal::kExhausted, wait);
}

std::size_t IdGenerator::covering_slot(std::uint64_t unit, std::size_t from) const {
  const time::SmearedUtc start = layout_.start_of(unit);
  for (std::size_t i = from; i < rights_.count; ++i)
    if (rights_.slots[i].covers(start) && layout_.fits(rights_.slots[i].machine)) return i;
  return kNoSlot;
}

// The first unit after `after` that lies in some right's window: only a floor that is still ahead can be the reason why
// `after` itself does not.
std::optional<std::uint64_t> IdGenerator::first_unit_after(std::uint64_t after) const {
  std::optional<std::uint64_t> first;
  for (const Right& right : rights_.rights()) {
    if (!layout_.fits(right.machine)) continue;
    const std::uint64_t unit = layout_.first_unit_from(right.floor);
    if (unit <= after || unit > layout_.last_unit() || !right.covers(layout_.start_of(unit))) continue;
    if (!first || unit < *first) first = unit;
  }
  return first;
}

std::uint64_t IdGenerator::start_sequence(std::uint64_t unit) const {
  return rotating_start_ ? mix(unit) % (layout_.sequences() / 2) : 0;
}

void IdGenerator::enter(std::uint64_t unit, std::size_t slot) {
  const std::uint64_t sequence = start_sequence(unit);
  unit_ = unit;
  has_unit_ = true;
  slot_ = static_cast<std::uint8_t>(slot);
  unit_start_ = layout_.start_of(unit);
  unit_end_ = layout_.start_of(unit + 1);
  next_ = layout_.pack(unit, rights_.slots[slot].machine, sequence);
  end_.value = next_.value + (layout_.sequences() - (canary::planted(canary::Bug::kWrappedSequence) ? 0 : sequence));
  used_until_[slot] = unit_end_;
}

void IdGenerator::close() {
  end_ = next_;
  unit_end_ = time::SmearedUtc::min();
  has_unit_ = false;
}

}  // namespace gnomon::mint
