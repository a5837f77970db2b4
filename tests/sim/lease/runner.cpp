// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/lease/runner.hpp"

#include <fmt/format.h>

#include <utility>

#include "tests/sim/replay_text.hpp"
#include "tests/sim/seeds.hpp"

namespace gnomon::sim::leases {
namespace {

void add(Summary& summary, Outcome outcome) {
  ++summary.worlds;
  summary.one_host += outcome.one_host ? 1 : 0;
  summary.simulated = summary.simulated + outcome.lasted;
  summary.counts.add(outcome.counts);
  if (outcome.violation) summary.violations.push_back(std::move(outcome));
}

}  // namespace

Outcome run_seed(std::uint64_t seed, bool print_story) { return World(make_plan(seed), print_story).run(); }

Outcome run_part(std::uint64_t seed, Replay replay, bool print_story) {
  Plan plan = make_plan(seed);
  if (!replay.part.has({TroubleKind::kLoss})) plan.loss = 0;
  if (!replay.part.has({TroubleKind::kLostAnswers})) plan.unknown = 0;
  if (!replay.part.has({TroubleKind::kDuplicates})) plan.duplicates = 0;
  plan.replay = std::move(replay);
  Outcome outcome = World(plan, print_story).run();
  outcome.part = plan.replay->part;
  return outcome;
}

Summary run_seeds(std::uint64_t first, std::uint64_t count, const std::function<void(std::uint64_t)>& progress) {
  return run_in_parallel<Summary>(first, count, [](std::uint64_t seed) { return run_seed(seed); }, add, progress);
}

std::string text_of(const Outcome& outcome) {
  if (!outcome.violation) return fmt::format("seed {}: no violation", outcome.seed);
  return text_of_violation(text_of(make_plan(outcome.seed)), outcome, "--leases");
}

std::string text_of(const Counts& counts) {
  return fmt::format(
      "{} requests, {} renewals, {} grants ({} after a wait, {} takeovers), {} releases, {} refusals, {} sessions "
      "given "
      "up, {} faults; looked at: {} believers, {} answers, {} renewed promises, {} places in queues; {} stale writes "
      "refused by their resources",
      counts.requests, counts.renewals, counts.grants, counts.queued_grants, counts.takeovers, counts.releases,
      counts.refusals, counts.lost_sessions, counts.faults, counts.looks, counts.judged, counts.promises, counts.passed,
      counts.stale_writes);
}

std::string text_of(const Summary& summary) {
  return fmt::format(
      "{} worlds of leases, {} of them of one host: {}\n{} seeds, {:.1f} simulated hours, {} grants, {} takeovers, {} "
      "violations",
      summary.worlds, summary.one_host, text_of(summary.counts), summary.worlds,
      static_cast<double>(summary.simulated.ns) / 3.6e12, summary.counts.grants, summary.counts.takeovers,
      summary.violations.size());
}

}  // namespace gnomon::sim::leases
