// SPDX-License-Identifier: Apache-2.0
//
// A lease runner over a store in memory that can be held up or broken, with a clock that a test moves: what a daemon
// puts together, in one process.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "control/lease/lease_runner.hpp"
#include "oracle/lease/right_rules.hpp"
#include "platform/uptime.hpp"
#include "tests/control/memory_store.hpp"
#include "tests/support/eventually.hpp"

namespace gnomon::control {

/// A store that lets nobody through while it is shut, and fails when it is told to. Watches are not held up.
class GatedStore final : public Store {
 public:
  explicit GatedStore(Store& behind) : behind_(behind) {}

  tl::expected<std::optional<Entry>, StoreError> get(std::string_view key) override {
    if (auto fault = pass()) return tl::make_unexpected(*fault);
    return behind_.get(key);
  }
  tl::expected<Listing, StoreError> list(std::string_view prefix) override {
    if (auto fault = pass()) return tl::make_unexpected(*fault);
    return behind_.list(prefix);
  }
  tl::expected<Revision, StoreError> commit(const Transaction& transaction) override {
    if (auto fault = pass()) return tl::make_unexpected(*fault);
    return behind_.commit(transaction);
  }
  std::unique_ptr<Watch> watch(std::string_view prefix, Revision after) override {
    return behind_.watch(prefix, after);
  }

  void shut() {
    const std::lock_guard lock(mutex_);
    is_shut_ = true;
  }
  void open() {
    {
      const std::lock_guard lock(mutex_);
      is_shut_ = false;
    }
    opened_.notify_all();
  }
  void fail(std::optional<StoreError> with) {
    const std::lock_guard lock(mutex_);
    fault_ = std::move(with);
  }
  /// Calls that stand before the shut gate.
  [[nodiscard]] int standing() {
    const std::lock_guard lock(mutex_);
    return standing_;
  }

 private:
  std::optional<StoreError> pass() {
    std::unique_lock lock(mutex_);
    ++standing_;
    opened_.wait(lock, [this] { return !is_shut_; });
    --standing_;
    return fault_;
  }

  Store& behind_;
  std::mutex mutex_;
  std::condition_variable opened_;
  bool is_shut_ = false;
  int standing_ = 0;
  std::optional<StoreError> fault_;
};

class LeaseHouse {
 public:
  LeaseHouse() {
    options.desk.policy.store.identity = *memory.commit({{}, {{std::string(lease::kStoreKey), "store"}}, {}});
    options.desk.policy.store.epoch = 1;
    options.store_threads = 2;
  }
  LeaseHouse(const LeaseHouse&) = delete;
  LeaseHouse& operator=(const LeaseHouse&) = delete;
  ~LeaseHouse() { end(); }
  void end() {
    gate.open();
    runner.reset();
  }

  void start(bool and_wait = true) {
    auto made = LeaseRunner::start(options, stores, hooks());
    ASSERT_TRUE(made.has_value()) << made.error();
    runner = std::move(*made);
    ASSERT_TRUE(!and_wait || support::eventually([this] { return runner->is_serving(); }));
  }

  [[nodiscard]] LeaseRunnerHooks hooks() {
    const auto note_in = [this](std::vector<std::string>& notes) {
      return [this, &notes](const std::string& text) {
        const std::lock_guard lock(mutex_);
        notes.push_back(text);
      };
    };
    return {.clock = [this] { return now(); }, .on_failed = note_in(failures_), .on_warning = note_in(warnings_)};
  }
  [[nodiscard]] DeskTime now() const {
    const time::Uptime uptime = platform::read_uptime();
    const time::Tai tai{1'800'000'000'000'000'000 + uptime.ns + shift_ns.load()};
    DeskTime out{lease::Moment{{}, {tai - time::milliseconds(1), tai + time::milliseconds(1)}}, uptime};
    if (clock_lost)
      out.moment = tl::make_unexpected(DeskError{DeskFault::kClockUnsynchronised, "the clock is not proven", {}});
    return out;
  }
  std::vector<std::string> failures() {
    const std::lock_guard lock(mutex_);
    return failures_;
  }
  std::vector<std::string> warnings() {
    const std::lock_guard lock(mutex_);
    return warnings_;
  }

  LeaseRunnerOptions options;
  MemoryStore memory;
  OrderedStore inner{memory};  // behind the gate one at a time
  GatedStore gate{inner};
  // As on etcd: a store for each thread, so that a shut gate holds up the threads one by one. The first is the watch's.
  LeaseRunner::StoreFactory stores = [this] { return std::make_unique<OrderedStore>(gate); };
  std::atomic<std::int64_t> shift_ns{0};
  std::atomic<bool> clock_lost{false};
  std::unique_ptr<LeaseRunner> runner;

 private:
  std::mutex mutex_;
  std::vector<std::string> failures_;
  std::vector<std::string> warnings_;
};

inline lease::SessionId numbered_session(unsigned number) {
  lease::SessionId id{};
  id[0] = 0x5e;
  id[14] = static_cast<std::uint8_t>(number >> 8U);
  id[15] = static_cast<std::uint8_t>(number & 0xffU);
  return id;
}

}  // namespace gnomon::control
