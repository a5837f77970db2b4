// SPDX-License-Identifier: Apache-2.0
//
// What a world of leases is like, drawn from its seed: how many servers, clients and names, how long the leases, how
// slow the ways between them, and which faults may strike. Each world has only some of the faults, so that it gets far
// enough for the rarer interleavings.
//
// Two kinds, as there are two clocks by which leases expire: many servers on one store, by the true time; and one
// server on a host of its own, by the clock of its boot, with clients on that host and elsewhere.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "oracle/time/instant.hpp"
#include "tests/sim/strokes.hpp"

namespace gnomon::sim::leases {

enum class Fault : std::uint8_t {
  // servers
  kServerCrash,
  kServerPause,  // it wakes with old events
  kClockLost,
  kClockWide,  // the interval is wide, and the true time at its edge
  kNotAMember,
  kWatchStalls,
  kWatchGap,
  // the store
  kStoreAway,
  kStoreLosesAnswers,
  kStoreSlow,
  kLeaderChange,  // of all that is under way nobody knows what became of it
  // the network
  kPartition,  // one client reaches nobody
  kCut,        // one client does not reach one server
  // clients and their hosts
  kClientCrash,
  kClientPause,
  kSuspend,  // CLOCK_MONOTONIC_RAW stands still, CLOCK_BOOTTIME goes on
  kSlew,     // CLOCK_BOOTTIME runs fast or slow
  kReboot,   // of the one host
};
constexpr std::size_t kFaultKinds = 18;
[[nodiscard]] std::string_view name_of(Fault fault);

struct Plan {
  std::uint64_t seed = 0;
  bool one_host = false;
  std::uint32_t servers = 3;
  std::uint32_t clients = 4;
  std::uint32_t names = 2;
  time::Duration shortest_ttl = time::seconds(1);
  time::Duration longest_ttl = time::seconds(1);
  time::Duration lock_delay;  // at most; half of the grants have none
  time::Duration network_delay;
  time::Duration store_delay;
  time::Duration watch_delay;
  time::Duration epsilon;        // of a server's clock, usually at most
  std::uint32_t loss = 0;        // per mille of messages
  std::uint32_t duplicates = 0;  // likewise; the second one comes late
  std::uint32_t unknown = 0;     // per mille of commits whose answer is lost
  bool exact = false;            // delays are what they say, nothing else happens by chance, and nobody acts unasked
  time::Duration user_gap;       // typical, between two deeds of a client's user
  time::Duration fault_gap;      // typical, between two faults
  time::Duration fault_phase;
  std::vector<Fault> faults;
  std::optional<Replay> replay;  // none: all that may befall it does

  /// From the end of the faults until every client has held every name: what the dead leave has to expire, then all
  /// take their turns.
  [[nodiscard]] time::Duration recovery_limit() const {
    const time::Duration turn = time::milliseconds(400) + (network_delay + store_delay + watch_delay) * 40;
    return longest_ttl * 3 + lock_delay * 2 + time::seconds(30) + turn * (2 * clients * names);
  }
};

[[nodiscard]] Plan make_plan(std::uint64_t seed);
/// Servers, clients and names, with delays that are what they say, and nothing that happens by chance.
[[nodiscard]] Plan exact_plan(std::uint32_t servers, std::uint32_t clients);
/// One line.
[[nodiscard]] std::string text_of(const Plan& plan);
[[nodiscard]] std::string name_of(std::uint32_t lease);

}  // namespace gnomon::sim::leases
