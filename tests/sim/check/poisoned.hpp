// SPDX-License-Identifier: Apache-2.0
//
// No ceiling of tomorrow. What a daemon commits is stored, and keeps a machine id from everybody until that time: so no
// agent raises a ceiling further than its clock can be ahead unnoticed, whatever it says.
//
//   ceiling <= true now + window      what an extension or an acquisition asks for
//            + max_lead               of the ordering timeline over the clock behind it
//            + max_lead               of a floor that an acquisition may begin at
//            + 2 x tolerance          two clocks contradict each other only once their intervals don't meet
//            + 3 heartbeats + 500 ms  what lies between the two readings that are compared
//            + the steps              that it took, each below what counts as a jump (at most a tolerance), since it
//                                     could last be held against an undisturbed member's
//
// Of a mad clock that is asked only if somebody sane was there to say so: alone, it passes every vote. Who is there and
// what steps there were is the world's knowledge.
#pragma once

#include <fmt/format.h>

#include <cstdint>

#include "oracle/mint/names.hpp"
#include "oracle/time/instant.hpp"
#include "tests/sim/check/report.hpp"
#include "tests/sim/scenario.hpp"

namespace gnomon::sim {

class NotPoisoned {
 public:
  NotPoisoned(Report& report, const Scenario& scenario)
      : report_(report),
        bound_(scenario.window + scenario.max_lead * 2 + scenario.shared->tolerance * 2 +
               scenario.shared->heartbeat * 3 + time::milliseconds(500)) {}

  [[nodiscard]] bool is_beyond(time::SmearedUtc ceiling, time::SmearedUtc truth, time::Duration steps) const {
    return ceiling - truth > bound_ + steps;
  }
  void raised(std::uint32_t host, mint::MachineId machine, time::SmearedUtc ceiling, time::SmearedUtc truth,
              time::Duration steps) {
    if (is_beyond(ceiling, truth, steps))
      report_.fail("poisoned",
                   fmt::format("host {} raised the ceiling of machine id {} to {} ms ahead of the true "
                               "time; its clock can't have been wrong by more than makes {} ms",
                               host, machine.value, (ceiling - truth).ns / 1'000'000, (bound_ + steps).ns / 1'000'000));
  }

 private:
  Report& report_;
  time::Duration bound_;
};

}  // namespace gnomon::sim
