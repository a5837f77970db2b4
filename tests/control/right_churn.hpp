// SPDX-License-Identifier: Apache-2.0
//
// Takers who want the same few ids, by the pure rules and one connection each, and a watch that has every write of
// every right from the first revision on. Thread rule: a taker is for one thread; the watch has one of its own.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <random>
#include <thread>
#include <utility>
#include <vector>

#include "oracle/lease/right_rules.hpp"
#include "platform/random.hpp"
#include "tests/control/hosts.hpp"
#include "tests/control/right_chronicle.hpp"
#include "tests/support/eventually.hpp"

namespace gnomon::bed {

/// Every write of every right from the first revision on.
class RightWatch {
 public:
  explicit RightWatch(const EtcdCluster& etcd)
      : store_(store_of(etcd)), watch_(store_->watch(lease::kRightPrefix, {})), thread_([this] { run(); }) {}
  ~RightWatch() { end(); }
  RightWatch(const RightWatch&) = delete;
  RightWatch& operator=(const RightWatch&) = delete;

  /// All up to `through`; then it has ended.
  std::vector<RightWrite> take_through(control::Revision through) {
    EXPECT_TRUE(support::eventually([&] { return through_.load() >= through.value; })) << "the watch came to an end";
    end();
    EXPECT_FALSE(gap_) << "the watch has missed something";
    return std::move(writes_);
  }

 private:
  void end() {
    stop_ = true;
    if (thread_.joinable()) thread_.join();
  }
  void run() {
    while (!stop_) {
      const auto changes = watch_->next(time::milliseconds(100));
      if (!changes) continue;
      gap_ = gap_ || changes->gap;
      for (const control::Change& change : changes->changes)
        writes_.push_back({change.entry.key, change.entry.value, change.entry.modified.value, change.deleted});
      through_ = changes->through.value;
      if (!changes->changes.empty()) through_ = std::max(through_.load(), writes_.back().revision);
    }
  }

  std::unique_ptr<control::EtcdStore> store_;
  std::unique_ptr<control::Watch> watch_;
  std::atomic<bool> stop_{false};
  std::atomic<std::uint64_t> through_{0};
  std::vector<RightWrite> writes_;  // these two: the thread's until it has ended
  bool gap_ = false;
  std::thread thread_;
};

/// Takes a few ids by the rules, extends or not, gives them back or leaves them, again and again.
class Taker {
 public:
  Taker(const EtcdCluster& etcd, lease::RightPolicy policy, std::uint64_t seed)
      : store_(store_of(etcd)), policy_(policy), random_(seed) {}

  /// Ids taken.
  std::size_t run(std::size_t wanted, std::chrono::steady_clock::time_point until) {
    std::size_t taken = 0;
    while (taken < wanted && std::chrono::steady_clock::now() < until)
      taken += take_once();
    return taken;
  }

 private:
  std::size_t take_once() {
    const auto listing = store_->list(lease::kRightPrefix);
    if (!listing) return 0;
    const lease::RightTable table = lease::read_rights(listing->entries);
    const auto some = 1 + static_cast<std::uint32_t>(random_() % 6);
    const lease::Claim claim{"taker", incarnation_, platform::random_value<control::Nonce>()};
    const auto machines = lease::choose_free(table, policy_, utc_now(), some, {}, incarnation_);
    if (!machines) {
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
      return 0;
    }
    const auto taking = lease::acquire(table, policy_, utc_now(), *machines, claim);
    const auto at = store_->commit(taking);
    if (!at) {
      EXPECT_EQ(at.error().kind, control::StoreErrorKind::kConflict) << at.error().text;
      return 0;
    }
    std::vector<lease::HeldRight> held;
    held.reserve(machines->size());
    for (const mint::MachineId machine : *machines)
      held.push_back(lease::held_after(taking, machine, *at, nullptr, policy_.store.epoch));
    if (random_() % 2 == 0) extend(held);
    if (random_() % 4 != 0) release(held);  // else it is dead, and its ids rest
    return held.size();
  }
  void extend(std::vector<lease::HeldRight>& held) {
    const auto transaction = lease::extend(held, policy_, utc_now(), platform::random_value<control::Nonce>());
    const auto at = store_->commit(transaction);
    ASSERT_TRUE(at) << at.error().text;
    for (lease::HeldRight& right : held)
      right = lease::held_after(transaction, right.machine, *at, &right, policy_.store.epoch);
  }
  void release(const std::vector<lease::HeldRight>& held) {
    std::vector<lease::Used> used;
    used.reserve(held.size());
    for (const lease::HeldRight& right : held)
      used.push_back({right, std::min(right.ceiling, std::max(right.floor, utc_now()))});
    EXPECT_TRUE(store_->commit(lease::release(used, policy_, platform::random_value<control::Nonce>())));
  }

  std::unique_ptr<control::EtcdStore> store_;
  lease::RightPolicy policy_;
  std::mt19937_64 random_;
  control::Nonce incarnation_ = platform::random_value<control::Nonce>();
};

}  // namespace gnomon::bed
