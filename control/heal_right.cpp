// SPDX-License-Identifier: Apache-2.0
//
// Healing one machine id on a store. The holder goes on extending meanwhile, so a conflict is no reason to give up; but
// once the id is in other hands, what the operator saw is not so any more, and nothing is taken from the new holder.
#include <algorithm>
#include <utility>
#include <vector>

#include "control/shared_state.hpp"
#include "platform/random.hpp"

namespace gnomon::control {
namespace {

constexpr int kAttempts = 16;  // against an extending holder, and lost answers

tl::unexpected<StateError> refuse(StateErrorKind kind, std::string text) {
  return tl::make_unexpected(StateError{kind, std::move(text)});
}

tl::unexpected<StateError> no_cure(mint::MachineId machine, lease::HealFault fault) {
  const std::string what =
      "machine id " + std::to_string(machine.value) + " can't be healed: " + std::string(lease::text_of(fault));
  if (fault == lease::HealFault::kNeverUsed) return refuse(StateErrorKind::kIncomplete, what + "; check the number");
  return refuse(StateErrorKind::kDamaged, what + "; run `gnomon control recover`");
}

struct Sight {
  StoreMeta meta;
  lease::RightTable table;
};

tl::expected<Sight, StateError> look(Store& store) {
  const auto asked = is_sealed(store);
  if (!asked) return tl::make_unexpected(asked.error());
  const std::optional<Seal>& sealed = *asked;
  if (sealed) return tl::make_unexpected(refusal_of(*sealed));
  const auto meta = read_meta(store);
  if (!meta) return tl::make_unexpected(meta.error());
  const auto rights = store.list(lease::kRightPrefix);
  if (!rights) return tl::make_unexpected(state_error_of(rights.error()));
  return Sight{*meta, lease::read_rights(rights->entries)};
}

HealReport describe(mint::MachineId machine, const lease::StoredRight& right) {
  HealReport report;
  report.machine = machine;
  if (right.grant) report.holder = right.grant->value.holder;
  report.token = right.token().value_or(mint::Token{});
  if (!right.window) return report;
  report.was_held = right.window->value.state == lease::WindowState::kHeld;
  report.ceiling = right.window->value.ceiling;
  return report;
}

}  // namespace

tl::expected<HealReport, StateError> heal_right(Store& store, mint::MachineId machine, const std::string& who) {
  std::optional<HealReport> report;
  std::optional<Revision> grant;  // of the right that is to be healed
  std::vector<Nonce> lost;        // of commits whose answers were lost: each may have landed, or may yet
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    const auto sight = look(store);
    if (!sight) return tl::make_unexpected(sight.error());
    const lease::Claim claim{"healed by " + who, {}, platform::random_value<Nonce>()};
    const auto transaction = lease::heal(sight->table, sight->meta.facts, machine, claim);
    if (!transaction) return no_cure(machine, transaction.error());
    const lease::StoredRight& right = *sight->table.find(machine);
    if (report && right.grant && std::find(lost.begin(), lost.end(), right.grant->value.nonce) != lost.end())
      return *report;
    if (grant && *grant != right.grant_revision())
      return refuse(StateErrorKind::kSystem, "machine id " + std::to_string(machine.value) +
                                                 " went into other hands meanwhile; look again before you take it");
    grant = right.grant_revision();
    report = describe(machine, right);
    const auto committed = store.commit(*transaction);
    if (committed) return *report;
    const StoreErrorKind kind = committed.error().kind;
    if (kind == StoreErrorKind::kUnknown)
      lost.push_back(claim.nonce);
    else if (kind != StoreErrorKind::kConflict)
      return tl::make_unexpected(state_error_of(committed.error()));
  }
  return refuse(StateErrorKind::kUnreachable, "machine id " + std::to_string(machine.value) +
                                                  " could not be healed: its holder keeps extending, or answers are "
                                                  "lost; stop the holder, or try again");
}

}  // namespace gnomon::control
