// SPDX-License-Identifier: Apache-2.0
//
// Events in, effects out: which part of the desk an event belongs to, and what is due by time (desk_engine.hpp).
#include "control/lease/lease_desk.hpp"

#include <algorithm>
#include <cassert>
#include <utility>

#include "control/lease/desk_engine.hpp"

namespace gnomon::control {
namespace {

constexpr time::Duration kNextListing = time::milliseconds(20);
constexpr time::Duration kReadAllAgain = time::milliseconds(500);
constexpr time::Duration kListForCleaning = time::seconds(60);
constexpr time::Duration kAskAgain = time::milliseconds(200);

}  // namespace

std::string_view text_of(DeskFault fault) {
  switch (fault) {
    case DeskFault::kClockUnsynchronised: return "clock_unsynchronised";
    case DeskFault::kNotAMember: return "not_a_member";
    case DeskFault::kRecovering: return "recovering";
    case DeskFault::kTooMany: return "too_many";
    case DeskFault::kOverloaded: return "overloaded";
    case DeskFault::kStoreUnavailable: return "store_unavailable";
    case DeskFault::kStoreFailed: return "store_failed";
    case DeskFault::kTimeout: return "timeout";
  }
  return "unknown";
}

std::size_t most_calls_with(const Command& command, const DeskOptions& options) {
  const bool frees = std::holds_alternative<command::RenewSession>(command) ||
                     std::holds_alternative<command::CloseSession>(command) ||
                     std::holds_alternative<command::Release>(command);
  return options.most_calls + (frees ? options.most_calls / 10 : 0);
}

LeaseDesk::LeaseDesk(DeskOptions options, const Nonce& seed)
    : impl_(std::make_unique<Impl>(std::move(options), seed)) {}
LeaseDesk::~LeaseDesk() = default;
std::vector<DeskEffect> LeaseDesk::step(const DeskEvent& event, const DeskTime& now) { return impl_->step(event, now); }
std::optional<time::Uptime> LeaseDesk::next_tick() const { return impl_->next_tick(); }
std::size_t LeaseDesk::parked() const { return impl_->parked(); }
const DeskCounters& LeaseDesk::counters() const { return impl_->counters(); }
Listed LeaseDesk::remembered(std::string_view prefix, std::string_view after, std::size_t most,
                             const DeskTime& now) const {
  return impl_->remembered(prefix, after, most, now);
}

LeaseDesk::Impl::Impl(DeskOptions options, const Nonce& seed)
    : options_(std::move(options)), nonces_(seed), cleaner_(options_.policy) {
  assert(options_.most_attempts > 0);
}

std::vector<DeskEffect> LeaseDesk::Impl::step(const DeskEvent& event, const DeskTime& now) {
  now_ = &now;
  effects_.clear();
  std::visit([this](const auto& e) { on(e); }, event);
  if (!failed_) {
    take_news();
    answer_followed();
    run_timers();
    look_at_all();
    clean_up();
    read_all_if_due();
  }
  now_ = nullptr;
  return std::exchange(effects_, {});
}

std::optional<time::Uptime> LeaseDesk::Impl::next_tick() const {
  if (failed_) return std::nullopt;
  std::optional<time::Uptime> next = mirror_.synced() ? cleaner_.next() : std::nullopt;
  const auto at_most = [&](time::Uptime at) { next = next ? std::min(*next, at) : at; };
  if (!call_timers_.empty()) at_most(call_timers_.begin()->first);
  if (!name_timers_.empty()) at_most(name_timers_.begin()->first);
  if (!mirror_.synced() && !reading_all_) at_most(read_all_at_);
  return next;
}

DeskCounters& LeaseDesk::Impl::counters() {
  counters_.sessions = mirror_.open_sessions();
  counters_.leases = mirror_.held();
  counters_.waiters = mirror_.waiters();
  counters_.unreadable = mirror_.unreadable();
  return counters_;
}

// ---- events

void LeaseDesk::Impl::on(const desk_event::Asked& asked) {
  ++counters_.commands;
  const std::size_t under_way = calls_.size();
  const auto [at, is_new] = calls_.try_emplace(asked.call.id);
  assert(is_new);
  DeskWork& work = at->second;
  work.call = asked.call;
  if (auto* acquire = std::get_if<command::Acquire>(&work.call.command)) {
    acquire->acquire.wait = waits(*acquire);
    work.wait_until = time::saturating_add(uptime(), acquire->wait_for);
  }
  set_timer(work, work.call.deadline);
  if (failed_) return fault(work, DeskFault::kStoreFailed, *failed_);
  if (under_way >= most_calls_with(work.call.command, options_))
    return fault(work, DeskFault::kOverloaded,
                 "this daemon is at work on " + std::to_string(under_way) +
                     " lease calls, as many as it may: ask again later, or ask another one",
                 kAskAgain);
  go_on(work);
}

void LeaseDesk::Impl::on(const desk_event::Gone& gone) { forget(gone.call); }

void LeaseDesk::Impl::on(const desk_event::ReadDone& done) {
  const auto at = tasks_.find(done.task);
  if (at == tasks_.end()) return;
  const StoreTask task = std::move(at->second);
  tasks_.erase(at);
  for (std::size_t i = 0; i < task.keys.size() && i < done.keys.size(); ++i)
    mirror_.read_key(task.keys[i], done.keys[i], task.floor);
  for (std::size_t i = 0; i < task.prefixes.size() && i < done.listings.size(); ++i)
    mirror_.read_prefix(task.prefixes[i], done.listings[i]);
  if (task.kind == StoreTask::Kind::kAll) {
    reading_all_ = false;
    read_all_at_ = uptime() + kNextListing;  // if a gap was told meanwhile
    cleaner_.listed();
  }
  if (DeskWork* work = waiting_for(done.task, task); work != nullptr) read_arrived(*work, done, task);
}

void LeaseDesk::Impl::on(const desk_event::CommitDone& done) {
  const auto at = tasks_.find(done.task);
  if (at == tasks_.end()) return;
  const StoreTask task = std::move(at->second);
  tasks_.erase(at);
  mirror_.committed(task.transaction, done.revision);
  if (task.kind == StoreTask::Kind::kCleaning) {
    counters_.cleaned += task.transaction.deletes.size();
    cleaner_.done(task.subject, uptime());
  }
  if (DeskWork* work = waiting_for(done.task, task); work != nullptr) complete(*work, done.revision);
}

void LeaseDesk::Impl::on(const desk_event::StoreFailed& failed) {
  const auto at = tasks_.find(failed.task);
  if (at == tasks_.end()) return;
  StoreTask task = std::move(at->second);
  tasks_.erase(at);
  if (failed.error.kind == StoreErrorKind::kFatal) return fail_all(failed.error.text);
  DeskWork* work = waiting_for(failed.task, task);
  if (task.commits)
    commit_failed(std::move(task), failed.error);
  else
    read_failed(task, failed.error);
  if (work == nullptr) return;
  const bool was_commit = work->phase == Phase::kCommitting;
  work->fresh = false;
  if (was_commit && failed.error.kind == StoreErrorKind::kConflict) return read_first(*work);
  if (was_commit && failed.error.kind == StoreErrorKind::kUnknown) {
    work->doubt = true;
    return read_first(*work);
  }
  if (work->doubt) return pause(*work);
  give_up(*work, DeskFault::kStoreUnavailable, failed.error.text);
}

void LeaseDesk::Impl::on(const desk_event::Heard& heard) {
  mirror_.heard(heard.changes, heard.all);
  if (heard.changes.gap) read_all_at_ = uptime();
}

void LeaseDesk::Impl::on(const desk_event::Tick& /*tick*/) {}

void LeaseDesk::Impl::commit_failed(StoreTask task, const StoreError& error) {
  if (error.kind == StoreErrorKind::kConflict) ++counters_.conflicts;
  if (error.kind == StoreErrorKind::kUnknown) ++counters_.unknown;
  if (task.kind != StoreTask::Kind::kCleaning) return;
  cleaner_.failed(task.subject, uptime(), nonces_);
  if (error.kind == StoreErrorKind::kUnavailable) return;
  StoreTask refresh;
  refresh.kind = StoreTask::Kind::kRefresh;
  for (Compare& compare : task.transaction.compares)
    if (compare.key != lease::kStoreKey) refresh.keys.push_back(std::move(compare.key));
  send_read(std::move(refresh));
}

void LeaseDesk::Impl::read_failed(const StoreTask& task, const StoreError& /*error*/) {
  if (task.kind != StoreTask::Kind::kAll) return;
  reading_all_ = false;
  read_all_at_ = uptime() + kReadAllAgain;
}

// ---- what is due

void LeaseDesk::Impl::run_timers() {
  while (!call_timers_.empty() && call_timers_.begin()->first <= uptime()) {
    DeskWork& work = calls_.at(call_timers_.begin()->second);
    if (uptime() >= work.call.deadline)
      time_out(work);
    else if (work.phase == Phase::kParked)
      reply_waiting(work);
    else if (work.phase == Phase::kPausing)
      go_on(work);
    else if (work.phase == Phase::kFollowing)
      stop_following(work);
    else
      set_timer(work, work.call.deadline);
  }
  while (!name_timers_.empty() && name_timers_.begin()->first <= uptime()) {
    const std::string name = name_timers_.begin()->second;
    disarm(name, waits_.at(name));
    to_look_at_.insert(name);
  }
}

void LeaseDesk::Impl::clean_up() {
  if (!mirror_.synced()) return;
  for (CleaningJob& job : cleaner_.round(mirror_, moment(), uptime(), nonces_)) {
    StoreTask task;
    task.kind = StoreTask::Kind::kCleaning;
    task.subject = std::move(job.subject);
    task.transaction = std::move(job.transaction);
    send_commit(std::move(task));
  }
}

void LeaseDesk::Impl::read_all_if_due() {
  const bool for_cleaning =
      cleaner_.wants_listing() && (!listed_for_cleaning_ || uptime() - *listed_for_cleaning_ >= kListForCleaning);
  const bool not_whole = !mirror_.synced() && uptime() >= read_all_at_;
  if (reading_all_ || (!not_whole && !for_cleaning)) return;
  reading_all_ = true;
  if (!not_whole) listed_for_cleaning_ = uptime();
  StoreTask task;
  task.kind = StoreTask::Kind::kAll;
  task.prefixes = {std::string(lease::kHeldPrefix), std::string(lease::kQueuePrefix),
                   std::string(lease::kClientPrefix)};
  send_read(std::move(task));
}

void LeaseDesk::Impl::take_news() {
  MirrorNews news = mirror_.take_news();
  for (const lease::SessionId& id : news.sessions) {
    cleaner_.session_changed(id, uptime(), nonces_);
    ended_.push_back(id);
  }
  for (const MirrorNews::Place& place : news.left) {
    ended_.push_back(place.session);
    to_look_at_.insert(place.name);
  }
  for (const std::string& name : news.queues)
    cleaner_.queue_changed(mirror_, name, uptime(), nonces_);
  to_look_at_.insert(news.leases.begin(), news.leases.end());
  tell({news.leases.begin(), news.leases.end()});
}

}  // namespace gnomon::control
