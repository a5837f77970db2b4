// SPDX-License-Identifier: Apache-2.0
//
// Waiting for what another thread does.
#pragma once

#include <chrono>
#include <thread>

namespace gnomon::support {

/// Whether `condition` comes to hold; given up after so long that no busy machine is the reason.
template <typename Condition>
[[nodiscard]] bool eventually(const Condition& condition) {
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > until) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return true;
}

}  // namespace gnomon::support
