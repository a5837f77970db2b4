// SPDX-License-Identifier: Apache-2.0
#include "tests/chaos/outcome.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "tests/chaos/judge_parts.hpp"

namespace gnomon::chaos {
namespace {

constexpr std::int64_t kNsPerSecond = 1'000'000'000;
constexpr std::size_t kFewestGrants = 3;  // of each name
// Of the machine's clock against the monotonic one, in the whole run: what two readings one after the other differ by
// is far less.
constexpr time::Duration kLargestClockStep = time::milliseconds(1);

Phase phase_of(const ChaosRun& run, time::Tai t) {
  if (t < run.start + kWarmUp) return Phase::kBefore;
  return t < run.calm ? Phase::kStorm : Phase::kAfter;
}

void add_answers(const ChaosRun& run, const ClientHistory& history, std::map<Kind, KindFigures>& kinds) {
  for (const Answer& answer : history.answers) {
    KindFigures& figures = kinds[answer.kind];
    ++figures.answers;
    figures.amount += answer.amount();
    ++figures.by_phase.at(static_cast<std::size_t>(phase_of(run, answer.answered)));
    const std::int64_t second = (answer.answered - run.start).ns / kNsPerSecond;
    if (second >= 0 && second < static_cast<std::int64_t>(figures.per_second.size()))
      figures.per_second[static_cast<std::size_t>(second)] += answer.amount();
  }
  for (const auto& [reason, times] : history.refusals)
    kinds[reason.first].refusals[reason.second] += times;
}

ClientFigures figures_of(const ChaosRun& run, const ClientHistory& history) {
  ClientFigures figures{.client = history.client, .answers = history.answers.size()};
  for (const auto& [reason, times] : history.refusals)
    figures.refusals += times;
  time::Tai last = run.start;
  const auto gap_until = [&](time::Tai t) {
    if (t - last > figures.longest_gap) {
      figures.longest_gap = t - last;
      figures.gap_began = last;
    }
    last = t;
  };
  for (const Answer& answer : history.answers)
    gap_until(answer.answered);
  gap_until(run.end);
  return figures;
}

Verdict judge_service(const std::map<Kind, KindFigures>& kinds) {
  Verdict verdict{.promise = "served", .question = "every kind of client was answered before, during and after"};
  for (const auto& [kind, figures] : kinds)
    for (const Phase phase : kPhases) {
      const std::uint64_t answers = figures.by_phase.at(static_cast<std::size_t>(phase));
      verdict.judged += answers;
      if (answers < least_answers(kind, phase))
        accuse(verdict, fmt::format("{} {}: {} answers, {} are the least", text_of(phase), text_of(kind), answers,
                                    least_answers(kind, phase)));
    }
  return verdict;
}

Verdict judge_liveness(const ChaosRun& run) {
  Verdict verdict{.promise = "live",
                  .question = fmt::format("everybody was served again within {} s after the last fault was over",
                                          kServedAgain.ns / kNsPerSecond)};
  for (const ServedAgain& client : run.served_again) {
    ++verdict.judged;
    if (!client.after) accuse(verdict, client.client + " was not");
  }
  return verdict;
}

// A storm whose faults were left out proves little. Of bad links a kernel may have no kind at all.
Verdict judge_storm(const ChaosRun& run) {
  Verdict verdict{.promise = "storm", .question = "every kind of fault in the plan was done at least once"};
  std::map<FaultKind, std::size_t> done;
  std::size_t skipped = 0;
  for (const Deed& deed : run.deeds) {
    done[deed.fault.kind] += deed.skipped ? 0 : 1;
    skipped += deed.skipped ? 1 : 0;
  }
  verdict.judged = run.deeds.size() - skipped;
  if (skipped != 0) verdict.left_out = fmt::format("{} faults that could not be done, and were left out", skipped);
  for (const auto& [kind, times] : done)
    if (times == 0 && kind != FaultKind::kBadLink) accuse(verdict, fmt::format("{}: never", traits_of(kind).name));
  return verdict;
}

Verdict judge_machine(const ChaosRun& run) {
  Verdict verdict{.promise = "clock",
                  .question = "the clock of this machine, by which all this is judged, did not step",
                  .judged = 1};
  if (run.largest_clock_step > kLargestClockStep)
    accuse(verdict, fmt::format("it did, by {}: nothing that this run says of time is worth anything",
                                in_ms(run.largest_clock_step)));
  return verdict;
}

}  // namespace

std::string_view text_of(Phase phase) {
  switch (phase) {
    case Phase::kBefore: return "before";
    case Phase::kStorm: return "storm";
    case Phase::kAfter: return "after";
  }
  return "unknown";
}

std::uint64_t least_answers(Kind kind, Phase phase) {
  const bool rare = kind == Kind::kLease;
  return phase == Phase::kStorm ? (rare ? 10 : 100) : rare ? 1 : 10;
}

bool Outcome::kept() const {
  return std::all_of(verdicts.begin(), verdicts.end(), [](const Verdict& verdict) { return verdict.kept(); });
}

WrongClocks wrong_clocks(const ChaosRun& run) {
  WrongClocks wrong;
  for (const Deed& deed : run.deeds) {
    const bool clock = deed.fault.kind == FaultKind::kClockAhead || deed.fault.kind == FaultKind::kClockBehind;
    if (clock && !deed.skipped)
      wrong.push_back({static_cast<std::uint8_t>(deed.victim), deed.began, deed.ended + kBelievedAgain});
  }
  return wrong;
}

Outcome judge(const ChaosRun& run) {
  Outcome outcome;
  const auto seconds = static_cast<std::size_t>(std::max<std::int64_t>(0, (run.end - run.start).ns / kNsPerSecond) + 1);
  for (const Kind kind : kKinds)
    outcome.kinds[kind].per_second.resize(seconds);
  for (const ClientHistory& history : run.histories) {
    add_answers(run, history, outcome.kinds);
    outcome.clients.push_back(figures_of(run, history));
  }
  const WrongClocks wrong = wrong_clocks(run);
  outcome.verdicts = {judge_unique(run.histories),
                      judge_id_order(run.histories),
                      judge_hybrid_time(run.histories),
                      judge_contained(run.histories, wrong),
                      judge_commits(run.histories, wrong),
                      judge_leases(run.histories, wrong, kFewestGrants),
                      judge_tokens(run.histories),
                      judge_service(outcome.kinds),
                      judge_liveness(run),
                      judge_storm(run),
                      judge_machine(run)};
  return outcome;
}

}  // namespace gnomon::chaos
