// SPDX-License-Identifier: Apache-2.0
//
// The rules of rights: stored values + a command + now -> the transaction that carries it out, and what it grants.
// Whoever performs the transaction and sees it committed holds what the rules say; whoever does not, holds nothing.
//
// The textbook lease gives a name back when a deadline has passed on somebody's clock, and two clocks then decide
// whether there are two holders. These rules never ask whether a holder is still alive. They hand out disjoint windows:
//
//   acquire   floor := max(previous ceiling, the store's floor); ceiling := max(floor, now) + window
//   extend    ceiling := max(ceiling, now + window)
//   release   ceiling := max(floor, end of the last unit used), never above the present ceiling
//
// so only a release lowers a ceiling, and every unit that was ever opened starts below the ceiling that the next
// holder's floor is. `now` decides how long somebody waits, never whether two IDs are equal. A release may cut a
// unit's end off (the last unit may start inside the window and end outside): units are told apart by their starts.
//
// Every transaction compares the revision of each key that it relied on, the store's identity (`meta/store`) included,
// and every value that it writes carries the fresh nonce of that transaction. An acquisition also leaves one entry in
// the history (history.hpp), which nobody relies on for uniqueness.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <tl/expected.hpp>

#include "oracle/lease/record.hpp"
#include "oracle/lease/stored_right.hpp"
#include "oracle/mint/names.hpp"
#include "oracle/time/instant.hpp"

namespace gnomon::lease {

constexpr std::string_view kStoreKey = "meta/store";

/// Of the store that the commands go to. A recovery changes all three, in the commit that rewrites kStoreKey.
struct StoreFacts {
  Revision identity;        // at which kStoreKey was written; {0}: the store has none
  std::uint16_t epoch = 0;  // upper part of every token
  time::SmearedUtc floor;   // no window of any machine id starts below it
};

struct RightPolicy {
  StoreFacts store{};
  time::Duration window = time::seconds(10);
  time::Duration max_lead = time::milliseconds(1000);
  std::uint32_t machine_ids = 1024;  // ids 0 .. machine_ids - 1 may be taken
  bool exclusive_store = true;       // no other daemon can be alive: a ceiling need not be past, only within max_lead
};

/// Who asks, and the random bits of this command.
struct Claim {
  std::string holder{};
  Nonce incarnation{};
  Nonce nonce{};
};

/// A right as its holder knows it, after a commit that is known to have happened.
struct HeldRight {
  mint::MachineId machine;
  mint::Token token;
  time::SmearedUtc floor;
  time::SmearedUtc ceiling;
  Revision grant;        // at which the grant was written
  Revision window;       // at which the window was last written
  Nonce window_nonce{};  // that it carries
  friend bool operator==(const HeldRight&, const HeldRight&) = default;
};

/// Not enough ids may be taken at `now`.
struct NotYet {
  std::uint32_t free = 0;              // how many may be taken
  std::optional<time::SmearedUtc> at;  // when enough may be, if nothing else happens; none: never
};

/// When this id may be taken: at once if never used or long past.
[[nodiscard]] time::SmearedUtc free_at(const RightTable& table, const RightPolicy& policy, mint::MachineId machine);

/// `wanted` ids whose ceilings are longest past (never used: longest of all; ties: the lowest id), leaving out
/// `excluded` (sorted or not). What `incarnation` itself holds, and what is `rested`, is free only once its whole
/// window has run out.
[[nodiscard]] tl::expected<std::vector<mint::MachineId>, NotYet> choose_free(
    const RightTable& table, const RightPolicy& policy, time::SmearedUtc now, std::uint32_t wanted,
    std::span<const mint::MachineId> excluded, const Nonce& incarnation, std::span<const mint::MachineId> rested = {});

/// Whether all of these ids may be taken.
[[nodiscard]] tl::expected<void, NotYet> check_pinned(const RightTable& table, const RightPolicy& policy,
                                                      time::SmearedUtc now, std::span<const mint::MachineId> pinned);

/// Takes ids that `choose_free` or `check_pinned` named. What is held once it is committed at revision r: `acquired`.
[[nodiscard]] Transaction acquire(const RightTable& table, const RightPolicy& policy, time::SmearedUtc now,
                                  std::span<const mint::MachineId> machines, const Claim& claim);

/// Raises all ceilings to at least now + window.
[[nodiscard]] Transaction extend(std::span<const HeldRight> held, const RightPolicy& policy, time::SmearedUtc now,
                                 const Nonce& nonce);

/// How far a right was used: the end of the last unit opened under its token, over all layouts; its floor if none was.
struct Used {
  HeldRight right;
  time::SmearedUtc used_until;
};
/// No layout's unit is longer: a unit that starts inside the window ends at most this far beyond it.
constexpr time::Duration kLongestUnit = time::seconds(10);
/// False for a last-used value that no right use can have left behind: such a right is not released, it runs out.
[[nodiscard]] bool plausible(const Used& used);

/// Gives rights back. All must be plausible.
[[nodiscard]] Transaction release(std::span<const Used> used, const RightPolicy& policy, const Nonce& nonce);

/// What the holder of `machine` has, read from a transaction of acquire or extend that was committed at `revision`.
/// `previous`: what it held before (none for an acquisition).
[[nodiscard]] HeldRight held_after(const Transaction& transaction, mint::MachineId machine, Revision revision,
                                   const HeldRight* previous, std::uint16_t epoch);

}  // namespace gnomon::lease
