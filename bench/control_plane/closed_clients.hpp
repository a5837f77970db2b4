// SPDX-License-Identifier: Apache-2.0
//
// A closed set of clients on one daemon: each asks again as soon as it has its answers, for as long as this lives. What
// they ask for is counted, not kept.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <thread>
#include <vector>

#include "oracle/time/instant.hpp"
#include "platform/endpoint.hpp"
#include "tests/support/raw_client.hpp"

namespace gnomon::bench {

class ClosedClients {
 public:
  ClosedClients(const platform::Endpoint& server, int clients, const support::Load& load);
  ~ClosedClients();
  ClosedClients(const ClosedClients&) = delete;
  ClosedClients& operator=(const ClosedClients&) = delete;

  // From any thread; relaxed, for the counts guard no other memory.
  /// Requests that were granted their IDs.
  [[nodiscard]] std::uint64_t served() const { return served_.load(std::memory_order_relaxed); }
  /// Requests that were refused, or not answered in a quarter of a second.
  [[nodiscard]] std::uint64_t unserved() const { return unserved_.load(std::memory_order_relaxed); }
  /// The longest time since the last call that a client was without a batch that was served.
  [[nodiscard]] time::Duration take_longest_gap();

 private:
  struct alignas(64) Client {
    std::atomic<std::int64_t> longest_ns{0};
    std::thread thread{};
  };
  void work(Client& client, const platform::Endpoint& server, const support::Load& load, std::uint64_t seed);

  std::atomic<bool> stop_{false};
  std::atomic<std::uint64_t> served_{0};
  std::atomic<std::uint64_t> unserved_{0};
  std::vector<Client> clients_;
};

/// Sleeps for so long, and says how many requests were served per second meanwhile.
[[nodiscard]] double served_per_second(const ClosedClients& clients, std::chrono::milliseconds slice);

}  // namespace gnomon::bench
