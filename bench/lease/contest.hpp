// SPDX-License-Identifier: Apache-2.0
//
// Contenders take turns, in an order that is drawn anew for every round, so that what wanders on the machine meets all
// of them; a ratio is of the medians of two turns of one round, never of two rounds. Before each turn its commands are
// carried out once without being timed: every turn begins on connections in use, and not in the wake of another's.
// Thread rule: one thread; turns make their own.
#pragma once

#include <cstddef>
#include <random>
#include <string>
#include <vector>

#include "bench/lease/lane.hpp"
#include "bench/lease/slice.hpp"

namespace gnomon::bench {

class Contest {
 public:
  /// Ratios are to the first of them. `each`: of one command, of one lane, in one turn.
  Contest(std::vector<Contender> contenders, std::vector<Command> commands, std::size_t each);

  void run(int rounds);
  /// A table for each command: p50, p10 - p90 and p99 of all latencies, the median of the rates, and the median and the
  /// spread of the ratios.
  void report(const std::string& title);

 private:
  struct Row {
    std::vector<double> us;       // all
    std::vector<double> medians;  // of each round, as are the next
    std::vector<double> per_second;
  };
  void print(std::size_t contender, std::size_t command);

  std::vector<Contender> contenders_;
  std::vector<Command> commands_;
  std::size_t each_;
  std::vector<std::vector<Row>> rows_;  // by contender and command
  std::mt19937_64 random_{1};
};

}  // namespace gnomon::bench
