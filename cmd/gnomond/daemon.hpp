// SPDX-License-Identifier: Apache-2.0
//
// The daemon: started part by part, in the one order in which each part finds what it needs, and ended in the reverse
// order. It decides nothing about IDs; it owns the parts and carries news between them.
//
//   lock -> DPDK ports, if any -> state -> layouts -> pages -> clock -> workers -> agent -> leases -> status, metrics
//   -> ready
//
// The members below stand in that order, so that the language itself tears them down in reverse.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "cmd/gnomond/command_line.hpp"
#include "cmd/gnomond/failure.hpp"
#include "cmd/gnomond/instance_lock.hpp"
#include "cmd/gnomond/keep.hpp"
#include "cmd/gnomond/lease_assembly.hpp"
#include "cmd/gnomond/metrics.hpp"
#include "cmd/gnomond/pages.hpp"
#include "cmd/gnomond/reporter.hpp"
#include "cmd/gnomond/signals.hpp"
#include "control/agent_thread.hpp"
#include "control/service/status_server.hpp"
#include "dataplane/ports.hpp"
#include "dataplane/worker_pool.hpp"
#include "ptp/clock_thread.hpp"

namespace gnomon::cmd {

class Daemon {
 public:
  /// `ready` hears when the daemon serves; it may be empty.
  explicit Daemon(DaemonArguments arguments, std::function<void()> ready = {});
  Daemon(const Daemon&) = delete;
  Daemon& operator=(const Daemon&) = delete;
  ~Daemon();

  /// Everything up to sockets that answer and an agent that asks for rights.
  [[nodiscard]] Or<void> start();
  /// Serves until a signal or a failure; then gives the rights back.
  [[nodiscard]] Or<void> serve(const Signals& signals);

 private:
  [[nodiscard]] const Settings& settings() const { return arguments_.configuration.settings; }
  /// The settings with as many workers as are really started.
  [[nodiscard]] Settings shape() const;
  [[nodiscard]] Or<void> take_locks();
  [[nodiscard]] Or<void> open_state();
  [[nodiscard]] Or<void> open_pages_and_clock();
  [[nodiscard]] Or<void> open_ports();
  [[nodiscard]] Or<void> open_workers();
  [[nodiscard]] Or<void> start_agent();
  [[nodiscard]] Or<void> start_leases();
  [[nodiscard]] Or<void> start_services();
  [[nodiscard]] Or<void> announce();

  [[nodiscard]] bool agent_has_settled() const;
  void reload();
  void take_over(const Settings& effective, serve::AccessPolicy policy);
  void on_note(const control::effect::Note& note);
  void seal_store(const std::string& why);
  void note_failure(const std::string& text);
  [[nodiscard]] std::string failed_agent() const;
  [[nodiscard]] Or<void> look_after_ports();
  void report_clock();
  void report_evictions(const ptp::ClockStatus& status);
  void report_sources(const ptp::ClockStatus& status, bool all);
  [[nodiscard]] bool store_is_lost() const;
  void look_after_clock();
  void feed_watchdog();
  [[nodiscard]] Or<void> end(const Signals& signals, const std::string& why);
  [[noreturn]] void end_without_agent(const std::string& why);
  [[nodiscard]] std::string summary() const;

  DaemonArguments arguments_;
  std::function<void()> ready_;
  control::Nonce incarnation_;          // in the store
  std::uint64_t page_incarnation_ = 0;  // in the pages, in replies to pings and for people: its first 8 bytes
  time::Uptime started_;
  std::string socket_path_;
  std::string state_dir_;
  std::vector<id::Layout> layouts_;
  std::int64_t worker_count_ = 0;
  std::string data_plane_ = "kernel sockets";
  std::uint64_t policy_version_ = 1;
  std::uint64_t readings_seen_ = 0;
  std::uint64_t turns_seen_ = 0;
  std::optional<std::chrono::microseconds> watchdog_interval_;
  time::Uptime watchdog_fed_;
  time::ClockFault clock_fault_ = time::ClockFault::kNotProven;  // as it was logged last
  std::uint64_t contradictions_ = 0;
  std::vector<std::uint64_t> evictions_;                        // of each source
  std::vector<std::optional<ptp::SourceFault>> source_faults_;  // that the log has told
  time::Uptime looked_for_phc2sys_;
  bool announced_ = false;

  mutable std::mutex failure_mutex_;
  std::string agent_failure_;  // or that of the leases; guarded by failure_mutex_

  std::vector<InstanceLock> locks_;
  std::unique_ptr<dataplane::Ports> ports_;  // until the workers take them over
  std::unique_ptr<Keep> keep_;
  std::unique_ptr<Pages> pages_;
  std::unique_ptr<ptp::ClockThread> clock_;
  std::unique_ptr<dataplane::WorkerPool> workers_;
  std::unique_ptr<Reporter> reporter_;
  std::unique_ptr<control::AgentThread> agent_;
  std::unique_ptr<Leases> leases_;
  std::unique_ptr<control::StatusServer> status_;
  std::unique_ptr<MetricsEndpoint> metrics_;
};

}  // namespace gnomon::cmd
