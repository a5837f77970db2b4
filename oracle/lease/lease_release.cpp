// SPDX-License-Identifier: Apache-2.0
//
// The rules that give a name back: the holder's release, a waiter's withdrawal, and the operator's break
// (lease_rules.hpp).
#include "oracle/canary.hpp"
#include "oracle/lease/lease_facts.hpp"
#include "oracle/lease/lease_refusals.hpp"
#include "oracle/lease/lease_rules.hpp"

namespace gnomon::lease {
namespace {

constexpr mint::Token kOnlyThePlace{0};

bool is_held_by(const Scene& scene, const SessionId& session) {
  const NamedLease* lease = readable(scene.lease);
  return lease != nullptr && lease->session == session;
}

bool is_meant(const Scene& scene, mint::Token token) {
  return token == token_of(scene.lease) || canary::planted(canary::Bug::kReleaseIgnoresToken);
}

}  // namespace

// The session need not be alive: whoever says that it uses a grant no more says so after its expiry, too, and spares
// the next holder the lock-delay. The token and the compare of the grant see to it that nobody else's is released.
//
// Under no token no grant is released at all, not even one of this session: who gives up a wait does not know whether
// it was granted, and what it sends may arrive when the session has acquired the name anew and believes in that grant.
Decision release(const Scene& scene, const LeasePolicy& policy, const Asker& asker, std::string_view name,
                 mint::Token token) {
  if (auto refused = refuse_name(name)) return *refused;
  if (auto refused = refuse_stranger(scene, asker)) return *refused;
  const Place place = place_of(scene, policy, asker);
  const bool withdraws = token == kOnlyThePlace && place.own != nullptr;
  const bool releases = is_held_by(scene, asker.session) && is_meant(scene, token);
  if (!withdraws && !releases) {
    if (token != kOnlyThePlace && scene.lease && readable(scene.lease) == nullptr)
      return unreadable(name, Hold{Hold::State::kUnreadable, {}, {}, {}});
    return not_held(name, asker.session, token, scene);
  }

  Step step{begin_transaction(policy), answer::Withdrawn{}};
  compare_session(step.transaction, asker.session, scene.own);
  if (withdraws) {
    step.transaction.compares.push_back({waiter_key(name, asker.session), place.own->modified});
    step.transaction.deletes.push_back(waiter_key(name, asker.session));
  }
  if (releases) {
    step.transaction.compares.push_back({lease_key(name), revision_of(scene.lease)});
    step.transaction.deletes.push_back(lease_key(name));
    step.answer = answer::Released{};
  }
  return step;
}

Decision break_lease(const Scene& scene, const LeasePolicy& policy, const Nonce& nonce, std::string_view name) {
  if (auto refused = refuse_name(name)) return *refused;
  if (!scene.lease) return nothing_to_break(name);
  Step step{begin_transaction(policy), answer::Broken{"nobody can say", {}}};
  step.transaction.compares.push_back({lease_key(name), revision_of(scene.lease)});
  step.transaction.deletes.push_back(lease_key(name));
  const NamedLease* lease = readable(scene.lease);
  if (lease == nullptr) return step;

  compare_session(step.transaction, lease->session, scene.holder);
  answer::Broken broken{"nobody can say", token_of(scene.lease)};
  if (const ClientSession* holder = readable(scene.holder); holder != nullptr) {
    broken.holder = holder_of(*holder);
    if (holder->state == SessionState::kOpen) put_killed(step.transaction, lease->session, *holder, nonce);
  }
  step.answer = broken;
  return step;
}

}  // namespace gnomon::lease
