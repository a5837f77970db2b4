// SPDX-License-Identifier: Apache-2.0
//
// Load on one daemon from several threads, each with a socket and a ledger of its own, in the background of whatever a
// test does to the daemon meanwhile. Every run is bounded in time.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <thread>
#include <vector>

#include "tests/support/ledger.hpp"
#include "tests/support/raw_client.hpp"

namespace gnomon::support {

class Fleet {
 public:
  /// Starts one thread per load at once, in the network namespace of the calling thread. Each ends after `at_most`,
  /// after `max_ids_each`, or at `finish`.
  Fleet(const platform::Endpoint& server, const std::vector<Load>& loads, std::chrono::milliseconds at_most,
        std::uint64_t max_ids_each = ~std::uint64_t{0});
  /// On 127.0.0.1:port.
  Fleet(std::uint16_t port, const std::vector<Load>& loads, std::chrono::milliseconds at_most,
        std::uint64_t max_ids_each = ~std::uint64_t{0})
      : Fleet(on_loopback(port), loads, at_most, max_ids_each) {}
  ~Fleet();
  Fleet(const Fleet&) = delete;
  Fleet& operator=(const Fleet&) = delete;

  /// IDs received until now, by all threads.
  [[nodiscard]] std::uint64_t ids() const { return ids_.load(std::memory_order_relaxed); }
  /// Waits for the threads to reach their own end, and hands over what they received.
  Tally join(Ledger& ledger);
  /// Tells the threads to end after their present batch, and hands over what they received.
  Tally finish(Ledger& ledger);

 private:
  struct Member {
    Load load;
    Ledger ledger;
    Tally tally;
    std::thread thread;
  };
  void work(Member& member, const platform::Endpoint& server, std::uint64_t seed,
            std::chrono::steady_clock::time_point until, std::uint64_t max_ids);

  std::atomic<bool> stop_{false};
  std::atomic<std::uint64_t> ids_{0};  // relaxed: a progress figure, read by the test that waits for service
  std::vector<Member> members_;
};

}  // namespace gnomon::support
