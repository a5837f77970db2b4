// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/lease/runner.hpp"

#include <fmt/format.h>
#include <tbb/blocked_range.h>
#include <tbb/parallel_for.h>

#include <algorithm>
#include <mutex>
#include <utility>

namespace gnomon::sim::leases {
namespace {

constexpr std::uint64_t kProgressEvery = 16;

void add(Summary& summary, Outcome outcome) {
  ++summary.worlds;
  summary.one_host += outcome.one_host ? 1 : 0;
  summary.simulated = summary.simulated + outcome.lasted;
  summary.counts.add(outcome.counts);
  if (outcome.violation) summary.violations.push_back(std::move(outcome));
}

}  // namespace

Outcome run_seed(std::uint64_t seed, bool print_story) { return World(make_plan(seed), print_story).run(); }

Summary run_seeds(std::uint64_t first, std::uint64_t count, const std::function<void(std::uint64_t)>& progress) {
  Summary summary;
  std::mutex mutex;
  tbb::parallel_for(
      tbb::blocked_range<std::uint64_t>(first, first + count, 1),
      [&](const tbb::blocked_range<std::uint64_t>& range) {
        for (std::uint64_t seed = range.begin(); seed != range.end(); ++seed) {
          Outcome outcome = run_seed(seed);
          const std::lock_guard lock(mutex);
          add(summary, std::move(outcome));
          if (progress && summary.worlds % kProgressEvery == 0) progress(summary.worlds);
        }
      },
      tbb::simple_partitioner());
  std::sort(summary.violations.begin(), summary.violations.end(),
            [](const Outcome& a, const Outcome& b) { return a.seed < b.seed; });
  return summary;
}

std::string text_of(const Outcome& outcome) {
  if (!outcome.violation) return fmt::format("seed {}: no violation", outcome.seed);
  return fmt::format("{}\n  broken: {}: {}\n{}  replay: ./dev sim --leases --seed {} --trace\n",
                     text_of(make_plan(outcome.seed)), outcome.violation->promise, outcome.violation->text,
                     outcome.last_lines, outcome.seed);
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
