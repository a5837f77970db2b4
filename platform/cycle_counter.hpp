// SPDX-License-Identifier: Apache-2.0
//
// Reads the cycle counter: rdtsc on x86, cntvct_el0 on Arm. Ordered after earlier loads, so that a reading taken after
// a packet arrived can't move in front of it.
#pragma once

#include <cstdint>

#if defined(__x86_64__)
#include <x86intrin.h>
#elif !defined(__aarch64__)
#error "no cycle counter known for this architecture: add it here"
#endif

#include "oracle/time/cycles.hpp"

namespace gnomon::platform {

[[nodiscard]] inline time::Cycles read_cycles() {
#if defined(__x86_64__)
  _mm_lfence();
  return {__rdtsc()};
#else
  std::uint64_t count = 0;
  asm volatile("isb; mrs %0, cntvct_el0" : "=r"(count)::"memory");
  return {count};
#endif
}

}  // namespace gnomon::platform
