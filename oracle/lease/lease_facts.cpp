// SPDX-License-Identifier: Apache-2.0
#include "oracle/lease/lease_facts.hpp"

#include <algorithm>

namespace gnomon::lease {
namespace {

constexpr unsigned kEpochShift = 48;
constexpr std::uint64_t kRevisionMask = (std::uint64_t{1} << kEpochShift) - 1;

}  // namespace

bool is_over(const ClientSession& session, const Moment& moment) {
  return session.state != SessionState::kOpen || surely_past(session.expiry, session.ttl, {}, moment);
}

bool is_quarantined(const ClientSession& session, const LeasePolicy& policy, const Moment& moment) {
  if (!is_comparable(session.expiry, moment)) return true;
  const time::Tai horizon =
      time::saturating_add(time::saturating_add(moment.now.latest, session.ttl), policy.tolerance);
  return session.expiry.boot == moment.boot && session.expiry.at > horizon;
}

time::Duration remaining(const ClientSession& session, const Moment& moment) {
  return remaining(session.expiry, session.ttl, moment);
}

std::string holder_of(const ClientSession& session) {
  return session.label.empty() ? session.principal : session.label;
}

mint::Token token_of(const std::optional<Seen<NamedLease>>& lease) {
  return lease && lease->value ? make_token(lease->value->epoch, lease->modified) : mint::Token{};
}

std::uint16_t epoch_of(mint::Token token) { return static_cast<std::uint16_t>(token.value >> kEpochShift); }
Revision revision_of(mint::Token token) { return {token.value & kRevisionMask}; }

Hold hold_of(const Scene& scene, const LeasePolicy& policy, const Moment& moment) {
  Hold hold;
  if (!scene.lease) return hold;
  hold.state = Hold::State::kUnreadable;
  hold.lease = readable(scene.lease);
  if (hold.lease == nullptr) return hold;
  hold.token = token_of(scene.lease);
  hold.session = readable(scene.holder);
  if (hold.session == nullptr) return hold;
  if (hold.session->state == SessionState::kClosed)
    hold.state = Hold::State::kClosed;
  else
    hold.state = is_quarantined(*hold.session, policy, moment) ? Hold::State::kQuarantined : Hold::State::kBound;
  return hold;
}

time::Duration until_free(const Hold& hold, const Moment& moment) {
  return until_surely_past(hold.session->expiry, hold.session->ttl, hold.lease->lock_delay, moment);
}

bool is_live(const SeenWaiter& waiter, const LeasePolicy& policy, const Moment& moment) {
  const ClientSession* owner = readable(waiter.owner);
  return owner != nullptr && !is_over(*owner, moment) && !is_quarantined(*owner, policy, moment);
}

bool is_fallen(const SeenWaiter& waiter, const Moment& moment) {
  const ClientSession* owner = readable(waiter.owner);
  return owner == nullptr ? !waiter.owner : is_over(*owner, moment);
}

std::uint32_t count_live(const Scene& scene, const LeasePolicy& policy, const Moment& moment) {
  const auto live = [&](const SeenWaiter& waiter) { return is_live(waiter, policy, moment); };
  return static_cast<std::uint32_t>(std::count_if(scene.queue.begin(), scene.queue.end(), live));
}

Place place_of(const Scene& scene, const LeasePolicy& policy, const Asker& asker) {
  Place place;
  for (const SeenWaiter& waiter : scene.queue) {
    if (waiter.session == asker.session) {
      place.own = &waiter;
      break;
    }
    if (is_fallen(waiter, asker.moment)) place.fallen.push_back(&waiter);
    if (!is_live(waiter, policy, asker.moment)) continue;
    ++place.in_front;
    const ClientSession* owner = readable(waiter.owner);
    place.until_over = std::max(place.until_over, until_surely_past(owner->expiry, owner->ttl, {}, asker.moment));
  }
  return place;
}

Transaction begin_transaction(const LeasePolicy& policy) {
  Transaction transaction;
  transaction.compares.push_back({std::string(kStoreKey), policy.store.identity});
  return transaction;
}

void compare_session(Transaction& transaction, const SessionId& id, const std::optional<Seen<ClientSession>>& session) {
  transaction.compares.push_back({client_key(id), revision_of(session)});
}

void put_killed(Transaction& transaction, const SessionId& id, const ClientSession& session, const Nonce& nonce) {
  ClientSession killed = session;
  killed.state = SessionState::kKilled;
  killed.nonce = nonce;
  transaction.puts.push_back({client_key(id), encode(killed)});
}

}  // namespace gnomon::lease
