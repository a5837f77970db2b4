// SPDX-License-Identifier: Apache-2.0
//
// For timeouts, rates and retry times: a clock that nobody steps, and that goes on while the machine is suspended.
#pragma once

#include <cstdint>
#include <ctime>

#include "oracle/time/instant.hpp"

namespace gnomon::platform {

/// CLOCK_BOOTTIME, which can't fail.
[[nodiscard]] inline time::Uptime read_uptime() {
  timespec now{};
  clock_gettime(CLOCK_BOOTTIME, &now);
  return {std::int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec};
}

}  // namespace gnomon::platform
