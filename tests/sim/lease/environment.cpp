// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/lease/environment.hpp"

#include <algorithm>

namespace gnomon::sim::leases {

void Counts::add(const Counts& other) {
  requests += other.requests;
  grants += other.grants;
  queued_grants += other.queued_grants;
  takeovers += other.takeovers;
  renewals += other.renewals;
  releases += other.releases;
  refusals += other.refusals;
  lost_sessions += other.lost_sessions;
  stale_writes += other.stale_writes;
  faults += other.faults;
  looks += other.looks;
  judged += other.judged;
  passed += other.passed;
  promises += other.promises;
}

namespace {

void count(Counts& counts, const Landing& landing) {
  for (const control::Put& put : landing.transaction.puts) {
    const auto name = lease::name_of_lease_key(put.key);
    if (!name) continue;
    ++counts.grants;
    const auto before = lease_in(landing.before, *name);
    const auto holder = before ? session_in(landing.before, before->value.session) : std::nullopt;
    if (holder && holder->value.state != lease::SessionState::kClosed) ++counts.takeovers;
    const auto taker = lease::parse_named_lease(put.value);
    if (taker && landing.before.find(lease::waiter_key(*name, taker->session)) != nullptr) ++counts.queued_grants;
  }
}

/// A grant is deleted and its session killed at once: neither a release nor a takeover does both.
bool is_break(const control::Transaction& transaction) {
  const bool takes = std::any_of(transaction.deletes.begin(), transaction.deletes.end(),
                                 [](const std::string& key) { return lease::name_of_lease_key(key).has_value(); });
  return takes && std::any_of(transaction.puts.begin(), transaction.puts.end(),
                              [](const control::Put& put) { return lease::session_of_key(put.key).has_value(); });
}

}  // namespace

tl::expected<control::Revision, control::StoreError> Environment::commit(const control::Transaction& transaction,
                                                                         const lease::Moment& moment,
                                                                         time::Uptime decided) {
  const bool holds = std::all_of(transaction.compares.begin(), transaction.compares.end(), [&](const auto& compare) {
    const control::Entry* entry = store.find(compare.key);
    return (entry == nullptr ? control::Revision{} : entry->modified) == compare.modified;
  });
  if (holds) {
    const Landing landing{transaction, {store.at().value + 1}, moment, now(), truth(), store};
    if (!operator_breaks || !is_break(transaction)) expiry.landing(landing);
    queue.landing(landing, decided);
    tokens.landing(landing, facts.epoch);
    answers.landing(landing, facts.epoch, operator_breaks && is_break(transaction));
    count(counts, landing);
    for (const control::Put& put : transaction.puts)
      note("r{}: {} = {}", landing.revision.value, put.key, put.value);
    for (const std::string& key : transaction.deletes)
      note("r{}: {} is deleted", landing.revision.value, key);
  }
  auto revision = store.commit(transaction);
  if (revision && on_landed) on_landed(transaction, *revision);
  return revision;
}

}  // namespace gnomon::sim::leases
