// SPDX-License-Identifier: Apache-2.0
//
// The desk's thread: takes events out of the inbox, feeds them to the desk, and carries out what it says
// (lease_runner_impl.hpp).
#include <algorithm>
#include <chrono>
#include <utility>
#include <variant>

#include "control/lease/lease_runner_impl.hpp"

namespace gnomon::control {
namespace {

constexpr time::Duration kTickEvery = time::milliseconds(20);  // at most so often, and looked for so often
constexpr time::Duration kShortestPause = time::milliseconds(1);
constexpr time::Duration kLookEvery = time::seconds(1);  // at the clock and at the watchers, when nothing else happens

}  // namespace

void LeaseRunner::Impl::run() {
  std::deque<DeskEvent> batch;
  time::Duration pause = kShortestPause;
  while (take(batch, pause)) {
    for (const DeskEvent& event : batch)
      feed(event);
    batch.clear();
    pause = look_around();
  }
  answer_all(runner_is_ending());
  watchers_.end_all("this daemon is ending; watch at another one");
  tell_serving(false);
}

/// False: it is over.
bool LeaseRunner::Impl::take(std::deque<DeskEvent>& batch, time::Duration pause) {
  std::unique_lock lock(mutex_);
  grown_.wait_for(lock, std::chrono::nanoseconds(pause.ns),
                  [this] { return ending_ || nudged_ || (fatal_ && !has_failed_) || !inbox_.empty(); });
  if (ending_) return false;
  nudged_ = false;
  batch.swap(inbox_);
  heard_ = 0;
  shrunk_.notify_all();
  return true;
}

void LeaseRunner::Impl::feed(const DeskEvent& event) {
  if (has_failed_) return;
  const auto* const heard = std::get_if<desk_event::Heard>(&event);
  if (heard != nullptr && heard->changes.gap) {
    // What is remembered is old until it was listed anew. A listing that is under way may do, if it is not older.
    loaded_ = false;
    gap_at_ = heard->changes.through;
    count_gaps(watchers_.lose_all());
  }
  for (const DeskEffect& effect : desk_.step(event, hooks_.clock()))
    std::visit([this](const auto& e) { perform(e); }, effect);
  if (const auto* const done = std::get_if<desk_event::ReadDone>(&event)) note_read(*done);
  if (const auto* const error = std::get_if<desk_event::StoreFailed>(&event)) {
    loading_.erase(error->task.value);
    if (error->error.kind == StoreErrorKind::kFatal) fail(error->error.text);
  }
}

void LeaseRunner::Impl::note_read(const desk_event::ReadDone& done) {
  const auto at = loading_.find(done.task.value);
  if (at == loading_.end()) return;
  if (at->second < done.listings.size() && done.listings[at->second].at >= gap_at_) loaded_ = true;
  loading_.erase(at);
}

void LeaseRunner::Impl::perform(const desk_effect::Read& read) {
  const auto all = std::find(read.prefixes.begin(), read.prefixes.end(), lease::kHeldPrefix);
  if (all != read.prefixes.end())
    loading_.emplace(read.task.value, static_cast<std::size_t>(all - read.prefixes.begin()));
  if (!crew_.post(read)) shed(read.task);
}
void LeaseRunner::Impl::perform(const desk_effect::Commit& commit) {
  if (!crew_.post(commit)) shed(commit.task);
}
void LeaseRunner::Impl::perform(const desk_effect::Send& send) {
  Done done;
  {
    const std::lock_guard lock(mutex_);
    const auto at = open_.find(send.call.value);
    if (at == open_.end()) return;  // cancelled a moment ago
    done = std::move(at->second);
    open_.erase(at);
  }
  done(send.reply);
}
void LeaseRunner::Impl::perform(const desk_effect::Tell& tell) {
  const std::uint64_t before = watchers_.overflows();
  watchers_.tell(tell.lease);
  count_gaps(watchers_.overflows() - before);
}
void LeaseRunner::Impl::shed(StoreTaskId task) {
  const std::lock_guard lock(mutex_);
  ++counters_.shed;
  inbox_.emplace_back(desk_event::StoreFailed{
      task,
      {StoreErrorKind::kUnavailable,
       "the store does not keep up with the lease calls of this daemon: " + std::to_string(options_.most_store_tasks) +
           " of them wait for it; ask again, less often"}});
}
void LeaseRunner::Impl::count_gaps(std::uint64_t gaps) {
  const std::lock_guard lock(mutex_);
  counters_.gaps += gaps;
}

/// Everything that is due without an event. How long until it is to be called again if there is none.
time::Duration LeaseRunner::Impl::look_around() {
  std::optional<std::string> fatal;
  {
    const std::lock_guard lock(mutex_);
    fatal = fatal_;
  }
  if (fatal && !has_failed_) fail(*fatal);
  DeskTime now = hooks_.clock();
  const auto due = has_failed_ ? std::nullopt : desk_.next_tick();
  if (due && *due <= now.uptime && (!ticked_ || now.uptime - *ticked_ >= kTickEvery)) {
    ticked_ = now.uptime;
    ++ticks_;
    feed(desk_event::Tick{});
    now = hooks_.clock();
  }
  if (loaded_ && !has_failed_ && make_pages(now)) nudge();
  const std::size_t stalled = watchers_.sweep(now.uptime);
  tell_serving(!has_failed_ && listener_.hears() && now.moment.has_value());
  sample(stalled);
  const auto next = has_failed_ ? std::nullopt : desk_.next_tick();
  if (!next) return desk_.parked() > 0 ? kTickEvery : kLookEvery;
  return std::clamp(time::saturating_sub(*next, now.uptime), kShortestPause, kTickEvery);
}
/// Whether there are more to make. Commands come in between.
bool LeaseRunner::Impl::make_pages(const DeskTime& now) {
  return watchers_.catch_up([&](const std::string& prefix, const std::string& after) {
    return desk_.remembered(prefix, after, options_.most_told_at_once, now);
  });
}
void LeaseRunner::Impl::sample(std::size_t stalled) {
  const std::lock_guard lock(mutex_);
  counters_.desk = desk_.counters();
  counters_.parked = desk_.parked();
  counters_.ticks = ticks_;
  counters_.stalled += stalled;
}
void LeaseRunner::Impl::tell_serving(bool serving) {
  const std::lock_guard lock(serving_mutex_);
  if (serving_.exchange(serving, std::memory_order_relaxed) != serving && on_serving_) on_serving_(serving);
}

void LeaseRunner::Impl::fail(const std::string& why) {
  if (std::exchange(has_failed_, true)) return;
  {
    const std::lock_guard lock(mutex_);
    failed_ = why;
  }
  answer_all(runner_has_failed(why));
  watchers_.end_all("the store of this daemon failed, which ends it; watch at another one");
  if (hooks_.on_failed) hooks_.on_failed(why);
}
void LeaseRunner::Impl::answer_all(const DeskError& error) {
  std::unordered_map<std::uint64_t, Done> open;
  {
    const std::lock_guard lock(mutex_);
    open.swap(open_);
  }
  for (const auto& [id, done] : open)
    done(tl::make_unexpected(error));
}

}  // namespace gnomon::control
