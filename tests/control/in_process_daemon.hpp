// SPDX-License-Identifier: Apache-2.0
//
// The control plane of a daemon without its sockets: its state, its agent with the thread around it, pages, and workers
// that use and acknowledge what they are given. Eight of them with 32 ids each fit into a test where eight processes do
// not. All go by one clock, so no vote is ever lost. Thread rule: one thread; each has its own ones.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "control/agent/hold_against.hpp"
#include "control/agent_thread.hpp"
#include "control/shared_state.hpp"
#include "oracle/page/clock_page.hpp"
#include "oracle/page/rights_page.hpp"
#include "oracle/page/worker_page.hpp"
#include "platform/cycle_counter.hpp"
#include "platform/random.hpp"
#include "tests/control/hosts.hpp"

namespace gnomon::bed {

constexpr std::uint32_t kWorkers = 4;
constexpr std::uint32_t kIdsPerWorker = 8;  // the most that there are
constexpr std::uint32_t kIdsEach = kWorkers * kIdsPerWorker;

/// The time of all agents of this process.
class SharedClock {
 public:
  SharedClock() {
    const auto start = std::chrono::steady_clock::now();
    const time::Cycles first = platform::read_cycles();
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    const std::uint64_t counted = platform::read_cycles().count - first.count;
    const std::chrono::duration<double> passed = std::chrono::steady_clock::now() - start;
    const auto rate =
        time::CycleRate::from_hz(static_cast<std::uint64_t>(static_cast<double>(counted) / passed.count()));
    const time::Cycles now = platform::read_cycles();
    page::ClockRecord record{};
    record.ordering.line = {now, utc_now(), rate};
    record.ordering.state = mint::OrderingState::kFollowing;
    record.ordering.era = {1};
    record.uptime = {now, {5'000'000'000}, rate};
    line_ = record.ordering.line;
    page_->record.write(record);
  }
  [[nodiscard]] const page::ClockPage& page() const { return *page_; }
  [[nodiscard]] time::SmearedUtc now() const { return line_.at(platform::read_cycles()); }

 private:
  std::unique_ptr<page::ClockPage> page_ = std::make_unique<page::ClockPage>();
  decltype(page::ClockRecord{}.ordering.line) line_;
};

/// A daemon without its sockets: state, agent, pages, and workers that use what they are given.
class InProcessDaemon {
 public:
  InProcessDaemon(const EtcdCluster& etcd, const SharedClock& clock, std::string state_dir, std::string name)
      : clock_(clock), state_dir_(std::move(state_dir)), name_(std::move(name)), store_(store_of(etcd)) {}
  ~InProcessDaemon() { kill(); }
  InProcessDaemon(const InProcessDaemon&) = delete;
  InProcessDaemon& operator=(const InProcessDaemon&) = delete;

  void start() {
    auto opened = control::open_shared(*store_, control::SharedPaths::of(state_dir_, name_), name_);
    ASSERT_TRUE(opened) << opened.error().text;
    state_.emplace(std::move(*opened));
    rights_ = std::make_unique<page::RightsPage>();
    workers_.clear();
    std::vector<const page::WorkerPage*> pages;
    for (std::uint32_t i = 0; i < kWorkers; ++i) {
      workers_.push_back(std::make_unique<page::WorkerPage>());
      pages.push_back(workers_.back().get());
    }
    control::AgentOptions options{
        .workers = kWorkers, .ids_per_worker = kIdsPerWorker, .window = time::seconds(6), .store = state_->meta.facts};
    options.exclusive_store = false;
    options.holder = name_;
    options.incarnation = platform::random_value<control::Nonce>();
    options.heartbeat = time::milliseconds(500);
    control::hold_against(state_->journal.content(), options);
    ASSERT_EQ(control::fault_of(options), "");
    control::AgentWiring wiring{options, *store_, state_->journal, clock_.page(), *rights_, std::move(pages)};
    wiring.watch_for_clones = false;
    stop_ = false;
    serving_ = std::thread([this] { serve(); });
    agent_ = std::make_unique<control::AgentThread>(std::move(wiring));
    agent_->start();
  }
  [[nodiscard]] std::set<std::uint16_t> held() const {
    std::set<std::uint16_t> machines;
    for (const mint::RightSet& set : agent_->view().published)
      for (std::size_t i = 0; i < set.count; ++i)
        machines.insert(set.slots[i].machine.value);
    return machines;
  }
  void ask_to_stop() { agent_->request_stop(); }
  /// After ask_to_stop.
  void wait_stopped() {
    const auto stopped = agent_->wait_stopped(time::seconds(30));
    ASSERT_TRUE(stopped.has_value()) << name_;
    EXPECT_EQ(stopped->text, "stopped; all rights were given back") << name_;
    kill();
  }
  /// Nothing is given back.
  void kill() {
    agent_.reset();
    stop_ = true;
    if (serving_.joinable()) serving_.join();
    state_.reset();
  }

 private:
  void serve() {
    std::array<mint::Generation, kWorkers> seen{};
    while (!stop_) {
      for (std::uint32_t i = 0; i < kWorkers; ++i) {
        mint::RightSet set;
        std::uint64_t version = 0;
        if (!rights_->workers[i].rights.try_read(set, version)) continue;
        page::WorkerPage& page = *workers_[i];
        for (std::size_t slot = 0; slot < set.count; ++slot) {
          const mint::Right& right = set.slots[slot];
          page.slots[slot].token.store(right.token.value);
          page.slots[slot].machine.store(right.machine.value);
          page.slots[slot].used_until_ns.store(std::clamp(clock_.now(), right.floor, right.ceiling).ns);
        }
        if (set.generation == seen[i]) continue;
        seen[i] = set.generation;
        page.acknowledged.store(set.generation.value, std::memory_order_release);
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
  }

  const SharedClock& clock_;
  std::string state_dir_;
  std::string name_;
  std::unique_ptr<control::EtcdStore> store_;
  std::optional<control::SharedState> state_;
  std::unique_ptr<page::RightsPage> rights_;
  std::vector<std::unique_ptr<page::WorkerPage>> workers_;
  std::atomic<bool> stop_{false};
  std::thread serving_;
  std::unique_ptr<control::AgentThread> agent_;
};

}  // namespace gnomon::bed
