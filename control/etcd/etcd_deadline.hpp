// SPDX-License-Identifier: Apache-2.0
//
// When a call has to be over. On the monotonic clock: gRPC takes a time of day as well, and a clock that jumps a day
// ahead would then end every call at once, and one that jumps back would hang it.
#pragma once

#include <grpc/support/time.h>

#include <algorithm>
#include <chrono>
#include <cstdint>

#include "oracle/time/instant.hpp"

namespace gnomon::control {

class EtcdDeadline {
 public:
  using Clock = std::chrono::steady_clock;

  [[nodiscard]] static EtcdDeadline in(time::Duration timeout) {
    return EtcdDeadline(Clock::now() + std::chrono::nanoseconds(std::clamp<std::int64_t>(timeout.ns, 0, kLongest)));
  }
  /// Never negative.
  [[nodiscard]] time::Duration left() const {
    const auto left = std::chrono::duration_cast<std::chrono::nanoseconds>(at_ - Clock::now()).count();
    return {std::max<std::int64_t>(left, 0)};
  }
  [[nodiscard]] bool over() const { return Clock::now() >= at_; }
  /// The earlier of this one and now + timeout.
  [[nodiscard]] EtcdDeadline but_within(time::Duration timeout) const {
    return EtcdDeadline(std::min(at_, in(timeout).at_));
  }
  [[nodiscard]] gpr_timespec for_grpc() const {
    return gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC), gpr_time_from_nanos(left().ns, GPR_TIMESPAN));
  }

 private:
  static constexpr std::int64_t kLongest = 86'400'000'000'000;  // a day; a sum with now must not overflow

  explicit EtcdDeadline(Clock::time_point at) : at_(at) {}

  Clock::time_point at_;
};

}  // namespace gnomon::control
