// SPDX-License-Identifier: Apache-2.0
//
// Many worlds at once: each seed is single-threaded, seeds run side by side (oneTBB).
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "tests/sim/outcome.hpp"
#include "tests/sim/scenario.hpp"

namespace gnomon::sim {

struct Seeds {
  std::uint64_t first = 1;
  std::uint64_t count = 1;
  std::optional<WorldKind> kind{};  // of all of them; none: as each seed says
};

struct Summary {
  std::uint64_t worlds = 0;
  time::Duration simulated;
  std::uint64_t ids = 0;
  std::uint64_t incarnations = 0;
  std::uint64_t faults = 0;
  std::uint64_t recoveries_asked = 0;
  std::array<Served, kPhases> served{};
  std::uint64_t host_faults = 0;
  std::array<TimeServed, kPhases> time_served{};
  std::uint64_t times_checked = 0;
  std::uint64_t waits_released = 0;
  HardshipCounts hardships;
  std::uint64_t shared_worlds = 0;  // their hosts serve worse and better: counted by themselves
  SharedCounts shared;
  std::array<Served, kPhases> shared_served{};
  std::vector<Outcome> violations;  // ascending by seed
};

[[nodiscard]] Outcome run_seed(std::uint64_t seed, std::optional<WorldKind> kind = std::nullopt,
                               bool print_trace = false);
/// Of what befell this seed's world, a part befalls it again, and nothing else does.
[[nodiscard]] Outcome run_part(std::uint64_t seed, std::optional<WorldKind> kind, Replay replay,
                               bool print_trace = false);
/// Of a scenario as it is, drawn or changed.
[[nodiscard]] Outcome run_scenario(const Scenario& scenario, bool print_trace = false);
/// `progress` is called now and then with the number of worlds that are done; from any thread, one at a time.
[[nodiscard]] Summary run_seeds(const Seeds& seeds, const std::function<void(std::uint64_t)>& progress = {});

/// Of those who asked.
[[nodiscard]] double share_answered(const TimeServed& served, wire::Op op);

/// What a violation is reported with: seed, promise, what happened, the last lines of the trace, how to replay.
[[nodiscard]] std::string text_of(const Outcome& outcome);
/// The closing line.
[[nodiscard]] std::string text_of(const Summary& summary);

}  // namespace gnomon::sim
