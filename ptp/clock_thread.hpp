// SPDX-License-Identifier: Apache-2.0
//
// The clock thread: samples the source about every 10 ms and publishes the record that the workers
// read.
//
// Workers never call a clock: they extrapolate this record by the cycle counter. If the thread is
// held up, or the source fails, they go on with the line they have; what a late record costs is how
// soon a step of the source is noticed, never order and never uniqueness.
//
// Thread rule: start, stop and the destructor from one thread; request_new_era and the observers
// from any.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include <tl/expected.hpp>

#include "oracle/mint/ordering.hpp"
#include "oracle/page/clock_page.hpp"
#include "ptp/clock_estimator.hpp"
#include "ptp/cycle_calibration.hpp"
#include "ptp/time_source.hpp"

namespace gnomon::ptp {

struct ClockThreadOptions {
  mint::OrderingOptions ordering;                         // `nominal` zero: start() calibrates the counter
  time::Duration interval = time::milliseconds(10);       // between samples, 1 ms to 100 ms
  time::Duration start_limit = time::milliseconds(1000);  // how long start() tries to get a first good sample
};

enum class ClockStartFault : std::uint8_t { kAlreadyStarted, kCalibration, kSource, kThread };

struct ClockStartError {
  ClockStartFault fault = ClockStartFault::kSource;
  std::string text;  // complete sentence
};

class ClockThread {
 public:
  /// `page` must outlive the thread; the caller stamps it.
  ClockThread(const ClockThreadOptions& options, std::unique_ptr<TimeSource> source, page::ClockPage& page);
  ~ClockThread();
  ClockThread(const ClockThread&) = delete;
  ClockThread& operator=(const ClockThread&) = delete;

  /// Calibrates, samples, publishes the first record, then starts the thread. Blocks for about 20
  /// ms.
  [[nodiscard]] tl::expected<void, ClockStartError> start();

  /// The ordering timeline starts again at the source's time, also in the past, at the next good
  /// sample. Only after every right of the present era was revoked and acknowledged. The record
  /// shows the new era once it has begun.
  void request_new_era() { new_era_requested_.store(true, std::memory_order_relaxed); }

  /// Ends the thread; the page keeps its last record. Idempotent.
  void stop();

  /// Valid after start().
  [[nodiscard]] const CycleCalibration& calibration() const { return calibration_; }
  /// Why the last failed sample failed; empty if none ever did.
  [[nodiscard]] std::string last_failure() const;
  /// Of the source, for logs.
  [[nodiscard]] std::string describe_source() const { return source_->describe(); }

 private:
  /// One sample, one record. Whether the sample was good.
  bool turn();
  void run();

  ClockThreadOptions options_;
  std::unique_ptr<TimeSource> source_;
  page::ClockPage& page_;
  CycleCalibration calibration_;
  std::unique_ptr<ClockEstimator> estimator_;
  std::atomic<bool> new_era_requested_{false};
  std::atomic<bool> stop_requested_{false};
  mutable std::mutex failure_mutex_;
  std::string last_failure_;  // guarded by failure_mutex_
  std::thread thread_;
};

}  // namespace gnomon::ptp
