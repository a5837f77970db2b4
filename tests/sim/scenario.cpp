// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/scenario.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <stdexcept>
#include <string_view>

namespace gnomon::sim {
namespace {

constexpr time::SmearedUtc kEpoch{1'609'459'200'000'000'000};  // 2021-01-01

}  // namespace

std::string_view name_of(Fault fault) {
  switch (fault) {
    case Fault::kCrash: return "crash";
    case Fault::kCleanStop: return "stop";
    case Fault::kPauseProcess: return "pause";
    case Fault::kPauseThread: return "pause-thread";
    case Fault::kStepBackMs: return "back-1ms";
    case Fault::kStepBackSecond: return "back-1s";
    case Fault::kStepBackHour: return "back-1h";
    case Fault::kDayAhead: return "ahead-1d";
    case Fault::kFreeze: return "freeze";
    case Fault::kDrift: return "drift";
    case Fault::kSourceFails: return "no-source";
    case Fault::kStoreAway: return "store-away";
    case Fault::kStoreLosesAnswers: return "lost-answers";
    case Fault::kStoreSlow: return "slow-store";
    case Fault::kStoreBreaks: return "broken-store";
    case Fault::kClone: return "clone";
    case Fault::kTakeover: return "takeover";
  }
  return "?";
}

namespace {

// Few sequence bits, so that units run out and requests park all the time.
id::Layout draw_layout(Random& random, std::uint16_t number, const Scenario& scenario) {
  struct Unit {
    time::Duration length;
    unsigned time_bits;  // reach beyond 2026, but not beyond 2262
  };
  constexpr Unit kUnits[] = {{time::microseconds(100), 45},
                             {time::milliseconds(1), 41},
                             {time::milliseconds(7), 39},
                             {time::milliseconds(50), 36},
                             {time::milliseconds(500), 33}};
  const auto least = std::max<std::int64_t>(1, std::bit_width(scenario.machine_ids - 1));
  const Unit& unit = random.one_of(kUnits);
  const auto layout =
      id::make_layout({number}, "sim", kEpoch, unit.length, unit.time_bits,
                      static_cast<unsigned>(random.between(least, 10)), static_cast<unsigned>(random.between(1, 7)));
  if (!layout) throw std::logic_error(std::string(id::text_of(layout.error())));
  return *layout;
}

void draw_layouts(Random& random, Scenario& scenario) {
  const auto count = random.between(1, 3);
  for (std::int64_t i = 0; i < count; ++i)
    scenario.layouts.push_back(draw_layout(random, static_cast<std::uint16_t>(id::kFirstCustomLayout + i), scenario));
  if (random.below(4) == 0) scenario.layouts.front() = id::builtin_layouts()[0];
}

void draw_ids(Random& random, Scenario& scenario) {
  scenario.workers = static_cast<std::uint32_t>(random.between(1, 4));
  scenario.ids_per_worker = static_cast<std::uint32_t>(random.between(1, 3));
  scenario.policy = random.below(3) == 0 ? mint::LeadPolicy::kRotate : mint::LeadPolicy::kRefuse;
  scenario.pinned = scenario.policy == mint::LeadPolicy::kRefuse && random.below(3) == 0;
  const std::uint32_t needed = scenario.ids_needed();
  const std::uint32_t pools[] = {needed, needed + 1, needed * 2, needed * 8, 1024};
  scenario.machine_ids = std::max<std::uint32_t>(2, random.one_of(pools));
  if (scenario.policy == mint::LeadPolicy::kRotate) scenario.machine_ids = std::max(scenario.machine_ids, needed * 2);
}

}  // namespace

std::string_view name_of(HostFault fault) {
  switch (fault) {
    case HostFault::kLie: return "lie";
    case HostFault::kSmallLie: return "small-lie";
    case HostFault::kHangs: return "source-hangs";
    case HostFault::kFallsSilent: return "source-silent";
    case HostFault::kLosesReference: return "source-lost";
    case HostFault::kStop: return "machine-stops";
    case HostFault::kSuspend: return "suspend";
    case HostFault::kCounterJumps: return "counter-jumps";
    case HostFault::kClockThread: return "clock-thread";
    case HostFault::kRestart: return "restart";
  }
  return "?";
}

HostPlan draw_host(Random& random, std::uint32_t workers) {
  constexpr time::Duration kBounds[] = {time::microseconds(1), time::microseconds(20), time::microseconds(300),
                                        time::milliseconds(5)};
  constexpr time::Duration kPeriods[] = {{0}, {0}, time::milliseconds(125), time::milliseconds(500)};
  constexpr time::Duration kCores[] = {time::nanoseconds(100), time::microseconds(1), time::microseconds(40)};
  HostPlan plan{.workers = workers, .sources = {}, .cores = random.one_of(kCores)};
  const auto sources = random.between(1, 3);
  for (std::int64_t i = 0; i < sources; ++i)
    plan.sources.push_back({.system = false, .bound = random.one_of(kBounds), .period = random.one_of(kPeriods)});
  const SourcePlan system{.system = true, .bound = time::milliseconds(5), .period = {0}};
  switch (random.below(4)) {
    case 0: plan.sources = {system}; break;
    case 1: plan.sources.back() = system; break;
    default: break;
  }
  plan.order_by_truth = !plan.sources.front().system && random.below(2) == 0;
  return plan;
}

namespace {

void draw_time(Random& random, Scenario& scenario) {
  constexpr time::Duration kGaps[] = {time::milliseconds(200), time::milliseconds(1000), time::milliseconds(3000)};
  constexpr time::Duration kReadings[] = {time::nanoseconds(50), time::microseconds(2), time::microseconds(100)};
  scenario.hosts.push_back(draw_host(random, scenario.workers));
  for (auto peers = random.between(0, 2); peers > 0; --peers)
    scenario.hosts.push_back(draw_host(random, static_cast<std::uint32_t>(random.between(1, 2))));
  for (std::size_t i = 0; i < kHostFaults; ++i)
    if (random.below(3) == 0) scenario.host_faults.push_back(static_cast<HostFault>(i));
  scenario.host_fault_gap = random.one_of(kGaps);
  scenario.widest_reading = random.one_of(kReadings);
  scenario.commit_wait_limit = static_cast<std::uint32_t>(random.between(1, 40));
  scenario.max_commit_wait = random.between(time::milliseconds(1), time::seconds(1));
}

}  // namespace

std::uint32_t Scenario::all_workers() const {
  std::uint32_t n = 0;
  for (const HostPlan& host : hosts)
    n += host.workers;
  return n;
}

time::Duration Scenario::calm_limit() const {
  constexpr time::Duration kOneHost = time::seconds(5);
  return shared ? kOneHost + shared->acquaintance() : kOneHost;
}

WorldKind kind_of(std::uint64_t seed) {
  return Random(seed ^ 0x3c6ef372fe94f82bULL).fork().below(3) == 0 ? WorldKind::kShared : WorldKind::kOneHost;
}

Scenario make_scenario(std::uint64_t seed, std::optional<WorldKind> kind) {
  constexpr time::Duration kWindows[] = {time::seconds(1), time::seconds(2), time::seconds(5), time::seconds(10)};
  constexpr time::Duration kLeads[] = {time::milliseconds(0), time::milliseconds(200), time::milliseconds(1000),
                                       time::milliseconds(1000)};
  constexpr time::Duration kConfirms[] = {time::seconds(1), time::seconds(3), time::seconds(10)};
  constexpr time::Duration kDelays[] = {time::microseconds(100), time::milliseconds(2), time::milliseconds(20)};
  constexpr time::Duration kGaps[] = {time::milliseconds(200), time::milliseconds(1000), time::milliseconds(4000)};
  Random random = Random(seed).fork();  // neighbouring seeds have nothing in common
  Scenario scenario;
  scenario.seed = seed;
  draw_ids(random, scenario);
  scenario.window = random.one_of(kWindows);
  scenario.max_lead = random.one_of(kLeads);
  // With no lead at all every reading's noise would be a clock that is behind, and a reason to rotate.
  if (scenario.policy == mint::LeadPolicy::kRotate)
    scenario.max_lead = std::max(scenario.max_lead, time::milliseconds(200));
  scenario.confirm = random.one_of(kConfirms);
  scenario.rotating_start = random.below(2) == 0;
  const bool shared = kind.value_or(kind_of(seed)) == WorldKind::kShared;
  if (shared) scenario.machine_ids = 1024;  // layouts have room for that many; fewer may be drawn
  draw_layouts(random, scenario);
  scenario.park_limit = static_cast<std::uint32_t>(random.between(1, 40));
  scenario.park_for = random.between(time::milliseconds(1), time::milliseconds(40));
  scenario.load = static_cast<std::uint32_t>(random.below(4));
  scenario.store_delay = random.one_of(kDelays);
  scenario.store_is_remote = random.below(3) == 0;
  scenario.fault_gap = random.one_of(kGaps);
  scenario.fault_phase = random.between(time::seconds(5), time::seconds(20));
  for (std::size_t i = 0; i < kFaultKinds; ++i)
    if (random.below(3) == 0) scenario.faults.push_back(static_cast<Fault>(i));
  if (scenario.faults.empty()) scenario.faults.push_back(Fault::kCrash);
  scenario.network_loss = random.below(2) == 0 ? 0 : static_cast<std::uint32_t>(random.between(1, 200));
  scenario.preemption = random.below(2) == 0 ? 0 : static_cast<std::uint32_t>(random.between(1, 10));
  draw_time(random, scenario);
  if (shared) make_shared(random, scenario);
  scenario.hardships = draw_hardships(seed, shared);
  return scenario;
}

namespace {

std::string text_of(const HostPlan& host) {
  std::string text = fmt::format(" {} workers, cores {} ns, ordered by {}, sources", host.workers, host.cores.ns,
                                 host.order_by_truth ? "the true time" : "the system clock");
  for (const SourcePlan& source : host.sources)
    text += fmt::format(" {}{}us/{}ms", source.system ? "system:" : "", source.bound.ns / 1000,
                        source.period.ns / 1'000'000);
  return text;
}

}  // namespace

std::string text_of(const Scenario& scenario) {
  std::string text = fmt::format(
      "seed {}: {}{} workers x {} ids of {}{}, window {} ms, lead {} ms, confirm {} ms, {}{}, {} store {} us, load {}, "
      "loss {}/1000, preemption {}/1000; layouts",
      scenario.seed, scenario.shared ? text_of(*scenario.shared) + "; " : "", scenario.workers, scenario.ids_per_worker,
      scenario.machine_ids, scenario.pinned ? " pinned" : "", scenario.window.ns / 1'000'000,
      scenario.max_lead.ns / 1'000'000, scenario.confirm.ns / 1'000'000,
      scenario.policy == mint::LeadPolicy::kRotate ? "rotate" : "refuse",
      scenario.rotating_start ? ", rotating start" : "", scenario.store_is_remote ? "remote" : "local",
      scenario.store_delay.ns / 1000, scenario.load, scenario.network_loss, scenario.preemption);
  for (const id::Layout& layout : scenario.layouts)
    text += fmt::format(" {}:{}us/{}/{}", layout.number.value, layout.unit.ns / 1000, layout.machine_bits,
                        layout.sequence_bits);
  text += fmt::format("; for {} ms, one in about {} ms of", scenario.fault_phase.ns / 1'000'000,
                      scenario.fault_gap.ns / 1'000'000);
  for (const Fault fault : scenario.faults)
    text += fmt::format(" {}", name_of(fault));
  text += fmt::format("; readings {} ns, {} commit-waits up to {} ms; hosts", scenario.widest_reading.ns,
                      scenario.commit_wait_limit, scenario.max_commit_wait.ns / 1'000'000);
  for (const HostPlan& host : scenario.hosts)
    text += text_of(host) + ";";
  text += fmt::format(" one in about {} ms of", scenario.host_fault_gap.ns / 1'000'000);
  for (const HostFault fault : scenario.host_faults)
    text += fmt::format(" {}", name_of(fault));
  return text + text_of(scenario.hardships);
}

}  // namespace gnomon::sim
