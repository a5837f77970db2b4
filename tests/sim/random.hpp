// SPDX-License-Identifier: Apache-2.0
//
// All chance in a simulated world comes from one seed through this generator (splitmix64, Steele et al., OOPSLA 2014).
// The generators and distributions of <random> would do, but the distributions are not the same in every standard
// library, and a seed that a colleague can't replay is worth nothing.
#pragma once

#include <cstdint>

#include "oracle/time/instant.hpp"

namespace gnomon::sim {

class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}
  /// At the same place of the same stream.
  bool operator==(const Random&) const = default;

  std::uint64_t next() {
    std::uint64_t x = (state_ += 0x9e3779b97f4a7c15ULL);
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
    return x ^ (x >> 31);
  }
  /// 0 to n - 1; n > 0. The bias of the remainder is far below anything that matters here.
  std::uint64_t below(std::uint64_t n) { return next() % n; }
  /// low to high, both included.
  std::int64_t between(std::int64_t low, std::int64_t high) {
    return low + static_cast<std::int64_t>(below(static_cast<std::uint64_t>(high - low) + 1));
  }
  bool per_mille(std::uint32_t chance) { return below(1000) < chance; }
  time::Duration between(time::Duration low, time::Duration high) { return {between(low.ns, high.ns)}; }

  /// Around `typical`, with a long tail: one in eight up to ten times longer.
  time::Duration around(time::Duration typical) {
    const time::Duration d = between(typical / 8, typical * 2);
    return below(8) == 0 ? d * static_cast<std::int64_t>(1 + below(10)) : d;
  }
  template <typename T, std::size_t N>
  const T& one_of(const T (&values)[N]) {
    return values[below(N)];
  }
  /// An independent stream.
  Random fork() { return Random(next() ^ 0x6a09e667f3bcc909ULL); }

 private:
  std::uint64_t state_;
};

}  // namespace gnomon::sim
