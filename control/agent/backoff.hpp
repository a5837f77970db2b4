// SPDX-License-Identifier: Apache-2.0
//
// When to try again: doubling delays with jitter, so that daemons which failed together don't come back together. The
// randomness is handed in; the delay is bounded by a fraction of the window, so that many tries fit into what is left
// of a right, and by a heartbeat: while it waits nothing renews the session.
#pragma once

#include <algorithm>
#include <cstdint>

#include "oracle/time/instant.hpp"

namespace gnomon::control {

class Backoff {
 public:
  Backoff(time::Duration window, time::Duration heartbeat)
      : longest_(std::clamp(std::min(window / 16, heartbeat), kFirst, time::milliseconds(1000))) {}

  /// After a failure: half of the delay is certain, half is random.
  void fail(time::Uptime now, std::uint64_t random) {
    const time::Duration half = delay_ / 2;
    wait_until_ =
        now + half + time::Duration{static_cast<std::int64_t>(random % static_cast<std::uint64_t>(half.ns + 1))};
    delay_ = std::min(delay_ * 2, longest_);
  }
  void reset() {
    delay_ = kFirst;
    wait_until_ = time::Uptime::min();
  }
  [[nodiscard]] bool over(time::Uptime now) const { return now >= wait_until_; }

 private:
  static constexpr time::Duration kFirst = time::milliseconds(20);

  time::Duration longest_;
  time::Duration delay_ = kFirst;
  time::Uptime wait_until_ = time::Uptime::min();
};

}  // namespace gnomon::control
