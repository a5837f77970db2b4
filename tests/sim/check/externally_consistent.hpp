// SPDX-License-Identifier: Apache-2.0
//
// Promise X: once a commit-wait on t has returned, t has passed, and every now() that is invoked later, at whatever
// host, has latest > t. So a timestamp that is picked later, as now().latest, is larger.
//
// One number says it for all pairs: the largest t that was released so far. A client takes it down when it sends its
// request, and the reply has to be above it. Hosts whose assumptions don't hold neither raise it nor are held to it.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>

#include "oracle/time/instant.hpp"
#include "tests/sim/check/report.hpp"
#include "tests/sim/check/time_answer.hpp"

namespace gnomon::sim {

class ExternallyConsistent {
 public:
  explicit ExternallyConsistent(Report& report) : report_(report) {}

  /// A commit-wait on t has returned, with this answer.
  void released(time::Tai t, const TimeAnswer& answer) {
    if (answer.interval.earliest <= t)
      report_.fail("consistent", fmt::format("daemon {}, worker {}: a wait on {} was over in [{}, {}], which does not "
                                             "exclude it",
                                             answer.process, answer.worker, t.ns, answer.interval.earliest.ns,
                                             answer.interval.latest.ns));
    if (!answer.assumptions_hold) return;
    if (answer.left <= t)
      report_.fail("consistent", fmt::format("daemon {}, worker {}: a wait on {} was over {} ns before it",
                                             answer.process, answer.worker, t.ns, (t - answer.left).ns));
    largest_ = std::max(largest_, t);
    ++released_;
  }
  /// What a now() that is invoked at this moment must be above.
  [[nodiscard]] time::Tai largest_released() const { return largest_; }
  /// A now() has returned, that was invoked when `floor` was the largest.
  void answered(time::Tai floor, const TimeAnswer& answer) {
    if (!answer.assumptions_hold || answer.interval.latest > floor) return;
    report_.fail("consistent",
                 fmt::format("daemon {}, worker {}: now() says at most {}, after a wait on {} had returned",
                             answer.process, answer.worker, answer.interval.latest.ns, floor.ns));
  }
  [[nodiscard]] std::uint64_t released() const { return released_; }

 private:
  Report& report_;
  time::Tai largest_ = time::Tai::min();
  std::uint64_t released_ = 0;
};

}  // namespace gnomon::sim
