// SPDX-License-Identifier: Apache-2.0
//
// The full handler under load for as long as one likes: does anything leak, stall, or come twice, and does it go on
// when the peer is killed?
#pragma once

#include <atomic>
#include <cstdint>

#include "bench/reflect/server.hpp"
#include "bench/reflect/wiring.hpp"

namespace gnomon::bench {

struct SoakPlan {
  int seconds = 0;
  std::uint32_t in_flight = 256;
  bool peer_dies = false;  // half-way, while it is polled
};

/// Serves until the generator has taken in what was under way, and lets it go. Throws std::runtime_error if that takes
/// too long.
void drain(Wiring& wiring, ReflectServer& server);

/// A line every ten seconds. False if something was wrong, which is said.
[[nodiscard]] bool soak(Wiring& wiring, ReflectServer& server, const SoakPlan& plan, const std::atomic<bool>& enough);

}  // namespace gnomon::bench
