// SPDX-License-Identifier: Apache-2.0
//
// Healing: what an operator does about a machine id that a mad clock has taken into the far future.
//
// Its ceiling is stored, so nobody is granted the id before that time comes, and its holder may go on using it. To put
// the ceiling back to the present is the obvious cure and the one that breaks uniqueness: the holder may have issued
// IDs anywhere below it. So nothing is lowered here:
//
//   the grant is rewritten    the holder's next commit compares its revision, and conflicts: the right is lost to it
//   floor := ceiling          of the present window, and released: nobody serves from it
//
// What the holder published before, it may use up to its ceiling; all of that lies below the next floor, as ever. The
// id rests until time passes the ceiling. A store that needs it back sooner has to be another store.
//
// The token of the window stays, so that the history goes on unbroken (history.hpp). Pure. Thread rule: none.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <tl/expected.hpp>

#include "oracle/lease/record.hpp"
#include "oracle/lease/right_rules.hpp"
#include "oracle/lease/stored_right.hpp"
#include "oracle/mint/names.hpp"
#include "oracle/time/instant.hpp"

namespace gnomon::lease {

/// No daemon is configured with more (rights.window_ms, rights.max_lead_ms).
constexpr time::Duration kLongestWindow = time::seconds(600);
constexpr time::Duration kLongestLead = time::seconds(60);

enum class HealFault : std::uint8_t {
  kNeverUsed,   // there is no window: nothing to heal
  kUnreadable,  // what is stored of it can't be read: a recovery lifts it
};
[[nodiscard]] std::string_view text_of(HealFault fault);

/// Takes the right to `machine` away from whoever holds it and leaves the id released at its present ceiling.
/// `claim`: who heals, with a fresh nonce; the incarnation of nobody (all zero).
[[nodiscard]] tl::expected<Transaction, HealFault> heal(const RightTable& table, const StoreFacts& store,
                                                        mint::MachineId machine, const Claim& claim);

/// No right clock can have led to a ceiling above this. `latest`: the latest that a live session's clock or the
/// operator's may read now.
[[nodiscard]] time::SmearedUtc horizon(time::SmearedUtc latest);

/// The ids whose ceilings lie beyond the horizon, ascending.
[[nodiscard]] std::vector<mint::MachineId> quarantined(const RightTable& table, time::SmearedUtc horizon);

}  // namespace gnomon::lease
