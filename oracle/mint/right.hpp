// SPDX-License-Identifier: Apache-2.0
//
// A right is a fenced window: permission to issue the timestamps t with floor <= t < ceiling under one machine id. The
// store commits each right and each extension before it is used, and the next holder's floor is the previous ceiling,
// so the windows of a machine id are disjoint and a duplicate would need one t in two of them. No clock appears in
// that argument: floor and ceiling are points of the timeline that the IDs embed, not deadlines.
//
// t is the start of a layout's unit. A range lies inside one unit, so checking the unit checks first and last alike.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "oracle/mint/names.hpp"
#include "oracle/time/instant.hpp"

namespace gnomon::mint {

struct Right {
  MachineId machine;
  Token token;
  time::SmearedUtc floor;
  time::SmearedUtc ceiling;

  [[nodiscard]] constexpr bool covers(time::SmearedUtc t) const { return floor <= t && t < ceiling; }
  friend constexpr bool operator==(const Right&, const Right&) = default;
};

/// How many machine ids one worker may hold: 8 x 4.096 M IDs/s is more than a core can answer one by one.
constexpr std::size_t kMaxRightsPerWorker = 8;

/// All that one worker may use at a time. Rights are sorted by machine id, ascending, each id once.
/// Within a generation only ceilings change, and only upwards. Generation 0 is the empty set that everybody starts
/// with. A token that was once missing from a set never comes back.
struct RightSet {
  Generation generation;
  Era era;
  std::uint32_t count = 0;
  std::array<Right, kMaxRightsPerWorker> slots{};

  [[nodiscard]] std::span<const Right> rights() const { return {slots.data(), count}; }
};

}  // namespace gnomon::mint
