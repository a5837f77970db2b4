// SPDX-License-Identifier: Apache-2.0
#include "tests/dataplane/dpdk/wire.hpp"

#include <rte_errno.h>
#include <rte_eth_ring.h>
#include <rte_ethdev.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <stdexcept>
#include <thread>

#include "tests/dataplane/serving.hpp"

namespace gnomon::test {
namespace {

constexpr std::size_t kSweep = 64;

[[noreturn]] void give_up(const std::string& what) { throw std::runtime_error("a test wire could not " + what); }

rte_ring* make_ring(const std::string& name, unsigned size) {
  rte_ring* const ring = rte_ring_create(name.c_str(), size, SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ);
  if (ring == nullptr) give_up("make the ring " + name + ": " + rte_strerror(rte_errno));
  return ring;
}

unsigned sweep_ring(rte_ring* ring) {
  std::array<rte_mbuf*, kSweep> buffers{};
  unsigned all = 0;
  while (const unsigned n =
             rte_ring_dequeue_burst(ring, reinterpret_cast<void**>(buffers.data()), buffers.size(), nullptr)) {
    rte_pktmbuf_free_bulk(buffers.data(), n);
    all += n;
  }
  return all;
}

}  // namespace

Wire::Wire(const Options& options) : options_(options) {
  for (unsigned q = 0; q < options.queues; ++q) {
    arriving_.push_back(make_ring(options.name + "-in" + std::to_string(q), options.ring_size));
    sent_.push_back(make_ring(options.name + "-out" + std::to_string(q), options.send_ring_size));
  }
  const int port =
      rte_eth_from_rings(options.name.c_str(), arriving_.data(), options.queues, sent_.data(), options.queues, 0);
  if (port < 0) give_up(std::string("make a port of rings: ") + rte_strerror(rte_errno));
  port_ = static_cast<std::uint16_t>(port);
  // The driver gives itself the address 0, in whose place the first one that is added goes.
  rte_ether_addr mac{};
  std::copy(options.mac.begin(), options.mac.end(), mac.addr_bytes);
  if (rte_eth_dev_mac_addr_add(port_, &mac, 0) != 0) give_up("give its port a MAC address");
}

rte_mbuf* Wire::buffer(unsigned queue, std::span<const std::byte> frame) const {
  rte_mbuf* const buffer = rte_pktmbuf_alloc(pools_[queue]);
  if (buffer == nullptr) return nullptr;
  char* const room = rte_pktmbuf_append(buffer, static_cast<std::uint16_t>(frame.size()));
  if (room == nullptr) {
    rte_pktmbuf_free(buffer);
    give_up("put " + std::to_string(frame.size()) + " bytes into one buffer");
  }
  if (!frame.empty()) std::memcpy(room, frame.data(), frame.size());
  return buffer;
}

unsigned Wire::put(unsigned queue, std::span<rte_mbuf* const> buffers) {
  return rte_ring_enqueue_burst(arriving_[queue], reinterpret_cast<void* const*>(buffers.data()),
                                static_cast<unsigned>(buffers.size()), nullptr);
}

unsigned Wire::take(unsigned queue, std::span<rte_mbuf*> buffers) {
  return rte_ring_dequeue_burst(sent_[queue], reinterpret_cast<void**>(buffers.data()),
                                static_cast<unsigned>(buffers.size()), nullptr);
}

void Wire::send(unsigned queue, std::span<const std::byte> frame) {
  rte_mbuf* one = nullptr;
  if (!eventually([&] { return (one = buffer(queue, frame)) != nullptr; })) give_up("get a buffer");
  if (eventually([&] { return put(queue, std::span(&one, 1)) == 1; })) return;
  rte_pktmbuf_free(one);
  give_up("put a frame into the queue");
}

std::optional<support::Bytes> Wire::receive(unsigned queue, std::chrono::milliseconds limit) {
  const auto until = std::chrono::steady_clock::now() + limit;
  rte_mbuf* one = nullptr;
  while (take(queue, std::span(&one, 1)) == 0) {
    if (std::chrono::steady_clock::now() >= until) return std::nullopt;
    std::this_thread::yield();
  }
  const auto bytes = bytes_of(one);
  support::Bytes frame(bytes.begin(), bytes.end());
  const bool whole = one->nb_segs == 1 && one->pkt_len == one->data_len;
  rte_pktmbuf_free(one);
  if (!whole) throw std::runtime_error("a frame was sent whose lengths contradict each other");
  return frame;
}

unsigned Wire::sweep() {
  unsigned all = sweep_sent();
  for (rte_ring* const ring : arriving_)
    all += sweep_ring(ring);
  return all;
}

unsigned Wire::sweep_sent() {
  unsigned all = 0;
  for (rte_ring* const ring : sent_)
    all += sweep_ring(ring);
  return all;
}

}  // namespace gnomon::test
