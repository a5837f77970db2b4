// SPDX-License-Identifier: Apache-2.0
//
// The lease service of a daemon, put together from its settings: desk and store threads, the service on the Unix
// socket, and the TCP port if there is one.
//
// It ends in two steps. First nothing new is decided, because the agent is about to give up this daemon's place in the
// vote on clocks; then, while the agent gives the rights back, what the store was asked before is waited for.
//
// Thread rule: made and ended by the main thread; `report` from any.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "cmd/gnomond/failure.hpp"
#include "cmd/gnomond/keep.hpp"
#include "cmd/gnomond/lease_clock.hpp"
#include "cmd/options/settings.hpp"
#include "control/lease/lease_runner.hpp"
#include "control/service/lease_server.hpp"
#include "control/service/lease_service.hpp"
#include "control/service/status_report.hpp"
#include "oracle/page/clock_page.hpp"

namespace gnomon::cmd {

struct LeaseHooks {
  LeaseClock::Standing standing;                      // by the agent's vote
  std::function<void(const std::string&)> on_failed;  // once: the daemon must end
  std::function<void(const std::string&)> on_warning;
};

[[nodiscard]] control::LeaseRunnerOptions lease_runner_options(const Settings& settings, const Keep& keep);
[[nodiscard]] control::LeaseServiceOptions lease_service_options(const Settings& settings);
/// Of a daemon that has served `counters`. `listen`: over TCP; empty: not.
[[nodiscard]] control::LeaseReport lease_report(const control::LeaseServiceCounters& counters, bool serving,
                                                const std::string& listen);

class Leases {
 public:
  /// `keep` and `clock` must outlive it, and what the hooks call.
  [[nodiscard]] static Or<std::unique_ptr<Leases>> start(const Settings& settings, Keep& keep,
                                                         const page::ClockPage& clock, LeaseHooks hooks);
  Leases(const Leases&) = delete;
  Leases& operator=(const Leases&) = delete;
  /// As finish_end.
  ~Leases();

  /// For the server on the Unix socket, which this must outlive.
  [[nodiscard]] control::ServerGuest& guest();
  /// After the Unix socket is there: a client that was told of one is to find both.
  [[nodiscard]] Or<void> listen(const Settings& settings);
  /// As it is bound, several with commas; empty: there is no TCP port.
  [[nodiscard]] std::string listens_on() const;
  [[nodiscard]] control::LeaseReport report() const;

  /// Nothing is decided from now on, and everything that waits is answered. Does not wait for the store.
  void begin_end();
  void finish_end();

 private:
  Leases(const LeaseClockRules& rules, const page::ClockPage& clock, LeaseClock::Standing standing)
      : clock_(rules, clock, std::move(standing)) {}

  LeaseClock clock_;
  std::unique_ptr<control::LeaseRunner> runner_;
  std::unique_ptr<control::LeaseService> service_;
  std::unique_ptr<control::LeaseServer> server_;
  std::thread ending_;
};

}  // namespace gnomon::cmd
