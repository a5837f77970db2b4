// SPDX-License-Identifier: Apache-2.0
//
// The threads that talk to the store for the lease desk: bounded queues of its Read and Commit effects, answered as its
// events.
//
// Commits go first: a renewal that comes late costs a client its leases, a question that is answered late is late. One
// queue in the order of arrival would let whoever asks in a loop (a get reads up to sixty sessions) hold up everybody's
// renewals. So that questions come to their turn as well, a read follows after so many commits in a row, and reads have
// half of the room.
//
// A thread per command is the simple way, and under load it makes thousands of threads that wait for one store. Here
// the number of threads is the number of calls that the store is given at once; the rest waits in the queue, and what
// does not fit is refused to the desk, which then says so to the caller while that one still listens.
//
// A commit that has waited beyond its deadline is not begun: nobody asks for it any more, and a grant that came then
// would keep its name from everybody for as long as the session lives.
//
// Of the threads that have nothing to do, the one that worked last is called. A condition variable that all wait on
// calls them in turns, so that each connection rests while the others work; and one of etcd that has rested is looked
// at before it is used (kGlance in control/etcd/etcd_link.cpp).
//
// Thread rule: post and counters from any thread; `clock` and `answer` are called on the threads of the crew.
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
  using Clock = std::function<time::Uptime()>;
  static constexpr std::size_t kMostCommitsInRow = 8;  // while reads wait

  /// One thread for each store. The same one may stand there several times if it may be used so.
  LeaseRunnerCrew(const std::vector<Store*>& stores, std::size_t most_tasks, Clock clock, Answer answer);
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
  /// What calls a thread that has nothing to do.
  struct Bell {
    std::condition_variable rings;
    bool is_called = false;  // guarded by mutex_
  };
  void run(Store& store, Bell& bell);
  [[nodiscard]] std::size_t waiting() const { return commits_.size() + reads_.size(); }
  [[nodiscard]] std::size_t most_reads() const { return most_tasks_ > 1 ? most_tasks_ / 2 : 1; }
  [[nodiscard]] Task next();

  const std::size_t most_tasks_;
  Clock clock_;
  Answer answer_;
  std::vector<Bell> bells_;   // one for each thread
  mutable std::mutex mutex_;  // guards the five below
  std::deque<Task> commits_;
  std::deque<Task> reads_;
  std::size_t in_row_ = 0;   // commits taken since the last read
  std::vector<Bell*> idle_;  // the one that worked last is the last
  std::size_t under_way_ = 0;
  std::atomic<bool> ending_{false};  // read without the mutex, too: then it only shortens what is under way
  std::vector<std::thread> threads_;
};

}  // namespace gnomon::control
