// SPDX-License-Identifier: Apache-2.0
//
// Reads the ceilings of all machine ids in a store, time and again, past the daemons: how far ahead of the true time
// was the furthest? One look at the end would miss a window that was given back by then. Thread rule: one thread, and
// one of its own.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <memory>
#include <thread>

#include "tests/control/hosts.hpp"

namespace gnomon::bed {

/// Reads all ceilings, time and again, and keeps how far ahead of the true time the furthest one was.
class CeilingWatch {
 public:
  explicit CeilingWatch(const EtcdCluster& etcd) : store_(store_of(etcd)), thread_([this] { run(); }) {}
  ~CeilingWatch() { end(); }
  CeilingWatch(const CeilingWatch&) = delete;
  CeilingWatch& operator=(const CeilingWatch&) = delete;

  void expect_none_beyond(std::chrono::nanoseconds limit) {
    end();
    EXPECT_GT(looks_, 10) << "the store was hardly looked at";
    EXPECT_GT(furthest_.ns, 0) << "no window was seen that reaches ahead";
    EXPECT_LE(furthest_.ns, limit.count()) << "machine id " << machine_ << " was poisoned";
    std::printf("the furthest of all ceilings lay %.3f s ahead, of %.3f s that are allowed; %d looks\n",
                static_cast<double>(furthest_.ns) / 1e9, std::chrono::duration<double>(limit).count(), looks_);
  }

 private:
  void end() {
    stop_ = true;
    if (thread_.joinable()) thread_.join();
  }
  void run() {
    while (!stop_) {
      const auto listing = store_->list(lease::kRightPrefix);
      const time::SmearedUtc now = utc_now();  // later than the list: a ceiling looks nearer than it was, by no more
      if (listing) {
        ++looks_;
        for (const auto& [machine, right] : lease::read_rights(listing->entries).rights) {
          const time::Duration ahead = right.window->value.ceiling - now;
          if (ahead <= furthest_) continue;
          furthest_ = ahead;
          machine_ = machine.value;
        }
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
  }

  std::unique_ptr<control::EtcdStore> store_;
  std::atomic<bool> stop_{false};
  int looks_ = 0;  // these three: the thread's until it has ended
  time::Duration furthest_{};
  int machine_ = -1;
  std::thread thread_;
};

}  // namespace gnomon::bed
