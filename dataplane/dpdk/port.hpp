// SPDX-License-Identifier: Apache-2.0
//
// One ethdev port: what it can do, its queues, its life, and what it says about itself.
//
//   open -> configured and started with a pool of buffers per queue -> stopped and closed
//
// What a driver lacks is made up for in software where that can be done, and said (`gnomon status --ports`): a port is
// refused only if it could not carry a request.
//
// Thread rule: one thread, but `report`, which any thread may call between `start` and `stop`.
#pragma once

#include <net/if.h>
#include <rte_ethdev.h>
#include <rte_mempool.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <tl/expected.hpp>

#include "dataplane/dpdk/device.hpp"
#include "dataplane/frame/formats.hpp"
#include "dataplane/port_report.hpp"
#include "dataplane/ports.hpp"
#include "platform/endpoint.hpp"
#include "platform/system_error.hpp"

namespace gnomon::dataplane::dpdk {

/// Of each queue.
struct Descriptors {
  std::uint16_t rx = 0;
  std::uint16_t tx = 0;
};

class Port {
 public:
  enum class State : std::uint8_t { kDown, kUp, kGone };

  /// Attaches the device and asks what it can do.
  [[nodiscard]] static tl::expected<std::unique_ptr<Port>, platform::SystemError> open(const Device& device, Eal& eal);
  /// Stops and closes it, and removes the socket that it listened on.
  ~Port();
  Port(const Port&) = delete;
  Port& operator=(const Port&) = delete;

  /// One receive and one transmit queue per pool. Steers, filters and starts. Not twice.
  [[nodiscard]] tl::expected<void, platform::SystemError> start(const PortOptions& options,
                                                                const std::vector<platform::Endpoint>& endpoints,
                                                                const std::vector<rte_mempool*>& pools, Eal& eal);

  [[nodiscard]] std::uint16_t id() const { return id_; }
  [[nodiscard]] const std::string& name() const { return device_.name; }
  [[nodiscard]] int numa_node() const { return numa_node_; }
  /// Of both kinds at once.
  [[nodiscard]] unsigned max_queues() const;
  /// Those that its driver makes of the options.
  [[nodiscard]] tl::expected<Descriptors, platform::SystemError> descriptors(const PortOptions& options) const;
  [[nodiscard]] const frame::Mac& mac() const { return mac_; }
  /// Whether it makes the checksums of what leaves.
  [[nodiscard]] bool makes_checksums() const { return makes_checksums_; }
  /// What an operator should know of it, as sentences. Complete after `start`.
  [[nodiscard]] const std::vector<std::string>& remarks() const { return remarks_; }

  /// Looks at the device. True if the state is another one than at the last look. kGone is for good.
  [[nodiscard]] bool look();
  [[nodiscard]] State state() const { return state_.load(std::memory_order_relaxed); }
  [[nodiscard]] PortReport report(std::uint32_t index) const;

 private:
  Port() = default;

  [[nodiscard]] tl::expected<void, platform::SystemError> configure(std::uint16_t queues);
  [[nodiscard]] tl::expected<void, platform::SystemError> set_up_queues(const PortOptions& options,
                                                                        const std::vector<rte_mempool*>& pools);
  [[nodiscard]] tl::expected<void, platform::SystemError> steer(const PortOptions& options,
                                                                const std::vector<platform::Endpoint>& endpoints);
  void set_mtu(unsigned wanted);
  void filter(const std::vector<platform::Endpoint>& endpoints);
  /// To whoever asked for it (port_clocks.hpp).
  [[nodiscard]] tl::expected<void, platform::SystemError> show_clock();
  void note(std::string name, std::string state, std::string remark = {});
  [[nodiscard]] platform::SystemError error(const std::string& what, int code) const;
  [[nodiscard]] bool ask_kernel(unsigned long question, ifreq& answer) const;
  [[nodiscard]] bool interface_is_up() const;
  [[nodiscard]] std::uint16_t interface_mtu() const;
  static int on_removal(std::uint16_t port, rte_eth_event_type event, void* self, void* unused);

  Device device_;
  std::uint16_t id_ = 0;
  rte_eth_dev_info info_{};
  std::string driver_;
  std::string interface_;  // of the kernel, if the port stands on one
  int numa_node_ = -1;
  frame::Mac mac_{};
  std::uint16_t queues_ = 0;
  bool makes_checksums_ = false;
  bool configured_ = false;
  bool started_ = false;
  std::vector<PortCapability> capabilities_;
  std::vector<std::string> remarks_;
  std::atomic<State> state_{State::kDown};  // relaxed: a figure for reports
  std::atomic<bool> removed_{false};        // by the bus; set on a thread of DPDK
};

}  // namespace gnomon::dataplane::dpdk
