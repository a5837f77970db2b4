// SPDX-License-Identifier: Apache-2.0
//
// A data plane that serves inside the test process: real sockets on loopback, real worker threads, real clock thread,
// and the test in the agent's place: it publishes the rights itself.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <stdexcept>
#include <thread>
#include <vector>

#include "dataplane/kernel/kernel_pool.hpp"
#include "oracle/id/layout.hpp"
#include "oracle/page/clock_page.hpp"
#include "oracle/page/counters.hpp"
#include "oracle/page/rights_page.hpp"
#include "oracle/page/worker_page.hpp"
#include "oracle/serve/gate.hpp"
#include "platform/cycle_counter.hpp"
#include "platform/endpoint.hpp"
#include "ptp/clock_thread.hpp"
#include "ptp/offset_source.hpp"
#include "ptp/sources.hpp"

namespace gnomon::test {

constexpr std::uint64_t kIncarnation = 0x1234'5678'9abc'def0ULL;

/// Far beyond anything that is waited for here; a bound, not an expectation.
constexpr auto kPatience = std::chrono::seconds(20);

/// Whether `condition` became true within kPatience.
inline bool eventually(const std::function<bool()>& condition) {
  const auto until = std::chrono::steady_clock::now() + kPatience;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > until) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return true;
}

inline platform::Endpoint endpoint(const char* text) {
  const auto parsed = platform::parse_endpoint(text);
  if (!parsed) throw std::invalid_argument(parsed.error().text);
  return *parsed;
}

inline dataplane::KernelPoolOptions pool_options(const char* listen = "127.0.0.1:0", unsigned workers = 1) {
  dataplane::KernelPoolOptions options;
  options.listen = {endpoint(listen)};
  options.workers = workers;
  const auto layouts = id::builtin_layouts();
  options.server.layouts.assign(layouts.begin(), layouts.end());
  options.server.incarnation = kIncarnation;
  options.server.hash_seed = 42;
  return options;
}

class Serving {
 public:
  explicit Serving(const dataplane::KernelPoolOptions& options = pool_options(), const serve::AccessPolicy& policy = {})
      : offset_ns_(std::make_shared<std::atomic<std::int64_t>>(0)),
        clock_thread_({},
                      std::make_unique<ptp::OffsetSource>(ptp::system_source(time::milliseconds(10)),
                                                          ptp::offset_from_atomic(offset_ns_)),
                      *clock_),
        generations_(options.workers, 0) {
    for (unsigned i = 0; i < options.workers; ++i) {
      pages_.push_back(std::make_unique<page::WorkerPage>());
      raw_pages_.push_back(pages_.back().get());
    }
    if (const auto started = clock_thread_.start(); !started) throw std::runtime_error(started.error().text);
    for (unsigned i = 0; i < options.workers; ++i)
      grant(i);
    auto pool = dataplane::KernelPool::open(options, *clock_, *rights_, raw_pages_,
                                            std::make_shared<serve::AccessPolicy>(policy));
    if (!pool) throw std::runtime_error(pool.error().text);
    pool_ = std::move(*pool);
    if (const auto started = pool_->start(); !started) throw std::runtime_error(started.error().text);
    if (!eventually([&] {
          for (unsigned i = 0; i < options.workers; ++i)
            if (!acknowledged(i)) return false;
          return true;
        }))
      throw std::runtime_error("the workers do not take over their rights");
  }

  /// The ordering timeline at this moment.
  [[nodiscard]] time::SmearedUtc now() const {
    page::ClockRecord record;
    std::uint64_t version = 0;
    while (!clock_->record.try_read(record, version))
      std::this_thread::yield();
    return record.ordering.line.at(platform::read_cycles());
  }

  /// A new generation with one right of an hour, under machine id 1 + worker.
  void grant(unsigned worker) {
    mint::RightSet set;
    set.generation = {++generations_[worker]};
    set.count = 1;
    set.slots[0] = {.machine = {static_cast<std::uint16_t>(1 + worker)},
                    .token = {(std::uint64_t{7} << 48) | generations_[worker]},
                    .floor = now() - time::seconds(1),
                    .ceiling = now() + time::seconds(3600)};
    rights_->workers[worker].rights.write(set);
  }
  void revoke(unsigned worker) {
    mint::RightSet none;
    none.generation = {++generations_[worker]};
    rights_->workers[worker].rights.write(none);
  }
  [[nodiscard]] bool acknowledged(unsigned worker) const {
    return pages_[worker]->acknowledged.load(std::memory_order_acquire) == generations_[worker];
  }

  [[nodiscard]] std::uint64_t count(page::Counter counter) const {
    std::uint64_t sum = 0;
    for (const auto& page : pages_)
      sum += page->counters.get(counter);
    return sum;
  }
  [[nodiscard]] std::uint64_t count_at(unsigned worker, page::Counter counter) const {
    return pages_[worker]->counters.get(counter);
  }

  [[nodiscard]] dataplane::WorkerPool& pool() { return *pool_; }
  [[nodiscard]] platform::Endpoint address(std::size_t i = 0) const { return pool_->bound()[i]; }
  [[nodiscard]] page::WorkerPage& worker_page(unsigned worker) { return *pages_[worker]; }
  /// Shifts the clock that the workers see.
  void shift_clock(time::Duration offset) { offset_ns_->store(offset.ns); }
  void stop_clock() { clock_thread_.stop(); }

 private:
  std::unique_ptr<page::ClockPage> clock_ = std::make_unique<page::ClockPage>();
  std::unique_ptr<page::RightsPage> rights_ = std::make_unique<page::RightsPage>();
  std::vector<std::unique_ptr<page::WorkerPage>> pages_;
  std::vector<page::WorkerPage*> raw_pages_;
  std::shared_ptr<std::atomic<std::int64_t>> offset_ns_;
  ptp::ClockThread clock_thread_;
  std::vector<std::uint64_t> generations_;
  std::unique_ptr<dataplane::WorkerPool> pool_;
};

}  // namespace gnomon::test
