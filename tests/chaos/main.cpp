// SPDX-License-Identifier: Apache-2.0
//
// gnomon-chaos: makes a cluster, lets clients at it and a plan of faults, judges what the clients were answered, and
// writes a report. It says what it will do before it does it, so that a run that dies can be repeated.
//
// The order is: plan, cluster, clients, storm, calm (until everybody is served again), end of the clients, judgement.
// Exit code: 0 every promise was kept, 1 one was broken or the run failed, 2 usage, 77 it can't be had here (why is the
// last line).
#include <fmt/format.h>
#include <signal.h>  // NOLINT(modernize-deprecated-headers): sigaction
#include <sys/utsname.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <ctime>
#include <exception>
#include <optional>
#include <random>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <CLI/CLI.hpp>

#include "tests/chaos/bed.hpp"
#include "tests/chaos/nemesis.hpp"
#include "tests/chaos/outcome.hpp"
#include "tests/chaos/population.hpp"
#include "tests/chaos/report.hpp"

namespace {

using namespace gnomon;
using namespace gnomon::chaos;

constexpr int kCannotBeHad = 77;
constexpr std::int64_t kShortestSeconds = kShortest.ns / 1'000'000'000;
constexpr std::int64_t kLongestSeconds = 24 * 3600;
constexpr time::Duration kLeastCalm = time::seconds(5);

struct Options {
  std::int64_t seconds = 60;
  std::optional<std::uint64_t> seed;
  std::string report;
  bool plan_only = false;
};

// Whoever interrupts a storm wants the machine back as it was: the run ends as one that failed, by way of everything
// that takes back what was done. What it started itself gets the usual signals again when it is executed.
volatile std::sig_atomic_t interrupted_by = 0;

void listen_to_signals() {
  struct sigaction action{};
  action.sa_handler = [](int signal) { interrupted_by = signal; };
  for (const int signal : {SIGINT, SIGTERM, SIGHUP})
    sigaction(signal, &action, nullptr);
}

void stop_if_interrupted() {
  if (interrupted_by != 0)
    throw std::runtime_error(fmt::format("interrupted by signal {}: nothing was judged", int{interrupted_by}));
}

/// Looks at the clock that everything is judged by, against one that nobody sets. (What slews it slews both.)
class ClockWatch {
 public:
  void look() {
    const time::Tai before = steady_now();
    const time::Tai now = true_now();
    if (steady_now() - before > kTogether) return;  // this thread was put to sleep in between
    const time::Duration ahead = now - before;
    least_ = std::min(least_.value_or(ahead), ahead);
    most_ = std::max(most_.value_or(ahead), ahead);
  }
  /// By how much it was ahead of the other at most, more than at least.
  [[nodiscard]] time::Duration largest() const { return least_ ? *most_ - *least_ : time::Duration{}; }

 private:
  static constexpr time::Duration kTogether = time::microseconds(200);
  static time::Tai steady_now() {
    timespec t{};
    clock_gettime(CLOCK_MONOTONIC, &t);
    return {t.tv_sec * 1'000'000'000 + t.tv_nsec};
  }
  std::optional<time::Duration> least_;
  std::optional<time::Duration> most_;
};

std::string machine_text() {
  utsname name{};
  uname(&name);
  return fmt::format("{} {}, {} processors", name.sysname, name.release, std::thread::hardware_concurrency());
}

/// Until everybody has been served again, or kServedAgain is over.
std::vector<ServedAgain> calm_down(Nemesis& nemesis, const Population& clients, time::Tai calm) {
  std::vector<ServedAgain> again;
  const std::vector<Population::Standing> before = clients.standing();
  again.reserve(before.size());
  for (const Population::Standing& client : before)
    again.push_back({client.client, std::nullopt});
  const auto all_served = [&] {
    return std::all_of(again.begin(), again.end(), [](const ServedAgain& each) { return each.after.has_value(); });
  };
  while (true_now() < calm + kLeastCalm || (!all_served() && true_now() < calm + kServedAgain)) {
    nemesis.wait_until(true_now());
    const auto standing = clients.standing();
    for (std::size_t i = 0; i < standing.size(); ++i)
      if (!again[i].after && standing[i].last_served > calm) again[i].after = true_now() - calm;
  }
  return again;
}

ChaosRun carry_out(const Plan& plan, const std::string& command) {
  ChaosRun run{.plan = plan, .command = command, .machine = machine_text()};
  Bed bed;
  bed.start();
  fmt::print("{} members and {} daemons serve\n", kMembers, kDaemons);
  std::fflush(stdout);
  ClockWatch watch;
  Nemesis nemesis(bed, [&] {
    watch.look();
    stop_if_interrupted();
  });
  stop_if_interrupted();
  watch.look();
  Population clients(bed, plan.seed);
  run.start = true_now();
  try {
    run.deeds = nemesis.carry_out(plan, run.start);
    run.calm = true_now();
    run.served_again = calm_down(nemesis, clients, run.calm);
  } catch (const std::exception&) {
    fmt::print("{}", bed.logs());
    throw;
  }
  run.end = true_now();
  run.histories = clients.finish();
  watch.look();
  run.restarts = bed.restarts();
  run.largest_clock_step = watch.largest();
  if (std::any_of(run.served_again.begin(), run.served_again.end(), [](const auto& each) { return !each.after; }))
    fmt::print("{}", bed.logs());
  return run;
}

int storm(const Options& options) {
  const std::uint64_t seed = options.seed.value_or(std::random_device{}());
  const Plan plan = make_plan(seed, time::seconds(options.seconds));
  const std::string command = fmt::format("./dev chaos --seconds {} --seed {}", options.seconds, seed);
  fmt::print("{}\n{}", command, text_of(plan));
  std::fflush(stdout);
  if (options.plan_only) return 0;
  std::string why;
  if (!Bed::available(&why)) {
    fmt::print("{}\n", why);
    return kCannotBeHad;
  }
  const ChaosRun run = carry_out(plan, command);
  const Outcome outcome = judge(run);
  fmt::print("{}", summary_of(outcome));
  if (!options.report.empty()) {
    write_report(options.report, run, outcome);
    fmt::print("report: {0}/{1}, {0}/{2}\n", options.report, kReportName, kPictureName);
  }
  return outcome.kept() ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  CLI::App app{"A cluster, clients of all kinds and faults of all kinds, and a judgement. Runs as root."};
  app.add_option("--seconds", options.seconds, "warm-up and storm; from 300 on etcd is restored once")
      ->check(CLI::Range(kShortestSeconds, kLongestSeconds))
      ->capture_default_str();
  app.add_option("--seed", options.seed, "of the plan; by chance unless it is given");
  app.add_option("--report", options.report, "folder for the report and its picture");
  app.add_flag("--plan", options.plan_only, "print the plan and do nothing");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    const int status = app.exit(error);
    return status == 0 ? 0 : 2;
  }
  listen_to_signals();
  try {
    return storm(options);
  } catch (const std::exception& error) {
    fmt::print(stderr, "gnomon-chaos: {}\n", error.what());
    return 1;
  }
}
