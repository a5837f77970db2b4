// SPDX-License-Identifier: Apache-2.0
//
// The shell around the agent: one thread that feeds it time, answers and acknowledgements, and carries out its effects
// against the store, the journal and the shared pages. It decides nothing; whatever can be decided is in Agent, where
// the simulator sees it.
//
// On a shared store a second thread listens for sessions that ask for an answer, and only wakes the first.
//
// It ticks every 20 ms, every millisecond while workers are asked to acknowledge. Waits are relative and interrupted by
// an eventfd: no clock that anybody can step is involved.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <tl/expected.hpp>

#include "control/agent/agent.hpp"
#include "control/journal.hpp"
#include "control/store.hpp"
#include "oracle/page/clock_page.hpp"
#include "oracle/page/rights_page.hpp"
#include "oracle/page/worker_page.hpp"
#include "oracle/time/instant.hpp"

namespace gnomon::control {

/// All are called on the agent's thread, must not block for long, and may be empty.
struct AgentHooks {
  std::function<void()> start_new_era;                 // ask the clock thread for a new era
  std::function<void(const effect::Note&)> on_note;    // for the log
  std::function<void(const std::string&)> on_warning;  // for the log; the agent goes on
  std::function<void(const std::string&)> seal_store;  // control/shared_state.hpp, seal_store; the agent ends after it
  std::function<void(const std::string&)> on_failed;   // the daemon must end: no rights are held any more
};

/// The pages and the store must outlive the thread.
struct AgentWiring {
  AgentOptions agent;
  Store& store;
  Journal& journal;
  const page::ClockPage& clock;
  page::RightsPage& rights;
  std::vector<const page::WorkerPage*> workers;  // one per worker
  AgentHooks hooks{};
  std::string clone_mark{};  // the file that a cloning leaves (StatePaths::cloned); empty: none
  bool watch_for_clones = true;
};

class AgentThread {
 public:
  explicit AgentThread(AgentWiring wiring);
  AgentThread(const AgentThread&) = delete;
  AgentThread& operator=(const AgentThread&) = delete;
  /// Ends the thread at once. What was not released by a stop runs out.
  ~AgentThread();

  /// Once.
  void start();

  // From any thread:
  /// Revoke, release, stop.
  void request_stop();
  /// As if the kernel had announced that this machine was cloned.
  void report_clone();
  /// The agent's end, if it comes within `timeout`.
  [[nodiscard]] std::optional<effect::Stopped> wait_stopped(time::Duration timeout);
  [[nodiscard]] AgentView view() const;
  /// What the store holds under this prefix, read by the agent's thread between two of its turns; kUnavailable if it
  /// does not come to it within `timeout`.
  [[nodiscard]] tl::expected<Listing, StoreError> list(std::string prefix, time::Duration timeout);
  /// How often the loop came round. Stands still while the thread is stuck, in the store for instance.
  [[nodiscard]] std::uint64_t turns() const;

 private:
  class Loop;
  std::unique_ptr<Loop> loop_;
};

}  // namespace gnomon::control
