// SPDX-License-Identifier: Apache-2.0
//
// A worker of the DPDK twin without its pool: the loop, the server and one port that ends in the test, for tests that
// want to do something to the thread that runs it.
#pragma once

#include <rte_mbuf.h>

#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "dataplane/dpdk/device.hpp"
#include "dataplane/dpdk/eal.hpp"
#include "dataplane/dpdk/port.hpp"
#include "dataplane/dpdk/port_io.hpp"
#include "dataplane/worker_loop.hpp"
#include "oracle/serve/server.hpp"
#include "tests/dataplane/dpdk/desk.hpp"
#include "tests/dataplane/dpdk/ring_serving.hpp"

namespace gnomon::test {

class BareWorker {
 public:
  explicit BareWorker(dataplane::PollMode poll) : policy_(open_policy()) {
    const dataplane::PortOptions options = port_options(folder_);
    const dataplane::WorkerPoolOptions pool_options = port_pool_options();
    auto eal = dataplane::dpdk::Eal::start(options);
    if (!eal) throw std::runtime_error(eal.error().text);
    eal_ = std::move(*eal);
    wire_ = std::make_unique<Wire>(Wire::Options{.mac = kServerMac});
    pool_ = rte_pktmbuf_pool_create("bare", 2047, 256, 0, RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
    if (pool_ == nullptr) throw std::runtime_error("no memory for buffers");
    wire_->take_buffers_from({pool_});
    auto port = dataplane::dpdk::Port::open(dataplane::dpdk::parse_device(wire_->device()), *eal_);
    if (!port) throw std::runtime_error(port.error().text);
    port_ = std::move(*port);
    if (const auto started = port_->start(options, pool_options.listen, {pool_}, *eal_); !started)
      throw std::runtime_error(started.error().text);
    dataplane::dpdk::QueuePair pair;
    pair.port = port_->id();
    pair.station.mac = port_->mac();
    pair.station.endpoints = pool_options.listen;
    page::Counters& counters = desk_.page(0).counters;
    io_ = std::make_unique<dataplane::dpdk::PortIo>(std::vector{pair}, pool_, poll, counters);
    server_ = std::make_unique<serve::Server>(pool_options.server, desk_.rights().workers[0], desk_.page(0), policy_);
    orders_.policy = &policy_;
  }
  ~BareWorker() {
    io_.reset();
    (void)wire_->sweep();
    port_.reset();
    rte_mempool_free(pool_);
  }
  BareWorker(const BareWorker&) = delete;
  BareWorker& operator=(const BareWorker&) = delete;

  using Loop = dataplane::WorkerLoop<dataplane::dpdk::PortIo, serve::Server>;
  [[nodiscard]] Loop loop() { return {*io_, *server_, desk_.clock(), orders_, desk_.page(0).counters}; }
  [[nodiscard]] Wire& wire() { return *wire_; }
  [[nodiscard]] const Desk& desk() const { return desk_; }
  [[nodiscard]] dataplane::dpdk::PortIo& io() { return *io_; }
  void order_stop() { orders_.stop.store(true, std::memory_order_release); }

 private:
  support::ScratchFolder folder_;
  serve::AccessPolicy policy_;
  Desk desk_{1};
  std::unique_ptr<dataplane::dpdk::Eal> eal_;
  std::unique_ptr<Wire> wire_;
  rte_mempool* pool_ = nullptr;
  std::unique_ptr<dataplane::dpdk::Port> port_;
  std::unique_ptr<dataplane::dpdk::PortIo> io_;
  std::unique_ptr<serve::Server> server_;
  dataplane::WorkerOrders orders_;
};

}  // namespace gnomon::test
