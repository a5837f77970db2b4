// SPDX-License-Identifier: Apache-2.0
//
// What will be done to a cluster, decided before it is done: a list of faults with their times, drawn from one seed.
//
// A nemesis that makes its mind up as it goes can't be repeated, nor held against what the clients saw. So the plan is
// complete before the first client asks, and is printed. Repeating a seed repeats the plan, not the run: which request
// meets which fault is up to the machine.
//
// Two tracks run beside each other: what happens to the network and to etcd, and what happens to hosts. In each there
// is one fault at a time, so etcd is without a majority only by a fault that says so, or while a member that is started
// again is not back yet; and a daemon that is in trouble in one track is left alone by the other. Each track goes
// through all of its kinds, in an order of chance, before it takes one again.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "oracle/time/instant.hpp"

namespace gnomon::chaos {

constexpr std::size_t kMembers = 3;
constexpr std::size_t kDaemons = 5;
/// Of rights. Pauses and outages that are to be felt are longer.
constexpr time::Duration kWindow = time::seconds(4);
constexpr time::Duration kWarmUp = time::seconds(5);
constexpr time::Duration kShortest = time::seconds(20);  // of a whole storm
/// From here on a run restores etcd from a snapshot, once.
constexpr time::Duration kRestoresFrom = time::seconds(300);

enum class FaultKind : std::uint8_t {
  // The network.
  kHostCut,       // a daemon's host, from everybody
  kStoreCut,      // a daemon from all members; clients reach it
  kClientsCut,    // a daemon from all clients; it reaches the store
  kOneWay,        // one direction only
  kLeaderCut,     // etcd's leader, from everybody
  kMembersSplit,  // etcd's leader, from the other members only
  kBadLink,       // loss and delay
  // etcd.
  kMemberKilled,
  kMajorityKilled,
  kLeaderPaused,
  // Hosts.
  kDaemonKilled,
  kSupervisorKilled,
  kDaemonPaused,
  kClockAhead,
  kClockBehind,
  kDiskFull,
  kDiskDamaged,
  // Everybody.
  kRestore,
};

enum class Lane : std::uint8_t { kDaemon, kMember, kAll };

struct FaultTraits {
  FaultKind kind;
  std::string_view name;
  std::string_view what;  // is done, in words for the report
  Lane lane;
  int shortest_ms;
  int longest_ms;
};
[[nodiscard]] const FaultTraits& traits_of(FaultKind kind);
[[nodiscard]] const std::array<FaultTraits, 18>& all_traits();

struct Fault {
  FaultKind kind{};
  std::size_t target = 0;    // which daemon; which member, where that is not for etcd to say
  std::uint64_t detail = 0;  // chance, for whatever a kind leaves open
  time::Duration at{};       // since the beginning of the run
  time::Duration lasts{};
};

struct Plan {
  std::uint64_t seed = 0;
  time::Duration length{};      // of warm-up and storm
  std::vector<Fault> faults{};  // by their times
};

/// `length`: at least kShortest.
[[nodiscard]] Plan make_plan(std::uint64_t seed, time::Duration length);
/// By how much a clock is set wrong: three seconds to a day, ahead or behind as the kind says.
[[nodiscard]] time::Duration clock_step(const Fault& fault);
/// A table, one fault a line.
[[nodiscard]] std::string text_of(const Plan& plan);

}  // namespace gnomon::chaos
