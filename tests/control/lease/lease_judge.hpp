// SPDX-License-Identifier: Apache-2.0
//
// Judges what a store's history says about leases, commit by commit, against the true time of each commit:
//   exclusive   a name changes hands only when it is free: released, its session closed, or surely over
//   final       a session that is over is never written open again
//   in order    whoever takes a name passes nobody who waits before it and lives
// It knows nothing of desks, and of the rules only what the values mean.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "control/store.hpp"
#include "oracle/lease/lease_rules.hpp"

namespace gnomon::control {

class LeaseJudge {
 public:
  std::vector<std::string> violations;
  std::size_t grants = 0;
  std::size_t takeovers = 0;
  std::size_t served = 0;  // grants to who waited

  void saw(const Transaction& transaction, Revision revision, time::Tai now) {
    const std::map<std::string, Entry> before = entries_;
    for (const Put& put : transaction.puts) {
      judge(put, before, now);
      entries_[put.key] = {put.key, put.value, revision};
    }
    for (const std::string& key : transaction.deletes)
      entries_.erase(key);
  }

 private:
  using Entries = std::map<std::string, Entry>;

  static std::optional<lease::ClientSession> session_in(const Entries& entries, const lease::SessionId& id) {
    const auto at = entries.find(lease::client_key(id));
    if (at == entries.end()) return std::nullopt;
    const auto parsed = lease::parse_client_session(at->second.value);
    return parsed ? std::optional(*parsed) : std::nullopt;
  }
  void judge(const Put& put, const Entries& before, time::Tai now) {
    if (const auto id = lease::session_of_key(put.key)) judge_session(put, *id, before, now);
    const auto name = lease::name_of_lease_key(put.key);
    if (!name) return;
    ++grants;
    const lease::NamedLease granted = *lease::parse_named_lease(put.value);
    judge_hands(*name, put.key, before, now);
    judge_order(*name, granted.session, before, now);
  }
  void judge_session(const Put& put, const lease::SessionId& id, const Entries& before, time::Tai now) {
    const auto old = session_in(before, id);
    const lease::ClientSession written = *lease::parse_client_session(put.value);
    if (!old) return;
    if (old->state != lease::SessionState::kOpen && written.state == lease::SessionState::kOpen)
      violations.push_back("a session that was over is open again: " + put.value);
    if (written.state == lease::SessionState::kKilled && now <= old->expiry.at)
      violations.push_back("a session was killed before its expiry: " + put.value);
    if (written.state == lease::SessionState::kOpen && written.expiry.at < old->expiry.at)
      violations.push_back("an expiry shrank: " + put.value);
  }
  void judge_hands(std::string_view name, const std::string& key, const Entries& before, time::Tai now) {
    const auto held = before.find(key);
    if (held == before.end()) return;
    ++takeovers;
    const lease::NamedLease old = *lease::parse_named_lease(held->second.value);
    const auto holder = session_in(before, old.session);
    if (!holder) return violations.push_back("taken from a session that is gone: " + std::string(name));
    const bool free = holder->state == lease::SessionState::kClosed || now > holder->expiry.at + old.lock_delay;
    if (!free) violations.push_back("two holders: " + std::string(name));
  }
  void judge_order(std::string_view name, const lease::SessionId& granted, const Entries& before, time::Tai now) {
    const auto own = before.find(lease::waiter_key(name, granted));
    if (own != before.end()) ++served;
    for (auto at = before.lower_bound(lease::queue_prefix(name));
         at != before.end() && at->first.starts_with(lease::queue_prefix(name)); ++at) {
      const auto place = lease::parts_of_waiter_key(at->first);
      if (!place || place->session == granted) continue;
      const auto session = session_in(before, place->session);
      const bool lives = session && session->state == lease::SessionState::kOpen && now <= session->expiry.at;
      if (lives && (own == before.end() || at->second.modified < own->second.modified))
        violations.push_back("overtaken in the queue of " + std::string(name) + " by " + at->first);
    }
  }

  Entries entries_;
};

}  // namespace gnomon::control
