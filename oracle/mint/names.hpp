// SPDX-License-Identifier: Apache-2.0
//
// The names that everything about rights is keyed by. Strong types, because a machine id, a token and a generation
// are all small integers and swapping two of them compiles otherwise.
#pragma once

#include <compare>
#include <cstdint>

namespace gnomon::mint {

/// Who mints: the value of the layouts' machine (shard) field, and the name of the namespace whose windows guard it.
struct MachineId {
  std::uint16_t value = 0;
  friend constexpr auto operator<=>(MachineId, MachineId) = default;
};

/// Fencing token: store epoch (16 bits) << 48 | revision of the grant. Grows per namespace.
struct Token {
  std::uint64_t value = 0;
  friend constexpr auto operator<=>(Token, Token) = default;
};

/// Version of the set of rights that one worker holds. Grows by every grant and every revocation.
struct Generation {
  std::uint64_t value = 0;
  friend constexpr auto operator<=>(Generation, Generation) = default;
};

/// Number of the ordering timeline. It grows when the timeline is allowed to start again in the past (policy `rotate`).
struct Era {
  std::uint64_t value = 0;
  friend constexpr auto operator<=>(Era, Era) = default;
};

}  // namespace gnomon::mint
