// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/shared_plan.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

#include "tests/sim/scenario.hpp"

namespace gnomon::sim {

std::string_view name_of(SharedFault fault) {
  switch (fault) {
    case SharedFault::kKill: return "kill";
    case SharedFault::kStop: return "stop";
    case SharedFault::kPause: return "pause";
    case SharedFault::kPauseThread: return "pause-thread";
    case SharedFault::kAway: return "host-away";
    case SharedFault::kLosesAnswers: return "host-loses-answers";
    case SharedFault::kSlow: return "host-slow";
    case SharedFault::kAllAway: return "all-away";
    case SharedFault::kAllLoseAnswers: return "all-lose-answers";
    case SharedFault::kNudge: return "nudge";
    case SharedFault::kDayAhead: return "day-ahead";
    case SharedFault::kDayBehind: return "day-behind";
    case SharedFault::kCreeps: return "creeps";
    case SharedFault::kRuns: return "runs";
    case SharedFault::kClone: return "clone";
    case SharedFault::kRestore: return "restore";
    case SharedFault::kHeal: return "heal";
    case SharedFault::kPlant: return "plant";
  }
  return "?";
}

namespace {

// A heartbeat must leave room for the answers that it waits for: of a store that is as slow as it may be while nothing
// is wrong with it, and of threads that are preempted.
time::Duration draw_heartbeat(Random& random, const Scenario& scenario) {
  constexpr time::Duration kQuick[] = {time::milliseconds(200), time::milliseconds(500), time::seconds(1)};
  if (scenario.preemption != 0 || scenario.store_delay >= time::milliseconds(20)) return time::seconds(1);
  return random.one_of(kQuick);
}

void draw_ids(Random& random, Scenario& scenario) {
  std::uint32_t all = 0;
  for (HostPlan& host : scenario.hosts) {
    host.workers = static_cast<std::uint32_t>(random.between(1, 2));
    all += host.workers;
  }
  scenario.workers = 2;
  scenario.ids_per_worker = static_cast<std::uint32_t>(random.between(1, 2));
  const std::uint32_t needed = all * scenario.ids_per_worker;
  // Every id that a dead or a cloned daemon leaves behind is out of use for a window, or for the life of its process.
  const std::uint32_t pools[] = {needed * 3 + 2, needed * 8, 1024, 1024};
  scenario.machine_ids = random.one_of(pools);
}

bool shows_the_system_clock(const HostPlan& host) {
  return std::any_of(host.sources.begin(), host.sources.end(), [](const SourcePlan& source) { return source.system; });
}

}  // namespace

bool SharedPlan::has(SharedFault fault) const { return std::find(faults.begin(), faults.end(), fault) != faults.end(); }

void make_shared(Random& random, Scenario& scenario) {
  constexpr time::Duration kWindows[] = {time::seconds(1), time::seconds(2), time::seconds(2), time::seconds(5)};
  constexpr time::Duration kTolerances[] = {time::milliseconds(200), time::milliseconds(500), time::seconds(1)};
  constexpr time::Duration kGaps[] = {time::milliseconds(500), time::milliseconds(1500), time::milliseconds(4000)};
  scenario.hosts.resize(static_cast<std::size_t>(random.between(2, 5)));
  for (HostPlan& host : scenario.hosts)
    host = draw_host(random, 1);
  draw_ids(random, scenario);
  scenario.window = random.one_of(kWindows);
  scenario.store_is_remote = true;
  scenario.fault_gap = random.one_of(kGaps);
  scenario.fault_phase = random.between(time::seconds(15), time::seconds(50));
  scenario.preemption = scenario.preemption / 3;
  scenario.faults.clear();
  std::erase_if(scenario.host_faults, [](HostFault fault) {
    return fault == HostFault::kLie || fault == HostFault::kSmallLie || fault == HostFault::kRestart;
  });
  scenario.host_fault_gap = scenario.host_fault_gap * 4;

  SharedPlan plan;
  plan.heartbeat = draw_heartbeat(random, scenario);
  plan.tolerance = random.one_of(kTolerances);
  for (const HostPlan& host : scenario.hosts)
    plan.clock_errors.push_back(shows_the_system_clock(host)
                                    ? time::Duration{0}
                                    : random.between(plan.tolerance * -2 / 5, plan.tolerance * 2 / 5));
  for (std::size_t i = 0; i < kSharedFaultKinds; ++i)
    if (random.below(3) == 0) plan.faults.push_back(static_cast<SharedFault>(i));
  if (plan.faults.empty()) plan.faults.push_back(SharedFault::kKill);
  scenario.shared = plan;
}

std::string text_of(const SharedPlan& plan) {
  std::string text = fmt::format("shared store, heartbeat {} ms, tolerance {} ms, clocks off by",
                                 plan.heartbeat.ns / 1'000'000, plan.tolerance.ns / 1'000'000);
  for (const time::Duration error : plan.clock_errors)
    text += fmt::format(" {} ms", error.ns / 1'000'000);
  text += ", faults";
  for (const SharedFault fault : plan.faults)
    text += fmt::format(" {}", name_of(fault));
  return text;
}

}  // namespace gnomon::sim
