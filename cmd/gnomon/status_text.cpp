// SPDX-License-Identifier: Apache-2.0
//
// The status for people. Counters that are zero are left out, so that what is there is what happens.
#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <string_view>

#include "cmd/gnomon/status.hpp"
#include "cmd/text/rfc3339.hpp"
#include "oracle/time/true_time.hpp"

namespace gnomon::cmd {
namespace {

using control::CounterReport;
using control::StatusReport;
using control::WorkerReport;

std::uint64_t value_of(const WorkerReport& worker, std::string_view name) {
  for (const CounterReport& counter : worker.counters)
    if (counter.name == name) return counter.value;
  return 0;
}

std::string rate_of(const WorkerReport& worker, const Rates& rates, std::string_view name) {
  if (worker.index >= rates.size()) return "-";
  for (std::size_t c = 0; c < worker.counters.size(); ++c)
    if (worker.counters[c].name == name && c < rates[worker.index].size())
      return fmt::format("{:.0f}", rates[worker.index][c]);
  return "-";
}

std::string joined(const std::vector<std::string>& words, std::string_view separator) {
  std::string out;
  for (const std::string& word : words)
    out += fmt::format("{}{}", out.empty() ? "" : separator, word);
  return out;
}

/// What the others say of this daemon's clock, in words.
std::string vote_line(const control::ClockVoteReport& vote) {
  const auto others = [](std::uint32_t n) { return fmt::format("{} other daemon{}", n, n == 1 ? "" : "s"); };
  std::string out = fmt::format("vote     {}: ", vote.standing);
  if (vote.voters == 0)
    out += "no other daemon has a say on this clock\n";
  else if (vote.against == 0)
    out += fmt::format("{} judged this clock, none against it\n", others(vote.voters));
  else
    out += fmt::format("{} judged this clock, {} against it\n", others(vote.voters), vote.against);
  if (!vote.text.empty()) out += fmt::format("         {}\n", vote.text);
  return out;
}

/// Calls of the store that failed, by kind; nothing if none did.
std::string failures(const control::AgentReport& agent) {
  std::string out;
  for (const CounterReport& kind : agent.store_failures)
    if (kind.value != 0) out += fmt::format("{}{} {}", out.empty() ? "" : ", ", kind.value, kind.name);
  return out.empty() ? out : fmt::format("         calls that failed since the start: {}\n", out);
}

std::string head(const StatusReport& report) {
  const auto& daemon = report.daemon;
  std::string out = fmt::format("gnomond {}  instance {}  pid {}  up {}  incarnation {:016x}\n", daemon.version,
                                daemon.instance, daemon.pid, human_duration(daemon.uptime), daemon.incarnation);
  out += fmt::format("listen   {}  (metrics {})\n", joined(daemon.listen, ", "),
                     daemon.metrics_listen.empty() ? "off" : daemon.metrics_listen);
  if (!daemon.data_plane.empty()) out += fmt::format("through  {}\n", daemon.data_plane);
  for (const control::PortReport& port : report.ports)
    out += fmt::format("{} {}\n", &port == report.ports.data() ? "ports   " : "        ", port_line(port));
  out += fmt::format("store    {}  revision {}, epoch {}\n", daemon.store_url, report.agent.revision,
                     report.agent.store_epoch);
  out += failures(report.agent);
  out += fmt::format("access   policy {}, {} refused reloads\n", daemon.access_policy_version, daemon.failed_reloads);
  const auto& clock = report.clock;
  out += fmt::format("clock    {} at {}, lead {}, era {}; {}; {} of {} readings failed\n", clock.state,
                     rfc3339(clock.now), human_duration(clock.lead), clock.era.value, clock.source,
                     clock.failed_readings, clock.readings + clock.failed_readings);
  out += clock.true_time == time::name_of(time::ClockFault::kNone)
             ? fmt::format("         true time known to {} either way\n", human_duration(clock.epsilon))
             : fmt::format("         no true time: {}\n", clock.true_time);
  if (!clock.last_failure.empty()) out += fmt::format("         last failed reading: {}\n", clock.last_failure);
  if (report.agent.vote) out += vote_line(*report.agent.vote);
  out += fmt::format("agent    {}", report.agent.state);
  if (report.agent.waiting_until.ns != 0) out += fmt::format(", waiting until {}", rfc3339(report.agent.waiting_until));
  out += '\n';
  for (const std::string& note : report.agent.recent_notes)
    out += fmt::format("         {}\n", note);
  return out;
}

/// What is not zero of the figures, in a few lines.
std::string figures(const std::vector<CounterReport>& from, std::string_view prefix = "") {
  constexpr std::size_t kPerLine = 6;
  std::string out;
  std::size_t shown = 0;
  for (const CounterReport& figure : from) {
    if (figure.value == 0) continue;
    out += shown % kPerLine == 0 ? "         " : ", ";
    out += fmt::format("{}{} {}", prefix, figure.name, figure.value);
    if (++shown % kPerLine == 0) out += '\n';
  }
  return shown % kPerLine == 0 ? out : out + "\n";
}

std::string leases(const StatusReport& report) {
  if (!report.leases) return {};
  const control::LeaseReport& leases = *report.leases;
  return fmt::format("leases   {} on the Unix socket{}\n", leases.serving ? "served" : "not to be had at the moment",
                     leases.listen.empty() ? "" : " and on " + leases.listen) +
         figures(leases.levels) + figures(leases.counters) + figures(leases.refused, "refused_");
}

std::string layouts(const StatusReport& report) {
  std::string out;
  for (const control::LayoutReport& layout : report.layouts)
    out += fmt::format("{}{} {} until {} ({} left)\n", out.empty() ? "layouts  " : "         ", layout.number.value,
                       layout.name, rfc3339(layout.exhausted_at).substr(0, 10), human_duration(layout.headroom));
  return out;
}

std::string rights(const StatusReport& report) {
  std::string out = fmt::format("\n{:>6}  {:>7}  {:>20}  {:<24}  {:<24}  {:>9}\n", "worker", "machine", "token",
                                "floor", "ceiling", "remaining");
  bool any = false;
  for (const WorkerReport& worker : report.workers)
    for (const control::RightReport& entry : worker.rights) {
      any = true;
      // Milliseconds are enough here; the JSON has the nanoseconds.
      const auto in_ms = [](time::SmearedUtc t) { return rfc3339({t.ns / 1'000'000 * 1'000'000}); };
      const std::string floor = entry.right.floor.ns == 0 ? "-" : in_ms(entry.right.floor);  // a first right has none
      out += fmt::format("{:>6}  {:>7}  {:>20}  {:<24}  {:<24}  {:>9}\n", worker.index, entry.right.machine.value,
                         entry.right.token.value, floor, in_ms(entry.right.ceiling), human_duration(entry.remaining));
    }
  return any ? out : "\nno rights: requests are answered not_leased\n";
}

std::string traffic(const StatusReport& report, const Rates& rates) {
  std::string out = fmt::format("\n{:>6}  {:>12}  {:>12}  {:>12}  {:>16}  {:>16}  {:>12}\n", "worker", "messages/s",
                                "replies/s", "IDs/s", "messages", "IDs", "parked");
  for (const WorkerReport& worker : report.workers)
    out += fmt::format("{:>6}  {:>12}  {:>12}  {:>12}  {:>16}  {:>16}  {:>12}\n", worker.index,
                       rate_of(worker, rates, "messages"), rate_of(worker, rates, "replies"),
                       rate_of(worker, rates, "ids"), value_of(worker, "messages"), value_of(worker, "ids"),
                       value_of(worker, "parked"));
  return out;
}

/// Sums over the workers of all counters that mean trouble, and are not zero.
std::string trouble(const StatusReport& report, const Rates& rates) {
  static constexpr std::array<std::string_view, 6> kPrefixes{"refused_",    "dropped_",     "receive_errors",
                                                             "send_errors", "send_dropped", "address_conflicts"};
  std::string out;
  if (report.workers.empty()) return out;
  for (std::size_t c = 0; c < report.workers.front().counters.size(); ++c) {
    const std::string& name = report.workers.front().counters[c].name;
    if (std::none_of(kPrefixes.begin(), kPrefixes.end(), [&](std::string_view p) { return name.starts_with(p); }))
      continue;
    std::uint64_t sum = 0;
    double rate = 0;
    for (std::size_t w = 0; w < report.workers.size(); ++w) {
      if (c < report.workers[w].counters.size()) sum += report.workers[w].counters[c].value;
      if (w < rates.size() && c < rates[w].size()) rate += rates[w][c];
    }
    if (sum != 0) out += fmt::format("  {:<30} {:>16}  {:>12.0f}/s\n", name, sum, rate);
  }
  return out.empty() ? "\nnothing was refused or dropped\n" : "\nrefused and dropped\n" + out;
}

}  // namespace

std::string status_text(const StatusReport& report, const Rates& rates) {
  return head(report) + leases(report) + layouts(report) + rights(report) + traffic(report, rates) +
         trouble(report, rates);
}

}  // namespace gnomon::cmd
