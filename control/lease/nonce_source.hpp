// SPDX-License-Identifier: Apache-2.0
//
// Nonces that never come twice: 16 random bytes of this process, and a counter in them. The desk is handed no
// randomness with its events, and a generator that is seeded with less could meet its own past in a store that keeps
// every nonce. The same bits, mixed, spread background work of several daemons; nothing rests on those.
//
// Thread rule: one thread at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "oracle/lease/record.hpp"
#include "oracle/time/instant.hpp"

namespace gnomon::control {

class NonceSource {
 public:
  explicit NonceSource(const lease::Nonce& seed) : seed_(seed) {
    std::memcpy(&noise_, seed_.data() + sizeof noise_, sizeof noise_);
  }

  [[nodiscard]] lease::Nonce next() {
    lease::Nonce nonce = seed_;
    const std::uint64_t count = ++drawn_;
    for (std::size_t i = 0; i < sizeof count; ++i)
      nonce[i] = static_cast<std::uint8_t>(nonce[i] ^ ((count >> (8 * i)) & 0xff));
    return nonce;
  }

  /// Somewhere in [0, below), below > 0. (splitmix64)
  [[nodiscard]] time::Duration somewhere(time::Duration below) {
    noise_ += 0x9e3779b97f4a7c15ULL;
    std::uint64_t mixed = noise_;
    mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9ULL;
    mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111ebULL;
    mixed ^= mixed >> 31;
    return {static_cast<std::int64_t>(mixed % static_cast<std::uint64_t>(below.ns))};
  }

 private:
  lease::Nonce seed_;
  std::uint64_t drawn_ = 0;
  std::uint64_t noise_ = 0;
};

}  // namespace gnomon::control
