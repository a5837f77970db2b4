// SPDX-License-Identifier: Apache-2.0
//
// What surrounds a pool of workers in a daemon, with the test in the agent's place: the pages, a real clock thread, and
// rights that the test grants and revokes. Serving (tests/dataplane/serving.hpp) has the same around kernel sockets,
// where nothing has to be done between opening the pool and its pages.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <stdexcept>
#include <thread>
#include <vector>

#include "oracle/mint/right.hpp"
#include "oracle/page/clock_page.hpp"
#include "oracle/page/counters.hpp"
#include "oracle/page/rights_page.hpp"
#include "oracle/page/worker_page.hpp"
#include "platform/cycle_counter.hpp"
#include "ptp/clock_thread.hpp"
#include "ptp/sources.hpp"

namespace gnomon::test {

class Desk {
 public:
  /// Every worker has a right of an hour, under machine id 1 + worker. Starts a thread.
  explicit Desk(unsigned workers)
      : clock_thread_({}, ptp::system_source(time::milliseconds(10)), *clock_), generations_(workers, 0) {
    for (unsigned i = 0; i < workers; ++i) {
      pages_.push_back(std::make_unique<page::WorkerPage>());
      raw_pages_.push_back(pages_.back().get());
    }
    if (const auto started = clock_thread_.start(); !started) throw std::runtime_error(started.error().text);
    for (unsigned i = 0; i < workers; ++i)
      grant(i);
  }

  [[nodiscard]] const page::ClockPage& clock() const { return *clock_; }
  [[nodiscard]] const page::RightsPage& rights() const { return *rights_; }
  [[nodiscard]] std::span<page::WorkerPage* const> pages() const { return raw_pages_; }
  [[nodiscard]] page::WorkerPage& page(unsigned worker) const { return *pages_[worker]; }

  /// A new generation.
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

  /// Of all workers together.
  [[nodiscard]] std::uint64_t count(page::Counter counter) const {
    std::uint64_t sum = 0;
    for (const auto& page : pages_)
      sum += page->counters.get(counter);
    return sum;
  }
  [[nodiscard]] std::uint64_t count_at(unsigned worker, page::Counter counter) const {
    return pages_[worker]->counters.get(counter);
  }

 private:
  [[nodiscard]] time::SmearedUtc now() const {
    page::ClockRecord record;
    std::uint64_t version = 0;
    while (!clock_->record.try_read(record, version))
      std::this_thread::yield();
    return record.ordering.line.at(platform::read_cycles());
  }

  std::unique_ptr<page::ClockPage> clock_ = std::make_unique<page::ClockPage>();
  std::unique_ptr<page::RightsPage> rights_ = std::make_unique<page::RightsPage>();
  std::vector<std::unique_ptr<page::WorkerPage>> pages_;
  std::vector<page::WorkerPage*> raw_pages_;
  ptp::ClockThread clock_thread_;
  std::vector<std::uint64_t> generations_;
};

}  // namespace gnomon::test
