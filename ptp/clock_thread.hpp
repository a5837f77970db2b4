// SPDX-License-Identifier: Apache-2.0
//
// The clock thread: gives every source its turn about every 10 ms and publishes what follows.
//
// Workers never call a clock: they extrapolate the record by the cycle counter. If the thread is held up, or a source
// fails, they go on with the lines they have; what a late record costs is how soon a step is noticed, never order and
// never uniqueness. The true time becomes void if the thread is held up for seconds.
//
// Thread rule: start, stop and the destructor from one thread; the requests and the observers from any.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <tl/expected.hpp>

#include "oracle/page/clock_page.hpp"
#include "oracle/time/leap_table.hpp"
#include "ptp/clock_estimator.hpp"
#include "ptp/cycle_calibration.hpp"
#include "ptp/time_source.hpp"

namespace gnomon::ptp {

struct ClockThreadOptions {
  ClockEstimatorOptions estimator;  // nominal rates zero: start() calibrates the counter
  time::LeapTable leaps = time::builtin_leap_table();
  time::Duration interval = time::milliseconds(10);       // between turns, 1 ms to 100 ms
  time::Duration start_limit = time::milliseconds(1000);  // how long start() tries to get a first reading
  /// With order_by_truth: how long start() waits for the first true time, before IDs follow the system clock.
  time::Duration truth_limit = time::milliseconds(0);
  bool measure_cores = true;  // else estimator.truth.cores stands
  /// What the page held before this run, of the same boot; taken up if the counter ran on since then.
  std::optional<page::ClockDetails> previous_details;
  std::optional<time::TrueTimeLine> previous_line;
};

/// The clock that orders, and those that say what time it is.
struct ClockSources {
  std::unique_ptr<TimeSource> system;
  bool system_counts = true;  // it is a source of the true time as well
  std::vector<std::unique_ptr<TimeSource>> others;
};

enum class ClockStartFault : std::uint8_t { kAlreadyStarted, kCalibration, kSource, kThread };

struct ClockStartError {
  ClockStartFault fault = ClockStartFault::kSource;
  std::string text;  // complete sentence
};

/// What is known of a source, for people.
struct SourceReport {
  std::string description;
  SourceView view;
};

/// As it was in one of the latest turns: whoever looks doesn't hold up the clock.
struct ClockStatus {
  TrueTimeView truth;
  std::vector<SourceReport> sources;
  time::Cycles at;                // the turn
  time::CycleRate nominal;        // of the counter, for ages
  ClockEstimatorOptions options;  // as they are in use
  time::LeapTable leaps;
  time::Utc leap_table_expires;
  time::Duration tai_minus_utc;  // now, by the table
  bool leap_table_expired = false;
  bool leap_near = false;  // within a day
  bool phc2sys_runs = false;
  bool resumed = false;         // this run began with what an earlier one had proved
  std::string counter_problem;  // empty: it is trusted
};

class ClockThread {
 public:
  /// `page` must outlive the thread; the caller stamps it.
  ClockThread(const ClockThreadOptions& options, ClockSources sources, page::ClockPage& page);
  /// With the system clock, or what stands for it, as the only source.
  ClockThread(const ClockThreadOptions& options, std::unique_ptr<TimeSource> system, page::ClockPage& page)
      : ClockThread(options, ClockSources{std::move(system), true, {}}, page) {}
  ~ClockThread();
  ClockThread(const ClockThread&) = delete;
  ClockThread& operator=(const ClockThread&) = delete;

  /// Calibrates, reads, publishes the first record, then starts the thread. Blocks for about 20 ms, and up to
  /// `truth_limit`.
  [[nodiscard]] tl::expected<void, ClockStartError> start();

  /// The ordering timeline starts again at the present reading, also in the past. Only after every right of the present
  /// era was revoked and acknowledged. The record shows the new era once it has begun.
  void request_new_era() { new_era_requested_.store(true, std::memory_order_relaxed); }
  /// The machine was told that it was resumed, moved or copied: what the counter says may mean nothing any more.
  void distrust_counter() { distrust_requested_.store(true, std::memory_order_relaxed); }
  /// Whether phc2sys was seen on this host (processes.hpp): it makes one witness of two clocks.
  void note_phc2sys(bool runs) { phc2sys_runs_.store(runs, std::memory_order_relaxed); }
  /// What kernel_trusts_counter() says, looked at now and then: once lost, trust is lost for this run, because the
  /// counter's rate was calibrated against a clock of the kernel.
  void note_kernel_trust(bool trusts) {
    if (!trusts) trust_lost_.store(true, std::memory_order_relaxed);
  }
  /// From one of the next turns on.
  void use_leaps(const time::LeapTable& leaps);

  /// Ends the thread; the page keeps its last record. Idempotent.
  void stop();

  /// Valid after start().
  [[nodiscard]] const CycleCalibration& calibration() const { return calibration_; }
  /// Why the last failed reading of the system clock failed; empty if none ever did.
  [[nodiscard]] std::string last_failure() const;
  /// Of all sources, for logs.
  [[nodiscard]] std::string describe_sources() const;
  [[nodiscard]] ClockStatus status() const;

 private:
  /// One turn, one record. Whether the system clock could be read.
  bool turn();
  void run();
  [[nodiscard]] tl::expected<void, ClockStartError> calibrate();
  void resume();
  void publish(const page::ClockRecord& record);
  void show(const page::ClockRecord& record, time::Cycles at);

  /// The estimator's views, copied for people.
  struct Shown {
    TrueTimeView truth;
    std::vector<SourceView> sources;
    time::Cycles at;
    time::CycleLine<time::SmearedUtc> ordering;
    std::string last_failure;
  };

  ClockThreadOptions options_;
  ClockSources sources_;
  page::ClockPage& page_;
  CycleCalibration calibration_;
  std::unique_ptr<ClockEstimator> estimator_;  // of one thread at a time: start(), then the clock thread
  std::vector<TimeSource*> counted_;           // the sources of the true time; the system clock first, if it is one
  std::vector<std::string> names_;             // of these
  std::vector<News> news_;
  std::string failure_;           // of the system clock, the latest
  time::LeapTable leaps_in_use_;  // of the clock thread
  bool resumed_ = false;
  std::atomic<bool> phc2sys_runs_{false};
  std::atomic<bool> trust_lost_{false};
  std::atomic<bool> new_era_requested_{false};
  std::atomic<bool> distrust_requested_{false};
  std::atomic<bool> stop_requested_{false};
  mutable std::mutex mutex_;    // the clock thread never waits for it: what it can't hand over, it does in a later turn
  std::optional<Shown> shown_;  // guarded by mutex_
  time::LeapTable leaps_;       // guarded by mutex_
  std::thread thread_;
};

}  // namespace gnomon::ptp
