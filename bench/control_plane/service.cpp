// SPDX-License-Identifier: Apache-2.0
//
// Whether those who fetch IDs notice that the control plane is saturated, or gone. Slices of a second take turns, in
// an order that changes:
//
//   quiet     nothing happens
//   other     another etcd is saturated, which the daemon does not know
//   own       the daemon's etcd is saturated
//   gone      the daemon's etcd is stopped (SIGSTOP: connections stay, nobody answers)
//
// The naive comparison is of `own` with `quiet`. On one machine it measures that a saturated etcd takes CPU from the
// worker and from the clients; `other` costs as much CPU and has nothing to do with the daemon, so the honest ratio is
// of `own` to `other`. For that they must be equally saturated, so the commits per second of both are shown.
#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdio>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "bench/control_plane/closed_clients.hpp"
#include "bench/control_plane/etcd_access.hpp"
#include "bench/control_plane/parts.hpp"
#include "bench/control_plane/right_holder.hpp"
#include "oracle/lease/stored_right.hpp"
#include "tests/control/bed/etcd_cluster.hpp"
#include "tests/support/child_process.hpp"
#include "tests/support/daemon.hpp"
#include "tests/support/eventually.hpp"
#include "tests/support/scratch_folder.hpp"

namespace gnomon::bench {
namespace {

using std::chrono::milliseconds;

constexpr int kClients = 2;
constexpr support::Load kLoad{.layout = 1, .count = 1, .messages_per_datagram = 1, .datagrams = 16};
constexpr milliseconds kSlice{1000};
constexpr milliseconds kSettle{200};  // before and after each
constexpr std::uint64_t kFewestCommits = 50;

enum class Slice : std::uint8_t { kQuiet, kOther, kOwn, kGone };
constexpr std::size_t kSlices = 4;

// An etcd of one member (replicas would stand on other hosts), somebody who saturates it on demand, and a look at it.
class Target {
 public:
  Target(const std::string& version, const std::string& program, const std::filesystem::path& folder)
      : etcd_({.version = version}) {
    etcd_.start();
    probe_ = store_for(options_for(etcd_.url()));
    hammer_ = std::make_unique<support::ChildProcess>(std::vector<std::string>{program, kHammer, etcd_.url()},
                                                      std::map<std::string, std::string>{}, folder / "hammer.log");
    const std::uint64_t before = revision();
    if (!support::eventually([&] { return revision() > before + kFewestCommits; }))
      die("the hammer does not strike: " + hammer_->log());
    hammer_->send_signal(SIGSTOP);
  }

  [[nodiscard]] std::string url() const { return etcd_.url(); }
  [[nodiscard]] std::uint64_t revision() const { return must(probe_->list("nothing/")).at.value; }
  /// That of the window that was written last.
  [[nodiscard]] std::uint64_t extended_at() const {
    std::uint64_t last = 0;
    for (const control::Entry& entry : must(probe_->list(lease::kRightPrefix)).entries)
      last = std::max(last, entry.modified.value);
    return last;
  }

  void begin_saturation() {
    before_ = revision();
    begun_ns_ = now_ns();
    hammer_->send_signal(SIGCONT);
  }
  /// Commits per second since it began.
  [[nodiscard]] double end_saturation() {
    const auto took = static_cast<double>(now_ns() - begun_ns_);
    hammer_->send_signal(SIGSTOP);
    if (!hammer_->running()) die("the hammer broke: " + hammer_->log());
    return static_cast<double>(revision() - before_) * 1e9 / took;
  }
  void vanish() { etcd_.pause(0); }
  void come_back() { etcd_.resume(0); }

 private:
  bed::EtcdCluster etcd_;
  std::unique_ptr<control::EtcdStore> probe_;
  std::unique_ptr<support::ChildProcess> hammer_;
  std::uint64_t before_ = 0;
  std::int64_t begun_ns_ = 0;
};

struct Round {
  std::array<double, kSlices> served{};  // per second
  double own_commits = 0;                // likewise
  double other_commits = 0;
};

void measure_slice(Slice slice, const ClosedClients& clients, Target& own, Target& other, Round& round) {
  if (slice == Slice::kOwn) own.begin_saturation();
  if (slice == Slice::kOther) other.begin_saturation();
  if (slice == Slice::kGone) own.vanish();
  std::this_thread::sleep_for(kSettle);
  round.served.at(static_cast<std::size_t>(slice)) = served_per_second(clients, kSlice);
  if (slice == Slice::kOwn) round.own_commits = own.end_saturation();
  if (slice == Slice::kOther) round.other_commits = other.end_saturation();
  if (slice == Slice::kGone) own.come_back();
  std::this_thread::sleep_for(kSettle);
}

// Each slice comes first, second, third and last, and before and after each other one.
std::array<Slice, kSlices> order_of(int round) {
  std::array<Slice, kSlices> order{Slice::kQuiet, Slice::kOther, Slice::kOwn, Slice::kGone};
  std::rotate(order.begin(), order.begin() + (round / 2) % static_cast<int>(kSlices), order.end());
  if (round % 2 == 1) std::reverse(order.begin(), order.end());
  return order;
}

double served(const Round& round, Slice slice) { return round.served.at(static_cast<std::size_t>(slice)); }

void print_rate(const char* what, const std::vector<Round>& rounds, Slice slice) {
  std::vector<double> rates;
  rates.reserve(rounds.size());
  for (const Round& round : rounds)
    rates.push_back(served(round, slice));
  fmt::print("{:<34} {:>10.0f} {:>12.0f} - {:.0f}\n", what, quantile(rates, 0.5), quantile(rates, 0.1),
             quantile(rates, 0.9));
}

void print_ratio(const char* what, const std::vector<Round>& rounds, Slice over, Slice under, const char* aim) {
  std::vector<double> ratios;
  ratios.reserve(rounds.size());
  for (const Round& round : rounds)
    ratios.push_back(served(round, over) / served(round, under));
  fmt::print("{:<34} {:>10.3f} {:>12.3f} - {:<12.3f} {}\n", what, quantile(ratios, 0.5), quantile(ratios, 0.1),
             quantile(ratios, 0.9), aim);
}

void report(const std::vector<Round>& rounds) {
  fmt::print("{:<34} {:>10} {:>27}\n", "requests served per second", "median", "p10 - p90");
  print_rate("  quiet", rounds, Slice::kQuiet);
  print_rate("  another etcd is saturated", rounds, Slice::kOther);
  print_rate("  the daemon's etcd is saturated", rounds, Slice::kOwn);
  print_rate("  the daemon's etcd is gone", rounds, Slice::kGone);
  fmt::print("ratios, round by round\n");
  print_ratio("  own saturated to other saturated", rounds, Slice::kOwn, Slice::kOther, "aim 0.970");
  print_ratio("  gone to quiet", rounds, Slice::kGone, Slice::kQuiet, "aim 0.970");
  print_ratio("  own saturated to quiet", rounds, Slice::kOwn, Slice::kQuiet, "");
  print_ratio("  other saturated to quiet", rounds, Slice::kOther, Slice::kQuiet, "");
  std::vector<double> own;
  std::vector<double> other;
  for (const Round& round : rounds) {
    own.push_back(round.own_commits);
    other.push_back(round.other_commits);
  }
  fmt::print("the hammer's commits per second, median: {:.0f} on the daemon's etcd, {:.0f} on the other one\n",
             quantile(own, 0.5), quantile(other, 0.5));
}

}  // namespace

void measure_service(int rounds, const char* program) {
  const std::string version = bed::etcd_binaries().back().version;
  const support::ScratchFolder own_folder;
  const support::ScratchFolder other_folder;
  Target own(version, program, own_folder.path());
  Target other(version, program, other_folder.path());
  support::Daemon daemon(own_folder.path() / "daemon", {{"store.url", own.url()}, {"workers.count", "1"}});
  daemon.start();
  if (!daemon.wait_ready()) die("the daemon did not come to serve: " + daemon.log());
  ClosedClients clients(daemon.endpoints().front(), kClients, kLoad);
  if (!support::eventually([&] { return clients.served() > 10'000; })) die("no IDs: " + daemon.log());
  const std::uint64_t unserved = clients.unserved();
  const std::uint64_t extended_at = own.extended_at();

  fmt::print(
      "\nIDs beside a saturated or a missing control plane: etcd {}, {} clients with {} requests each, {} rounds\n",
      version, kClients, kLoad.datagrams, rounds);
  std::vector<Round> measured(static_cast<std::size_t>(rounds));
  for (int i = 0; i < rounds; ++i)
    for (const Slice slice : order_of(i))
      measure_slice(slice, clients, own, other, measured[static_cast<std::size_t>(i)]);
  report(measured);
  fmt::print("requests that were not served in all that time: {} of {}\n", clients.unserved() - unserved,
             clients.served() + clients.unserved() - unserved);
  if (own.extended_at() == extended_at) die("the daemon extended nothing meanwhile, so this measured something else");
  std::fflush(stdout);
}

}  // namespace gnomon::bench
