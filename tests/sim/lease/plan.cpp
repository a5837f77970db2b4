// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/lease/plan.hpp"

#include <fmt/format.h>

#include <string_view>

#include "tests/sim/random.hpp"

namespace gnomon::sim::leases {

std::string_view name_of(Fault fault) {
  switch (fault) {
    case Fault::kServerCrash: return "server-crash";
    case Fault::kServerPause: return "server-pause";
    case Fault::kClockLost: return "clock-lost";
    case Fault::kClockWide: return "clock-wide";
    case Fault::kNotAMember: return "not-a-member";
    case Fault::kWatchStalls: return "watch-stalls";
    case Fault::kWatchGap: return "watch-gap";
    case Fault::kStoreAway: return "store-away";
    case Fault::kStoreLosesAnswers: return "lost-answers";
    case Fault::kStoreSlow: return "slow-store";
    case Fault::kLeaderChange: return "leader-change";
    case Fault::kPartition: return "partition";
    case Fault::kCut: return "cut";
    case Fault::kClientCrash: return "client-crash";
    case Fault::kClientPause: return "client-pause";
    case Fault::kSuspend: return "suspend";
    case Fault::kSlew: return "slew";
    case Fault::kReboot: return "reboot";
  }
  return "?";
}

namespace {

void draw_faults(Random& random, Plan& plan) {
  constexpr time::Duration kGaps[] = {time::milliseconds(300), time::seconds(1), time::seconds(3)};
  plan.fault_gap = random.one_of(kGaps);
  plan.fault_phase = random.between(time::seconds(15), time::seconds(60));
  for (std::size_t i = 0; i < kFaultKinds; ++i) {
    const auto fault = static_cast<Fault>(i);
    if (plan.one_host && (fault == Fault::kClockWide || fault == Fault::kNotAMember)) continue;
    if (!plan.one_host && fault == Fault::kReboot) continue;
    if (random.below(3) == 0) plan.faults.push_back(fault);
  }
  if (plan.faults.empty()) plan.faults.push_back(Fault::kClientPause);
}

}  // namespace

Plan make_plan(std::uint64_t seed) {
  constexpr time::Duration kTtls[] = {time::milliseconds(400), time::seconds(1), time::seconds(2), time::seconds(5)};
  constexpr time::Duration kLockDelays[] = {{0}, time::milliseconds(300), time::seconds(2)};
  constexpr time::Duration kNetworkDelays[] = {time::microseconds(100), time::milliseconds(2), time::milliseconds(15)};
  constexpr time::Duration kStoreDelays[] = {time::microseconds(100), time::milliseconds(1), time::milliseconds(8)};
  constexpr time::Duration kWatchDelays[] = {time::microseconds(50), time::milliseconds(5), time::milliseconds(40)};
  constexpr time::Duration kEpsilons[] = {time::microseconds(10), time::milliseconds(1), time::milliseconds(7),
                                          time::milliseconds(50)};
  constexpr time::Duration kUserGaps[] = {time::milliseconds(20), time::milliseconds(100), time::milliseconds(500)};
  Random random = Random(seed ^ 0x6c62272e07bb0142ULL).fork();  // neighbouring seeds have nothing in common
  Plan plan;
  plan.seed = seed;
  plan.one_host = random.below(4) == 0;
  plan.servers = plan.one_host ? 1 : static_cast<std::uint32_t>(random.between(1, 4));
  plan.clients = static_cast<std::uint32_t>(random.between(2, 6));
  plan.names = static_cast<std::uint32_t>(random.between(1, 3));
  plan.shortest_ttl = random.one_of(kTtls);
  plan.longest_ttl = random.below(2) == 0 ? plan.shortest_ttl : plan.shortest_ttl * random.between(2, 5);
  plan.lock_delay = random.one_of(kLockDelays);
  plan.network_delay = random.one_of(kNetworkDelays);
  plan.store_delay = random.one_of(kStoreDelays);
  plan.watch_delay = random.one_of(kWatchDelays);
  plan.epsilon = random.one_of(kEpsilons);
  plan.loss = random.below(2) == 0 ? 0 : static_cast<std::uint32_t>(random.between(1, 100));
  plan.duplicates = random.below(2) == 0 ? 0 : static_cast<std::uint32_t>(random.between(1, 100));
  plan.unknown = random.below(2) == 0 ? 0 : static_cast<std::uint32_t>(random.between(1, 60));
  plan.user_gap = random.one_of(kUserGaps);
  draw_faults(random, plan);
  return plan;
}

Plan exact_plan(std::uint32_t servers, std::uint32_t clients) {
  Plan plan;
  plan.exact = true;
  plan.servers = servers;
  plan.clients = clients;
  plan.names = 1;
  plan.shortest_ttl = plan.longest_ttl = time::seconds(10);
  return plan;
}

std::string name_of(std::uint32_t lease) { return fmt::format("database:{}", lease); }

std::string text_of(const Plan& plan) {
  std::string text = fmt::format(
      "seed {}: leases, {}: {} servers, {} clients, {} names, TTL {} to {} ms, lock-delay up to {} ms; network {} us, "
      "store {} us, watch {} us, epsilon {} us; of 1000 messages {} lost, {} doubled, of 1000 answers of the store {} "
      "lost; somebody acts every {} ms; for {} ms, one in about {} ms of",
      plan.seed, plan.one_host ? "one host" : "one store", plan.servers, plan.clients, plan.names,
      plan.shortest_ttl.ns / 1'000'000, plan.longest_ttl.ns / 1'000'000, plan.lock_delay.ns / 1'000'000,
      plan.network_delay.ns / 1000, plan.store_delay.ns / 1000, plan.watch_delay.ns / 1000, plan.epsilon.ns / 1000,
      plan.loss, plan.duplicates, plan.unknown, plan.user_gap.ns / 1'000'000, plan.fault_phase.ns / 1'000'000,
      plan.fault_gap.ns / 1'000'000);
  for (const Fault fault : plan.faults)
    text += fmt::format(" {}", name_of(fault));
  return text;
}

}  // namespace gnomon::sim::leases
