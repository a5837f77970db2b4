// SPDX-License-Identifier: Apache-2.0
//
// The rule of an acquisition (lease_rules.hpp): who may take a name, and what the commit that takes it compares.
#include <algorithm>

#include "oracle/canary.hpp"
#include "oracle/lease/lease_facts.hpp"
#include "oracle/lease/lease_refusals.hpp"
#include "oracle/lease/lease_rules.hpp"

namespace gnomon::lease {
namespace {

/// A grant sweeps away at most so many waiters in front that are not live: a transaction has a bound.
constexpr std::size_t kMostSwept = 16;

bool is_surely_free(const Hold& hold, const Moment& moment) {
  Moment when = moment;
  if (canary::planted(canary::Bug::kTakeoverAtLatest)) when.now.earliest = when.now.latest;
  return surely_past(hold.session->expiry, hold.session->ttl, hold.lease->lock_delay, when);
}

bool is_free(const Hold& hold, const Moment& moment) {
  return hold.state == Hold::State::kNone || hold.state == Hold::State::kClosed || is_surely_free(hold, moment);
}

// What an acquisition relies on, whether it grants or queues. A place that is not there is relied on, too: a grant that
// overlooked one would leave its holder waiting for what it has.
Transaction begin_acquisition(const Scene& scene, const LeasePolicy& policy, const Asker& asker,
                              const AcquireCommand& command, const Place& place) {
  Transaction transaction = begin_transaction(policy);
  compare_session(transaction, asker.session, scene.own);
  transaction.compares.push_back({lease_key(command.name), revision_of(scene.lease)});
  transaction.compares.push_back(
      {waiter_key(command.name, asker.session), place.own == nullptr ? Revision{} : place.own->modified});
  return transaction;
}

// The holder's session is compared whatever its state, and killed unless it ended by itself. Of the two that now write
// it, a late renewal and this takeover, one conflicts.
void take_over(Transaction& transaction, const Scene& scene, const Hold& hold, const Nonce& nonce) {
  if (hold.state == Hold::State::kNone || canary::planted(canary::Bug::kTakeoverIgnoresSession)) return;
  compare_session(transaction, hold.lease->session, scene.holder);
  if (hold.session->state == SessionState::kOpen) put_killed(transaction, hold.lease->session, *hold.session, nonce);
}

// Whoever passes a waiter because its session looks expired, or is not there, relies on that session: it may have been
// renewed since, or not have been heard of. The other ends are final.
void sweep(Transaction& transaction, const AcquireCommand& command, const Place& place) {
  std::size_t swept = 0;
  for (const SeenWaiter* waiter : place.fallen) {
    if (swept++ == kMostSwept) return;
    const ClientSession* owner = readable(waiter->owner);
    if (owner == nullptr || owner->state == SessionState::kOpen)
      compare_session(transaction, waiter->session, waiter->owner);
    transaction.deletes.push_back(waiter_key(command.name, waiter->session));
  }
}

Step grant(const Scene& scene, const LeasePolicy& policy, const Asker& asker, const AcquireCommand& command,
           const Hold& hold, const Place& place) {
  Transaction transaction = begin_acquisition(scene, policy, asker, command, place);
  const NamedLease lease{asker.nonce, asker.session, policy.store.epoch, command.lock_delay, command.metadata};
  transaction.puts.push_back({lease_key(command.name), encode(lease)});
  take_over(transaction, scene, hold, asker.nonce);
  if (place.own != nullptr) transaction.deletes.push_back(waiter_key(command.name, asker.session));
  sweep(transaction, command, place);
  answer::Held held;
  held.anew = true;
  held.taken_over = hold.state == Hold::State::kBound;
  held.session_left = remaining(*readable(scene.own), asker.moment);
  return {std::move(transaction), held};
}

// A place that is there already needs no commit.
Decision queue_up(const Scene& scene, const LeasePolicy& policy, const Asker& asker, const AcquireCommand& command,
                  const Hold& hold, const Place& place) {
  answer::Waiting waiting{place.in_front, place.until_over};
  if (hold.state == Hold::State::kBound)
    waiting.retry_after = std::max(waiting.retry_after, until_free(hold, asker.moment));
  if (place.own != nullptr) return waiting;
  Transaction transaction = begin_acquisition(scene, policy, asker, command, place);
  transaction.puts.push_back({waiter_key(command.name, asker.session), encode(Waiter{asker.nonce})});
  return Step{std::move(transaction), waiting};
}

}  // namespace

Decision acquire(const Scene& scene, const LeasePolicy& policy, const Asker& asker, const AcquireCommand& command) {
  if (auto refused = refuse_name(command.name)) return *refused;
  if (auto refused = refuse_terms(command)) return *refused;
  if (auto refused = refuse_session(scene, asker)) return *refused;
  const Hold hold = hold_of(scene, policy, asker.moment);
  if (hold.lease != nullptr && hold.lease->session == asker.session)
    return answer::Held{hold.token, false, false, remaining(*readable(scene.own), asker.moment)};
  if (hold.state == Hold::State::kUnreadable) return unreadable(command.name, hold);
  if (hold.state == Hold::State::kQuarantined) return quarantined(command.name, hold, asker.moment);

  const Place place = place_of(scene, policy, asker);
  const bool free = is_free(hold, asker.moment);
  const bool first = place.in_front == 0 || canary::planted(canary::Bug::kQueueIgnored);
  if (free && first) return grant(scene, policy, asker, command, hold, place);
  if (command.wait) return queue_up(scene, policy, asker, command, hold, place);
  if (free) return others_wait(command.name, place);
  return held_by_other(command.name, hold, asker.moment);
}

}  // namespace gnomon::lease
