// SPDX-License-Identifier: Apache-2.0
//
// The rights page: what the agent allows each worker. One seqlocked record per worker, each on cache lines of its own,
// so that extending one worker's rights does not disturb another's loop.
#pragma once

#include <array>
#include <cstddef>

#include "oracle/mint/right.hpp"
#include "oracle/page/header.hpp"
#include "oracle/page/seqlock.hpp"

namespace gnomon::page {

constexpr std::size_t kMaxWorkers = 64;

struct alignas(64) RightsRecord {
  Seqlock<mint::RightSet> rights;
};

struct RightsPage {
  static constexpr PageKind kKind = PageKind::kRights;
  static constexpr std::uint32_t kVersion = 1;

  PageHeader header;
  std::array<RightsRecord, kMaxWorkers> workers;
};

}  // namespace gnomon::page
