// SPDX-License-Identifier: Apache-2.0
//
// Both clocks of this host, and deadlines on them: whichever of the two says later that less is left.
//
// One clock would do for a deadline that nobody relies on. But CLOCK_MONOTONIC_RAW stops while the machine is
// suspended and CLOCK_BOOTTIME is slewed, and the deadlines here also say how long a server may still act on a call.
// Thread rule: values.
#pragma once

#include <algorithm>
#include <ctime>
#include <limits>

#include "client/lease/session_keeper.hpp"
#include "oracle/time/instant.hpp"

namespace gnomon::client {

[[nodiscard]] inline HostClocks read_host_clocks() {
  const auto read = [](clockid_t clock) {
    timespec now{};
    clock_gettime(clock, &now);
    return time::Uptime{std::int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec};
  };
  return {read(CLOCK_MONOTONIC_RAW), read(CLOCK_BOOTTIME)};
}

class HostDeadline {
 public:
  explicit HostDeadline(time::Duration limit) : from_(read_host_clocks()), limit_(limit) {}

  /// Never negative. Zero, too, if a clock went backwards: then nobody knows.
  [[nodiscard]] time::Duration left() const {
    const auto passed = elapsed(from_, read_host_clocks());
    return passed ? std::max(limit_ - *passed, time::Duration{0}) : time::Duration{0};
  }
  [[nodiscard]] bool over() const { return left() == time::Duration{0}; }

 private:
  HostClocks from_;
  time::Duration limit_;
};

}  // namespace gnomon::client
