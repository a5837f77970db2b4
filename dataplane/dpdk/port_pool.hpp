// SPDX-License-Identifier: Apache-2.0
//
// The workers of the DPDK twin: one lcore, one queue pair of every port and one pool of buffers for each. The same loop
// and the same server as the kernel twin's; what differs is PortIo.
//
// Order of the end, because drivers crash otherwise: the workers stop polling, then the ports are stopped and closed,
// then the pools go, then EAL.
#pragma once

#include <rte_mempool.h>

#include <memory>
#include <set>
#include <span>
#include <string>
#include <vector>

#include <tl/expected.hpp>

#include "dataplane/dpdk/eal.hpp"
#include "dataplane/dpdk/port.hpp"
#include "dataplane/dpdk/port_io.hpp"
#include "dataplane/pooled_worker.hpp"
#include "dataplane/ports.hpp"
#include "oracle/time/instant.hpp"

namespace gnomon::dataplane::dpdk {

/// EAL and the ports, opened and not yet configured.
struct OpenPorts final : Ports {
  [[nodiscard]] unsigned workers() const override { return usable_workers; }
  [[nodiscard]] std::vector<std::string> remarks() const override { return notes; }
  [[nodiscard]] std::string description() const override;

  PortOptions options;
  std::unique_ptr<Eal> eal;
  std::vector<std::unique_ptr<Port>> ports;
  unsigned usable_workers = 1;
  std::vector<std::string> notes;
};

class PortPool final : public WorkerPool {
 public:
  [[nodiscard]] static tl::expected<std::unique_ptr<PortPool>, platform::SystemError> open(
      std::unique_ptr<OpenPorts> ports, const WorkerPoolOptions& options, const page::ClockPage& clock,
      const page::RightsPage& rights, std::span<page::WorkerPage* const> pages,
      std::shared_ptr<const serve::AccessPolicy> policy);

  /// Stops without draining if drain_and_stop was not called.
  ~PortPool() override;

  [[nodiscard]] tl::expected<void, platform::SystemError> start() override;
  [[nodiscard]] std::vector<platform::Endpoint> bound() const override { return listen_; }
  [[nodiscard]] std::vector<PortReport> ports() const override;
  [[nodiscard]] tl::expected<std::vector<std::string>, platform::SystemError> look_after_ports() override;

  /// Buffers of a worker's pool: all of them, and those that are neither in a queue nor under way. Any thread.
  struct Buffers {
    unsigned all = 0;
    unsigned free = 0;
  };
  [[nodiscard]] Buffers buffers(unsigned worker) const;
  [[nodiscard]] std::size_t workers() const { return workers_.size(); }
  [[nodiscard]] const page::Counters& counters(unsigned worker) const;

 private:
  struct FreePool {
    void operator()(rte_mempool* pool) const { rte_mempool_free(pool); }
  };
  using Pool = std::unique_ptr<rte_mempool, FreePool>;
  struct Worker;

  PortPool(std::unique_ptr<OpenPorts> ports, std::vector<platform::Endpoint> listen,
           std::shared_ptr<const serve::AccessPolicy> policy);
  void join() override;
  [[nodiscard]] tl::expected<void, platform::SystemError> make_pools(unsigned workers);
  [[nodiscard]] std::vector<QueuePair> queue_pairs(unsigned worker) const;
  void announce(time::Uptime now);

  // Torn down from the bottom up: workers, pools behind the ports that use them, EAL.
  std::unique_ptr<Eal> eal_;
  PortOptions options_;
  std::vector<platform::Endpoint> listen_;
  std::vector<Pool> pools_;
  std::vector<std::unique_ptr<Port>> ports_;
  std::vector<std::unique_ptr<Worker>> workers_;
  std::vector<time::Uptime> announce_again_;  // by port; max: no more
  std::set<std::size_t> announced_;           // ports that were announced once of two times
};

}  // namespace gnomon::dataplane::dpdk
