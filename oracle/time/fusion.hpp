// SPDX-License-Identifier: Apache-2.0
//
// Several sources, some of which may lie, to one interval (K. Marzullo, "Maintaining the time in a distributed system",
// 1984; the fault-tolerant form in RFC 5905, section 11.2.1).
//
// Of n sources f = floor((n - 1) / 2) may be wrong. The result is the hull of all instants that at least n - f sources
// allow: as long as n - f are right, the true time is allowed by these, so it is in the result. Taking only the best
// covered piece, as NTP's algorithm does, or the tightest source, gives a smaller interval and loses exactly that.
//
// Two sources that do not meet are an error: one of them lies, and nothing says which.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include <tl/expected.hpp>

#include "oracle/time/interval.hpp"

namespace gnomon::time {

constexpr std::size_t kMaxSources = 16;

enum class FusionFault : std::uint8_t {
  kNoSource,
  kDisagreement,  // no instant is allowed by n - f sources
  kTooMany,       // more than kMaxSources
};

struct Fused {
  Interval interval;
  std::uint32_t sources = 0;   // n
  std::uint32_t believed = 0;  // n - f: how many have to be right
};

/// How many of n >= 1 independent sources may be wrong.
[[nodiscard]] constexpr std::size_t tolerated(std::size_t n) { return (n - 1) / 2; }

/// One interval for each independent source. A source that has the same root as another is no second witness: join them
/// first (`hull`). Order plays no part.
[[nodiscard]] tl::expected<Fused, FusionFault> fuse(std::span<const Interval> sources);

}  // namespace gnomon::time
