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
#include <string>
#include <variant>
#include <vector>

#include "control/agent/agent.hpp"
#include "control/journal.hpp"
#include "control/meta.hpp"
#include "oracle/serve/burst_time.hpp"
#include "tests/sim/environment.hpp"
#include "tests/sim/host.hpp"
#include "tests/sim/process.hpp"
#include "tests/sim/store_link.hpp"

namespace gnomon::sim {

/// What a process is started with.
struct IncarnationSeat {
  ProcessPlace place;
  control::AgentOptions agent;          // its incarnation is drawn
  control::Journal* journal = nullptr;  // none: what was synced is forgotten with the process, and nobody asks for it
  control::StoreIdentity identity{};    // of a shared store, as it was opened
};
/// As the scenario has it; a store of its own.
[[nodiscard]] control::AgentOptions agent_options(const Scenario& scenario, std::uint32_t number);

class Incarnation {
 public:
  Incarnation(Environment& environment, Host& host, StoreLink& link, const IncarnationSeat& seat);

  /// One of the four kinds of events of an incarnation, or kJournalDone.
  void handle(const Event& event);
  /// For the agent, as from outside of its thread.
  void deliver(control::Event event);

  /// It is killed: what was on its way to the disk may be there or not.
  void crash();

  [[nodiscard]] Process& process() { return process_; }
  [[nodiscard]] const control::Nonce& nonce() const { return nonce_; }
  [[nodiscard]] control::AgentView view() const { return agent_.view(); }
  [[nodiscard]] time::Uptime started_at() const { return started_at_; }
  /// What it takes for the time, as it would say it in its session, against the truth. Nothing: it has no time yet.
  [[nodiscard]] std::optional<time::Duration> clock_error();
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
  void sync(const control::effect::SyncJournal& sync);
  void seal(const std::string& why);
  void read_slots(const ReadSlots& read);
  [[nodiscard]] tl::expected<void, control::StateError> write_journal(const control::effect::SyncJournal& sync);
  void journal_done(std::uint64_t operation, bool synced);
  [[nodiscard]] control::Nonce draw_nonce();

  Environment& env_;
  StoreLink& link_;
  std::uint32_t number_;
  std::uint32_t host_;
  time::Uptime started_at_;
  control::Nonce nonce_;
  Drive& drive_;
  control::Journal* journal_;
  control::StoreIdentity identity_;
  Process process_;

  // agent's thread
  control::Agent agent_;
  serve::BurstClock agent_clock_;
  serve::BurstClock watched_clock_;  // by the world
  std::deque<control::Event> inbox_;
  std::deque<Task> tasks_;
  time::Uptime next_tick_;
  std::uint64_t wake_number_ = 0;
  std::map<std::uint64_t, control::effect::SyncJournal> syncing_;  // by operation
  time::Uptime disk_free_at_;                                      // one sync after the other
  std::vector<std::uint64_t> reported_;                            // acknowledged generation, by worker
  std::optional<control::effect::Stopped> exit_;
};

}  // namespace gnomon::sim
