// SPDX-License-Identifier: Apache-2.0
//
// Puts the daemon's present state into one report, for the status service and the metrics. Reads pages and copies; it
// never holds anything that a worker or the agent could wait for.
//
// Thread rule: `report` from any thread; the setters too.
#pragma once

#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "cmd/gnomond/pages.hpp"
#include "control/agent/agent.hpp"
#include "control/service/status_report.hpp"
#include "dataplane/port_report.hpp"
#include "oracle/id/layout.hpp"
#include "ptp/clock_thread.hpp"

namespace gnomon::cmd {

/// What does not change after the start.
struct DaemonFacts {
  std::string instance;
  std::uint64_t incarnation = 0;
  time::Uptime started;
  std::vector<std::string> listen;
  std::string data_plane;
  std::string metrics_listen;
  std::string state_dir;
  std::string store_url;
  std::string clock_source;
  std::uint32_t store_epoch = 0;
  std::vector<id::Layout> layouts;
};

class Reporter {
 public:
  using AgentViewer = std::function<control::AgentView()>;
  using ClockFailure = std::function<std::string()>;
  using ClockViewer = std::function<ptp::ClockStatus()>;
  using LeaseViewer = std::function<control::LeaseReport()>;
  using PortViewer = std::function<std::vector<dataplane::PortReport>()>;

  /// `pages` must outlive the reporter.
  Reporter(const Pages& pages, AgentViewer agent, ClockFailure clock_failure, PortViewer ports)
      : pages_(pages), agent_(std::move(agent)), clock_failure_(std::move(clock_failure)), ports_(std::move(ports)) {}

  void set_facts(DaemonFacts facts);
  /// Until then a report says nothing of the sources of time. `lead_policy`: what is done beyond the lead budget.
  void watch_clock(ClockViewer clock, std::string lead_policy);
  /// Until then a report says nothing of leases; with an empty viewer it does no more.
  void watch_leases(LeaseViewer leases);
  void add_note(const std::string& text);
  void reload_failed();
  void reload_done(std::uint64_t policy_version);

  [[nodiscard]] control::StatusReport report() const;

 private:
  static constexpr std::size_t kNotesKept = 16;

  [[nodiscard]] control::ClockReport clock_report() const;
  [[nodiscard]] control::WorkerReport worker_report(std::size_t index, const control::AgentView& view,
                                                    time::SmearedUtc now) const;

  const Pages& pages_;
  AgentViewer agent_;
  ClockFailure clock_failure_;
  PortViewer ports_;

  mutable std::mutex mutex_;  // of all below
  DaemonFacts facts_;
  ClockViewer clock_;
  std::string lead_policy_;
  LeaseViewer leases_;
  std::deque<std::string> notes_;
  std::uint64_t failed_reloads_ = 0;
  std::uint64_t policy_version_ = 0;
};

[[nodiscard]] std::string_view text_of(mint::OrderingState state);

/// What record and status come to at `now`, a reading of the counter. Without a record there is no time.
[[nodiscard]] control::ClockReport clock_report(const std::optional<page::ClockRecord>& record,
                                                const ptp::ClockStatus& status, time::Cycles now);

}  // namespace gnomon::cmd
