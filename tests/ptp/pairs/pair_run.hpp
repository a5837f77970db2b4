// SPDX-License-Identifier: Apache-2.0
//
// Commit-wait between two processes. One of them, the waiter, takes t = now().latest and waits until t has passed, in
// the way of the client library (client/commit_wait.hpp); as soon as the wait has returned it tells the other, the
// witness, which then takes its own now(). Each has a clock of its own (own_clock.hpp), and what each saw, with the
// true instant of every look, is written down for the judge.
//
//   the wait      is over at a true time after t
//   the promise   the witness's latest is larger than t
//
// A wait inside one process would show the first only, and on the clock that it waited by. The two talk through words
// in shared memory that both poll, because a pipe would give the witness a look that is late by a scheduler's turn, and
// what is late is easily right.
//
// Thread rule: `run_pairs` forks, so its caller has no other threads.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <tl/expected.hpp>

#include "oracle/time/interval.hpp"
#include "tests/ptp/pairs/own_clock.hpp"

namespace gnomon::pairs {

/// What has to be > t for the wait to end.
enum class ReleaseBy : std::uint8_t {
  kEarliest,  // as it must be
  kLatest,    // a planted bug
};

struct Scenario {
  ClockSpec waiter;
  ClockSpec witness;
  std::uint32_t pairs = 1;
  ReleaseBy release_by = ReleaseBy::kEarliest;
};

/// One wait and one look after it.
struct Pair {
  time::Tai asked_at;       // true time
  time::Interval asked;     // the waiter's now() then; t is its later end
  time::Tai released_at;    // true time of the look that ended the wait
  time::Interval released;  // what that look said
  time::Tai seen_at;        // true time
  time::Interval seen;      // the witness's now() then
  bool waited = false;      // the waiter had an interval all the time
  bool witnessed = false;   // and the witness had one

  [[nodiscard]] time::Tai t() const { return asked.latest; }
};

/// All pairs in order; the error is a sentence about the machine or about a process that ended.
[[nodiscard]] tl::expected<std::vector<Pair>, std::string> run_pairs(const Scenario& scenario);

/// What the judge found.
struct Verdict {
  std::uint64_t served = 0;
  std::uint64_t early = 0;        // waits that were over while t had not passed
  std::uint64_t outrun = 0;       // witnesses whose latest was not larger than t
  std::uint64_t missed = 0;       // intervals without the truth in them
  std::string first;              // of these faults: which, and by how much
  std::vector<double> width_us;   // of the interval that t was taken from: 2 epsilon; ascending
  std::vector<double> excess_us;  // of the wait over that width; ascending
};
[[nodiscard]] Verdict judge(const std::vector<Pair>& pairs);

/// Of an ascending list.
[[nodiscard]] double percentile(const std::vector<double>& ascending, double percent);

}  // namespace gnomon::pairs
