// SPDX-License-Identifier: Apache-2.0
//
// Was every promise kept? One question for each, asked of all histories of a run together, after it.
//
// A judge that is not sure accuses nobody, and one that is unsure too often sees nothing. So each says how much it has
// judged, and a test plants every violation and expects it named (judge_test.cpp). What was left out, and why, it says
// as well: C rests on clocks that are within their bounds, so what a daemon said while its clock was set wrong is not
// held against it, nor what others built on that. Uniqueness, and the order inside a right, hold always.
//
//   U    no ID of a layout twice                                            over everything
//   M    an ID asked for after another of the same right was answered is larger
//   HLC  larger than what was handed over; asked for after another was answered: larger
//   C    earliest <= true time at the return, latest >= true time at the call
//   X    asked for after a commit was through: a larger timestamp, and a now() whose latest is larger
//   E    nobody holds a name together with somebody else; tokens of a name grow
//
// All are pure functions of the histories. The order of real time is judged by a sweep: questions in the order in which
// they were put, and for each the largest answer that was there by then; so it is n log n and over all pairs.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "oracle/time/instant.hpp"
#include "tests/chaos/history.hpp"

namespace gnomon::chaos {

struct Verdict {
  std::string promise{};                  // "U"
  std::string question{};                 // in words
  std::uint64_t judged = 0;               // answers, or pairs
  std::string left_out{};                 // what was not judged, and why; may be empty
  std::uint64_t broken = 0;               // how often
  std::vector<std::string> violations{};  // the first of them, as sentences
  [[nodiscard]] bool kept() const { return broken == 0; }
};

/// A daemon's clock was wrong by more than it said, from the first moment at which it can have been until the last.
struct WrongClock {
  std::uint8_t daemon = 0;
  time::Tai from{};
  time::Tai until{};
};
using WrongClocks = std::vector<WrongClock>;

[[nodiscard]] Verdict judge_unique(const Histories& histories);
[[nodiscard]] Verdict judge_id_order(const Histories& histories);
[[nodiscard]] Verdict judge_hybrid_time(const Histories& histories);
[[nodiscard]] Verdict judge_contained(const Histories& histories, const WrongClocks& wrong);
[[nodiscard]] Verdict judge_commits(const Histories& histories, const WrongClocks& wrong);
/// `served`: so many grants of each name are due.
[[nodiscard]] Verdict judge_leases(const Histories& histories, const WrongClocks& wrong, std::size_t served);
[[nodiscard]] Verdict judge_tokens(const Histories& histories);

}  // namespace gnomon::chaos
