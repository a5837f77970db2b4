// SPDX-License-Identifier: Apache-2.0
//
// Promise M: IDs only grow,
//   - per layout and machine id over the whole life of the store: windows of one id follow each other, so this covers
//     "per right", and "across restarts" for pinned ids;
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
    grows(by_machine_[(layout << 16) | issue.machine().value], issue, "under one machine id");
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
  std::unordered_map<std::uint64_t, Last> by_machine_;
  std::unordered_map<std::uint64_t, Last> by_worker_;
};

}  // namespace gnomon::sim
