// SPDX-License-Identifier: Apache-2.0
//
// The order of things, the network and etcd; what is done to hosts is in nemesis_hosts.cpp.
#include "tests/chaos/nemesis.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <stdexcept>

#include "tests/chaos/history.hpp"
#include "tests/support/child_process.hpp"

namespace gnomon::chaos {
namespace {

using namespace std::chrono_literals;

constexpr int kLookMs = 20;
constexpr auto kLeaderLimit = 2s;
constexpr time::Duration kEndAgain = time::milliseconds(500);
constexpr time::Duration kEndLimit = time::seconds(60);

struct Turn {
  time::Duration at;
  std::size_t deed = 0;
  bool begins = false;
};

void add(std::vector<Turn>& turns, const Turn& turn) {
  const auto later = [](const Turn& a, const Turn& b) { return a.at < b.at; };
  turns.insert(std::upper_bound(turns.begin(), turns.end(), turn, later), turn);
}

std::vector<Turn> turns_of(const std::vector<Deed>& deeds) {
  std::vector<Turn> turns;
  for (std::size_t i = 0; i < deeds.size(); ++i) {
    add(turns, {deeds[i].fault.at, i, true});
    add(turns, {deeds[i].fault.at + deeds[i].fault.lasts, i, false});
  }
  return turns;
}

}  // namespace

void Nemesis::wait_until(time::Tai moment) {
  do {
    bed_.look_after();
    meanwhile_();
    support::nap(kLookMs);
  } while (true_now() < moment);
}

std::vector<Deed> Nemesis::carry_out(const Plan& plan, time::Tai start) {
  std::vector<Deed> deeds;
  deeds.reserve(plan.faults.size());
  for (const Fault& fault : plan.faults)
    deeds.push_back({.fault = fault, .victim = fault.target});
  for (std::vector<Turn> turns = turns_of(deeds); !turns.empty();) {
    const Turn turn = turns.front();
    turns.erase(turns.begin());
    wait_until(start + turn.at);
    Deed& deed = deeds[turn.deed];
    if (turn.begins) {
      deed.began = true_now();
      begin(deed);
      fmt::print("{:7.1f} s  {} {}{}{}\n", static_cast<double>((deed.began - start).ns) / 1e9,
                 traits_of(deed.fault.kind).name, deed.victim, deed.note.empty() ? "" : ": ", deed.note);
      std::fflush(stdout);
      continue;
    }
    const bool over = deed.skipped || end(deed);
    deed.ended = true_now();
    if (over) continue;
    if (deed.ended > start + deed.fault.at + deed.fault.lasts + kEndLimit)
      throw std::runtime_error(
          fmt::format("{} {} can't be undone: {}", traits_of(deed.fault.kind).name, deed.victim, deed.note));
    add(turns, {deed.ended - start + kEndAgain, turn.deed, false});
  }
  wait_until(start + plan.length);
  return deeds;
}

void Nemesis::begin(Deed& deed) {
  bed::SwitchedNetwork& network = bed_.etcd().network();
  const std::size_t host = bed_.place_of_daemon(deed.victim);
  switch (deed.fault.kind) {
    case FaultKind::kHostCut: network.unplug(host); break;
    case FaultKind::kStoreCut:
      for (std::size_t m = 0; m < kMembers; ++m)
        network.part(host, m);
      break;
    case FaultKind::kClientsCut:
      for (std::size_t c = 0; c < kClientHosts; ++c)
        network.part(host, bed_.place_of_clients(c));
      break;
    case FaultKind::kOneWay: cut_one_way(deed); break;
    case FaultKind::kBadLink: make_bad(deed); break;
    case FaultKind::kLeaderCut:
    case FaultKind::kMembersSplit:
    case FaultKind::kMemberKilled:
    case FaultKind::kMajorityKilled:
    case FaultKind::kLeaderPaused: begin_on_members(deed); break;
    case FaultKind::kRestore: restore(deed); break;
    default: begin_on_host(deed);
  }
}

// One fault of this track at a time, so whatever is wrong with the network is this one's doing.
bool Nemesis::end(Deed& deed) {
  switch (deed.fault.kind) {
    case FaultKind::kHostCut:
    case FaultKind::kStoreCut:
    case FaultKind::kClientsCut:
    case FaultKind::kOneWay:
    case FaultKind::kLeaderCut:
    case FaultKind::kMembersSplit: bed_.etcd().network().heal_all(); break;
    case FaultKind::kBadLink:
      bed_.etcd().host(deed.victim).must_run({"tc", "qdisc", "del", "dev", "eth0", "root"});
      break;
    case FaultKind::kMemberKilled:
    case FaultKind::kMajorityKilled:
    case FaultKind::kLeaderPaused: end_on_members(deed); break;
    case FaultKind::kRestore: break;
    default: return end_on_host(deed);
  }
  return true;
}

// --- the network

void Nemesis::cut_one_way(Deed& deed) {
  bed::SwitchedNetwork& network = bed_.etcd().network();
  const std::size_t host = bed_.place_of_daemon(deed.victim);
  switch (deed.fault.detail % 3) {
    case 0:
      deed.note = "what it sends to etcd is lost";
      for (std::size_t m = 0; m < kMembers; ++m)
        network.silence(host, m);
      break;
    case 1:
      deed.note = "what etcd sends to it is lost";
      for (std::size_t m = 0; m < kMembers; ++m)
        network.silence(m, host);
      break;
    default:
      deed.note = "its replies to clients are lost";
      for (std::size_t c = 0; c < kClientHosts; ++c)
        network.silence(host, bed_.place_of_clients(c));
  }
}

// netem where the kernel has it; else a link that is too narrow for what it has to carry, whose queue delays and drops.
void Nemesis::make_bad(Deed& deed) {
  const support::NetworkNamespace& host = bed_.etcd().host(deed.victim);
  const auto shaped = [&](const std::vector<std::string>& how) {
    std::vector<std::string> command{"tc", "qdisc", "add", "dev", "eth0", "root"};
    command.insert(command.end(), how.begin(), how.end());
    return host.run(command).exit.code == 0;
  };
  if (shaped({"netem", "delay", "30ms", "20ms", "loss", "15%"})) {
    deed.note = "netem: 10 to 50 ms of delay, 15 % loss";
  } else if (shaped({"tbf", "rate", "300kbit", "burst", "3000", "latency", "60ms"})) {
    deed.note = "no netem in this kernel; tbf: 300 kbit/s, up to 60 ms of queue, the rest is lost";
  } else {
    deed.skipped = true;
    deed.note = "skipped: this kernel has neither netem nor tbf, or tc is not installed";
  }
}

// --- etcd

std::size_t Nemesis::leader_or(std::size_t otherwise, Deed& deed) const {
  const auto leader = bed_.etcd().wait_for_leader(kLeaderLimit);
  if (!leader) deed.note = "nobody led; member by chance";
  return leader.value_or(otherwise);
}

void Nemesis::begin_on_members(Deed& deed) {
  bed::EtcdCluster& etcd = bed_.etcd();
  const bool any = deed.fault.kind == FaultKind::kMemberKilled;
  deed.victim = any ? deed.fault.target : leader_or(deed.fault.target, deed);
  switch (deed.fault.kind) {
    case FaultKind::kLeaderCut: etcd.network().unplug(deed.victim); break;
    case FaultKind::kMembersSplit:
      for (std::size_t m = 0; m < kMembers; ++m)
        etcd.network().part(deed.victim, m);
      break;
    case FaultKind::kMajorityKilled:
      deed.note = fmt::format("member {} as well", (deed.victim + 1) % kMembers);
      etcd.kill_hard((deed.victim + 1) % kMembers);
      etcd.kill_hard(deed.victim);
      break;
    case FaultKind::kLeaderPaused: etcd.pause(deed.victim); break;
    default: etcd.kill_hard(deed.victim);
  }
}

void Nemesis::end_on_members(const Deed& deed) {
  bed::EtcdCluster& etcd = bed_.etcd();
  if (deed.fault.kind == FaultKind::kLeaderPaused) {
    etcd.resume(deed.victim);
    return;
  }
  etcd.start_member(deed.victim);
  if (deed.fault.kind == FaultKind::kMajorityKilled) etcd.start_member((deed.victim + 1) % kMembers);
}

}  // namespace gnomon::chaos
