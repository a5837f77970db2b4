// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/runner.hpp"

#include <fmt/format.h>

#include <utility>

#include "tests/sim/replay_text.hpp"
#include "tests/sim/seeds.hpp"
#include "tests/sim/shared_world.hpp"
#include "tests/sim/world.hpp"

namespace gnomon::sim {
namespace {

void add_served(std::array<Served, kPhases>& sum, const std::array<Served, kPhases>& served) {
  for (std::size_t i = 0; i < kPhases; ++i) {
    sum[i].requests += served[i].requests;
    sum[i].answered_with_ids += served[i].answered_with_ids;
    sum[i].ids += served[i].ids;
  }
}

void add(Summary& summary, Outcome outcome) {
  ++summary.worlds;
  summary.simulated = summary.simulated + outcome.lasted;
  summary.ids += outcome.ids;
  summary.incarnations += outcome.incarnations;
  summary.faults += outcome.faults;
  summary.recoveries_asked += outcome.recovery_asked ? 1 : 0;
  add_served(outcome.shared ? summary.shared_served : summary.served, outcome.served);
  for (std::size_t i = 0; i < kPhases; ++i)
    summary.time_served[i].add(outcome.time_served[i]);
  if (outcome.shared) {
    ++summary.shared_worlds;
    summary.shared.add(*outcome.shared);
  }
  summary.host_faults += outcome.host_faults;
  summary.hardships.add(outcome.hardships);
  summary.times_checked += outcome.times_checked;
  summary.waits_released += outcome.waits_released;
  if (outcome.violation) summary.violations.push_back(std::move(outcome));
}

}  // namespace

Outcome run_seed(std::uint64_t seed, std::optional<WorldKind> kind, bool print_trace) {
  return run_scenario(make_scenario(seed, kind), print_trace);
}

Outcome run_scenario(const Scenario& scenario, bool print_trace) {
  if (scenario.shared) return SharedWorld(scenario, print_trace).run();
  return World(scenario, print_trace).run();
}

Outcome run_part(std::uint64_t seed, std::optional<WorldKind> kind, Replay replay, bool print_trace) {
  Scenario scenario = make_scenario(seed, kind);
  scenario.replay = std::move(replay);
  Outcome outcome = run_scenario(scenario, print_trace);
  outcome.part = scenario.replay->part;
  return outcome;
}

Summary run_seeds(const Seeds& seeds, const std::function<void(std::uint64_t)>& progress) {
  return run_in_parallel<Summary>(
      seeds.first, seeds.count, [&](std::uint64_t seed) { return run_seed(seed, seeds.kind); }, add, progress);
}

std::string text_of(const Outcome& outcome) {
  if (!outcome.violation) return fmt::format("seed {}: no violation", outcome.seed);
  const WorldKind kind = outcome.shared ? WorldKind::kShared : WorldKind::kOneHost;
  return text_of_violation(text_of(make_scenario(outcome.seed, kind)), outcome, outcome.shared ? "--shared" : "");
}

double share_answered(const TimeServed& served, wire::Op op) {
  const TimeServed::Count& count = served.count(op);
  const std::uint64_t all = count.answered + count.refused;
  return all == 0 ? 0 : static_cast<double>(count.answered) / static_cast<double>(all);
}

namespace {

std::string text_of_times(const Summary& summary) {
  const auto answered = [&](wire::Op op) {
    std::uint64_t n = 0;
    for (const TimeServed& served : summary.time_served)
      n += served.count(op).answered;
    return n;
  };
  const auto percent = [&](Phase phase) {
    return 100 * share_answered(summary.time_served[static_cast<std::size_t>(phase)], wire::Op::kNow);
  };
  return fmt::format(
      "answered: {} now, {} time_sync, {} commit_wait, {} hlc_update; {} intervals held against the truth; now() said "
      "what time it is: calm {:.0f} %, faults {:.0f} % ({} of hosts and sources), recovery {:.0f} %",
      answered(wire::Op::kNow), answered(wire::Op::kTimeSync), answered(wire::Op::kCommitWait),
      answered(wire::Op::kHlcUpdate), summary.times_checked, percent(Phase::kCalm), percent(Phase::kFaults),
      summary.host_faults, percent(Phase::kRecovery));
}

double percent_of(const std::array<Served, kPhases>& all, Phase phase) {
  const Served& served = all[static_cast<std::size_t>(phase)];
  return served.requests == 0
             ? 0.0
             : 100.0 * static_cast<double>(served.answered_with_ids) / static_cast<double>(served.requests);
}

std::string text_of_own_stores(const Summary& summary) {
  if (summary.worlds == summary.shared_worlds) return "";
  return fmt::format(
      "{} worlds of hosts with a store each, answered with IDs: calm {:.0f} %, faults {:.0f} %, recovery {:.0f} %\n",
      summary.worlds - summary.shared_worlds, percent_of(summary.served, Phase::kCalm),
      percent_of(summary.served, Phase::kFaults), percent_of(summary.served, Phase::kRecovery));
}

std::string text_of_shared(const Summary& summary) {
  if (summary.shared_worlds == 0) return "";
  const SharedCounts& counts = summary.shared;
  return fmt::format(
      "{} worlds with a shared store, {} hosts, answered with IDs: calm {:.0f} %, faults {:.0f} %, recovery {:.0f} %; "
      "{} restores, {} seals, {} recoveries, {} starts refused, {} heals, {} plants, {} mad clocks; {} ceilings judged "
      "({} not), {} looks at a host that had to stand down, {} at one that had to serve on\n",
      summary.shared_worlds, counts.hosts, percent_of(summary.shared_served, Phase::kCalm),
      percent_of(summary.shared_served, Phase::kFaults), percent_of(summary.shared_served, Phase::kRecovery),
      counts.restores, counts.seals, counts.recoveries, counts.refused_starts, counts.heals, counts.plants,
      counts.mad_clocks, counts.ceilings_judged, counts.ceilings_unjudged, counts.stood_down, counts.served_on);
}

}  // namespace

std::string text_of(const Summary& summary) {
  const double hours = static_cast<double>(summary.simulated.ns) / 3.6e12;
  return fmt::format(
      "{} seeds, {:.1f} simulated hours, {} daemons, {} faults\n{}{}{}\n{}\n{} seeds, {:.1f} simulated hours, {} IDs "
      "checked, {} violations",
      summary.worlds, hours, summary.incarnations, summary.faults, text_of_own_stores(summary), text_of_shared(summary),
      text_of_times(summary), text_of(summary.hardships), summary.worlds, hours, summary.ids,
      summary.violations.size());
}

}  // namespace gnomon::sim
