// SPDX-License-Identifier: Apache-2.0
//
// What those who fetch IDs notice when the leader of the daemon's etcd is killed: nothing, for a right is good to the
// end of its window without anybody's leave. Shown is the longest time that any client was without an answer, in two
// seconds after the kill and in two seconds without one, in turns; and how long etcd itself took no commit.
//
// The window is so short (3 s, extended every second) that each outage meets an extension.
#include <fmt/core.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "bench/control_plane/closed_clients.hpp"
#include "bench/control_plane/etcd_access.hpp"
#include "bench/control_plane/parts.hpp"
#include "bench/control_plane/right_holder.hpp"
#include "tests/control/bed/etcd_cluster.hpp"
#include "tests/support/child_process.hpp"
#include "tests/support/daemon.hpp"
#include "tests/support/eventually.hpp"
#include "tests/support/scratch_folder.hpp"

namespace gnomon::bench {
namespace {

using std::chrono::milliseconds;

constexpr int kClients = 2;
constexpr support::Load kLoad{.layout = 1, .count = 1, .messages_per_datagram = 1, .datagrams = 1};
constexpr milliseconds kPeriod{2000};
constexpr milliseconds kRest{500};
constexpr time::Duration kOneTry = time::milliseconds(300);
constexpr std::int64_t kLongestOutageNs = 20'000'000'000;

struct Period {
  double longest_gap_ms = 0;
  double outage_ms = 0;  // until etcd took a commit
};

Period measure_period(ClosedClients& clients, control::Store& probe, bed::EtcdCluster& etcd,
                      std::optional<std::size_t> victim) {
  (void)clients.take_longest_gap();
  const std::int64_t begun = now_ns();
  if (victim) etcd.kill_hard(*victim);
  while (!probe.commit({{}, {{"bench/probe", "x"}}, {}})) {
    if (now_ns() - begun > kLongestOutageNs) die("etcd did not find another leader");
    support::nap(5);
  }
  const std::int64_t outage_ns = now_ns() - begun;
  const std::int64_t left_ns = kPeriod / std::chrono::nanoseconds(1) - outage_ns;
  if (left_ns > 0) std::this_thread::sleep_for(std::chrono::nanoseconds(left_ns));
  return {static_cast<double>(clients.take_longest_gap().ns) / 1e6, static_cast<double>(outage_ns) / 1e6};
}

void print_row(const char* what, std::vector<double> values) {
  const double most = values.empty() ? 0 : *std::max_element(values.begin(), values.end());
  fmt::print("{:<44} {:>9.1f} {:>9.1f} - {:<9.1f} {:>9.1f}\n", what, quantile(values, 0.5), quantile(values, 0.1),
             quantile(values, 0.9), most);
}

}  // namespace

void measure_leader_loss(int rounds) {
  const std::string version = bed::etcd_binaries().back().version;
  const support::ScratchFolder folder;
  bed::EtcdCluster etcd({.version = version, .members = 3});
  etcd.start();
  support::Daemon daemon(folder.path(),
                         {{"store.url", etcd.url()}, {"workers.count", "1"}, {"rights.window_ms", "3000"}});
  daemon.start();
  if (!daemon.wait_ready()) die("the daemon did not come to serve: " + daemon.log());
  const auto probe = store_for(options_for(etcd.url(), kOneTry));
  ClosedClients clients(daemon.endpoints().front(), kClients, kLoad);
  if (!support::eventually([&] { return clients.served() > 10'000; })) die("no IDs: " + daemon.log());
  const std::uint64_t unserved = clients.unserved();

  std::vector<double> quiet_ms;
  std::vector<double> bereft_ms;
  std::vector<double> outage_ms;
  for (int round = 0; round < rounds; ++round) {
    quiet_ms.push_back(measure_period(clients, *probe, etcd, std::nullopt).longest_gap_ms);
    const auto leader = etcd.wait_for_leader();
    if (!leader) die("etcd found no leader");
    const Period bereft = measure_period(clients, *probe, etcd, leader);
    bereft_ms.push_back(bereft.longest_gap_ms);
    outage_ms.push_back(bereft.outage_ms);
    etcd.start_member(*leader);
    if (!etcd.wait_healthy()) die("a member did not come back\n" + etcd.logs());
    std::this_thread::sleep_for(kRest);
  }
  fmt::print("\nThe death of etcd's leader: etcd {}, 3 members, {} clients with one request each, {} rounds\n", version,
             kClients, rounds);
  fmt::print("{:<44} {:>9} {:>21} {:>9}\n", "ms", "median", "p10 - p90", "most");
  print_row("longest gap of a client in 2 s, leader alive", quiet_ms);
  print_row("longest gap of a client in 2 s, leader killed", bereft_ms);
  print_row("until etcd took a commit again", outage_ms);
  fmt::print("requests that were not served in all that time: {} of {}\n", clients.unserved() - unserved,
             clients.served() + clients.unserved() - unserved);
}

}  // namespace gnomon::bench
