// SPDX-License-Identifier: Apache-2.0
#include "oracle/lease/heal.hpp"

#include <algorithm>

#include "oracle/canary.hpp"
namespace gnomon::lease {

std::string_view text_of(HealFault fault) {
  switch (fault) {
    case HealFault::kNeverUsed: return "it was never used";
    case HealFault::kUnreadable: return "what the store has of it can't be read";
  }
  return "unknown fault";
}

tl::expected<Transaction, HealFault> heal(const RightTable& table, const StoreFacts& store, mint::MachineId machine,
                                          const Claim& claim) {
  if (std::any_of(table.unreadable.begin(), table.unreadable.end(),
                  [&](const Unreadable& fault) { return fault.machine == machine; }))
    return tl::make_unexpected(HealFault::kUnreadable);
  const StoredRight* right = table.find(machine);
  if (right == nullptr || !right->window) return tl::make_unexpected(HealFault::kNeverUsed);

  const Window& present = right->window->value;
  const time::SmearedUtc ceiling = canary::planted(canary::Bug::kLoweringHeal) ? present.floor : present.ceiling;
  const Grant grant{claim.holder, claim.incarnation, claim.nonce, store.epoch};
  const Window window{ceiling, ceiling, right->token().value_or(mint::Token{}), WindowState::kReleased, claim.nonce};
  Transaction transaction;
  transaction.compares.push_back({std::string(kStoreKey), store.identity});
  transaction.compares.push_back({grant_key(machine), right->grant_revision()});
  transaction.compares.push_back({window_key(machine), right->window_revision()});
  transaction.puts.push_back({grant_key(machine), encode(grant)});
  transaction.puts.push_back({window_key(machine), encode(window)});
  return transaction;
}

time::SmearedUtc horizon(time::SmearedUtc latest) {
  return time::saturating_add(latest, kLongestWindow + kLongestLead);
}

std::vector<mint::MachineId> quarantined(const RightTable& table, time::SmearedUtc horizon) {
  std::vector<mint::MachineId> machines;
  for (const auto& [machine, right] : table.rights)
    if (right.window && right.window->value.ceiling > horizon) machines.push_back(machine);
  return machines;
}

}  // namespace gnomon::lease
