// SPDX-License-Identifier: Apache-2.0
//
// Store tasks and calls: how they begin, and how a call is answered and forgotten. A task outlives its call: what a
// commit did is remembered, whoever still wants to know.
#include <algorithm>
#include <utility>

#include "control/lease/desk_engine.hpp"

namespace gnomon::control {

// ---- tasks of the store

StoreTaskId LeaseDesk::Impl::send_read(StoreTask task) {
  ++counters_.reads;
  const StoreTaskId id{++last_task_};
  task.floor = mirror_.newest();
  effects_.emplace_back(desk_effect::Read{id, task.keys, task.prefixes});
  tasks_.emplace(id, std::move(task));
  return id;
}

StoreTaskId LeaseDesk::Impl::send_commit(StoreTask task) {
  ++counters_.commits;
  const StoreTaskId id{++last_task_};
  task.commits = true;
  effects_.emplace_back(desk_effect::Commit{id, task.transaction, task.deadline});
  tasks_.emplace(id, std::move(task));
  return id;
}

// ---- calls

DeskWork* LeaseDesk::Impl::find(CallId id) {
  const auto at = calls_.find(id);
  return at == calls_.end() ? nullptr : &at->second;
}

DeskWork* LeaseDesk::Impl::waiting_for(StoreTaskId id, const StoreTask& task) {
  if (task.kind != StoreTask::Kind::kCall) return nullptr;
  DeskWork* work = find(task.call);
  const bool waits =
      work != nullptr && work->task == id && (work->phase == Phase::kReading || work->phase == Phase::kCommitting);
  return waits ? work : nullptr;
}

void LeaseDesk::Impl::set_timer(DeskWork& work, time::Uptime at) {
  if (work.timer) call_timers_.erase({*work.timer, work.call.id});
  work.timer = std::min(at, work.call.deadline);
  call_timers_.emplace(*work.timer, work.call.id);
}

void LeaseDesk::Impl::reply(DeskWork& work, Reply reply) {
  const CallId id = work.call.id;
  effects_.emplace_back(desk_effect::Send{id, std::move(reply)});
  forget(id);
}

void LeaseDesk::Impl::reply(DeskWork& work, const lease::Answer& answer) {
  bool queued = false;
  if (const auto* held = std::get_if<lease::answer::Held>(&answer)) {
    const auto* acquire = std::get_if<command::Acquire>(&work.call.command);
    // A grant that is there already may have been waited for by a call whose answer was lost.
    queued = work.has_place || work.had_place || (!held->anew && acquire != nullptr && waits(*acquire));
    if (held->anew) ++counters_.grants;
    if (held->taken_over) ++counters_.takeovers;
  }
  if (const auto* refused = std::get_if<lease::answer::Refused>(&answer)) {
    ++counters_.refusals;
    ++counters_.refused.at(static_cast<std::size_t>(refused->why));
  }
  reply(work, Reply{Answered{answer, queued}});
}

void LeaseDesk::Impl::fault(DeskWork& work, DeskFault fault, std::string text, time::Duration retry_after) {
  ++counters_.faults;
  ++counters_.faulted.at(static_cast<std::size_t>(fault));
  reply(work, tl::make_unexpected(DeskError{fault, std::move(text), retry_after}));
}

void LeaseDesk::Impl::forget(CallId id) {
  DeskWork* work = find(id);
  if (work == nullptr) return;
  if (work->timer) call_timers_.erase({*work->timer, id});
  following_.erase({work->as_of, id});
  unpark(*work);
  calls_.erase(id);
}

void LeaseDesk::Impl::fail_all(const std::string& text) {
  failed_ = text;
  while (!calls_.empty())
    fault(calls_.begin()->second, DeskFault::kStoreFailed, text);
}

}  // namespace gnomon::control
