// SPDX-License-Identifier: Apache-2.0
//
// Promise C: earliest is not after the true time at which the reply leaves, and latest not before the one at which the
// request arrived. Asked only of hosts whose assumptions hold: a lie that nothing could have shown is nobody's fault.
#pragma once

#include <fmt/format.h>

#include <cstdint>

#include "tests/sim/check/report.hpp"
#include "tests/sim/check/time_answer.hpp"

namespace gnomon::sim {

class Contained {
 public:
  explicit Contained(Report& report) : report_(report) {}

  void answered(const TimeAnswer& answer) {
    if (!answer.assumptions_hold) return;
    ++checked_;
    const time::Interval& said = answer.interval;
    if (said.earliest > answer.left) fail(answer, "begins", said.earliest - answer.left, "after the reply left");
    if (said.latest < answer.arrived) fail(answer, "ends", answer.arrived - said.latest, "before the request arrived");
  }
  /// Answers that were held against the truth.
  [[nodiscard]] std::uint64_t checked() const { return checked_; }

 private:
  void fail(const TimeAnswer& answer, const char* verb, time::Duration by, const char* when) {
    report_.fail("contained",
                 fmt::format("daemon {}, worker {}: the interval [{}, {}] {} {} ns {}", answer.process, answer.worker,
                             answer.interval.earliest.ns, answer.interval.latest.ns, verb, by.ns, when));
  }

  Report& report_;
  std::uint64_t checked_ = 0;
};

}  // namespace gnomon::sim
