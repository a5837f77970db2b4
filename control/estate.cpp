// SPDX-License-Identifier: Apache-2.0
//
// The reading of pages. The giving back stands in estate_release.cpp.
#include "control/estate.hpp"

#include <algorithm>
#include <utility>

#include "oracle/page/header.hpp"

namespace gnomon::control {
namespace {

using page::SlotUse;

/// A slot's words as they stand. The writer is dead, so nothing changes while this reads.
struct Slot {
  std::uint64_t token = 0;
  std::uint64_t machine = 0;
  std::int64_t used_until_ns = 0;
  std::uint64_t check = 0;

  [[nodiscard]] bool untouched() const { return token == 0 && machine == 0 && used_until_ns == 0 && check == 0; }
  [[nodiscard]] bool whole() const {
    return untouched() || (token != 0 && check == SlotUse::check_of(token, machine, used_until_ns));
  }
  [[nodiscard]] bool stands_for(const mint::Right& right) const {
    return token == right.token.value && machine == right.machine.value;
  }
};

Slot read_slot(const SlotUse& slot) {
  return {slot.token.load(std::memory_order_acquire), slot.machine.load(std::memory_order_acquire),
          slot.used_until_ns.load(std::memory_order_acquire), slot.check.load(std::memory_order_acquire)};
}

std::string name_of(const mint::Right& right) { return "machine id " + std::to_string(right.machine.value); }

/// Why these pages are not the dead one's; empty if they are.
template <typename Page>
std::string fault_of(const Page& page, const DeadProcess& dead) {
  if (const page::PageFault fault = page::check(page); fault != page::PageFault::kNone)
    return std::string(page::text_of(fault));
  if (page.header.pid != dead.pid)
    return "it was made by process " + std::to_string(page.header.pid) + ", and process " + std::to_string(dead.pid) +
           " has died";
  if (page.header.started_uptime_ns > static_cast<std::uint64_t>(INT64_MAX) ||
      time::Uptime{static_cast<std::int64_t>(page.header.started_uptime_ns)} < dead.started)
    return "it was made before that process was started";
  return "";
}

/// What is wrong with a set of rights as such; empty if nothing is.
std::string fault_of(const mint::RightSet& set) {
  if (set.count > mint::kMaxRightsPerWorker) return "its set of rights has an impossible size";
  for (std::size_t i = 0; i < set.count; ++i) {
    const mint::Right& right = set.slots[i];
    if (right.token.value == 0 || right.floor > right.ceiling) return name_of(right) + " is shown with no true window";
    if (i != 0 && !(set.slots[i - 1].machine < right.machine)) return "its set of rights is not sorted";
  }
  return "";
}

class WorkerReader {
 public:
  WorkerReader(const page::WorkerPage& page, const mint::RightSet& set)
      : set_(set), acknowledged_(page.acknowledged.load(std::memory_order_acquire)) {
    std::transform(page.slots.begin(), page.slots.end(), slots_.begin(), read_slot);
  }

  /// How far the right in that slot was used, or why that can't be told.
  [[nodiscard]] tl::expected<time::SmearedUtc, std::string> used_until(std::size_t index) const {
    const mint::Right& right = set_.slots[index];
    const Slot& slot = slots_[index];
    if (acknowledged_ > set_.generation.value)
      return leave("its worker acknowledged a set that the rights page does not know yet");
    if (slot.stands_for(right)) {
      if (!slot.whole()) return leave("the check word of its use does not agree");
      return plausible(right, {slot.used_until_ns});
    }
    if (acknowledged_ == set_.generation.value)
      return leave(slot.whole() ? "its worker's page shows another right in its place"
                                : "the check word of its use does not agree");
    return never_begun(right);
  }

 private:
  static tl::unexpected<std::string> leave(std::string why) { return tl::make_unexpected(std::move(why)); }

  static tl::expected<time::SmearedUtc, std::string> plausible(const mint::Right& right, time::SmearedUtc used) {
    const lease::HeldRight held{right.machine, right.token, right.floor, right.ceiling, {}, {}, {}};
    if (used < right.floor) return leave("its last use is said to lie below its floor");
    if (!lease::plausible({held, used})) return leave("its last use is said to lie beyond its ceiling");
    return used;
  }

  // The worker answers nothing under a set before it has acknowledged it, so the right was not used, unless an earlier
  // set had it, too: then some slot says so, or is the half of something.
  [[nodiscard]] tl::expected<time::SmearedUtc, std::string> never_begun(const mint::Right& right) const {
    for (const Slot& slot : slots_) {
      if (!slot.whole()) return leave("its worker died while it took the right over");
      if (slot.token == right.token.value) return leave("its worker's page shows it in another place");
    }
    return right.floor;
  }

  const mint::RightSet& set_;
  std::uint64_t acknowledged_;
  std::array<Slot, mint::kMaxRightsPerWorker> slots_{};
};

/// One worker's share. `page` is null if there is none.
void read_worker(std::size_t worker, const mint::RightSet& set, const page::WorkerPage* page,
                 const std::string& page_fault, Estate& estate) {
  if (const std::string fault = fault_of(set); !fault.empty()) {
    estate.left.push_back("the rights of worker " + std::to_string(worker) + ": " + fault);
    return;
  }
  for (std::size_t i = 0; i < set.count; ++i) {
    const mint::Right& right = set.slots[i];
    const auto used = page_fault.empty() ? WorkerReader(*page, set).used_until(i)
                                         : tl::expected<time::SmearedUtc, std::string>(tl::make_unexpected(page_fault));
    if (used)
      estate.parts.push_back({right, *used});
    else
      estate.left.push_back(name_of(right) + ": " + used.error());
  }
}

/// Two workers that show one machine id: neither is believed.
void drop_doubles(Estate& estate) {
  const auto times_shown = [&](mint::MachineId machine) {
    return std::count_if(estate.parts.begin(), estate.parts.end(),
                         [&](const EstatePart& part) { return part.right.machine == machine; });
  };
  std::vector<EstatePart> kept;
  for (const EstatePart& part : estate.parts) {
    if (times_shown(part.right.machine) == 1)
      kept.push_back(part);
    else
      estate.left.push_back(name_of(part.right) + ": two workers show it");
  }
  estate.parts = std::move(kept);
}

}  // namespace

std::uint64_t page_incarnation(const Nonce& incarnation) {
  std::uint64_t value = 0;
  for (std::size_t i = 8; i-- > 0;)
    value = value << 8 | incarnation[i];
  return value;
}

tl::expected<Estate, std::string> read_estate(const page::RightsPage& rights,
                                              std::span<const page::WorkerPage* const> workers,
                                              const DeadProcess& dead) {
  if (const std::string fault = fault_of(rights, dead); !fault.empty())
    return tl::make_unexpected("the rights page is not the dead daemon's: " + fault);
  Estate estate;
  estate.incarnation = rights.header.incarnation;
  for (std::size_t worker = 0; worker < rights.workers.size(); ++worker) {
    const auto& record = rights.workers[worker].rights;
    if (record.version() == 0) continue;  // nothing was ever published to this one
    mint::RightSet set;
    std::uint64_t version = 0;
    if (!record.try_read(set, version)) {
      estate.left.push_back("the rights of worker " + std::to_string(worker) +
                            ": the daemon died while it published them");
      continue;
    }
    const page::WorkerPage* page = worker < workers.size() ? workers[worker] : nullptr;
    std::string fault = page == nullptr ? "its worker has no page that can be read" : fault_of(*page, dead);
    if (fault.empty() && page->header.incarnation != estate.incarnation)
      fault = "its worker's page is of another run of the daemon";
    read_worker(worker, set, page, fault, estate);
  }
  drop_doubles(estate);
  return estate;
}

}  // namespace gnomon::control
