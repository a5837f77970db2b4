// SPDX-License-Identifier: Apache-2.0
//
// What came of one world, of either kind.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>

#include "oracle/time/instant.hpp"
#include "tests/sim/check/liveness.hpp"
#include "tests/sim/check/report.hpp"
#include "tests/sim/hardships.hpp"
#include "tests/sim/strokes.hpp"
#include "tests/sim/time_clients.hpp"

namespace gnomon::sim {

/// How often the checkers of a shared world were able to look: what was never asked was not proved.
struct SharedCounts {
  std::uint64_t hosts = 0;
  std::uint64_t restores = 0;
  std::uint64_t seals = 0;
  std::uint64_t recoveries = 0;
  std::uint64_t heals = 0;
  std::uint64_t plants = 0;
  std::uint64_t mad_clocks = 0;
  std::uint64_t refused_starts = 0;
  std::uint64_t ceilings_judged = 0;    // against the bound of `poisoned`
  std::uint64_t ceilings_unjudged = 0;  // by a mad clock that nobody was there to judge
  std::uint64_t stood_down = 0;         // looks at a mad host that had to hold nothing
  std::uint64_t served_on = 0;          // looks at a host that had to serve while faults struck others

  void add(const SharedCounts& other);
};

struct Outcome {
  std::uint64_t seed = 0;
  std::uint64_t trace_hash = 0;
  std::optional<Violation> violation;
  std::string last_lines;  // of the trace, if there was a violation
  time::Duration lasted;   // virtual
  std::uint64_t ids = 0;
  std::array<Served, kPhases> served{};
  std::array<TimeServed, kPhases> time_served{};
  std::uint64_t times_checked = 0;   // of intervals, against the truth
  std::uint64_t waits_released = 0;  // commit-waits, with assumptions that hold
  std::uint32_t incarnations = 0;
  std::uint32_t faults = 0;
  std::uint32_t host_faults = 0;
  bool recovery_asked = false;
  HardshipCounts hardships;
  std::optional<SharedCounts> shared;  // of a shared world
  Befell befell;
  std::optional<Part> part;  // that was replayed
};

}  // namespace gnomon::sim
