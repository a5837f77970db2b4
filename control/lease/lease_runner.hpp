// SPDX-License-Identifier: Apache-2.0
//
// The shell around the lease desk: threads, clock and store for a machine that has none of them. It decides nothing;
// whatever can be decided is in LeaseDesk, where the simulator sees it.
//
//   callers -> inbox -> desk thread -> store queue -> store threads -+
//                 ^          | replies                               |
//                 +----------+---------- answers, watch -------------+
//
// One thread owns the desk and never waits for a store: a lost member of etcd then delays the commands that it was
// asked for, not every command. The clock is read after an event was taken out, never before it arrived. Every queue is
// bounded; what does not fit is answered at once, as unavailable, instead of being kept beyond its deadline.
//
// One watch follows the whole store: what three watches tell of three prefixes has three ends, and the desk wants one
// revision through which it has heard everything.
//
// After the first kFatal of a store nothing is known any more: everything is answered kStoreFailed, and the daemon is
// told once. Thread rule: any thread. Callbacks run on the desk thread, or in submit() itself if the answer is no at
// once; they must not block, and may call the runner.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include <tl/expected.hpp>

#include "control/lease/lease_desk.hpp"
#include "control/lease/lease_runner_watchers.hpp"
#include "control/lease/ordered_store.hpp"
#include "control/store.hpp"
#include "oracle/time/instant.hpp"

namespace gnomon::control {

struct LeaseRunnerOptions {
  DeskOptions desk{};
  std::size_t store_threads = 8;         // on etcd, each with a connection of its own; 1 or 2 on SQLite
  std::size_t most_store_tasks = 4'096;  // that wait for a thread
  std::size_t most_watchers = 512;
  std::size_t most_news = 1'024;                     // that one watcher has not taken; beyond: a gap
  std::size_t most_told_at_once = 256;               // leases of those that are there when a watch begins; at least 1
  time::Duration longest_stall = time::seconds(30);  // of a watcher that takes nothing although there is something
};

/// All are called on threads of the runner, `clock` on several at once, and must not block for long. Only `clock` is
/// required.
struct LeaseRunnerHooks {
  std::function<DeskTime()> clock;
  std::function<void(const std::string&)> on_failed{};   // once: the store failed, the daemon must end
  std::function<void(const std::string&)> on_warning{};  // for the log; rare
};

struct LeaseRunnerCounters {
  DeskCounters desk;
  std::uint64_t submitted = 0;
  std::uint64_t refused = 0;    // at once: too many calls, ending, or failed
  std::uint64_t cancelled = 0;  // by their callers
  std::uint64_t shed = 0;       // store tasks for which there was no room
  std::uint64_t gaps = 0;       // told to watchers
  std::uint64_t stalled = 0;    // watchers that were ended
  std::uint64_t ticks = 0;
  std::size_t open = 0;    // calls without an answer
  std::size_t parked = 0;  // of the desk
  std::size_t watchers = 0;
  std::size_t store_tasks = 0;  // waiting or under way
};

class LeaseRunner {
 public:
  using Done = std::function<void(Reply)>;
  /// Called once for each thread; nothing: it could not be opened.
  using StoreFactory = std::function<std::unique_ptr<Store>()>;

  /// The stores may be used at once. The error is a sentence.
  [[nodiscard]] static tl::expected<std::unique_ptr<LeaseRunner>, std::string> start(LeaseRunnerOptions options,
                                                                                     const StoreFactory& stores,
                                                                                     LeaseRunnerHooks hooks);
  /// `store` must outlive the runner.
  [[nodiscard]] static std::unique_ptr<LeaseRunner> start(LeaseRunnerOptions options, OrderedStore& store,
                                                          LeaseRunnerHooks hooks);
  /// As stop().
  ~LeaseRunner();
  LeaseRunner(const LeaseRunner&) = delete;
  LeaseRunner& operator=(const LeaseRunner&) = delete;

  /// `call.id` is filled in. `done` is called exactly once, unless the call is cancelled.
  CallId submit(Call call, Done done);
  /// Nobody waits for this call any more. Its callback is not called, or is being called at this moment.
  void cancel(CallId call);

  /// Tells of all leases whose names begin with `prefix`. `on_news` is called when there is something to take after
  /// take() said that there was nothing (and at the beginning). The watch ends when the last reference goes.
  [[nodiscard]] tl::expected<std::shared_ptr<LeaseSubscription>, DeskError> subscribe(std::string prefix,
                                                                                      std::function<void()> on_news);

  /// Whether a command has a chance at the moment: there is a store, and a time.
  [[nodiscard]] bool is_serving() const;
  /// Told at once, and whenever it changes. One at a time; empty: nobody is told any more once this returns.
  void on_serving(std::function<void(bool)> told);

  [[nodiscard]] LeaseRunnerCounters counters() const;

  /// Answers everything that is open with kStoreUnavailable, "ending", and ends all threads. What a store is asked at
  /// this moment is waited for (it has a deadline of its own), what it has not been asked yet never will be.
  void stop();

 private:
  class Impl;
  explicit LeaseRunner(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace gnomon::control
