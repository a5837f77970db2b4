// SPDX-License-Identifier: Apache-2.0
//
// Plays a scenario: a rack of virtual hosts with real daemons, a witness on the client, the events at their times, and
// what the witness recorded.
//
// The truth is the clock of the first grandmaster *as it would have gone on*: its line is copied before anything
// happens, so a grandmaster that is stepped or sped up later has left the truth, and nobody has to say by how much.
//
// GNOMON_TEST_FULL stretches the times between events by 3, and scenarios without events by 10.
// Thread rule: one thread, which has to outlive the call (the processes die with it).
#pragma once

#include <string>
#include <vector>

#include "tests/ptp/coverage/judge.hpp"
#include "tests/ptp/coverage/scenario.hpp"

namespace gnomon::coverage {

struct Played {
  std::vector<Record> records;
  std::vector<Span> events;  // when each really happened
  std::vector<Span> broken;
  bed::Line truth;
  std::string problem;  // it could not be played; empty: it was
  std::string logs;
};

/// Takes root: ask bed::Rack::available first. Does not throw.
[[nodiscard]] Played play(const Scenario& scenario);

}  // namespace gnomon::coverage
