// SPDX-License-Identifier: Apache-2.0
//
// Random histories for generators: rights come and go, ceilings rise, clocks jump, and somebody
// always asks for IDs.
//
// The history plays the store and the clock thread by the rules of the design (windows of one
// machine id are disjoint; a new era only with new tokens) and is otherwise as unkind as it can be.
// It is a template over the generator, so that the same history drives the real one, the slow
// model, and the planted bugs that the checker has to find.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <random>
#include <vector>

#include "oracle/mint/generator.hpp"

namespace gnomon::mint::testing {

/// Machine id -> the next free floor, as the store would hold it.
class WindowStore {
 public:
  explicit WindowStore(time::SmearedUtc origin) : origin_(origin) {}

  Right grant(MachineId machine, time::SmearedUtc floor_wish, time::Duration window) {
    const time::SmearedUtc floor = std::max(ceiling_of(machine), floor_wish);
    const Right right{machine, {++token_}, floor, floor + window};
    ceilings_[machine.value] = right.ceiling;
    return right;
  }
  void extend(Right& right, time::Duration by) {
    right.ceiling = right.ceiling + by;
    ceilings_[right.machine.value] = std::max(ceilings_[right.machine.value], right.ceiling);
  }
  void release(const Right& right, time::SmearedUtc used_until) {
    if (ceilings_[right.machine.value] == right.ceiling)
      ceilings_[right.machine.value] = std::min(right.ceiling, std::max(right.floor, used_until));
  }
  [[nodiscard]] time::SmearedUtc ceiling_of(MachineId machine) const {
    const auto found = ceilings_.find(machine.value);
    return found == ceilings_.end() ? origin_ : found->second;
  }

 private:
  time::SmearedUtc origin_;
  std::uint64_t token_ = 0;
  std::map<std::uint16_t, time::SmearedUtc> ceilings_;
};

struct HistoryOptions {
  id::Layout layout;
  std::uint64_t seed = 1;
  int steps = 10'000;
  std::uint16_t machine_ids = 6;  // how many the store deals out; some may not fit the layout
  int max_rights = 4;
};

/// Drives `generator.adopt(rights)` and `observe(rights, time, wanted, generator.take(time,
/// wanted))`.
template <typename Generator, typename Adopted, typename Observe>
class History {
 public:
  History(const HistoryOptions& options, Generator& generator, Adopted adopted, Observe observe)
      : options_(options),
        generator_(generator),
        adopted_(adopted),
        observe_(observe),
        random_(options.seed),
        unit_(options.layout.unit),
        now_(options.layout.epoch + options.layout.unit * 1000),
        store_(options.layout.epoch) {}

  void run() {
    for (int i = 0; i < options_.steps; ++i)
      step();
  }

 private:
  std::int64_t pick(std::int64_t low, std::int64_t high) {
    return std::uniform_int_distribution<std::int64_t>(low, high)(random_);
  }

  void step() {
    const std::int64_t kind = pick(0, 999);
    if (kind < 20)
      renew_rights(false);
    else if (kind < 23)
      renew_rights(true);
    else if (kind < 30)
      revoke();
    else if (kind < 60)
      raise_ceilings();
    else if (kind < 64)
      now_ = now_ - unit_ * pick(0, 40);  // the clock steps back
    else if (kind < 68)
      now_ = now_ + unit_ * pick(0, 60);
    else if (kind < 400)
      now_.ns += pick(0, unit_.ns * 3 / 2);
    else
      take();
  }

  void renew_rights(bool new_era) {
    if (new_era) {
      ++era_.value;
      now_ = now_ - unit_ * pick(0, 60);
    }
    const RightSet before = rights_;
    rights_ = {};
    rights_.generation.value = ++generation_;
    rights_.era = era_;
    std::vector<std::uint16_t> ids(options_.machine_ids);
    for (std::uint16_t i = 0; i < options_.machine_ids; ++i)
      ids[i] = i;
    std::shuffle(ids.begin(), ids.end(), random_);
    ids.resize(static_cast<std::size_t>(pick(0, options_.max_rights)));
    std::sort(ids.begin(), ids.end());
    for (std::size_t i = 0; i < before.count; ++i) {
      const Right& held = before.slots[i];
      const bool wanted = std::binary_search(ids.begin(), ids.end(), held.machine.value);
      if (wanted && !new_era && pick(0, 1) == 0)  // a token may be carried into a new generation
        carried_[held.machine.value] = held;
      else
        store_.release(held, generator_.used_until(i));
    }
    for (const std::uint16_t id : ids)
      rights_.slots[rights_.count++] = carried_or_granted({id});
    carried_.clear();
    publish();
  }

  Right carried_or_granted(MachineId id) {
    const auto carried = carried_.find(id.value);
    if (carried != carried_.end()) return carried->second;
    const auto floor_wish = now_ + time::Duration{pick(-3 * unit_.ns, 4 * unit_.ns)};
    return store_.grant(id, floor_wish, time::Duration{pick(unit_.ns * 2, unit_.ns * 30)});
  }

  void revoke() {
    for (std::size_t i = 0; i < rights_.count; ++i)
      store_.release(rights_.slots[i], generator_.used_until(i));
    rights_ = {};
    rights_.generation.value = ++generation_;
    rights_.era = era_;
    publish();
  }

  void raise_ceilings() {
    for (std::size_t i = 0; i < rights_.count; ++i)
      if (pick(0, 2) != 0 && store_.ceiling_of(rights_.slots[i].machine) == rights_.slots[i].ceiling)
        store_.extend(rights_.slots[i], unit_ * pick(0, 10));
    publish();
  }

  void take() {
    const MintTime time{now_, lead_budget(), era_};
    const std::int64_t most = static_cast<std::int64_t>(options_.layout.sequences());
    const auto wanted = static_cast<std::uint32_t>(pick(0, 3) == 0 ? pick(1, most) : pick(1, 3));
    observe_(rights_, time, wanted, generator_.take(time, wanted));
  }

  time::Duration lead_budget() { return pick(0, 3) == 0 ? time::Duration{0} : time::Duration{pick(0, unit_.ns * 8)}; }

  void publish() {
    generator_.adopt(rights_);
    adopted_(rights_);
  }

  HistoryOptions options_;
  Generator& generator_;
  Adopted adopted_;
  Observe observe_;
  std::mt19937_64 random_;
  time::Duration unit_;
  time::SmearedUtc now_;
  WindowStore store_;
  RightSet rights_;
  std::map<std::uint16_t, Right> carried_;
  std::uint64_t generation_ = 0;
  Era era_;
};

}  // namespace gnomon::mint::testing
