// SPDX-License-Identifier: Apache-2.0
//
// What the store keeps of the right to one machine id, under two keys:
//
//   right/m/<5 digits>/grant    who holds it: {holder, incarnation, nonce, store epoch}. Written by an acquisition
//   only. right/m/<5 digits>/window   how far it reaches: {floor, ceiling, token, state, nonce}. Written by the
//   acquisition,
//                               by every extension and by the release.
//
// One key would do for the holder, but not for the fencing token: the token is the revision at which the grant was
// written (below the store's epoch), and it must not move when the ceiling does. At the acquisition that revision is
// not known yet, so the window says token 0 there, "derive it from the grant"; later writes state it.
//
// Invariants: floor <= ceiling. A held window belongs to the grant beside it. A released window needs no grant.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <tl/expected.hpp>

#include "oracle/lease/record.hpp"
#include "oracle/lease/text_value.hpp"
#include "oracle/mint/names.hpp"
#include "oracle/time/instant.hpp"

namespace gnomon::lease {

constexpr std::string_view kRightPrefix = "right/";

struct Grant {
  std::string holder;  // for humans and the auditor: host, pid, start
  Nonce incarnation{};
  Nonce nonce{};
  std::uint16_t epoch = 0;
  friend bool operator==(const Grant&, const Grant&) = default;
};

enum class WindowState : std::uint8_t { kHeld, kReleased };

struct Window {
  time::SmearedUtc floor;
  time::SmearedUtc ceiling;
  mint::Token token;  // 0: derive it from the grant's revision
  WindowState state = WindowState::kHeld;
  Nonce nonce{};
  friend bool operator==(const Window&, const Window&) = default;
};

[[nodiscard]] std::string grant_key(mint::MachineId machine);
[[nodiscard]] std::string window_key(mint::MachineId machine);

[[nodiscard]] std::string encode(const Grant& grant);
[[nodiscard]] std::string encode(const Window& window);
[[nodiscard]] tl::expected<Grant, ValueFault> parse_grant(std::string_view text);
[[nodiscard]] tl::expected<Window, ValueFault> parse_window(std::string_view text);

/// Store epoch << 48 | revision of the grant. A revision of 2^48 would take millennia at a million commits a second.
[[nodiscard]] mint::Token make_token(std::uint16_t epoch, Revision grant);

template <typename T>
struct Stored {
  T value;
  Revision modified;
  friend bool operator==(const Stored&, const Stored&) = default;
};

struct StoredRight {
  std::optional<Stored<Grant>> grant;
  std::optional<Stored<Window>> window;

  /// The token that the window stands under; nothing if there is no window or its grant is missing.
  [[nodiscard]] std::optional<mint::Token> token() const;
  [[nodiscard]] Revision grant_revision() const { return grant ? grant->modified : Revision{}; }
  [[nodiscard]] Revision window_revision() const { return window ? window->modified : Revision{}; }
};

/// An entry that can't be read, or two entries that contradict each other. Its id is never taken.
struct Unreadable {
  mint::MachineId machine;
  std::string text;  // which key, and what is wrong with it
};

/// All rights that a store knows, by machine id. Ids that were never used are absent.
struct RightTable {
  std::map<mint::MachineId, StoredRight> rights;
  std::vector<Unreadable> unreadable;

  [[nodiscard]] const StoredRight* find(mint::MachineId machine) const;
};

/// Reads the entries under kRightPrefix. Foreign keys below it are skipped, damaged values reported.
[[nodiscard]] RightTable read_rights(std::span<const Entry> entries);

}  // namespace gnomon::lease
