// SPDX-License-Identifier: Apache-2.0
//
// What a client's threads share of the time: the I/O thread learns from exchanges, everybody reads.
//
// Thread rule: `learn` belongs to the I/O thread; all else may be called from any thread.
#pragma once

#include <atomic>
#include <cstdint>

#include "client/local_time.hpp"
#include "oracle/page/seqlock.hpp"

namespace gnomon::client {

class TimeKeeper {
 public:
  explicit TimeKeeper(const LocalTimeOptions& options) : local_(options) { published_.write(local_.known()); }

  void learn(LocalStamp t1, LocalStamp t4, time::Interval said) {
    if (local_.learn(t1, t4, said))
      faulty_.fetch_add(1, std::memory_order_relaxed);
    else
      good_.fetch_add(1, std::memory_order_relaxed);
    contradictions_.store(local_.contradictions(), std::memory_order_relaxed);
    published_.write(local_.known());
  }
  [[nodiscard]] Known known() const {
    Known known;
    std::uint64_t version = 0;
    while (!published_.try_read(known, version)) {  // its one writer is a thread of this process and never stops there
    }
    return known;
  }

  [[nodiscard]] bool exchanging() const { return exchanging_.load(std::memory_order_relaxed); }
  /// True for one caller: it is to make an exchange, and to call `end_exchange` after it.
  [[nodiscard]] bool begin_exchange() { return !exchanging_.exchange(true, std::memory_order_acquire); }
  void end_exchange() { exchanging_.store(false, std::memory_order_release); }

  [[nodiscard]] std::uint64_t exchanges() const { return good_.load(std::memory_order_relaxed); }
  [[nodiscard]] std::uint64_t faulty() const { return faulty_.load(std::memory_order_relaxed); }
  [[nodiscard]] std::uint64_t contradictions() const { return contradictions_.load(std::memory_order_relaxed); }

  /// In a forked child: it is memory only, and the thread that wrote it is not there.
  void abandon() {}

 private:
  LocalTime local_;
  page::Seqlock<Known> published_;
  std::atomic<bool> exchanging_{false};
  std::atomic<std::uint64_t> good_{0};
  std::atomic<std::uint64_t> faulty_{0};
  std::atomic<std::uint64_t> contradictions_{0};
};

}  // namespace gnomon::client
