// SPDX-License-Identifier: Apache-2.0
#include "control/lease/lease_runner_crew.hpp"

#include <utility>

namespace gnomon::control {
namespace {

DeskEvent failed(StoreTaskId task, StoreError error) { return desk_event::StoreFailed{task, std::move(error)}; }

// A read of many keys takes as many deadlines of the store at worst: `ending` cuts it short.
DeskEvent carry_out(Store& store, const desk_effect::Read& read, const std::atomic<bool>& ending,
                    const LeaseRunnerCrew::Clock& /*clock*/) {
  desk_event::ReadDone done{read.task, {}, {}};
  done.keys.reserve(read.keys.size());
  const auto ended = [&] { return ending.load(std::memory_order_relaxed); };
  for (const std::string& key : read.keys) {
    if (ended()) return failed(read.task, {StoreErrorKind::kUnavailable, "this daemon is ending"});
    auto entry = store.get(key);
    if (!entry) return failed(read.task, std::move(entry.error()));
    done.keys.push_back(std::move(*entry));
  }
  for (const std::string& prefix : read.prefixes) {
    if (ended()) return failed(read.task, {StoreErrorKind::kUnavailable, "this daemon is ending"});
    auto listing = store.list(prefix);
    if (!listing) return failed(read.task, std::move(listing.error()));
    done.listings.push_back(std::move(*listing));
  }
  return done;
}

DeskEvent carry_out(Store& store, const desk_effect::Commit& commit, const std::atomic<bool>& /*ending*/,
                    const LeaseRunnerCrew::Clock& clock) {
  if (clock() >= commit.deadline)
    return failed(commit.task, {StoreErrorKind::kUnavailable,
                                "the time of the call was over before its turn at the store came: ask again"});
  auto revision = store.commit(commit.transaction);
  if (!revision) return failed(commit.task, std::move(revision.error()));
  return desk_event::CommitDone{commit.task, *revision};
}

}  // namespace

LeaseRunnerCrew::LeaseRunnerCrew(const std::vector<Store*>& stores, std::size_t most_tasks, Clock clock, Answer answer)
    : most_tasks_(most_tasks), clock_(std::move(clock)), answer_(std::move(answer)), bells_(stores.size()) {
  threads_.reserve(stores.size());
  for (std::size_t i = 0; i < stores.size(); ++i)
    threads_.emplace_back([this, store = stores[i], bell = &bells_[i]] { run(*store, *bell); });
}

LeaseRunnerCrew::~LeaseRunnerCrew() { stop(); }

void LeaseRunnerCrew::stop() {
  {
    const std::lock_guard lock(mutex_);
    ending_.store(true, std::memory_order_relaxed);
    commits_.clear();
    reads_.clear();
  }
  for (Bell& bell : bells_)
    bell.rings.notify_one();
  for (std::thread& thread : threads_)
    if (thread.joinable()) thread.join();
}

bool LeaseRunnerCrew::post(Task task) {
  Bell* last = nullptr;
  {
    const std::lock_guard lock(mutex_);
    const bool is_read = std::holds_alternative<desk_effect::Read>(task);
    if (ending_ || waiting() >= most_tasks_ || (is_read && reads_.size() >= most_reads())) return false;
    (is_read ? reads_ : commits_).push_back(std::move(task));
    if (idle_.empty()) return true;
    last = idle_.back();
    idle_.pop_back();
    last->is_called = true;
  }
  last->rings.notify_one();  // not under the lock, which the thread that it wakes would meet at once
  return true;
}

std::size_t LeaseRunnerCrew::size() const {
  const std::lock_guard lock(mutex_);
  return waiting() + under_way_;
}

LeaseRunnerCrew::Task LeaseRunnerCrew::next() {
  const bool reads = commits_.empty() || (!reads_.empty() && in_row_ >= kMostCommitsInRow);
  in_row_ = reads ? 0 : in_row_ + 1;
  std::deque<Task>& from = reads ? reads_ : commits_;
  Task task = std::move(from.front());
  from.pop_front();
  return task;
}

void LeaseRunnerCrew::run(Store& store, Bell& bell) {
  std::unique_lock lock(mutex_);
  for (;;) {
    while (!ending_ && waiting() == 0) {  // another one may have taken what it was called for
      bell.is_called = false;
      idle_.push_back(&bell);
      bell.rings.wait(lock, [&] { return ending_ || bell.is_called; });
    }
    if (ending_) return;
    const Task task = next();
    ++under_way_;
    lock.unlock();
    answer_(std::visit([&](const auto& effect) { return carry_out(store, effect, ending_, clock_); }, task));
    lock.lock();
    --under_way_;
  }
}

}  // namespace gnomon::control
