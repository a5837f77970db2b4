// SPDX-License-Identifier: Apache-2.0
//
// Progress. A service that refuses everything never breaks a promise, so each phase has its minimum:
//   calm      before the first fault every worker serves, within `calm_limit` of virtual time;
//   faults    counted; the runner asks for a share of all requests over all worlds;
//   recovery  after the last fault every worker serves again within `recovery_limit`: the confirmation of a source that
//             jumped back to the truth, twice the window (an id that has to run out), and 15 s for retries.
//
// And in calm and recovery every worker of every host says what time it is: in recovery within `time_limit`, whatever
// became of its rights.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <vector>

#include "oracle/time/instant.hpp"
#include "tests/sim/check/report.hpp"

namespace gnomon::sim {

enum class Phase : std::uint8_t { kCalm, kFaults, kRecovery };
constexpr std::size_t kPhases = 3;

struct Served {
  std::uint64_t requests = 0;
  std::uint64_t answered_with_ids = 0;
  std::uint64_t ids = 0;
};

class Liveness {
 public:
  static constexpr std::uint32_t kEnough = 5;  // replies with IDs, per worker and phase

  /// `all_workers`: of all hosts; the first `workers` of them serve IDs. A slot is a worker's place among all.
  Liveness(Report& report, std::uint32_t workers, std::uint32_t all_workers)
      : report_(report), served_by_(workers), served_at_(workers), said_the_time_(all_workers) {}

  void begin(Phase phase) {
    phase_ = phase;
    std::fill(served_by_.begin(), served_by_.end(), 0);
    std::fill(said_the_time_.begin(), said_the_time_.end(), 0);
  }
  void asked() { ++served_[index()].requests; }
  void answered(std::uint32_t slot, std::uint32_t ids, time::Uptime now) {
    ++served_[index()].answered_with_ids;
    served_[index()].ids += ids;
    ++served_by_[slot];
    served_at_[slot] = now;
  }
  /// When this worker last answered with IDs.
  [[nodiscard]] time::Uptime served_at(std::uint32_t slot) const { return served_at_[slot]; }
  void said_the_time(std::uint32_t slot) { ++said_the_time_[slot]; }
  [[nodiscard]] bool all_serve() const { return all_enough(served_by_) && all_enough(said_the_time_); }
  void deadline_passed() {
    for (std::size_t worker = 0; worker < served_by_.size(); ++worker)
      if (served_by_[worker] < kEnough)
        report_.fail("liveness", fmt::format("worker {} answered {} requests with IDs in phase {}, {} were due", worker,
                                             served_by_[worker], index(), kEnough));
  }
  void time_deadline_passed() {
    for (std::size_t slot = 0; slot < said_the_time_.size(); ++slot)
      if (said_the_time_[slot] < kEnough)
        report_.fail("time-liveness",
                     fmt::format("worker {} of all hosts' said what time it is {} times in phase {}, {} "
                                 "were due",
                                 slot, said_the_time_[slot], index(), kEnough));
  }
  [[nodiscard]] const std::array<Served, kPhases>& served() const { return served_; }

 private:
  [[nodiscard]] static bool all_enough(const std::vector<std::uint32_t>& counts) {
    return std::all_of(counts.begin(), counts.end(), [](std::uint32_t n) { return n >= kEnough; });
  }
  [[nodiscard]] std::size_t index() const { return static_cast<std::size_t>(phase_); }

  Report& report_;
  Phase phase_ = Phase::kCalm;
  std::vector<std::uint32_t> served_by_;
  std::vector<time::Uptime> served_at_;
  std::vector<std::uint32_t> said_the_time_;
  std::array<Served, kPhases> served_;
};

}  // namespace gnomon::sim
