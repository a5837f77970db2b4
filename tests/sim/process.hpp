// SPDX-License-Identifier: Apache-2.0
//
// A process of the daemon but for its agent: the clock thread and the workers, each a chain of events with random gaps,
// so that anything that a scheduler can put between two of their steps may happen there. With an agent it is an
// Incarnation; without one it holds no rights, and answers what needs none: the host of another cluster member, seen by
// those who ask it for the time.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "oracle/page/rights_page.hpp"
#include "oracle/page/worker_page.hpp"
#include "tests/sim/clock_turns.hpp"
#include "tests/sim/environment.hpp"
#include "tests/sim/host.hpp"
#include "tests/sim/worker.hpp"

namespace gnomon::sim {

/// Which process this is. Numbers are never used twice.
struct ProcessPlace {
  std::uint32_t number = 0;
  std::uint32_t workers = 1;
  std::uint32_t first_slot = 0;  // of its first worker among those of all hosts
  bool serves_ids = true;
};

class Process {
 public:
  static constexpr std::uint32_t kClockThread = 0;
  static constexpr std::uint32_t kAgentThread = 1;
  static constexpr std::uint32_t kFirstWorkerThread = 2;

  Process(Environment& environment, Host& host, const ProcessPlace& place);

  /// kClockSample, kClockPublish and kWorkerStep.
  void handle(const Event& event);
  /// True if the thread of `event` is not scheduled now: then it comes again.
  [[nodiscard]] bool postponed(std::uint32_t thread, const Event& event);
  void pause(std::uint32_t thread, time::Duration length);
  void pause_all(time::Duration length);
  [[nodiscard]] time::Duration with_preemption(time::Duration gap);

  [[nodiscard]] std::uint32_t number() const { return place_.number; }
  [[nodiscard]] Host& host() { return host_; }
  [[nodiscard]] std::uint32_t threads() const { return kFirstWorkerThread + place_.workers; }
  [[nodiscard]] time::Cycles counter(std::uint32_t thread) { return host_.counter(env_.now(), cores_[thread]); }
  [[nodiscard]] ClockTurns& clock() { return clock_; }
  /// Whole seconds stand between it and a source that speaks the truth again.
  [[nodiscard]] bool puts_an_honest_source_out();
  [[nodiscard]] page::RightsPage& rights_page() { return *rights_page_; }
  [[nodiscard]] page::WorkerPage& worker_page(std::uint32_t worker) { return *worker_pages_[worker]; }

 private:
  [[nodiscard]] std::vector<std::int64_t> draw_cores();

  Environment& env_;
  Host& host_;
  ProcessPlace place_;
  std::vector<time::Uptime> paused_until_;
  std::vector<std::int64_t> cores_;  // how far the counter of each thread's core is ahead
  ClockTurns clock_;
  serve::AccessPolicy policy_;
  std::unique_ptr<page::RightsPage> rights_page_;
  std::vector<std::unique_ptr<page::WorkerPage>> worker_pages_;
  std::vector<std::unique_ptr<Worker>> workers_;
};

}  // namespace gnomon::sim
