// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/outcome.hpp"

namespace gnomon::sim {

void SharedCounts::add(const SharedCounts& other) {
  hosts += other.hosts;
  restores += other.restores;
  seals += other.seals;
  recoveries += other.recoveries;
  heals += other.heals;
  plants += other.plants;
  mad_clocks += other.mad_clocks;
  refused_starts += other.refused_starts;
  ceilings_judged += other.ceilings_judged;
  ceilings_unjudged += other.ceilings_unjudged;
  stood_down += other.stood_down;
  served_on += other.served_on;
}

}  // namespace gnomon::sim
