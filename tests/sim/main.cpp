// SPDX-License-Identifier: Apache-2.0
//
// gnomon-sim: the simulator's command. It says what it runs before it runs it, so that a run that dies can be repeated.
// Exit code: 0 every promise held, 1 one was broken, 2 usage.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <optional>
#include <random>
#include <string>
#include <string_view>

#include <CLI/CLI.hpp>

#include "oracle/canary.hpp"
#include "tests/sim/lease/runner.hpp"
#include "tests/sim/replay_text.hpp"
#include "tests/sim/runner.hpp"
#include "tests/sim/shrink.hpp"

namespace {

using namespace gnomon;

constexpr std::uint64_t kViolationsShown = 3;

struct Options {
  std::optional<std::uint64_t> seed;
  std::optional<std::uint64_t> first_seed;
  std::uint64_t seeds = 1000;
  std::string canary;
  bool shared = false;
  bool leases = false;
  bool trace = false;
  bool shrink = false;
  std::string only;
  std::optional<sim::Part> part;  // what it says

  [[nodiscard]] std::optional<sim::WorldKind> kind() const {
    return shared ? std::optional(sim::WorldKind::kShared) : std::nullopt;
  }
};

int usage_error(const CLI::App& app, const CLI::ParseError& error) {
  const int status = app.exit(error);
  return status == 0 ? 0 : 2;
}

std::string canary_names() {
  std::string names;
  for (const canary::BugInfo& info : canary::kBugs)
    names += fmt::format("\n    {:20} {}", info.name, info.what);
  return names;
}

bool plant(const std::string& name) {
  if (name.empty()) return true;
  for (const canary::BugInfo& info : canary::kBugs)
    if (name == info.name) {
      canary::plant(info.bug);
      return true;
    }
  fmt::print(stderr, "gnomon-sim: there is no canary '{}'; there are:{}\n", name, canary_names());
  return false;
}

void show_bar(std::uint64_t done, std::uint64_t all, const std::string& text) {
  constexpr std::uint64_t kWidth = 40;
  const std::uint64_t filled = all == 0 ? 0 : done * kWidth / all;
  fmt::print(stderr, "\r[{:=<{}}{: <{}}] {: <30}", "", filled, "", kWidth - filled, text);
}

void show_progress(std::uint64_t done, std::uint64_t all) {
  show_bar(done, all, fmt::format("{} of {} seeds", done, all));
}

void clear_progress() { fmt::print(stderr, "\r{: <73}\r", ""); }

// ---- a part of one world

std::optional<sim::Part> parse_only(const std::string& text) {
  const auto part = sim::parse_part(text);
  if (part) return *part;
  fmt::print(stderr, "gnomon-sim: --only {}: {}\n", text, sim::text_of(part.error()));
  return std::nullopt;
}

// A number that is mistyped, or a text that was made for other sources, must not pass for a world that holds.
bool can_replay(const sim::Befell& befell, const sim::Part& part) {
  const sim::Part whole = befell.whole();
  for (const sim::Trouble& trouble : part.troubles())
    if (!whole.has(trouble)) {
      fmt::print(stderr, "gnomon-sim: there is no {} in the world of this seed, only {}\n",
                 sim::text_of(sim::Part({trouble})), sim::text_of(whole));
      return false;
    }
  return true;
}

std::string share(const sim::Part& part, const sim::Part& of) {
  const auto faults = [](const sim::Part& each) {
    return std::count_if(each.troubles().begin(), each.troubles().end(),
                         [](const sim::Trouble& t) { return t.number != 0; });
  };
  const auto all = [](const sim::Part& each) { return std::ssize(each.troubles()); };
  return fmt::format("{} of {} faults and {} of {} nuisances", faults(part), faults(of), all(part) - faults(part),
                     all(of) - faults(of));
}

void say_shrink(std::uint64_t seed, std::string_view flag) {
  fmt::print("{} --shrink\n", sim::replay_command(seed, flag, std::nullopt));
  std::fflush(stdout);
}

/// `run(part)`: the outcome of a part of the same world.
template <typename Outcome, typename Run>
int shrink(const Outcome& whole, std::string_view flag, const Run& run) {
  if (!whole.violation) {
    fmt::print("seed {} keeps all promises: there is nothing to shrink\n", whole.seed);
    return 0;
  }
  const bool terminal = isatty(STDERR_FILENO) == 1;
  const sim::Part all = whole.befell.whole();
  const std::uint64_t count = all.troubles().size();
  const auto shrunk = sim::shrink(whole, run, sim::kMostRuns, [&](std::uint64_t left, std::uint64_t runs) {
    if (terminal) show_bar(count - left, count, fmt::format("{} of {} left, {} runs", left, count, runs));
  });
  if (terminal) clear_progress();
  fmt::print("{}\n{} are enough ({} runs; {}): {}\n", text_of(shrunk.outcome), share(*shrunk.outcome.part, all),
             shrunk.runs, shrunk.is_minimal ? "none of them can be spared" : "as many as it may take: fewer may do",
             sim::replay_command(whole.seed, flag, shrunk.outcome.part));
  return 1;
}

// ---- worlds of daemons

int shrink_one(std::uint64_t seed, std::optional<sim::WorldKind> kind) {
  say_shrink(seed, kind ? "--shared" : "");
  const sim::Outcome whole = sim::run_seed(seed, kind);
  return shrink(whole, whole.shared ? "--shared" : "",
                [&](const sim::Part& part) { return sim::run_part(seed, kind, {whole.befell, part}); });
}

int run_one(std::uint64_t seed, const Options& options) {
  const auto kind = options.kind();
  fmt::print("{}\n", sim::text_of(sim::make_scenario(seed, kind)));
  std::fflush(stdout);
  sim::Outcome outcome = sim::run_seed(seed, kind, options.trace && !options.part);
  if (options.part) {
    if (!can_replay(outcome.befell, *options.part)) return 2;
    outcome = sim::run_part(seed, kind, {std::move(outcome.befell), *options.part}, options.trace);
  }
  if (outcome.violation) fmt::print("{}", sim::text_of(outcome));
  fmt::print("{} intervals held against the truth, {} commit-waits released, {} faults of hosts and sources\n",
             outcome.times_checked, outcome.waits_released, outcome.host_faults);
  fmt::print("trace {:016x}: {} IDs, {} daemons, {} faults, {:.1f} simulated seconds, {} violations\n",
             outcome.trace_hash, outcome.ids, outcome.incarnations, outcome.faults,
             static_cast<double>(outcome.lasted.ns) / 1e9, outcome.violation ? 1 : 0);
  return outcome.violation ? 1 : 0;
}

// ---- worlds of leases

int shrink_one_of_leases(std::uint64_t seed) {
  say_shrink(seed, "--leases");
  const sim::leases::Outcome whole = sim::leases::run_seed(seed);
  return shrink(whole, "--leases",
                [&](const sim::Part& part) { return sim::leases::run_part(seed, {whole.befell, part}); });
}

int run_one_of_leases(std::uint64_t seed, const Options& options) {
  fmt::print("{}\n", sim::leases::text_of(sim::leases::make_plan(seed)));
  std::fflush(stdout);
  sim::leases::Outcome outcome = sim::leases::run_seed(seed, options.trace && !options.part);
  if (options.part) {
    if (!can_replay(outcome.befell, *options.part)) return 2;
    outcome = sim::leases::run_part(seed, {std::move(outcome.befell), *options.part}, options.trace);
  }
  if (outcome.violation) fmt::print("{}", sim::leases::text_of(outcome));
  fmt::print("{}\ntrace {:016x}: {} grants, {} takeovers, {:.1f} simulated seconds, {} violations\n",
             sim::leases::text_of(outcome.counts), outcome.story_hash, outcome.counts.grants, outcome.counts.takeovers,
             static_cast<double>(outcome.lasted.ns) / 1e9, outcome.violation ? 1 : 0);
  return outcome.violation ? 1 : 0;
}

int run_many_of_leases(std::uint64_t first, std::uint64_t count, const std::string& canary) {
  fmt::print("gnomon-sim --leases --first-seed {} --seeds {}{}{}\n", first, count, canary.empty() ? "" : " --canary ",
             canary);
  std::fflush(stdout);
  const bool terminal = isatty(STDERR_FILENO) == 1;
  const sim::leases::Summary summary = sim::leases::run_seeds(first, count, [&](std::uint64_t done) {
    if (terminal) show_progress(done, count);
  });
  if (terminal) clear_progress();
  std::uint64_t shown = 0;
  for (const sim::leases::Outcome& outcome : summary.violations) {
    if (shown++ < kViolationsShown)
      fmt::print("{}\n", sim::leases::text_of(outcome));
    else
      fmt::print("seed {}: {}: {}\n", outcome.seed, outcome.violation->promise, outcome.violation->text);
  }
  fmt::print("{}\n", sim::leases::text_of(summary));
  return summary.violations.empty() ? 0 : 1;
}

int run_many(const sim::Seeds& seeds, const std::string& canary) {
  fmt::print("gnomon-sim --first-seed {} --seeds {}{}{}{}\n", seeds.first, seeds.count, seeds.kind ? " --shared" : "",
             canary.empty() ? "" : " --canary ", canary);
  std::fflush(stdout);
  const bool terminal = isatty(STDERR_FILENO) == 1;
  const sim::Summary summary = sim::run_seeds(seeds, [&](std::uint64_t done) {
    if (terminal) show_progress(done, seeds.count);
  });
  if (terminal) clear_progress();
  const std::uint64_t shown = std::min<std::uint64_t>(summary.violations.size(), kViolationsShown);
  for (std::uint64_t i = 0; i < shown; ++i)
    fmt::print("{}\n", sim::text_of(summary.violations[i]));
  for (std::uint64_t i = shown; i < summary.violations.size(); ++i)
    fmt::print("seed {}: {}: {}\n", summary.violations[i].seed, summary.violations[i].violation->promise,
               summary.violations[i].violation->text);
  fmt::print("{}\n", sim::text_of(summary));
  return summary.violations.empty() ? 0 : 1;
}

int run_alone(std::uint64_t seed, const Options& options) {
  if (options.leases) return options.shrink ? shrink_one_of_leases(seed) : run_one_of_leases(seed, options);
  return options.shrink ? shrink_one(seed, options.kind()) : run_one(seed, options);
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  CLI::App app("Simulates gnomon in virtual time and checks its promises.", "gnomon-sim");
  auto* one = app.add_option("--seed", options.seed, "replay this seed alone");
  app.add_flag("--trace", options.trace, "with --seed: print everything that happens")->needs(one);
  auto* shrink_it = app.add_flag("--shrink", options.shrink, "with --seed: find what its violation needs")->needs(one);
  auto* only =
      app.add_option("--only", options.only, "with --seed: of what befell it, only this, as --shrink writes it")
          ->needs(one)
          ->excludes(shrink_it);
  app.add_option("--seeds", options.seeds, "how many seeds to run")
      ->check(CLI::Range(std::uint64_t{1}, std::uint64_t{1} << 40))
      ->capture_default_str()
      ->excludes(one);
  app.add_option("--first-seed", options.first_seed, "the first of them (default: random)")->excludes(one);
  auto* shared = app.add_flag("--shared", options.shared, "make of each seed a world of many hosts on one store");
  app.add_flag("--leases", options.leases, "make of each seed a world of named leases and their holders")
      ->excludes(shared);
  app.add_option("--canary", options.canary, "plant this bug, which the simulator has to find");
  app.footer("Canaries:" + canary_names());
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return usage_error(app, error);
  }
  if (!plant(options.canary)) return 2;
  if (only->count() != 0) {
    options.part = parse_only(options.only);
    if (!options.part) return 2;
  }
  if (options.seed) return run_alone(*options.seed, options);
  const std::uint64_t first = options.first_seed ? *options.first_seed : std::random_device{}();
  if (options.leases) return run_many_of_leases(first, options.seeds, options.canary);
  return run_many({first, options.seeds, options.kind()}, options.canary);
}
