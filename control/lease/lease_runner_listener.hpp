// SPDX-License-Identifier: Apache-2.0
//
// Hears what becomes of leases, queues and sessions in the store, for the lease desk.
//
// It begins with a gap at a revision that it has just read, so that the desk lists what is there: a watch from the
// beginning of a store would tell all of its history, and etcd may have compacted that away. Of the whole store it
// passes on what the desk remembers, and up to which revision all of that was told.
//
// Thread rule: the constructor's thread owns it; `hear` and `trouble` are called on its own thread. `hear` may block
// for a moment when the desk can't follow, and then has to come back once stop() was called.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>

#include "control/store.hpp"

namespace gnomon::control {

class LeaseRunnerListener {
 public:
  struct Told {
    std::function<void(Changes)> hear;
    std::function<void(const StoreError&)> trouble;  // the first of a row, and every kFatal
  };

  LeaseRunnerListener(Store& store, Told told);
  ~LeaseRunnerListener();
  LeaseRunnerListener(const LeaseRunnerListener&) = delete;
  LeaseRunnerListener& operator=(const LeaseRunnerListener&) = delete;

  /// Whether the last thing that it heard of the store was no error.
  [[nodiscard]] bool hears() const { return hears_.load(std::memory_order_relaxed); }
  void stop();

 private:
  void run();
  [[nodiscard]] bool begin();
  void failed(const StoreError& error);
  [[nodiscard]] bool is_ending();
  void pause();

  Store& store_;
  Told told_;
  std::unique_ptr<Watch> watch_;
  Revision through_;
  bool in_trouble_ = false;
  std::atomic<bool> hears_{false};  // a sample; no order hangs on it
  std::mutex mutex_;                // guards ending_
  std::condition_variable end_;
  bool ending_ = false;
  std::thread thread_;
};

}  // namespace gnomon::control
