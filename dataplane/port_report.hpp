// SPDX-License-Identifier: Apache-2.0
//
// What the ports of the DPDK data plane say about themselves, as plain values: no header of DPDK is needed to read it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace gnomon::dataplane {

/// One thing that a port can do, or that is done for it.
struct PortCapability {
  std::string name;   // "receive UDP checksum"
  std::string state;  // "offload" (the port does it), "software", "absent", "on", "off", or a number
  std::string note;   // why, or what follows; may be empty
};

struct QueueStats {
  std::uint64_t rx_frames = 0;
  std::uint64_t tx_frames = 0;
};

struct PortReport {
  std::uint32_t index = 0;
  std::string device;  // as the configuration has it, without its arguments
  std::string driver;
  std::string mac;
  std::string state;             // up, down, gone
  std::uint64_t speed_mbps = 0;  // 0: unknown
  std::uint32_t mtu = 0;
  std::uint32_t queues = 0;
  std::uint32_t max_queues = 0;
  std::int32_t numa_node = -1;
  std::vector<PortCapability> capabilities;
  std::uint64_t rx_frames = 0;
  std::uint64_t tx_frames = 0;
  std::uint64_t rx_bytes = 0;
  std::uint64_t tx_bytes = 0;
  std::uint64_t rx_missed = 0;  // by the device: its queue was full
  std::uint64_t rx_errors = 0;
  std::uint64_t rx_no_buffer = 0;  // the worker's pool was empty
  std::uint64_t tx_errors = 0;
  std::vector<QueueStats> per_queue;  // empty where the driver does not tell
};

}  // namespace gnomon::dataplane
