// SPDX-License-Identifier: Apache-2.0
//
// What a daemon says about itself, as a plain value: the daemon fills it in, `gnomon status` and `gnomon clock` read
// it, and between them it crosses a Unix socket (proto/gnomon/v1/status.proto). So neither of them sees gRPC.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "control/service/clock_report.hpp"
#include "oracle/id/layout.hpp"
#include "oracle/mint/right.hpp"
#include "oracle/time/instant.hpp"

namespace gnomon::control {

struct DaemonReport {
  std::string instance;
  std::string version;
  std::uint64_t incarnation = 0;  // random per start
  std::uint64_t pid = 0;
  time::Duration uptime;  // since the start of the daemon
  std::vector<std::string> listen;
  std::string metrics_listen;  // empty: off
  std::string state_dir;
  std::string store_url;
  std::uint64_t access_policy_version = 0;
  std::uint64_t failed_reloads = 0;
  std::string data_plane;  // "kernel sockets", "dpdk 22.11.11, huge pages"
};

struct CounterReport {
  std::string name;  // as in page::kCounterTable, kStoreFailureTable
  std::uint64_t value = 0;
};

/// On a shared store: what the other daemons say of this one's clock.
struct ClockVoteReport {
  std::string standing;       // joining, member, tied, outvoted
  std::uint32_t voters = 0;   // other daemons that count
  std::uint32_t against = 0;  // of these, whose clocks contradict this one
  std::string text;           // who is against, and how; what is waited for; empty: nothing to say
};

struct AgentReport {
  std::string state;
  std::string last_note;
  time::SmearedUtc waiting_until;  // {0}: not waiting for an instant
  std::uint64_t revision = 0;      // highest commit that the store acknowledged
  std::uint32_t store_epoch = 0;
  std::vector<std::string> recent_notes;  // oldest first
  std::vector<CounterReport> store_failures;
  std::optional<ClockVoteReport> vote;  // none: the store is this daemon's alone
};

struct RightReport {
  mint::Right right;
  time::Duration remaining;  // ceiling minus now, never negative
};

struct WorkerReport {
  std::uint32_t index = 0;
  std::vector<RightReport> rights;
  std::vector<CounterReport> counters;
};

struct LayoutReport {
  id::LayoutNumber number;
  std::string name;
  time::SmearedUtc exhausted_at;
  time::Duration headroom;
};

/// As dataplane/port_report.hpp has it.
struct PortCapability {
  std::string name;
  std::string state;
  std::string note;
};

struct PortQueue {
  std::uint64_t rx_frames = 0;
  std::uint64_t tx_frames = 0;
};

struct PortReport {
  std::uint32_t index = 0;
  std::string device;
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
  std::uint64_t rx_missed = 0;
  std::uint64_t rx_errors = 0;
  std::uint64_t rx_no_buffer = 0;
  std::uint64_t tx_errors = 0;
  std::vector<PortQueue> per_queue;  // empty where the driver does not tell
};

/// The lease service; cmd/lease_figures.hpp names the figures.
struct LeaseReport {
  bool serving = false;  // a command has a chance at the moment
  std::string listen;    // over TCP, several with commas; empty: on the Unix socket only
  std::vector<CounterReport> levels;
  std::vector<CounterReport> counters;
  std::vector<CounterReport> calls;    // by method
  std::vector<CounterReport> refused;  // refusals and faults, by reason
};

struct StatusReport {
  DaemonReport daemon;
  ClockReport clock;
  AgentReport agent;
  std::vector<WorkerReport> workers;
  std::vector<LayoutReport> layouts;
  std::vector<PortReport> ports;      // none with kernel sockets
  std::optional<LeaseReport> leases;  // none: the daemon serves none, or does not say
  time::Uptime sampled;               // CLOCK_BOOTTIME at which the counters were read: the time base of rates
};

}  // namespace gnomon::control
