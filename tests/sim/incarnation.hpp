// SPDX-License-Identifier: Apache-2.0
//
// One process of the daemon: the clock thread and the workers (process.hpp), and the agent's thread, around the
// production code (ptp::ClockEstimator, control::Agent, serve::Server). Each thread is a chain of events with random
// gaps, so anything that a scheduler can put between two of its steps may happen there: the agent's effects are carried
// out one by one, a sample of the clock is published later than taken, last-used values are read later than the
// acknowledgement.
//
// What a crash leaves: the store, and what was synced to the journal. Everything else is this object, and goes with it.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <variant>
#include <vector>

#include "control/agent/agent.hpp"
#include "oracle/serve/burst_time.hpp"
#include "tests/sim/environment.hpp"
#include "tests/sim/host.hpp"
#include "tests/sim/process.hpp"
#include "tests/sim/store_link.hpp"

namespace gnomon::sim {

class Incarnation {
 public:
  Incarnation(Environment& environment, Host& host, StoreLink& link, std::uint32_t number);

  /// One of the four kinds of events of an incarnation, or kJournalDone.
  void handle(const Event& event);
  /// For the agent, as from outside of its thread.
  void deliver(control::Event event);

  [[nodiscard]] Process& process() { return process_; }
  [[nodiscard]] std::uint32_t number() const { return number_; }
  /// The agent came to its end and everything it asked for was done: the process exits.
  [[nodiscard]] bool exited() const { return exit_.has_value(); }
  [[nodiscard]] const control::effect::Stopped& exit() const { return *exit_; }

 private:
  /// Acknowledged; its slots are still to be read.
  struct ReadSlots {
    control::WorkerIndex worker;
    mint::Generation generation;
  };
  using Task = std::variant<control::Effect, ReadSlots>;

  void wake_agent();
  void schedule_agent(time::Duration delay);
  void tick();
  void step_agent(const control::Event& event);
  void carry_out(const control::Effect& effect);
  void read_slots(const ReadSlots& read);
  void journal_done(std::uint64_t operation, bool synced);
  [[nodiscard]] control::Nonce draw_nonce();

  Environment& env_;
  StoreLink& link_;
  std::uint32_t number_;
  Process process_;

  // agent's thread
  control::Agent agent_;
  serve::BurstClock agent_clock_;
  std::deque<control::Event> inbox_;
  std::deque<Task> tasks_;
  time::Uptime next_tick_;
  std::uint64_t wake_number_ = 0;
  std::map<std::uint64_t, control::effect::SyncJournal> syncing_;  // by operation
  std::vector<std::uint64_t> reported_;                            // acknowledged generation, by worker
  std::optional<control::effect::Stopped> exit_;
};

}  // namespace gnomon::sim
