// SPDX-License-Identifier: Apache-2.0
#include "oracle/lease/right_rules.hpp"

#include <algorithm>
#include <cassert>
#include <tuple>

#include "oracle/canary.hpp"
#include "oracle/lease/history.hpp"

namespace gnomon::lease {
namespace {

using time::SmearedUtc;

// Where the next window of this id starts.
SmearedUtc next_floor(const StoredRight* right, const RightPolicy& policy) {
  if (right == nullptr || !right->window) return policy.store.floor;
  return std::max(right->window->value.ceiling, policy.store.floor);
}

bool is_unreadable(const RightTable& table, mint::MachineId machine) {
  return std::any_of(table.unreadable.begin(), table.unreadable.end(),
                     [&](const Unreadable& fault) { return fault.machine == machine; });
}

// Somebody may be serving under it at this moment, as far as the store knows.
bool may_be_alive(const StoredRight* right, const RightPolicy& policy) {
  return !policy.exclusive_store && right != nullptr && right->window &&
         right->window->value.state == WindowState::kHeld;
}

struct Candidate {
  mint::MachineId machine;
  SmearedUtc ceiling;  // min() if never used
  SmearedUtc free_at;
};

bool is_held_by(const StoredRight* right, const Nonce& incarnation) {
  return right != nullptr && right->grant && right->window && right->window->value.state == WindowState::kHeld &&
         right->grant->value.incarnation == incarnation;
}

std::vector<Candidate> candidates(const RightTable& table, const RightPolicy& policy,
                                  std::span<const mint::MachineId> excluded, const Nonce& incarnation,
                                  std::span<const mint::MachineId> rested) {
  std::vector<bool> out(policy.machine_ids, false);
  const auto leave_out = [&](mint::MachineId machine) {
    if (machine.value < out.size()) out[machine.value] = true;
  };
  for (const mint::MachineId machine : excluded)
    leave_out(machine);
  for (const Unreadable& fault : table.unreadable)
    leave_out(fault.machine);

  std::vector<Candidate> found;
  for (std::uint32_t id = 0; id < policy.machine_ids; ++id) {
    if (out[id]) continue;
    const mint::MachineId machine{static_cast<std::uint16_t>(id)};
    const StoredRight* right = table.find(machine);
    const bool used = right != nullptr && right->window.has_value();
    const SmearedUtc ceiling = used ? right->window->value.ceiling : SmearedUtc::min();
    // What this incarnation holds itself (a release that it could not bring home) runs out first, all of it. Leaving it
    // out for good would cost the pool an id for each such release, for as long as the process lives.
    const SmearedUtc free = free_at(table, policy, machine);
    const bool whole_window =
        is_held_by(right, incarnation) || std::find(rested.begin(), rested.end(), machine) != rested.end();
    found.push_back({machine, ceiling, whole_window ? std::max(free, ceiling) : free});
  }
  return found;
}

// With everything that can't come true left out: when `wanted` of these may be taken.
std::optional<SmearedUtc> when_enough(std::vector<SmearedUtc> instants, std::uint32_t wanted) {
  if (instants.size() < wanted || wanted == 0) return std::nullopt;
  std::nth_element(instants.begin(), instants.begin() + (wanted - 1), instants.end());
  return instants[wanted - 1];
}

void compare_store(Transaction& transaction, const RightPolicy& policy) {
  transaction.compares.push_back({std::string(kStoreKey), policy.store.identity});
}

// Extension and release rely on both keys and write only the window.
void rewrite_window(Transaction& transaction, const HeldRight& right, const Window& window) {
  transaction.compares.push_back({grant_key(right.machine), right.grant});
  transaction.compares.push_back({window_key(right.machine), right.window});
  transaction.puts.push_back({window_key(right.machine), encode(window)});
}

const Put& put_of(const Transaction& transaction, const std::string& key) {
  const auto at =
      std::find_if(transaction.puts.begin(), transaction.puts.end(), [&](const Put& put) { return put.key == key; });
  assert(at != transaction.puts.end());
  return *at;
}

}  // namespace

SmearedUtc free_at(const RightTable& table, const RightPolicy& policy, mint::MachineId machine) {
  const StoredRight* right = table.find(machine);
  const SmearedUtc floor = next_floor(right, policy);
  return may_be_alive(right, policy) ? floor : time::saturating_add(floor, -policy.max_lead);
}

tl::expected<std::vector<mint::MachineId>, NotYet> choose_free(const RightTable& table, const RightPolicy& policy,
                                                               SmearedUtc now, std::uint32_t wanted,
                                                               std::span<const mint::MachineId> excluded,
                                                               const Nonce& incarnation,
                                                               std::span<const mint::MachineId> rested) {
  assert(policy.machine_ids <= std::uint32_t{UINT16_MAX} + 1);
  std::vector<Candidate> found = candidates(table, policy, excluded, incarnation, rested);
  // Ascending ceilings: the past ones come first, and among those ahead the one that costs the least lead.
  std::sort(found.begin(), found.end(), [](const Candidate& a, const Candidate& b) {
    return std::tie(a.ceiling, a.machine) < std::tie(b.ceiling, b.machine);
  });
  std::vector<mint::MachineId> chosen;
  std::vector<SmearedUtc> instants;
  for (const Candidate& candidate : found) {
    instants.push_back(candidate.free_at);
    if (candidate.free_at <= now && chosen.size() < wanted) chosen.push_back(candidate.machine);
  }
  if (chosen.size() == wanted) return chosen;
  return tl::make_unexpected(NotYet{static_cast<std::uint32_t>(chosen.size()), when_enough(instants, wanted)});
}

tl::expected<void, NotYet> check_pinned(const RightTable& table, const RightPolicy& policy, SmearedUtc now,
                                        std::span<const mint::MachineId> pinned) {
  NotYet not_yet;
  not_yet.at = SmearedUtc::min();
  for (const mint::MachineId machine : pinned) {
    const SmearedUtc at = free_at(table, policy, machine);
    const bool readable = !is_unreadable(table, machine);
    if (readable && at <= now) ++not_yet.free;
    if (!readable)
      not_yet.at.reset();
    else if (not_yet.at)
      not_yet.at = std::max(*not_yet.at, at);
  }
  if (not_yet.free == pinned.size()) return {};
  return tl::make_unexpected(not_yet);
}

Transaction acquire(const RightTable& table, const RightPolicy& policy, SmearedUtc now,
                    std::span<const mint::MachineId> machines, const Claim& claim) {
  Transaction transaction;
  compare_store(transaction, policy);
  const Grant grant{claim.holder, claim.incarnation, claim.nonce, policy.store.epoch};
  Acquisition acquisition{claim.nonce, claim.incarnation, policy.store.epoch, {}, claim.holder};
  for (const mint::MachineId machine : machines) {
    const StoredRight* right = table.find(machine);
    Window window;
    window.floor = canary::planted(canary::Bug::kIgnoredFloor) ? now : next_floor(right, policy);
    window.ceiling = time::saturating_add(std::max(window.floor, now), policy.window);
    window.nonce = claim.nonce;
    const StoredRight before = right == nullptr ? StoredRight{} : *right;
    transaction.compares.push_back({grant_key(machine), before.grant_revision()});
    transaction.compares.push_back({window_key(machine), before.window_revision()});
    transaction.puts.push_back({grant_key(machine), encode(grant)});
    transaction.puts.push_back({window_key(machine), encode(window)});
    acquisition.taken.emplace(machine, taken_after(right, window.floor));
  }
  if (acquisition.taken.empty()) return transaction;
  const std::string recorded = history_key(now, claim.nonce);
  transaction.compares.push_back({recorded, Revision{}});
  transaction.puts.push_back({recorded, encode(acquisition)});
  return transaction;
}

Transaction extend(std::span<const HeldRight> held, const RightPolicy& policy, SmearedUtc now, const Nonce& nonce) {
  Transaction transaction;
  compare_store(transaction, policy);
  for (const HeldRight& right : held) {
    const SmearedUtc ceiling = std::max(right.ceiling, time::saturating_add(now, policy.window));
    rewrite_window(transaction, right, {right.floor, ceiling, right.token, WindowState::kHeld, nonce});
  }
  return transaction;
}

bool plausible(const Used& used) { return used.used_until <= time::saturating_add(used.right.ceiling, kLongestUnit); }

Transaction release(std::span<const Used> used, const RightPolicy& policy, const Nonce& nonce) {
  Transaction transaction;
  compare_store(transaction, policy);
  for (const Used& each : used) {
    assert(plausible(each));
    const HeldRight& right = each.right;
    const SmearedUtc ceiling = std::min(right.ceiling, std::max(right.floor, each.used_until));
    rewrite_window(transaction, right, {right.floor, ceiling, right.token, WindowState::kReleased, nonce});
  }
  return transaction;
}

HeldRight held_after(const Transaction& transaction, mint::MachineId machine, Revision revision,
                     const HeldRight* previous, std::uint16_t epoch) {
  const auto window = parse_window(put_of(transaction, window_key(machine)).value);
  assert(window.has_value());
  HeldRight held;
  held.machine = machine;
  held.grant = previous == nullptr ? revision : previous->grant;
  held.token = make_token(epoch, held.grant);
  held.floor = window->floor;
  held.ceiling = window->ceiling;
  held.window = revision;
  held.window_nonce = window->nonce;
  return held;
}

}  // namespace gnomon::lease
