// SPDX-License-Identifier: Apache-2.0
#include "tests/chaos/report.hpp"

#include <fmt/format.h>

#include <fstream>
#include <stdexcept>

namespace gnomon::chaos {
namespace {

double in_seconds(time::Duration d) { return static_cast<double>(d.ns) / 1e9; }
double since_start(const ChaosRun& run, time::Tai t) { return in_seconds(t - run.start); }

std::string victim_of(const Deed& deed) {
  switch (traits_of(deed.fault.kind).lane) {
    case Lane::kDaemon: return fmt::format("gnomond {}", deed.victim);
    case Lane::kMember: return fmt::format("etcd {}", deed.victim);
    case Lane::kAll: return "all";
  }
  return "?";
}

/// In a cell of a table.
std::string cell(std::string text) {
  for (char& c : text)
    if (c == '|' || c == '\n') c = '/';
  return text;
}

std::string head_of(const ChaosRun& run, const Outcome& outcome) {
  std::string out = "# A chaos run\n\n";
  out += fmt::format(
      "{} Five gnomond on three etcd members, each on a host of its own (a network namespace), and clients of all "
      "kinds on two more, while a nemesis does its work.\n\n",
      outcome.kept() ? "**Every promise was kept.**" : "**A promise was broken.**");
  out += fmt::format("- command: `{}`\n- seed: {}\n- machine: {}\n", run.command, run.plan.seed, run.machine);
  out += fmt::format(
      "- duration: {:.1f} s, of which {:.1f} s of storm; {} faults planned; daemons that had ended by themselves "
      "were started again {} times\n",
      since_start(run, run.end), in_seconds(run.calm - run.start - kWarmUp), run.plan.faults.size(), run.restarts);
  return out + fmt::format("\n![who was in trouble when, and what was served]({})\n", kPictureName);
}

std::string verdicts_of(const Outcome& outcome) {
  std::string out =
      "\n## Verdicts\n\n| promise | what was asked | judged | not judged | verdict |\n|---|---|--:|---|---|\n";
  for (const Verdict& verdict : outcome.verdicts)
    out += fmt::format("| {} | {} | {} | {} | {} |\n", verdict.promise, verdict.question, verdict.judged,
                       verdict.left_out, verdict.kept() ? "kept" : fmt::format("**broken {} times**", verdict.broken));
  for (const Verdict& verdict : outcome.verdicts)
    for (const std::string& violation : verdict.violations)
      out += fmt::format("\n- {}: {}", verdict.promise, violation);
  return out;
}

std::string served_of(const Outcome& outcome) {
  std::string out =
      "\n## What was served\n\n| kind | | answers | IDs or answers | before | in the storm | after |\n"
      "|---|---|--:|--:|--:|--:|--:|\n";
  for (const auto& [kind, figures] : outcome.kinds)
    out += fmt::format("| {} | {} | {} | {} | {} | {} | {} |\n", text_of(kind), what_of(kind), figures.answers,
                       figures.amount, figures.by_phase[0], figures.by_phase[1], figures.by_phase[2]);
  out += "\n## What was refused\n\n| kind | reason | times |\n|---|---|--:|\n";
  for (const auto& [kind, figures] : outcome.kinds)
    for (const auto& [reason, times] : figures.refusals)
      out += fmt::format("| {} | {} | {} |\n", text_of(kind), cell(reason), times);
  return out;
}

std::string clients_of(const ChaosRun& run, const Outcome& outcome) {
  std::string out =
      "\n## Clients\n\nThe longest gap is the longest time without an answer; a client of one daemon can't go "
      "elsewhere.\n\n| client | answers | refusals | longest gap | which began at | served again after the storm |\n"
      "|---|--:|--:|--:|--:|--:|\n";
  for (const ClientFigures& client : outcome.clients) {
    std::string again = "?";
    for (const ServedAgain& each : run.served_again)
      if (each.client == client.client)
        again = each.after ? fmt::format("{:.1f} s", in_seconds(*each.after)) : "**no**";
    out += fmt::format("| {} | {} | {} | {:.2f} s | {:.1f} s | {} |\n", client.client, client.answers, client.refusals,
                       in_seconds(client.longest_gap), since_start(run, client.gap_began), again);
  }
  std::uint64_t writes = 0;
  std::uint64_t fenced = 0;
  for (const ClientHistory& history : run.histories) {
    writes += history.guarded_writes;
    fenced += history.fenced_writes;
  }
  return out +
         fmt::format("\n{} writes under leases reached a resource that remembers tokens; it refused {} of them.\n",
                     writes, fenced);
}

std::string faults_of(const ChaosRun& run) {
  std::string out = "\n## Faults\n\n| from | to | who | what | |\n|--:|--:|---|---|---|\n";
  for (const Deed& deed : run.deeds)
    out += fmt::format("| {:.1f} s | {:.1f} s | {} | {}: {} | {} |\n", since_start(run, deed.began),
                       since_start(run, deed.ended), victim_of(deed), traits_of(deed.fault.kind).name,
                       traits_of(deed.fault.kind).what, cell(deed.note));
  return out;
}

void write(const std::filesystem::path& path, const std::string& text) {
  std::ofstream file(path, std::ios::trunc);
  file << text;
  file.close();
  if (!file) throw std::runtime_error("the report could not be written to " + path.string());
}

}  // namespace

std::string markdown_of(const ChaosRun& run, const Outcome& outcome) {
  return head_of(run, outcome) + verdicts_of(outcome) + served_of(outcome) + clients_of(run, outcome) + faults_of(run);
}

Timeline timeline_of(const ChaosRun& run, const Outcome& outcome) {
  Timeline timeline{.title = fmt::format("gnomon-chaos, seed {}: {}", run.plan.seed,
                                         outcome.kept() ? "every promise was kept" : "A PROMISE WAS BROKEN"),
                    .seconds = since_start(run, run.end)};
  for (std::size_t m = 0; m < kMembers; ++m)
    timeline.lanes.push_back({.name = fmt::format("etcd {}", m)});
  for (std::size_t j = 0; j < kDaemons; ++j)
    timeline.lanes.push_back({.name = fmt::format("gnomond {}", j)});
  for (const Deed& deed : run.deeds) {
    if (deed.skipped) continue;
    const FaultTraits& traits = traits_of(deed.fault.kind);
    const TimelineBar bar{since_start(run, deed.began), since_start(run, deed.ended), std::string(traits.name),
                          deed.note};
    if (traits.lane == Lane::kAll) {
      for (TimelineLane& lane : timeline.lanes)
        lane.bars.push_back(bar);
      continue;
    }
    const bool member = traits.lane == Lane::kMember;
    timeline.lanes.at(member ? deed.victim : kMembers + deed.victim).bars.push_back(bar);
    if (deed.fault.kind == FaultKind::kMajorityKilled)
      timeline.lanes.at((deed.victim + 1) % kMembers).bars.push_back(bar);
  }
  for (const auto& [kind, figures] : outcome.kinds)
    timeline.curves.push_back({std::string(text_of(kind)), figures.per_second});
  timeline.marks = {{in_seconds(kWarmUp), "the storm begins"}, {since_start(run, run.calm), "it is over"}};
  return timeline;
}

std::string summary_of(const Outcome& outcome) {
  std::string out;
  for (const Verdict& verdict : outcome.verdicts) {
    out += fmt::format("{:<7} {:<7} {:>10} judged: {}\n", verdict.promise, verdict.kept() ? "kept" : "BROKEN",
                       verdict.judged, verdict.question);
    if (!verdict.left_out.empty()) out += fmt::format("{:>15} not judged: {}\n", "", verdict.left_out);
    for (const std::string& violation : verdict.violations)
      out += fmt::format("{:>15} {}\n", "", violation);
  }
  for (const auto& [kind, figures] : outcome.kinds)
    out += fmt::format("{:<7} {} answers ({} before, {} in the storm, {} after)\n", text_of(kind), figures.answers,
                       figures.by_phase[0], figures.by_phase[1], figures.by_phase[2]);
  return out;
}

void write_report(const std::filesystem::path& folder, const ChaosRun& run, const Outcome& outcome) {
  std::filesystem::create_directories(folder);
  write(folder / kReportName, markdown_of(run, outcome));
  write(folder / kPictureName, svg_of(timeline_of(run, outcome)));
}

}  // namespace gnomon::chaos
