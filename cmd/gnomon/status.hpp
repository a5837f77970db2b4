// SPDX-License-Identifier: Apache-2.0
//
// gnomon status: what a gnomond of this host says about itself. Counters are sums since its start; rates are computed
// here, from two samples and the daemon's own clock, so that watchers don't disturb each other.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cmd/gnomon/output.hpp"
#include "control/service/status_report.hpp"

namespace gnomon::cmd {

struct StatusOptions {
  std::optional<std::string> instance;  // environment GNOMON_SERVER_INSTANCE, else main
  std::optional<std::string> socket;    // environment GNOMON_CONTROL_SOCKET, else found by the instance
  bool ports = false;                   // the DPDK ports instead of everything else
  bool watch = false;
  double interval_s = 1;
  int count = 0;  // of redraws; 0: until interrupted
};
[[nodiscard]] ExitCode run_status(const StatusOptions& options, const Output& output);

/// Counters per second between two samples, by worker and in the order of the counters. Empty if there is nothing to
/// compare: no earlier sample, another incarnation, or no time between them.
using Rates = std::vector<std::vector<double>>;
[[nodiscard]] Rates rates_between(const control::StatusReport* before, const control::StatusReport& now);

/// For people; lines no longer than a usual terminal.
[[nodiscard]] std::string status_text(const control::StatusReport& report, const Rates& rates);
/// For `--ports`: the ports and nothing else; likewise no longer.
[[nodiscard]] std::string ports_text(const control::StatusReport& report);
/// A port in a line of `status_text`, without its end.
[[nodiscard]] std::string port_line(const control::PortReport& port);
/// Everything, ports included.
[[nodiscard]] std::string status_json(const control::StatusReport& report, const Rates& rates);

}  // namespace gnomon::cmd
