// SPDX-License-Identifier: Apache-2.0
//
// The DPDK twin over devices that the configuration names, opened as gnomond opens them; and the other end of such a
// device, in the same process.
#pragma once

#include <rte_mbuf.h>
#include <rte_mempool.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "dataplane/dpdk/port_pool.hpp"
#include "dataplane/ports.hpp"
#include "tests/dataplane/dpdk/desk.hpp"
#include "tests/dataplane/dpdk/far_end.hpp"
#include "tests/dataplane/dpdk/ring_serving.hpp"
#include "tests/support/frames.hpp"
#include "tests/support/scratch_folder.hpp"

namespace gnomon::test {

/// The devices, opened and served by as many workers as they can feed. Once per process.
class DeviceServing {
 public:
  /// Throws std::runtime_error with what was refused.
  DeviceServing(const dataplane::PortOptions& options, const dataplane::WorkerPoolOptions& pool_options);

  [[nodiscard]] Desk& desk() { return desk_; }
  [[nodiscard]] dataplane::dpdk::PortPool& pool() { return *pool_; }
  [[nodiscard]] const std::vector<std::string>& remarks() const { return remarks_; }
  [[nodiscard]] const std::string& description() const { return description_; }
  [[nodiscard]] unsigned workers() const { return workers_; }
  [[nodiscard]] dataplane::PortReport port() const { return pool_->ports().at(0); }
  /// Looks after the ports until the first of them is up, for kPatience at most.
  [[nodiscard]] bool link_comes_up();

 private:
  Desk desk_;
  std::vector<std::string> remarks_;
  std::string description_;
  unsigned workers_ = 0;
  std::unique_ptr<dataplane::dpdk::PortPool> pool_;
};

/// A port of the test's own, with a pool of its own, on the other end of a served device.
class EthPeer final : public FarEnd {
 public:
  /// `served`: the MAC address of the port that is served, as its report has it.
  EthPeer(const std::string& name, const std::string& arguments, std::uint16_t queues, const std::string& served);
  ~EthPeer() override;
  EthPeer(const EthPeer&) = delete;
  EthPeer& operator=(const EthPeer&) = delete;

  /// Some drivers can't start before the other end does.
  [[nodiscard]] bool start();
  [[nodiscard]] bool link_is_up() const;
  [[nodiscard]] const support::Mac& mac() const override { return served_; }
  void send(unsigned queue, std::span<const std::byte> frame) override;
  using FarEnd::receive;
  [[nodiscard]] std::optional<support::Bytes> receive(unsigned queue, std::chrono::milliseconds limit) override;

 private:
  std::string name_;
  support::Mac served_{};
  std::uint16_t port_ = 0;
  rte_mempool* pool_ = nullptr;
  bool started_ = false;
};

}  // namespace gnomon::test
