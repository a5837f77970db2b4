// SPDX-License-Identifier: Apache-2.0
//
// A port that ends in the test: an ethdev made of rings, two for each queue, with the test in the place of everybody
// else on the network. What it puts into a ring arrives in that queue, what the worker sends lies in the other one.
//
// As a driver does, it takes the buffers for what arrives out of the pool of the worker that the queue belongs to, and
// puts what was sent back to where it came from: so a pool that is not full again at the end has leaked.
//
// The rings go when EAL goes, not before: the port refers to them until it is closed. One thread at a time per queue.
#pragma once

#include <rte_mbuf.h>
#include <rte_mempool.h>
#include <rte_ring.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "tests/dataplane/dpdk/far_end.hpp"
#include "tests/support/frames.hpp"

namespace gnomon::test {

class Wire final : public FarEnd {
 public:
  struct Options {
    std::string name = "wire";
    unsigned queues = 1;
    unsigned ring_size = 1024;       // a power of two; one place of them stays empty
    unsigned send_ring_size = 1024;  // of those for what the worker sends
    support::Mac mac{};              // of the port
  };

  /// EAL runs. Throws std::runtime_error.
  explicit Wire(const Options& options);

  /// As the configuration of a daemon would have it.
  [[nodiscard]] std::string device() const { return "net_ring_" + options_.name; }
  [[nodiscard]] std::uint16_t port() const { return port_; }
  [[nodiscard]] const support::Mac& mac() const override { return options_.mac; }
  [[nodiscard]] unsigned queues() const { return options_.queues; }

  /// Where the buffers of each queue come from. Before the first frame.
  void take_buffers_from(std::vector<rte_mempool*> pools) { pools_ = std::move(pools); }

  /// A buffer with this frame in it. Null if the pool is empty.
  [[nodiscard]] rte_mbuf* buffer(unsigned queue, std::span<const std::byte> frame) const;
  /// Puts buffers into a queue, in order; how many fitted. The others stay the caller's.
  [[nodiscard]] unsigned put(unsigned queue, std::span<rte_mbuf* const> buffers);
  /// Takes up to as many buffers as fit, which are the caller's now; how many came.
  [[nodiscard]] unsigned take(unsigned queue, std::span<rte_mbuf*> buffers);

  void send(unsigned queue, std::span<const std::byte> frame) override;
  using FarEnd::receive;
  [[nodiscard]] std::optional<support::Bytes> receive(unsigned queue, std::chrono::milliseconds limit) override;
  [[nodiscard]] std::optional<support::Bytes> receive_now(unsigned queue) {
    return receive(queue, std::chrono::milliseconds(0));
  }
  /// Frees what lies on the way in either direction; how many frames that were. Only while no worker polls.
  unsigned sweep();
  /// Frees what was sent and not yet taken.
  unsigned sweep_sent();

 private:
  Options options_;
  std::vector<rte_ring*> arriving_;
  std::vector<rte_ring*> sent_;
  std::vector<rte_mempool*> pools_;
  std::uint16_t port_ = 0;
};

/// The bytes of a frame in one buffer.
[[nodiscard]] inline std::span<const std::byte> bytes_of(const rte_mbuf* buffer) {
  return {rte_pktmbuf_mtod(buffer, const std::byte*), buffer->data_len};
}

}  // namespace gnomon::test
