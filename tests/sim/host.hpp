// SPDX-License-Identifier: Apache-2.0
//
// A simulated machine: what outlives the processes that run on it. Its counter, its system clock, its sources of time,
// and what the kernel says of its sleep. One turn of a clock thread reads all of them.
//
// Three things happen to a machine that its counter does not show: a hypervisor stops it for a while (nothing of its
// own notices, so it is told), it is suspended (CLOCK_BOOTTIME counts on), or it is moved and finds another counter
// (told, or seen because CLOCK_MONOTONIC_RAW does not agree).
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "oracle/time/cycles.hpp"
#include "oracle/time/instant.hpp"
#include "ptp/clock_estimator.hpp"
#include "tests/sim/clocks.hpp"
#include "tests/sim/oscillator.hpp"
#include "tests/sim/random.hpp"
#include "tests/sim/time_source.hpp"

namespace gnomon::sim {

struct HostPlan {
  std::uint32_t workers = 1;  // those of the daemon whose ids are simulated: Scenario::workers
  std::vector<SourcePlan> sources;
  time::Duration cores;         // what two cores' counters differ by at most
  bool order_by_truth = false;  // IDs follow the true time where there is one, and the system clock only until then
};

/// What one turn of a clock thread found, all at one moment.
struct Readings {
  time::Uptime taken_at;
  std::uint64_t epoch = 0;
  ptp::ClaimOr system;
  std::vector<Statement> sources;
  ptp::UptimeReading uptime;
  ptp::UptimeReading raw;
  time::Duration asleep;
  bool told_to_distrust = false;
};

class Host {
 public:
  Host(std::uint32_t number, HostPlan plan, Random random);

  /// By a core whose counter is `offset` ahead.
  [[nodiscard]] time::Cycles counter(time::Uptime now, std::int64_t offset) {
    return {oscillator_.at(now).count + static_cast<std::uint64_t>(offset)};
  }
  [[nodiscard]] std::uint64_t epoch() const { return oscillator_.epoch(); }
  void read(time::Uptime now, std::int64_t core, time::Duration half_width, Readings& out);
  /// The turn that read before found that the counter can't be trusted.
  void distrust();

  // What befalls it. While it is away no process on it may run.
  void stop(time::Uptime now, time::Duration length);
  void suspend(time::Uptime now, time::Duration length, bool counter_runs);
  void jump(std::int64_t cycles, bool told);
  void heal();
  [[nodiscard]] time::Uptime away_until() const { return away_until_; }

  [[nodiscard]] std::uint32_t number() const { return number_; }
  [[nodiscard]] const HostPlan& plan() const { return plan_; }
  [[nodiscard]] std::vector<TimeSource>& sources() { return sources_; }

  SystemClock system;
  bool system_readable = true;

 private:
  [[nodiscard]] Statement read_system(time::Uptime now, time::Cycles count, time::Duration half_width);

  std::uint32_t number_;
  HostPlan plan_;
  Oscillator oscillator_;
  std::vector<TimeSource> sources_;  // as in the plan; that of a system clock never speaks
  time::Duration stopped_;           // in all, and so on
  time::Duration asleep_;
  time::Duration uncounted_;  // by CLOCK_MONOTONIC_RAW, although the counter ran
  time::Uptime away_until_;
  bool notice_ = false;
};

}  // namespace gnomon::sim
