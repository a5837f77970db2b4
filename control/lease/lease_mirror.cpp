// SPDX-License-Identifier: Apache-2.0
//
// How news changes what is remembered; what is remembered is looked up in lease_mirror_look.cpp.
#include "control/lease/lease_mirror.hpp"

#include <algorithm>
#include <utility>

#include "control/lease/queue_mark.hpp"
#include "oracle/lease/last_revision.hpp"

namespace gnomon::control {
namespace {

template <typename Map, typename Key>
void erase_from(Map& index, const Key& key, std::string_view name) {
  const auto at = index.find(key);
  if (at == index.end()) return;
  if (const auto member = at->second.find(name); member != at->second.end()) at->second.erase(member);
  if (at->second.empty()) index.erase(at);
}

template <typename Value, typename Parsed>
lease::Seen<Value> seen(const Parsed& parsed, Revision modified) {
  return {parsed && modified <= lease::kLastRevision ? std::optional<Value>(*parsed) : std::nullopt, modified};
}

/// Nothing: it can't be read.
template <typename Value>
const Value* readable(const lease::Seen<Value>& seen) {
  return seen.value ? &*seen.value : nullptr;
}

bool is_open(const lease::Seen<lease::ClientSession>& session) {
  return session.value && session.value->state == lease::SessionState::kOpen;
}

void add(std::size_t& count, std::ptrdiff_t by) {
  count = static_cast<std::size_t>(static_cast<std::ptrdiff_t>(count) + by);
}

bool is_closed(const lease::Seen<lease::ClientSession>& session) {
  return session.value && session.value->state == lease::SessionState::kClosed;
}

}  // namespace

MirrorNews LeaseMirror::take_news() { return std::exchange(news_, {}); }

// ---- the ways in which news comes

void LeaseMirror::committed(const Transaction& transaction, Revision revision) {
  newest_ = std::max(newest_, revision);
  for (const std::string& key : transaction.deletes)
    absent(key, revision);
  for (const Put& put : transaction.puts)
    present({put.key, put.value, revision});
}

void LeaseMirror::read_key(std::string_view key, const std::optional<Entry>& found, Revision floor) {
  if (found)
    present(*found);
  else
    absent(key, floor);
}

void LeaseMirror::read_prefix(std::string_view prefix, const Listing& listing) {
  newest_ = std::max(newest_, listing.at);
  std::set<std::string_view> found;
  for (const Entry& entry : listing.entries)
    found.insert(entry.key);
  for (const std::string& key : keys_under(prefix))
    if (!found.contains(key)) absent(key, listing.at);
  for (const Entry& entry : listing.entries)
    present(entry);

  const bool fills = listing.at >= hole_until_;
  const auto covers = [&](std::string_view all) { return fills && all.starts_with(prefix); };
  if (covers(lease::kHeldPrefix)) {
    held_synced_ = true;
    held_through_ = std::max(held_through_, listing.at);
  }
  if (covers(lease::kQueuePrefix)) {
    queues_synced_ = true;
    queues_through_ = std::max(queues_through_, listing.at);
  }
  if (covers(lease::kClientPrefix)) {
    sessions_synced_ = true;
    sessions_through_ = std::max(sessions_through_, listing.at);
  }
  if (const auto name = name_of_queue_mark(prefix))
    if (const auto at = queues_.find(*name); at != queues_.end())
      at->second.listed_at = std::max(at->second.listed_at, listing.at);
}

void LeaseMirror::heard(const Changes& changes, bool complete) {
  newest_ = std::max(newest_, changes.through);
  if (changes.gap) {
    held_synced_ = queues_synced_ = sessions_synced_ = false;
    held_through_ = queues_through_ = sessions_through_ = {};
    hole_until_ = std::max(hole_until_, changes.through);
  }
  bool of_leases = complete;
  bool of_queues = complete;
  bool of_sessions = complete;
  for (const Change& change : changes.changes) {
    of_leases = of_leases || change.entry.key.starts_with(lease::kHeldPrefix);
    of_queues = of_queues || change.entry.key.starts_with(lease::kQueuePrefix);
    of_sessions = of_sessions || change.entry.key.starts_with(lease::kClientPrefix);
    if (change.deleted)
      absent(change.entry.key, change.entry.modified);
    else
      present(change.entry);
  }
  // Before the prefix was read there is a hole before what is told now.
  if (of_leases && held_synced_) held_through_ = std::max(held_through_, changes.through);
  if (of_queues && queues_synced_) queues_through_ = std::max(queues_through_, changes.through);
  if (of_sessions && sessions_synced_) sessions_through_ = std::max(sessions_through_, changes.through);
}

// ---- one entry

void LeaseMirror::present(const Entry& entry) {
  newest_ = std::max(newest_, entry.modified);
  const bool is_old = entry.modified <= revision_of(entry.key) || is_buried(entry.key, entry.modified);
  if (is_old) return;
  if (const auto id = lease::session_of_key(entry.key)) return put_session(*id, entry);
  if (const auto name = lease::name_of_lease_key(entry.key)) return put_lease(*name, entry);
  if (const auto place = lease::parts_of_waiter_key(entry.key))
    return put_place(place->name, place->session, entry.modified);
  if (const auto name = name_of_queue_mark(entry.key)) {
    queues_[std::string(*name)].mark = entry.modified;
    news_.queues.emplace_back(*name);
  }
}

void LeaseMirror::absent(std::string_view key, Revision as_of) {
  newest_ = std::max(newest_, as_of);
  const Revision known = revision_of(key);
  if (known > as_of) return;
  if (const auto id = lease::session_of_key(key)) {
    bury(key, as_of);
    if (known != Revision{}) drop_session(*id);
  } else if (const auto name = lease::name_of_lease_key(key)) {
    bury(key, as_of);
    if (known != Revision{}) drop_lease(*name);
  } else if (const auto place = lease::parts_of_waiter_key(key)) {
    bury(key, as_of);
    if (known != Revision{}) drop_place(place->name, place->session);
  } else if (const auto marked = name_of_queue_mark(key)) {
    bury(key, as_of);
    if (known == Revision{}) return;
    queues_.find(*marked)->second.mark = {};
    news_.queues.emplace_back(*marked);
    tidy_queue(*marked);
  }
}

void LeaseMirror::put_session(const lease::SessionId& id, const Entry& entry) {
  const auto now = seen<lease::ClientSession>(lease::parse_client_session(entry.value), entry.modified);
  const auto at = sessions_.find(id);
  const bool goes_on = at != sessions_.end() && is_open(at->second) && is_open(now);
  if (at != sessions_.end()) count_session(id, at->second, -1);
  count_session(id, now, 1);
  const bool closes = is_closed(now) && (at == sessions_.end() || !is_closed(at->second));
  sessions_.insert_or_assign(id, now);
  if (!goes_on) news_.sessions.push_back(id);
  if (closes) closed(id);
}

// Its leases are free, though their entries are there.
void LeaseMirror::closed(const lease::SessionId& id) {
  if (const auto held = leases_of_.find(id); held != leases_of_.end())
    news_.leases.insert(news_.leases.end(), held->second.begin(), held->second.end());
}

void LeaseMirror::drop_session(const lease::SessionId& id) {
  const auto at = sessions_.find(id);
  count_session(id, at->second, -1);
  sessions_.erase(at);
  news_.sessions.push_back(id);
}

void LeaseMirror::count_session(const lease::SessionId& id, const lease::Seen<lease::ClientSession>& session,
                                std::ptrdiff_t by) {
  if (!session.value) return add(unreadable_, by);
  std::size_t& count = sessions_by_principal_[session.value->principal];
  add(count, by);
  if (count == 0) sessions_by_principal_.erase(session.value->principal);
  if (!is_open(session)) return;
  add(open_, by);
  const auto* names = leases_of(id);
  const auto* places = places_of(id);
  const auto leases = static_cast<std::ptrdiff_t>(names == nullptr ? 0 : names->size());
  add(held_, by * leases);
  count_claims(*session.value, by * (leases + static_cast<std::ptrdiff_t>(places == nullptr ? 0 : places->size())));
}

void LeaseMirror::count_lease(const lease::NamedLease& lease, std::ptrdiff_t by) {
  const auto* holder = session(lease.session);
  if (holder == nullptr || !holder->value || !is_open(*holder)) return;
  add(held_, by);
  count_claims(*holder->value, by);
}

void LeaseMirror::count_place(const lease::SessionId& id, std::ptrdiff_t by) {
  add(waiters_, by);
  const auto* owner = session(id);
  if (owner != nullptr && owner->value && is_open(*owner)) count_claims(*owner->value, by);
}

void LeaseMirror::count_claims(const lease::ClientSession& owner, std::ptrdiff_t by) {
  if (by == 0) return;
  std::size_t& count = claims_by_principal_[owner.principal];
  add(count, by);
  if (count == 0) claims_by_principal_.erase(owner.principal);
}

void LeaseMirror::put_lease(std::string_view name, const Entry& entry) {
  if (const auto at = leases_.find(name); at != leases_.end()) {
    if (const auto* before = readable(at->second); before != nullptr) {
      count_lease(*before, -1);
      erase_from(leases_of_, before->session, name);
    } else {
      --unreadable_;
    }
  }
  const auto now = seen<lease::NamedLease>(lease::parse_named_lease(entry.value), entry.modified);
  if (const auto* granted = readable(now); granted != nullptr) {
    count_lease(*granted, 1);
    leases_of_[granted->session].emplace(name);
  } else {
    ++unreadable_;
  }
  leases_.insert_or_assign(std::string(name), now);
  news_.leases.emplace_back(name);
}

void LeaseMirror::drop_lease(std::string_view name) {
  const auto at = leases_.find(name);
  bool was_free = false;  // to those who watch, since its session was closed
  if (const auto* held = readable(at->second); held != nullptr) {
    const auto* holder = session(held->session);
    was_free = holder != nullptr && is_closed(*holder);
    count_lease(*held, -1);
    erase_from(leases_of_, held->session, name);
  } else {
    --unreadable_;
  }
  if (!was_free) news_.leases.emplace_back(name);
  leases_.erase(at);
}

void LeaseMirror::put_place(std::string_view name, const lease::SessionId& session, Revision modified) {
  Queue& queue = queues_[std::string(name)];
  if (const auto before = queue.places.find(session); before != queue.places.end())
    queue.order.erase({before->second, session});
  else
    count_place(session, 1);
  queue.places[session] = modified;
  queue.order.emplace(modified, session);
  places_of_[session].emplace(name);
  news_.queues.emplace_back(name);
}

void LeaseMirror::drop_place(std::string_view name, const lease::SessionId& session) {
  const auto at = queues_.find(name);
  const auto place = at->second.places.find(session);
  at->second.order.erase({place->second, session});
  at->second.places.erase(place);
  count_place(session, -1);
  erase_from(places_of_, session, name);
  news_.queues.emplace_back(name);
  news_.left.push_back({std::string(name), session});
  tidy_queue(name);
}

void LeaseMirror::tidy_queue(std::string_view name) {
  const auto at = queues_.find(name);
  if (at != queues_.end() && at->second.places.empty() && at->second.mark == Revision{}) queues_.erase(at);
}

// ---- what was deleted

void LeaseMirror::bury(std::string_view key, Revision as_of) {
  const auto [at, is_new] = graves_.try_emplace(std::string(key), as_of);
  if (!is_new) {
    at->second = std::max(at->second, as_of);
    return;
  }
  buried_.push_back(at->first);
  while (graves_.size() > kMostTombstones) {
    graves_.erase(buried_.front());
    buried_.pop_front();
  }
}

bool LeaseMirror::is_buried(std::string_view key, Revision modified) const {
  const auto at = graves_.find(std::string(key));
  return at != graves_.end() && modified <= at->second;
}

}  // namespace gnomon::control
