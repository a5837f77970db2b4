// SPDX-License-Identifier: Apache-2.0
//
// What hlc_update promises, with or without a clock: the reply is larger than the argument, and larger than every
// earlier reply of the worker.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <unordered_map>

#include "tests/sim/check/report.hpp"

namespace gnomon::sim {

class HlcGrows {
 public:
  explicit HlcGrows(Report& report) : report_(report) {}

  void updated(std::uint32_t process, std::uint32_t worker, std::uint64_t argument, std::uint64_t reply) {
    std::uint64_t& last = last_[(std::uint64_t{process} << 32) | worker];
    if (reply <= argument) fail(process, worker, reply, argument, "the argument");
    if (reply <= last) fail(process, worker, reply, last, "what it answered before");
    last = reply;
  }

 private:
  void fail(std::uint32_t process, std::uint32_t worker, std::uint64_t reply, std::uint64_t other, const char* what) {
    report_.fail("hlc", fmt::format("daemon {}, worker {}: {:#x} is not larger than {:#x}, {}", process, worker, reply,
                                    other, what));
  }

  Report& report_;
  std::unordered_map<std::uint64_t, std::uint64_t> last_;  // by process and worker
};

}  // namespace gnomon::sim
