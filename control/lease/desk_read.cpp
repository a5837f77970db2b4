// SPDX-License-Identifier: Apache-2.0
//
// What a decision rests on, read from the store; and what became of a commit whose answer was lost.
//
// Reads are as of a moment each, in their order: first the lease, then the session that it hangs on. A session that is
// open when it is read was open before, so a lease that hung on it was held. Whose session it is, is known only once
// the lease was read; so what is remembered is read along, and if the lease turns out to hang on another one, that one
// is read next.
//
// A queue has up to a thousand waiters with a session each. Read are those of the first kMostWaitersRead in front; how
// many live ones stand behind those is said from memory.
#include <algorithm>

#include "control/lease/desk_engine.hpp"
#include "control/lease/queue_mark.hpp"

namespace gnomon::control {
namespace {

constexpr std::size_t kMostWaitersRead = 64;
/// Of the sessions behind a list of leases; if there are more, all sessions are read at once.
constexpr std::size_t kMostSessionsRead = 64;
constexpr std::uint32_t kReadsPerAttempt = 4;

const Entry* find_in(const desk_event::ReadDone& done, const std::string& key) {
  for (const auto& entry : done.keys)
    if (entry && entry->key == key) return &*entry;
  for (const Listing& listing : done.listings)
    for (const Entry& entry : listing.entries)
      if (entry.key == key) return &entry;
  return nullptr;
}

// All puts of a commit happened if one is found, byte by byte: each carries the commit's nonce.
std::optional<Revision> find_own(const desk_event::ReadDone& done, const Transaction& sent) {
  for (const Put& put : sent.puts)
    if (const Entry* entry = find_in(done, put.key); entry != nullptr && entry->value == put.value)
      return entry->modified;
  return std::nullopt;
}

}  // namespace

void LeaseDesk::Impl::read_first(DeskWork& work) {
  work.fresh = false;
  work.read.clear();
  work.absent.clear();
  work.read_from.reset();
  if (moment() != nullptr) work.read_from = *moment();
  work.as_of = mirror_.newest();
  read_on(work);
}

// What is not read yet; all of it at first. That a key was not there is known only as of the time before it was asked
// for: if old news of it came meanwhile, nobody can say which is newer, and it is read again.
void LeaseDesk::Impl::read_on(DeskWork& work) {
  std::erase_if(work.absent, [&](const std::string& key) {
    return mirror_.revision_of(key) != Revision{} && work.read.erase(key) != 0;
  });
  StoreTask task;
  task.call = work.call.id;
  task.keys = keys_of(work);
  task.prefixes = prefixes_of(work);
  const auto is_read = [&](const std::string& key) { return work.read.contains(key); };
  std::erase_if(task.keys, is_read);
  std::erase_if(task.prefixes, is_read);
  if (task.keys.empty() && task.prefixes.empty()) {
    work.fresh = true;
    work.pause = {};
    return go_on(work);
  }
  if (++work.reads > kReadsPerAttempt * options_.most_attempts)
    return give_up(work, DeskFault::kStoreUnavailable,
                   "what the command rests on changed again and again while it was being read: ask again");
  work.phase = Phase::kReading;
  work.task = send_read(std::move(task));
}

void LeaseDesk::Impl::read_arrived(DeskWork& work, const desk_event::ReadDone& done, const StoreTask& task) {
  work.read.insert(task.keys.begin(), task.keys.end());
  work.read.insert(task.prefixes.begin(), task.prefixes.end());
  for (std::size_t i = 0; i < task.keys.size() && i < done.keys.size(); ++i)
    if (!done.keys[i]) work.absent.insert(task.keys[i]);
  for (const auto& entry : done.keys)
    if (entry) work.as_of = std::max(work.as_of, entry->modified);
  for (const Listing& listing : done.listings)
    work.as_of = std::max(work.as_of, listing.at);

  if (const Entry* store = find_in(done, std::string(lease::kStoreKey));
      store != nullptr && store->modified != options_.policy.store.identity)
    return fault(work, DeskFault::kStoreFailed,
                 "the store was recovered or adopted since this daemon started on it: the daemon must be started anew");
  if (work.doubt && work.step) {
    if (const auto revision = find_own(done, work.step->transaction)) {
      mirror_.committed(work.step->transaction, *revision);
      return complete(work, *revision);
    }
  }
  read_on(work);
}

std::vector<std::string> LeaseDesk::Impl::keys_of(const DeskWork& work) const {
  std::vector<std::string> keys;
  const Command& command = work.call.command;
  const std::string_view name = name_of(command);
  if (!is_question(command) && !std::holds_alternative<command::Break>(command))
    keys.push_back(lease::client_key(work.call.session));
  if (const auto* list = std::get_if<command::List>(&command)) {
    if (!work.lists_all) return keys;
    if (work.read.contains(std::string(lease::kHeldPrefix) + list->prefix)) add_listed(*list, keys);
    if (keys.size() > kMostSessionsRead) keys.clear();
    return keys;
  }
  if (!name.empty()) {
    keys.push_back(lease::lease_key(name));
    if (std::holds_alternative<command::Release>(command))
      keys.push_back(lease::waiter_key(name, work.call.session));
    else
      add_holder(name, keys);
  }
  if (std::holds_alternative<command::Acquire>(command) || std::holds_alternative<command::Get>(command))
    add_waiters(name, keys);
  if (work.commits > 1) keys.emplace_back(lease::kStoreKey);  // it is compared, too
  return keys;
}

std::vector<std::string> LeaseDesk::Impl::prefixes_of(const DeskWork& work) const {
  const Command& command = work.call.command;
  if (std::holds_alternative<command::Acquire>(command) || std::holds_alternative<command::Get>(command))
    return {lease::queue_prefix(name_of(command))};
  // A small listing, which says what revision the store is at.
  const bool is_list = std::holds_alternative<command::List>(command);
  if (std::holds_alternative<command::Validate>(command) || (is_list && !work.lists_all))
    return {std::string(lease::kStoreKey)};
  if (const auto* list = std::get_if<command::List>(&command)) {
    std::vector<std::string> prefixes{std::string(lease::kHeldPrefix) + list->prefix};
    std::vector<std::string> sessions;
    if (work.read.contains(prefixes.front())) add_listed(*list, sessions);
    if (sessions.size() > kMostSessionsRead) prefixes.emplace_back(lease::kClientPrefix);
    return prefixes;
  }
  return {};
}

void LeaseDesk::Impl::add_holder(std::string_view name, std::vector<std::string>& keys) const {
  const auto* held = mirror_.lease(name);
  if (held == nullptr || !held->value) return;
  std::string key = lease::client_key(held->value->session);
  if (std::find(keys.begin(), keys.end(), key) == keys.end()) keys.push_back(std::move(key));
}

void LeaseDesk::Impl::add_waiters(std::string_view name, std::vector<std::string>& keys) const {
  const LeaseMirror::Queue* queue = mirror_.queue(name);
  if (queue == nullptr) return;
  std::size_t count = 0;
  for (const auto& [modified, session] : queue->order) {
    if (count++ == kMostWaitersRead) return;
    std::string key = lease::client_key(session);
    if (std::find(keys.begin(), keys.end(), key) == keys.end()) keys.push_back(std::move(key));
  }
}

// The sessions that the listed leases hang on.
void LeaseDesk::Impl::add_listed(const command::List& list, std::vector<std::string>& keys) const {
  std::set<lease::SessionId> sessions;
  for (const std::string& name : mirror_.names(list.prefix, list.after, most_listed(list)))
    if (const auto* held = mirror_.lease(name); held != nullptr && held->value) sessions.insert(held->value->session);
  for (const lease::SessionId& id : sessions)
    keys.push_back(lease::client_key(id));
}

}  // namespace gnomon::control
