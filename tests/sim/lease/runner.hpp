// SPDX-License-Identifier: Apache-2.0
//
// Many worlds of leases at once, as runner.hpp of the other worlds: each seed is single-threaded, seeds run side by
// side (oneTBB).
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "tests/sim/lease/world.hpp"

namespace gnomon::sim::leases {

struct Summary {
  std::uint64_t worlds = 0;
  std::uint64_t one_host = 0;  // of them
  time::Duration simulated;
  Counts counts;
  std::vector<Outcome> violations;  // ascending by seed
};

[[nodiscard]] Outcome run_seed(std::uint64_t seed, bool print_story = false);
/// Of what befell this seed's world, a part befalls it again, and nothing else does.
[[nodiscard]] Outcome run_part(std::uint64_t seed, Replay replay, bool print_story = false);
/// `progress` is called now and then with the number of worlds that are done; from any thread, one at a time.
[[nodiscard]] Summary run_seeds(std::uint64_t first, std::uint64_t count,
                                const std::function<void(std::uint64_t)>& progress = {});

/// What a violation is reported with: seed, promise, what happened, the last lines of the story, how to replay.
[[nodiscard]] std::string text_of(const Outcome& outcome);
/// What happened, and how often the checkers were able to look.
[[nodiscard]] std::string text_of(const Counts& counts);
/// The closing lines.
[[nodiscard]] std::string text_of(const Summary& summary);

}  // namespace gnomon::sim::leases
