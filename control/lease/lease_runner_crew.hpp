// SPDX-License-Identifier: Apache-2.0
//
// The threads that talk to the store for the lease desk: a bounded queue of its Read and Commit effects, taken in
// order, answered as its events.
//
// A thread per command is the simple way, and under load it makes thousands of threads that wait for one store. Here
// the number of threads is the number of calls that the store is given at once; the rest waits in the queue, and what
// does not fit is refused to the desk, which then says so to the caller while that one still listens.
//
// Thread rule: post and counters from any thread; `answer` is called on the threads of the crew.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <variant>
#include <vector>

#include "control/lease/lease_desk.hpp"
#include "control/store.hpp"

namespace gnomon::control {

class LeaseRunnerCrew {
 public:
  using Task = std::variant<desk_effect::Read, desk_effect::Commit>;
  using Answer = std::function<void(DeskEvent)>;

  /// One thread for each store. The same one may stand there several times if it may be used so.
  LeaseRunnerCrew(const std::vector<Store*>& stores, std::size_t most_tasks, Answer answer);
  ~LeaseRunnerCrew();
  LeaseRunnerCrew(const LeaseRunnerCrew&) = delete;
  LeaseRunnerCrew& operator=(const LeaseRunnerCrew&) = delete;

  /// Whether there was room for it; else nothing is done and nothing answered.
  [[nodiscard]] bool post(Task task);
  /// Waiting and under way.
  [[nodiscard]] std::size_t size() const;
  /// Drops what waits, and waits for what is under way.
  void stop();

 private:
  void run(Store& store);

  const std::size_t most_tasks_;
  Answer answer_;
  mutable std::mutex mutex_;  // guards the four below
  std::condition_variable grown_;
  std::deque<Task> waiting_;
  std::size_t under_way_ = 0;
  std::atomic<bool> ending_{false};  // read without the mutex, too: then it only shortens what is under way
  std::vector<std::thread> threads_;
};

}  // namespace gnomon::control
