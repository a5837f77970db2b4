// SPDX-License-Identifier: Apache-2.0
//
// What a daemon says about itself, as a plain value: the daemon fills it in, `gnomon status` reads it, and between them
// it crosses a Unix socket (proto/gnomon/v1/status.proto). So neither of them sees gRPC.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

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
};

struct ClockReport {
  std::string source;
  std::string state;     // following, unconfirmed, behind, no_time
  time::SmearedUtc now;  // ordering timeline
  time::Duration lead;   // ordering timeline minus source
  mint::Era era;
  time::Duration bound;  // stated bound on |source - true time|
  std::uint64_t readings = 0;
  std::uint64_t failed_readings = 0;
  std::string last_failure;
};

struct AgentReport {
  std::string state;
  std::string last_note;
  time::SmearedUtc waiting_until;  // {0}: not waiting for an instant
  std::uint64_t revision = 0;      // highest commit that the store acknowledged
  std::uint32_t store_epoch = 0;
  std::vector<std::string> recent_notes;  // oldest first
};

struct RightReport {
  mint::Right right;
  time::Duration remaining;  // ceiling minus now, never negative
};

struct CounterReport {
  std::string name;  // as in page::kCounterTable
  std::uint64_t value = 0;
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

struct StatusReport {
  DaemonReport daemon;
  ClockReport clock;
  AgentReport agent;
  std::vector<WorkerReport> workers;
  std::vector<LayoutReport> layouts;
  time::Uptime sampled;  // CLOCK_BOOTTIME at which the counters were read: the time base of rates
};

}  // namespace gnomon::control
