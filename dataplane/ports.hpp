// SPDX-License-Identifier: Apache-2.0
//
// The DPDK data plane as the daemon sees it: open the ports, learn how many workers they can feed, then hand them to a
// pool. No header of DPDK is needed here, and a program that was built without DPDK links all the same: `open` refuses
// then, and says so.
//
// DPDK's environment (EAL) exists once per process, so do these ports. `open` must come before the program starts other
// threads: EAL moves the calling thread off the workers' CPUs, and threads inherit that.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <tl/expected.hpp>

#include "dataplane/worker_pool.hpp"
#include "oracle/page/clock_page.hpp"
#include "oracle/page/rights_page.hpp"
#include "oracle/page/worker_page.hpp"
#include "oracle/serve/gate.hpp"
#include "platform/system_error.hpp"

namespace gnomon::dataplane {

enum class PortMemory : std::uint8_t {
  kAuto,       // huge pages if enough are free, else ordinary memory
  kHugePages,  // or not at all
  kOrdinary,
};

enum class Steering : std::uint8_t {
  kAuto,  // where the kernel keeps the port as well (mlx5)
  kOff,
  kOn,  // or not at all
};

struct PortOptions {
  std::string instance;              // names DPDK's run-time files
  std::string runtime_dir;           // where they go
  std::vector<std::string> devices;  // "net_af_packet0,iface=veth0", "0000:3b:00.0"
  PortMemory memory = PortMemory::kAuto;
  unsigned memory_mb = 256;
  unsigned workers = 1;
  std::vector<int> cpus;  // of the workers, in their order; empty: wherever the kernel likes
  unsigned rx_descriptors = 1024;
  unsigned tx_descriptors = 1024;
  unsigned mtu = 1500;
  std::vector<std::uint16_t> vlans;  // 0: untagged; empty: all
  Steering steering = Steering::kAuto;
  std::vector<std::string> eal_arguments;          // further ones
  std::function<void(const std::string&)> on_log;  // a line that DPDK logs; called on any thread. May be empty.
};

class Ports {
 public:
  [[nodiscard]] static tl::expected<std::unique_ptr<Ports>, platform::SystemError> open(const PortOptions& options);
  virtual ~Ports() = default;
  Ports(const Ports&) = delete;
  Ports& operator=(const Ports&) = delete;

  /// As many as were asked for, or as many as the poorest device has queues.
  [[nodiscard]] virtual unsigned workers() const = 0;
  /// What the operator should know of the start, as sentences.
  [[nodiscard]] virtual std::vector<std::string> remarks() const = 0;
  /// "dpdk 22.11.11, huge pages".
  [[nodiscard]] virtual std::string description() const = 0;

  /// Configures and starts the ports, one queue pair and one pool of buffers for each worker; nothing is polled before
  /// the pool's `start`. `options.workers` is at most workers(). The pool takes the ports over; if this fails they are
  /// closed. All pages outlive the pool.
  [[nodiscard]] static tl::expected<std::unique_ptr<WorkerPool>, platform::SystemError> make_pool(
      std::unique_ptr<Ports> ports, const WorkerPoolOptions& options, const page::ClockPage& clock,
      const page::RightsPage& rights, std::span<page::WorkerPage* const> pages,
      std::shared_ptr<const serve::AccessPolicy> policy);

 protected:
  Ports() = default;
};

}  // namespace gnomon::dataplane
