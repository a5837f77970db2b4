// SPDX-License-Identifier: Apache-2.0
//
// IDs that were granted together: first, first + stride, ... A server answers a request for n with one range of at most
// n, because a range lies inside one unit of the layout; so ranges, and not lists of IDs, are what travels and is
// stored.
#pragma once

#include <cstdint>

#include "oracle/id/layout.hpp"

namespace gnomon::client {

struct IdRange {
  id::Id first;
  std::uint32_t count = 0;   // at least 1 in every range that the client returns
  std::uint32_t stride = 1;  // at least 1

  /// The i-th ID, i < count.
  [[nodiscard]] constexpr id::Id at(std::uint32_t i) const { return {first.value + std::uint64_t{i} * stride}; }
  [[nodiscard]] constexpr id::Id last() const { return at(count - 1); }

  friend constexpr bool operator==(const IdRange&, const IdRange&) = default;
};

}  // namespace gnomon::client
