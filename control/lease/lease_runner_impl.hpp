// SPDX-License-Identifier: Apache-2.0
//
// The inside of the lease runner. What other threads may call is in lease_runner.cpp, the desk's thread in
// lease_runner_loop.cpp; between the two there are the inbox and a few flags under one mutex.
//
// Inside the runner only. Thread rule: said with each group.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include "control/lease/lease_runner.hpp"
#include "control/lease/lease_runner_crew.hpp"
#include "control/lease/lease_runner_listener.hpp"

namespace gnomon::control {

/// What everybody is told at the end.
[[nodiscard]] DeskError runner_is_ending();
[[nodiscard]] DeskError runner_has_failed(const std::string& why);

class LeaseRunner::Impl {
 public:
  Impl(LeaseRunnerOptions options, LeaseRunnerHooks hooks, std::vector<std::unique_ptr<Store>> owned,
       const std::vector<Store*>& stores, Store& heard);
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;
  ~Impl() { stop(); }

  // As of LeaseRunner: any thread.
  CallId submit(Call call, Done done);
  void cancel(CallId call);
  tl::expected<std::shared_ptr<LeaseSubscription>, DeskError> subscribe(std::string prefix,
                                                                        std::function<void()> on_news);
  [[nodiscard]] bool is_serving() const { return serving_.load(std::memory_order_relaxed); }
  void on_serving(std::function<void(bool)> told);
  [[nodiscard]] LeaseRunnerCounters counters() const;
  void stop();

 private:
  // Under mutex_.
  [[nodiscard]] std::optional<DeskError> objection(const Command& command) const;

  // Of the store's threads, the listener's and the watchers'.
  void post(DeskEvent event);
  void nudge();
  void hear(Changes changes);
  void trouble(const StoreError& error);

  // Of the desk's thread.
  void run();
  [[nodiscard]] bool take(std::deque<DeskEvent>& batch, time::Duration pause);
  void feed(const DeskEvent& event);
  void note_read(const desk_event::ReadDone& done);
  void perform(const desk_effect::Read& read);
  void perform(const desk_effect::Commit& commit);
  void perform(const desk_effect::Send& send);
  void perform(const desk_effect::Tell& tell);
  void shed(StoreTaskId task);
  void count_gaps(std::uint64_t gaps);
  [[nodiscard]] time::Duration look_around();
  [[nodiscard]] bool make_pages(const DeskTime& now);
  void sample(std::size_t stalled);
  void tell_serving(bool serving);
  void fail(const std::string& why);
  void answer_all(const DeskError& error);

  const LeaseRunnerOptions options_;
  const LeaseRunnerHooks hooks_;
  std::vector<std::unique_ptr<Store>> owned_;

  // Of the desk's thread.
  LeaseDesk desk_;
  std::unordered_map<std::uint64_t, std::size_t> loading_;  // reads under way that bring all leases: as which listing
  Revision gap_at_;      // of the watch's last gap: what was listed before it does not count
  bool loaded_ = false;  // the desk remembers all leases
  bool has_failed_ = false;
  std::optional<time::Uptime> ticked_;
  std::uint64_t ticks_ = 0;

  mutable std::mutex mutex_;  // guards all down to counters_
  std::condition_variable grown_;
  std::condition_variable shrunk_;
  std::deque<DeskEvent> inbox_;
  std::size_t heard_ = 0;  // of the events in the inbox
  std::unordered_map<std::uint64_t, Done> open_;
  std::uint64_t last_id_ = 0;
  std::optional<std::string> fatal_;   // what the watch has met
  std::optional<std::string> failed_;  // that has been told
  bool nudged_ = false;
  bool ending_ = false;
  LeaseRunnerCounters counters_;  // without what is sampled on demand

  std::mutex serving_mutex_;  // guards on_serving_, and one telling at a time
  std::function<void(bool)> on_serving_;
  std::atomic<bool> serving_{false};  // a sample; no order hangs on it
  std::mutex stop_mutex_;

  LeaseWatchers watchers_;
  LeaseRunnerCrew crew_;
  LeaseRunnerListener listener_;
  std::thread thread_;
};

}  // namespace gnomon::control
