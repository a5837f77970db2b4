// SPDX-License-Identifier: Apache-2.0
//
// What the doors and the calls of one lease service share: the runner, the limits, the counters, and who has to be told
// whether it serves.
//
// Inside control/service only: this header brings in gRPC. Thread rule: any thread.
#pragma once

#include <grpcpp/health_check_service_interface.h>
#include <grpcpp/support/status.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <mutex>
#include <utility>
#include <vector>

#include "control/lease/lease_runner.hpp"
#include "control/service/lease_call_limits.hpp"
#include "control/service/lease_service.hpp"

namespace gnomon::control {

class LeaseCore {
 public:
  LeaseCore(LeaseRunner& runner, const LeaseServiceOptions& options);
  LeaseCore(const LeaseCore&) = delete;
  LeaseCore& operator=(const LeaseCore&) = delete;
  ~LeaseCore();

  [[nodiscard]] LeaseRunner& runner() { return runner_; }
  [[nodiscard]] LeaseCallLimiter& limiter() { return limiter_; }
  [[nodiscard]] const LeaseServiceOptions& options() const { return options_; }

  void count_call(LeaseMethod method) { ++calls_[static_cast<std::size_t>(method)]; }
  void count_event() { ++events_; }
  void opened() { ++open_; }
  void closed() { --open_; }
  /// What became of a call.
  void count_end(const grpc::Status& status);
  [[nodiscard]] LeaseServiceCounters counters() const;

  /// Keeps `health` told whether the service serves, until it is taken back. `whole`: nothing else is served there, so
  /// the server as a whole is what the service is.
  void keep_told(grpc::HealthCheckServiceInterface* health, bool whole);
  void take_back(grpc::HealthCheckServiceInterface* health);

 private:
  struct Told {
    grpc::HealthCheckServiceInterface* health = nullptr;
    bool whole = false;
  };
  static void tell(const Told& told, bool serving);

  LeaseRunner& runner_;
  const LeaseServiceOptions options_;
  LeaseCallLimiter limiter_;

  // Counters, each for itself; no order hangs on them.
  std::array<std::atomic<std::uint64_t>, kLeaseMethods> calls_{};
  std::atomic<std::uint64_t> over_limit_{0};
  std::atomic<std::uint64_t> unauthenticated_{0};
  std::atomic<std::uint64_t> forbidden_{0};
  std::atomic<std::uint64_t> invalid_{0};
  std::atomic<std::uint64_t> cancelled_{0};
  std::atomic<std::uint64_t> timed_out_{0};
  std::atomic<std::uint64_t> unavailable_{0};
  std::atomic<std::uint64_t> events_{0};
  std::atomic<std::uint64_t> open_{0};

  std::mutex told_mutex_;  // guards the two below
  std::vector<Told> told_;
  bool serving_ = false;
};

}  // namespace gnomon::control
