// SPDX-License-Identifier: Apache-2.0
//
// One turn of a contender: each of its lanes carries out so many acquisitions, then as many renewals, and so on, all
// lanes at once. Commands of one kind are kept apart by a barrier, so that there is a rate of each and not of a
// mixture.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "bench/lease/lane.hpp"

namespace gnomon::bench {

struct SliceResult {
  Command command{};
  std::vector<double> us;  // of each, in no order
  double per_second = 0;   // of all lanes
};

/// `each`: of one command, of one lane. In the order of `commands`.
[[nodiscard]] std::vector<SliceResult> run_slice(Contender& contender, const std::vector<Command>& commands,
                                                 std::size_t each);

}  // namespace gnomon::bench
