// SPDX-License-Identifier: Apache-2.0
//
// What a worker does while nothing arrives.
#pragma once

#include <cstdint>

namespace gnomon::dataplane {

enum class PollMode : std::uint8_t {
  kBlock,  // sleep in the kernel
  kSpin,   // never sleep: lowest latency, a whole CPU per worker
};

}  // namespace gnomon::dataplane
