// SPDX-License-Identifier: Apache-2.0
//
// Which sources are one witness. Three daemons that follow one grandmaster agree with each other and prove nothing, and
// a clock that agrees with whoever sets it proves nothing either; counted singly, they would outvote an honest
// stranger.
//
//   one reference     the same grandmaster identity or reference id
//   a bare clock      (a stated bound, the kernel's word) with whoever disciplines that clock
//   chronyd           sets the system clock by a card's clock, too, so it is one with both of these
//   phc2sys           sets the system clock from a card's clock, so whoever reads either is one
//
// In doubt sources are joined: that costs a witness, while a witness too many costs containment.
#pragma once

#include <array>
#include <cstddef>
#include <span>

#include "oracle/time/fusion.hpp"
#include "ptp/claim.hpp"

namespace gnomon::ptp {

/// For each source the lowest index of those that it is one witness with (itself, if alone).
using Groups = std::array<std::size_t, time::kMaxSources>;

/// Of at most kMaxSources; those behind the last are 0.
[[nodiscard]] Groups group_roots(std::span<const Root> roots, bool phc2sys_runs);

}  // namespace gnomon::ptp
