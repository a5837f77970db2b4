// SPDX-License-Identifier: Apache-2.0
//
// One process of the daemon: the clock thread, the agent's thread and the workers, around the production code
// (ptp::ClockEstimator, control::Agent, serve::Server). Each thread is a chain of events with random gaps, so anything
// that a scheduler can put between two of its steps may happen there: the agent's effects are carried out one by one,
// a sample of the clock is published later than taken, last-used values are read later than the acknowledgement.
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
#include "oracle/page/clock_page.hpp"
#include "oracle/page/rights_page.hpp"
#include "oracle/page/worker_page.hpp"
#include "ptp/clock_estimator.hpp"
#include "tests/sim/environment.hpp"
#include "tests/sim/store_link.hpp"
#include "tests/sim/worker.hpp"

namespace gnomon::sim {

class Incarnation {
 public:
  static constexpr std::uint32_t kClockThread = 0;
  static constexpr std::uint32_t kAgentThread = 1;
  static constexpr std::uint32_t kFirstWorkerThread = 2;

  Incarnation(Environment& environment, StoreLink& link, std::uint32_t number);

  /// One of the four kinds of events of an incarnation, or kJournalDone.
  void handle(const Event& event);
  /// For the agent, as from outside of its thread.
  void deliver(control::Event event);
  void pause(std::uint32_t thread, time::Duration length);
  void pause_all(time::Duration length);

  [[nodiscard]] std::uint32_t number() const { return number_; }
  [[nodiscard]] std::uint32_t threads() const { return kFirstWorkerThread + env_.scenario.workers; }
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

  void sample_clock();
  void publish_clock();
  void judge_belief();
  void wake_agent();
  void schedule_agent(time::Duration delay);
  void tick();
  void step_agent(const control::Event& event);
  void carry_out(const control::Effect& effect);
  void read_slots(const ReadSlots& read);
  void journal_done(std::uint64_t operation, bool synced);
  void step_worker(std::uint32_t index);
  [[nodiscard]] time::Duration with_preemption(time::Duration gap);
  [[nodiscard]] control::Nonce draw_nonce();

  Environment& env_;
  StoreLink& link_;
  std::uint32_t number_;
  std::vector<time::Uptime> paused_until_;
  std::vector<CoreCounter> cores_;

  // clock thread
  std::unique_ptr<page::ClockPage> clock_page_;
  ptp::ClockEstimator estimator_;
  ptp::ClaimOr sample_;
  time::Uptime sampled_at_;
  SourceSeen seen_;
  bool era_wanted_ = false;
  bool fresh_timeline_ = true;                   // the next good sample sets it, whatever it says
  std::optional<time::Uptime> day_ahead_since_;  // all good samples since then said so
  bool believes_ = false;

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

  // workers
  serve::AccessPolicy policy_;
  std::unique_ptr<page::RightsPage> rights_page_;
  std::vector<std::unique_ptr<page::WorkerPage>> worker_pages_;
  std::vector<std::unique_ptr<Worker>> workers_;
};

}  // namespace gnomon::sim
