// SPDX-License-Identifier: Apache-2.0
//
// What is remembered, looked up; how it changes stands in lease_mirror.cpp.
#include <algorithm>

#include "control/lease/lease_mirror.hpp"
#include "control/lease/queue_mark.hpp"

namespace gnomon::control {
namespace {

template <typename Map, typename Key>
auto find_in(const Map& map, const Key& key) -> decltype(&map.begin()->second) {
  const auto at = map.find(key);
  return at == map.end() ? nullptr : &at->second;
}

template <typename T>
std::optional<T> copy_of(const T* value) {
  return value == nullptr ? std::nullopt : std::optional<T>(*value);
}

}  // namespace

const lease::Seen<lease::ClientSession>* LeaseMirror::session(const lease::SessionId& id) const {
  return find_in(sessions_, id);
}

const lease::Seen<lease::NamedLease>* LeaseMirror::lease(std::string_view name) const { return find_in(leases_, name); }

const LeaseMirror::Queue* LeaseMirror::queue(std::string_view name) const { return find_in(queues_, name); }

Revision LeaseMirror::place(std::string_view name, const lease::SessionId& session) const {
  const Queue* in = queue(name);
  const Revision* place = in == nullptr ? nullptr : find_in(in->places, session);
  return place == nullptr ? Revision{} : *place;
}

bool LeaseMirror::knows_queue(std::string_view name, Revision through) const {
  const Queue* in = queue(name);
  return std::max(queues_through_, in == nullptr ? Revision{} : in->listed_at) >= through;
}

Revision LeaseMirror::revision_of(std::string_view key) const {
  if (const auto id = lease::session_of_key(key)) {
    const auto* known = session(*id);
    return known == nullptr ? Revision{} : known->modified;
  }
  if (const auto name = lease::name_of_lease_key(key)) {
    const auto* known = lease(*name);
    return known == nullptr ? Revision{} : known->modified;
  }
  if (const auto at = lease::parts_of_waiter_key(key)) return place(at->name, at->session);
  if (const auto name = name_of_queue_mark(key)) {
    const Queue* marked = queue(*name);
    return marked == nullptr ? Revision{} : marked->mark;
  }
  return {};
}

const std::set<std::string, std::less<>>* LeaseMirror::leases_of(const lease::SessionId& id) const {
  return find_in(leases_of_, id);
}

const std::set<std::string, std::less<>>* LeaseMirror::places_of(const lease::SessionId& id) const {
  return find_in(places_of_, id);
}

std::size_t LeaseMirror::sessions_of(std::string_view principal) const {
  const std::size_t* count = find_in(sessions_by_principal_, principal);
  return count == nullptr ? 0 : *count;
}

std::size_t LeaseMirror::claims_of(std::string_view principal) const {
  const std::size_t* count = find_in(claims_by_principal_, principal);
  return count == nullptr ? 0 : *count;
}

std::vector<std::string> LeaseMirror::names(std::string_view prefix, std::string_view after, std::size_t most) const {
  std::vector<std::string> out;
  auto at = after < prefix ? leases_.lower_bound(prefix) : leases_.upper_bound(after);
  for (; at != leases_.end() && at->first.starts_with(prefix) && out.size() < most; ++at)
    out.push_back(at->first);
  return out;
}

lease::Scene LeaseMirror::scene(std::string_view name, const lease::SessionId* asker) const {
  lease::Scene scene;
  if (asker != nullptr) scene.own = copy_of(session(*asker));
  scene.lease = copy_of(lease(name));
  if (scene.lease && scene.lease->value) scene.holder = copy_of(session(scene.lease->value->session));
  const Queue* waiting = queue(name);
  if (waiting == nullptr) return scene;
  scene.queue.reserve(waiting->order.size());
  for (const auto& [modified, id] : waiting->order)
    scene.queue.push_back({id, modified, copy_of(session(id))});
  return scene;
}

// A prefix that goes beyond the name means one queue.
std::pair<LeaseMirror::Queues::const_iterator, LeaseMirror::Queues::const_iterator> LeaseMirror::queues_under(
    std::string_view prefix) const {
  if (!prefix.starts_with(lease::kQueuePrefix)) return {queues_.begin(), queues_.end()};
  const std::string_view name = prefix.substr(lease::kQueuePrefix.size());
  if (const std::size_t end = name.find('#'); end != std::string_view::npos)
    return queues_.equal_range(name.substr(0, end));
  auto last = queues_.lower_bound(name);
  const auto first = last;
  while (last != queues_.end() && last->first.starts_with(name))
    ++last;
  return {first, last};
}

std::vector<std::string> LeaseMirror::keys_under(std::string_view prefix) const {
  std::vector<std::string> out;
  const auto take = [&](std::string key) {
    if (std::string_view(key).starts_with(prefix)) out.push_back(std::move(key));
  };
  // Of one name or below: only what can be there is looked at.
  if (prefix.starts_with(lease::kHeldPrefix)) {
    const std::string_view name = prefix.substr(lease::kHeldPrefix.size());
    for (auto at = leases_.lower_bound(name); at != leases_.end() && at->first.starts_with(name); ++at)
      take(lease::lease_key(at->first));
    return out;
  }
  if (prefix.starts_with(lease::kQueuePrefix) || lease::kQueuePrefix.starts_with(prefix)) {
    const auto [first, last] = queues_under(prefix);
    for (auto at = first; at != last; ++at) {
      if (at->second.mark != Revision{}) take(queue_mark_key(at->first));
      for (const auto& [session, modified] : at->second.places)
        take(lease::waiter_key(at->first, session));
    }
  }
  if (lease::kHeldPrefix.starts_with(prefix))
    for (const auto& [name, lease] : leases_)
      take(lease::lease_key(name));
  if (prefix.starts_with(lease::kClientPrefix) || lease::kClientPrefix.starts_with(prefix))
    for (const auto& [id, session] : sessions_)
      take(lease::client_key(id));
  return out;
}

}  // namespace gnomon::control
