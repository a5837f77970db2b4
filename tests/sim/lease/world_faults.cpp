// SPDX-License-Identifier: Apache-2.0
//
// What befalls servers, store, network and clients.
#include <algorithm>

#include "tests/sim/lease/world.hpp"

namespace gnomon::sim::leases {
namespace {

constexpr time::Duration kLongestCrash = time::seconds(3);

}  // namespace

// From far less than a TTL to more than two.
time::Duration World::draw_length() {
  return env_.random.below(2) == 0 ? env_.random.between(time::milliseconds(1), env_.plan.shortest_ttl)
                                   : env_.random.between(time::milliseconds(1), env_.plan.longest_ttl * 2);
}

void World::schedule_fault() {
  const auto at = env_.faults.next(env_.now() + env_.delay(env_.plan.fault_gap));
  if (!at) return;
  env_.agenda.at(*at, [this] {
    if (phase_ != Phase::kFaults) return;
    Strokes::Turn turn(env_.faults, env_.now());
    if (turn.strikes()) turn.is(name_of(strike()));
    schedule_fault();
  });
}

Fault World::strike() {
  ++env_.counts.faults;
  const Fault fault = env_.plan.faults[env_.random.below(env_.plan.faults.size())];
  strike(fault);
  return fault;
}

void World::strike(Fault fault) {
  switch (fault) {
    case Fault::kServerCrash:
    case Fault::kServerPause:
    case Fault::kClockLost:
    case Fault::kClockWide:
    case Fault::kNotAMember:
    case Fault::kWatchStalls:
    case Fault::kWatchGap: return strike_server(fault, static_cast<std::uint32_t>(env_.random.below(servers_.size())));
    case Fault::kStoreAway:
    case Fault::kStoreLosesAnswers:
    case Fault::kStoreSlow:
    case Fault::kLeaderChange: return strike_store(fault);
    case Fault::kReboot: return reboot();
    default: return strike_client(fault, static_cast<std::uint32_t>(env_.random.below(clients_.size())));
  }
}

void World::strike_server(Fault fault, std::uint32_t number) {
  Server& server = *servers_[number];
  const time::Uptime until = env_.now() + draw_length();
  env_.note("server {}: fault {} until {:.3f} s", number, static_cast<int>(fault), static_cast<double>(until.ns) / 1e9);
  switch (fault) {
    case Fault::kServerCrash:
      server.kill();
      env_.agenda.after(env_.random.between({0}, kLongestCrash), [this, number] { start_server(number); });
      break;
    case Fault::kServerPause: server.pause(until); break;
    case Fault::kClockLost: server.clock().lose(until); break;
    case Fault::kClockWide: server.clock().widen(until, env_.random.between({0}, time::seconds(2))); break;
    case Fault::kNotAMember: server.clock().outvote(until); break;
    case Fault::kWatchStalls: server.way().stall_watch(until); break;
    case Fault::kWatchGap: server.way().break_watch(); break;
    default: break;
  }
}

void World::strike_store(Fault fault) {
  const time::Uptime until = env_.now() + draw_length();
  env_.note("the store: fault {} until {:.3f} s", static_cast<int>(fault), static_cast<double>(until.ns) / 1e9);
  if (fault == Fault::kLeaderChange) {
    ++env_.leader;
    return;
  }
  const auto mood = fault == Fault::kStoreAway           ? StoreWay::Mood::kAway
                    : fault == Fault::kStoreLosesAnswers ? StoreWay::Mood::kLosesAnswers
                                                         : StoreWay::Mood::kSlow;
  // Of one server's way to it, or of all of them.
  const bool all = env_.random.below(2) == 0;
  const auto chosen = env_.random.below(servers_.size());
  for (std::size_t i = 0; i < servers_.size(); ++i)
    if (all || i == chosen) servers_[i]->way().set_mood(mood, until);
}

void World::strike_client(Fault fault, std::uint32_t number) {
  Client& client = *clients_[number];
  const time::Uptime until = env_.now() + draw_length();
  env_.note("client {}: fault {} until {:.3f} s", number, static_cast<int>(fault), static_cast<double>(until.ns) / 1e9);
  Machine& machine = client.machine();
  switch (fault) {
    case Fault::kPartition: network_.cut(number, until); break;
    case Fault::kCut:
      network_.cut(number, static_cast<std::uint32_t>(env_.random.below(servers_.size())), until);
      break;
    case Fault::kClientCrash:
      client.kill();
      env_.agenda.after(env_.random.between({0}, kLongestCrash), [this, number] { start_client(number); });
      break;
    case Fault::kClientPause: client.pause(until); break;
    case Fault::kSuspend:
      if (machine.is_asleep(env_.now()) || (is_local(number) && host_is_off_)) break;
      machine.suspend(env_.now(), until - env_.now());
      for (const auto& other : clients_)
        if (&other->machine() == &machine) other->pause(until);
      if (is_local(number)) servers_.front()->pause(until);
      break;
    case Fault::kSlew:
      machine.slew(env_.now(), env_.random.between(-Machine::kWorstSlewPpm, Machine::kWorstSlewPpm));
      break;
    default: break;
  }
}

void World::start_server(std::uint32_t number) {
  if (!host_is_off_) servers_[number]->start();
}

void World::start_client(std::uint32_t number) {
  if (!host_is_off_ || !is_local(number)) clients_[number]->start();
}

void World::reboot() {
  if (host_is_off_ || machines_.front()->is_asleep(env_.now())) return;
  env_.note("the host is rebooted");
  host_is_off_ = true;
  servers_.front()->kill();
  for (std::uint32_t i = 0; i < clients_.size(); ++i)
    if (is_local(i)) clients_[i]->kill();
  env_.agenda.after(draw_length(), [this] { host_comes_back(); });
}

void World::host_comes_back() {
  if (!host_is_off_) return;
  host_is_off_ = false;
  machines_.front()->reboot(env_.now());
  start_server(0);
  for (std::uint32_t i = 0; i < clients_.size(); ++i)
    if (is_local(i)) start_client(i);
}

void World::heal_all() {
  network_.heal();
  host_comes_back();
  for (auto& server : servers_) {
    server->clock().heal();
    server->way().heal();
    server->start();
    server->resume();
  }
  for (auto& client : clients_) {
    client->start();
    client->resume();
  }
}

}  // namespace gnomon::sim::leases
