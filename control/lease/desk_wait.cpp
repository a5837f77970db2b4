// SPDX-License-Identifier: Apache-2.0
//
// Calls that are parked: they have a place in the queue of a name, and nothing to do until it is theirs.
//
// A name that a thousand calls wait for must not set off a thousand commits when it is free. Only the first live waiter
// may take it; so of the calls that are parked here only the one in front is looked at, one at a time. It is looked at
// when something about the name is told, when time alone sets the name free, and every kLookAgain by reading, in case
// that nothing is told any more. The others are looked at only when their own session or place is gone.
#include <algorithm>

#include "control/lease/desk_engine.hpp"

namespace gnomon::control {
namespace {

constexpr time::Duration kLookAgain = time::seconds(10);
constexpr time::Duration kSoonest = time::milliseconds(1);
constexpr time::Duration kWithoutClock = time::milliseconds(100);
constexpr time::Duration kFirstPause = time::milliseconds(50);
constexpr time::Duration kLongestPause = time::seconds(1);

}  // namespace

void LeaseDesk::Impl::lengthen_pause(DeskWork& work) const {
  work.pause = std::clamp(work.pause * 2, kFirstPause, kLongestPause);
}

void LeaseDesk::Impl::pause(DeskWork& work) {
  lengthen_pause(work);
  work.phase = Phase::kPausing;
  set_timer(work, uptime() + work.pause);
}

void LeaseDesk::Impl::park(DeskWork& work, bool look_at_once) {
  const std::string name(name_of(work.call.command));
  work.has_place = true;
  if (uptime() >= work.wait_until) return reply_waiting(work);
  const bool was_read = work.fresh;
  work.phase = Phase::kParked;
  work.fresh = false;
  work.doubt = false;
  work.commits = work.reads = 0;
  set_timer(work, work.wait_until);

  const auto [at, is_new] = waits_.try_emplace(name);
  NameWait& wait = at->second;
  if (is_new || was_read) wait.looked = uptime();
  wait.parked[work.call.session].insert(work.call.id);
  parked_[work.call.session].insert(work.call.id);
  const bool tried = wait.attempt == work.call.id;
  if (tried) wait.attempt.reset();
  const bool is_front = front_of(name, wait) == work.call.id;
  if (is_front) arm(name, wait, work);
  const bool again = tried && (std::exchange(wait.again, false) || !is_front);
  if (again || (is_front && look_at_once)) to_look_at_.insert(name);
}

// It goes on, or is over.
void LeaseDesk::Impl::unpark(DeskWork& work) {
  const auto at = waits_.find(std::string(name_of(work.call.command)));
  if (at == waits_.end()) return;
  NameWait& wait = at->second;
  const CallId id = work.call.id;
  const auto remove = [&](auto& index) {
    const auto calls = index.find(work.call.session);
    if (calls == index.end()) return;
    calls->second.erase(id);
    if (calls->second.empty()) index.erase(calls);
  };
  remove(wait.parked);
  remove(parked_);
  if (wait.attempt == id) wait.attempt.reset();
  if (wait.parked.empty() && !wait.attempt) {
    disarm(at->first, wait);
    waits_.erase(at);
  } else {
    to_look_at_.insert(at->first);
  }
}

void LeaseDesk::Impl::reply_waiting(DeskWork& work) {
  if (moment() != nullptr) {
    const lease::Decision decision = decide(work);
    const auto* answer = std::get_if<lease::Answer>(&decision);
    if (answer != nullptr && std::holds_alternative<lease::answer::Waiting>(*answer))
      work.waiting = std::get<lease::answer::Waiting>(*answer);
  }
  reply(work, lease::Answer{work.waiting});
}

void LeaseDesk::Impl::time_out(DeskWork& work) {
  const bool may_have_happened = work.doubt || work.phase == Phase::kCommitting;
  if (work.has_place && !may_have_happened) return reply_waiting(work);
  if (may_have_happened)
    return fault(work, DeskFault::kTimeout,
                 "the store did not answer before the deadline, so the outcome is not known: ask again");
  fault(work, DeskFault::kStoreUnavailable,
        "the store did not answer before the deadline, and nothing was written: ask again, with more time");
}

// ---- looking again

void LeaseDesk::Impl::look_at_all() {
  while (!to_look_at_.empty() || !ended_.empty()) {
    const std::vector<lease::SessionId> ended = std::exchange(ended_, {});
    for (const lease::SessionId& id : ended)
      look_at_session(id);
    const std::set<std::string> names = std::exchange(to_look_at_, {});
    for (const std::string& name : names)
      look_at(name);
  }
}

// Its own calls, and the names that it holds or stands in the way of.
void LeaseDesk::Impl::look_at_session(const lease::SessionId& id) {
  if (waits_.empty()) return;
  if (const auto calls = parked_.find(id); calls != parked_.end()) {
    const std::set<CallId> ids = calls->second;
    for (const CallId call : ids)
      if (DeskWork* work = find(call); work != nullptr && work->phase == Phase::kParked) {
        const std::string name(name_of(work->call.command));
        const auto* session = mirror_.session(id);
        const bool lives = session != nullptr && session->value && session->value->state == lease::SessionState::kOpen;
        if (lives && mirror_.place(name, id) != Revision{}) continue;
        unpark(*work);
        go_on(*work);
      }
  }
  if (const auto* names = mirror_.leases_of(id)) to_look_at_.insert(names->begin(), names->end());
  if (const auto* names = mirror_.places_of(id)) to_look_at_.insert(names->begin(), names->end());
}

void LeaseDesk::Impl::look_at(const std::string& name) {
  const auto at = waits_.find(name);
  if (at == waits_.end()) return;
  NameWait& wait = at->second;
  if (wait.attempt) {
    wait.again = true;
    return;
  }
  const std::optional<CallId> front = front_of(name, wait);
  if (!front) return;
  DeskWork& work = calls_.at(*front);
  disarm(name, wait);
  wait.attempt = front;  // before it leaves, so that the name is kept
  const auto calls = wait.parked.find(work.call.session);
  calls->second.erase(*front);
  if (calls->second.empty()) wait.parked.erase(calls);
  const auto by_session = parked_.find(work.call.session);
  by_session->second.erase(*front);
  if (by_session->second.empty()) parked_.erase(by_session);
  set_timer(work, work.call.deadline);
  const bool is_long_ago = uptime() - wait.looked >= kLookAgain;
  if (is_long_ago && moment() != nullptr)
    read_first(work);
  else
    go_on(work);
}

// The first in the queue that is parked here; who lost its place, last.
std::optional<CallId> LeaseDesk::Impl::front_of(const std::string& name, const NameWait& wait) const {
  if (wait.parked.empty()) return std::nullopt;
  if (const LeaseMirror::Queue* queue = mirror_.queue(name); queue != nullptr)
    for (const auto& [modified, session] : queue->order)
      if (const auto calls = wait.parked.find(session); calls != wait.parked.end()) return *calls->second.begin();
  return *wait.parked.begin()->second.begin();
}

void LeaseDesk::Impl::arm(const std::string& name, NameWait& wait, const DeskWork& front) {
  disarm(name, wait);
  const time::Duration change = moment() == nullptr ? kWithoutClock : until_change(name, front.call.session);
  const time::Duration reading = std::max(wait.looked + kLookAgain - uptime(), kSoonest);
  const time::Duration after = std::max(std::clamp(change, kSoonest, reading), front.pause);
  wait.timer = uptime() + after;
  name_timers_.emplace(*wait.timer, name);
}

void LeaseDesk::Impl::disarm(const std::string& name, NameWait& wait) {
  if (!wait.timer) return;
  name_timers_.erase({*wait.timer, name});
  wait.timer.reset();
}

// How long until time alone may change the decision for `session`: the holder's end, or that of one in front.
time::Duration LeaseDesk::Impl::until_change(const std::string& name, const lease::SessionId& session) const {
  time::Duration until = kLookAgain;
  const auto consider = [&](const lease::Seen<lease::ClientSession>* of, time::Duration delay) {
    if (of == nullptr || !of->value || of->value->state == lease::SessionState::kClosed) return;
    const time::Duration left = lease::until_surely_past(of->value->expiry, of->value->ttl, delay, *moment());
    if (left.ns > 0) until = std::min(until, left);
  };
  if (const auto* held = mirror_.lease(name); held != nullptr && held->value)
    consider(mirror_.session(held->value->session), held->value->lock_delay);
  if (const LeaseMirror::Queue* queue = mirror_.queue(name); queue != nullptr)
    for (const auto& [modified, id] : queue->order) {
      if (id == session) break;
      consider(mirror_.session(id), {});
    }
  return until;
}

}  // namespace gnomon::control
