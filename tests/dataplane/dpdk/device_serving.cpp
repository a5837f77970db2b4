// SPDX-License-Identifier: Apache-2.0
#include "tests/dataplane/dpdk/device_serving.hpp"

#include <rte_dev.h>
#include <rte_errno.h>
#include <rte_ethdev.h>

#include <algorithm>
#include <cstring>
#include <iterator>
#include <stdexcept>
#include <thread>
#include <utility>

namespace gnomon::test {
namespace {

constexpr unsigned kPeerBuffers = 1023;
constexpr std::uint16_t kPeerDescriptors = 256;

void must(int code, const char* what) {
  if (code != 0) throw std::runtime_error(std::string("the peer can't ") + what + ": " + rte_strerror(-code));
}

}  // namespace

DeviceServing::DeviceServing(const dataplane::PortOptions& options, const dataplane::WorkerPoolOptions& pool_options)
    : desk_(options.workers) {
  auto ports = dataplane::Ports::open(options);
  if (!ports) throw std::runtime_error(ports.error().text);
  remarks_ = (*ports)->remarks();
  description_ = (*ports)->description();
  workers_ = (*ports)->workers();
  dataplane::WorkerPoolOptions fitting = pool_options;
  fitting.workers = workers_;
  auto pool = dataplane::Ports::make_pool(std::move(*ports), fitting, desk_.clock(), desk_.rights(), desk_.pages(),
                                          std::make_shared<serve::AccessPolicy>(open_policy()));
  if (!pool) throw std::runtime_error(pool.error().text);
  pool_.reset(static_cast<dataplane::dpdk::PortPool*>(pool->release()));  // there is no other kind
  if (const auto started = pool_->start(); !started) throw std::runtime_error(started.error().text);
  if (!eventually([this] {
        for (unsigned i = 0; i < workers_; ++i)
          if (!desk_.acknowledged(i)) return false;
        return true;
      }))
    throw std::runtime_error("the workers do not take over their rights");
}

bool DeviceServing::link_comes_up() {
  return eventually([this] {
    const auto news = pool_->look_after_ports();
    return news.has_value() && port().state == "up";
  });
}

EthPeer::EthPeer(const std::string& name, const std::string& arguments, std::uint16_t queues, const std::string& served)
    : name_(name) {
  rte_ether_addr mac{};
  must(rte_ether_unformat_addr(served.c_str(), &mac), "read a MAC address");
  std::copy(std::begin(mac.addr_bytes), std::end(mac.addr_bytes), served_.begin());
  must(rte_eal_hotplug_add("vdev", name.c_str(), arguments.c_str()), "attach its device");
  must(rte_eth_dev_get_port_by_name(name.c_str(), &port_), "find its device");
  pool_ = rte_pktmbuf_pool_create("peer", kPeerBuffers, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
  if (pool_ == nullptr) throw std::runtime_error("the peer has no memory for buffers");
  rte_eth_conf conf{};
  must(rte_eth_dev_configure(port_, queues, queues, &conf), "configure its device");
  for (std::uint16_t q = 0; q < queues; ++q) {
    must(rte_eth_rx_queue_setup(port_, q, kPeerDescriptors, 0, nullptr, pool_), "set up a receive queue");
    must(rte_eth_tx_queue_setup(port_, q, kPeerDescriptors, 0, nullptr), "set up a transmit queue");
  }
}

EthPeer::~EthPeer() {
  if (started_) (void)rte_eth_dev_stop(port_);
  (void)rte_eth_dev_close(port_);
  rte_mempool_free(pool_);
}

bool EthPeer::start() {
  started_ = started_ || rte_eth_dev_start(port_) == 0;
  return started_;
}

bool EthPeer::link_is_up() const {
  rte_eth_link link{};
  return rte_eth_link_get_nowait(port_, &link) == 0 && link.link_status == RTE_ETH_LINK_UP;
}

void EthPeer::send(unsigned queue, std::span<const std::byte> frame) {
  rte_mbuf* one = rte_pktmbuf_alloc(pool_);
  if (one == nullptr) throw std::runtime_error("the peer has run out of buffers");
  std::memcpy(rte_pktmbuf_append(one, static_cast<std::uint16_t>(frame.size())), frame.data(), frame.size());
  if (eventually([&] { return rte_eth_tx_burst(port_, static_cast<std::uint16_t>(queue), &one, 1) == 1; })) return;
  rte_pktmbuf_free(one);
  throw std::runtime_error("the peer's queue is full, and stays so");
}

std::optional<support::Bytes> EthPeer::receive(unsigned queue, std::chrono::milliseconds limit) {
  const auto until = std::chrono::steady_clock::now() + limit;
  rte_mbuf* one = nullptr;
  while (rte_eth_rx_burst(port_, static_cast<std::uint16_t>(queue), &one, 1) == 0) {
    if (std::chrono::steady_clock::now() >= until) return std::nullopt;
    std::this_thread::yield();
  }
  const auto bytes = bytes_of(one);
  support::Bytes frame(bytes.begin(), bytes.end());
  rte_pktmbuf_free(one);
  return frame;
}

}  // namespace gnomon::test
