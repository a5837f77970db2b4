// SPDX-License-Identifier: Apache-2.0
//
// What a world is like, drawn from its seed: how many workers and ids, which layouts, how small the pool of machine
// ids, how the store behaves, which faults may strike. Each world has only some of the faults: a world in which
// everything fails all the time never gets far enough for the rarer interleavings (Groce et al., "Swarm Testing", ISSTA
// 2012).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "oracle/id/layout.hpp"
#include "oracle/mint/ordering.hpp"
#include "oracle/time/instant.hpp"
#include "tests/sim/hardships.hpp"
#include "tests/sim/host.hpp"
#include "tests/sim/random.hpp"
#include "tests/sim/shared_plan.hpp"
#include "tests/sim/strokes.hpp"

namespace gnomon::sim {

/// About a third of all seeds make a world of the second kind.
enum class WorldKind : std::uint8_t {
  kOneHost,  // a store of its own (world.hpp)
  kShared,   // many hosts on one store (shared_world.hpp)
};

enum class Fault : std::uint8_t {
  kCrash,         // the process is killed; another one starts on the same store
  kCleanStop,     // SIGTERM
  kPauseProcess,  // SIGSTOP, then SIGCONT; up to twice the window
  kPauseThread,   // one thread is not scheduled for a while
  kStepBackMs,    // the source steps back by 1 ms, 1 s, 1 h
  kStepBackSecond,
  kStepBackHour,  // and ahead again
  kDayAhead,      // and back again
  kFreeze,        // the source stands still
  kDrift,         // the source runs fast or slow by up to 400 ppm
  kSourceFails,   // it can't be read
  kStoreAway,     // nothing reaches the store
  kStoreLosesAnswers,
  kStoreSlow,    // answers take up to twice as long as the agent waits
  kStoreBreaks,  // one fatal answer: the daemon has to exit
  kClone,        // the machine is told that it is a copy
  kTakeover,     // an operator retires a machine id that is in use
};
constexpr std::size_t kFaultKinds = 17;
[[nodiscard]] std::string_view name_of(Fault fault);

/// What befalls the clocks of a host, and those processes that live by them.
enum class HostFault : std::uint8_t {
  kLie,          // a source is off by far more than it states: for less long than it takes to be believed, or longer
  kSmallLie,     // by a little more than it states
  kHangs,        // a source says nothing new
  kFallsSilent,  // it can't be read
  kLosesReference,
  kStop,          // a hypervisor stops the machine; its counter stands still, and it is told
  kSuspend,       // the machine sleeps, and the kernel counts how long
  kCounterJumps,  // the machine is moved
  kClockThread,   // the clock thread is not scheduled, longer than a line serves
  kRestart,       // a daemon of another host is killed and starts again
};
constexpr std::size_t kHostFaults = 10;
[[nodiscard]] std::string_view name_of(HostFault fault);

struct Scenario {
  std::uint64_t seed = 0;
  std::uint32_t workers = 1;
  std::uint32_t ids_per_worker = 1;
  std::uint32_t machine_ids = 1;
  bool pinned = false;
  time::Duration window;
  time::Duration max_lead;
  time::Duration confirm;
  mint::LeadPolicy policy = mint::LeadPolicy::kRefuse;
  bool rotating_start = false;
  std::vector<id::Layout> layouts;
  std::uint32_t park_limit = 0;
  time::Duration park_for;
  std::uint32_t load = 0;        // 0 idle .. 3 often saturated
  time::Duration store_delay;    // typical, one way
  bool store_is_remote = false;  // what was sent may land after its sender's death, or after another commit
  time::Duration fault_gap;      // typical, between two faults
  time::Duration fault_phase;
  std::vector<Fault> faults;
  std::uint32_t network_loss = 0;  // per mille, each way; as many are doubled, and as many come late
  std::uint32_t preemption = 0;    // per mille of steps of a thread that are followed by a pause of up to 200 ms
  std::vector<HostPlan> hosts;     // the first is that of the daemon whose IDs are simulated
  std::vector<HostFault> host_faults;
  time::Duration host_fault_gap;  // typical, between two of them
  time::Duration widest_reading;  // half of a reading's bracket, up to
  std::uint32_t commit_wait_limit = 1;
  time::Duration max_commit_wait;
  HardshipPlan hardships;
  std::optional<SharedPlan> shared;  // and then every host has a daemon with an agent
  std::optional<Replay> replay;      // none: all that may befall it does

  /// Of those that go on all the time.
  [[nodiscard]] bool has(TroubleKind nuisance) const { return !replay || replay->part.has({nuisance}); }

  [[nodiscard]] std::uint32_t all_workers() const;
  /// Those that serve IDs: the first of all hosts'.
  [[nodiscard]] std::uint32_t id_workers() const { return shared ? all_workers() : workers; }
  [[nodiscard]] std::uint32_t ids_needed() const { return workers * ids_per_worker; }
  /// From the end of the faults until every worker says again what time it is: pauses that had begun, the timeout of a
  /// source, and as many samples of the slowest one as it takes to be believed after a contradiction.
  [[nodiscard]] time::Duration time_limit() const { return window * 2 + time::seconds(10); }
  [[nodiscard]] time::Duration recovery_limit() const {
    const time::Duration one_host = confirm + window * 2 + time::seconds(15);
    // An operator comes first, then the clocks are made acquainted, and a recovery has raised the floors.
    return shared ? one_host + window * 2 + max_lead * 2 + shared->acquaintance() * 3 + time::seconds(10) : one_host;
  }
  [[nodiscard]] time::Duration calm_limit() const;
};

[[nodiscard]] WorldKind kind_of(std::uint64_t seed);
/// `kind`: which one to make of this seed; none: the one that the seed says.
[[nodiscard]] Scenario make_scenario(std::uint64_t seed, std::optional<WorldKind> kind = std::nullopt);
[[nodiscard]] HostPlan draw_host(Random& random, std::uint32_t workers);
/// One line.
[[nodiscard]] std::string text_of(const Scenario& scenario);

}  // namespace gnomon::sim
