// SPDX-License-Identifier: Apache-2.0
//
// Promise M: IDs only grow,
//   - per layout and right. Windows of one machine id follow each other in the order of their tokens, which `Windows`
//     checks, so what its rights issue is ordered too, across restarts for pinned ids. It need not be issued in that
//     order: a holder whose clock lags is overtaken by one who finds the window long past, and goes on below him;
//   - per layout and worker of one incarnation, across rights; but where policy `rotate` may start again in the past,
//     only within one era of the ordering timeline.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <string_view>
#include <unordered_map>

#include "tests/sim/check/issue.hpp"
#include "tests/sim/check/report.hpp"

namespace gnomon::sim {

class Monotone {
 public:
  explicit Monotone(Report& report) : report_(report) {}

  void issued(const Issue& issue) {
    const std::uint64_t layout = issue.layout->number.value;
    grows(by_right_[(layout << 48) | (std::uint64_t{issue.machine().value} << 32) | issue.token_low], issue,
          "under one right");
    // An incarnation has its own entry per worker; 24 bits are more restarts than a world can hold.
    grows(by_worker_[(layout << 56) | (std::uint64_t{issue.worker} << 48) | (std::uint64_t{issue.incarnation} << 24) |
                     issue.era.value],
          issue, "from one worker");
  }

 private:
  struct Last {
    std::uint64_t id = 0;
    bool any = false;
  };
  void grows(Last& last, const Issue& issue, std::string_view where) {
    if (last.any && issue.first.value <= last.id)
      report_.fail("monotone",
                   fmt::format("layout {}, worker {}: {:#x} came after {:#x} {}", issue.layout->number.value,
                               issue.worker, issue.first.value, last.id, where));
    last = {issue.last(), true};
  }

  Report& report_;
  std::unordered_map<std::uint64_t, Last> by_right_;
  std::unordered_map<std::uint64_t, Last> by_worker_;
};

}  // namespace gnomon::sim
