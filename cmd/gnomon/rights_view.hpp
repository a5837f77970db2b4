// SPDX-License-Identifier: Apache-2.0
//
// The rights of a store, judged at one instant: who holds which machine id, for how long still, and which ids rest.
//
// A right that is "held" in the store need not be in use: its holder may have died, and then only time takes the id
// back. So the state shown is that of the id, and the instant beside it says when somebody else may have it.
// Pure: entries and `now` in, rows out.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cmd/gnomon/store_look.hpp"
#include "oracle/lease/stored_right.hpp"
#include "oracle/mint/names.hpp"

namespace gnomon::cmd {

enum class RightState : std::uint8_t {
  kHeld,         // its holder may issue until the ceiling
  kRanOut,       // held in the store, but its ceiling is past: nobody may issue under it
  kReleased,     // given back
  kQuarantined,  // its ceiling is further ahead than anybody can have committed by a right clock
  kUnreadable,   // nobody may take it
};
[[nodiscard]] std::string_view text_of(RightState state);

struct RightRow {
  mint::MachineId machine;
  RightState state = RightState::kReleased;
  std::string holder;  // of the last grant; empty: none is known
  std::optional<mint::Token> token;
  time::SmearedUtc floor;
  time::SmearedUtc ceiling;
  time::SmearedUtc free_from;  // the ceiling, or the store's floor if that is later
  bool no_session = false;     // on a store of many hosts: held, and its holder shows no sign of life
  std::string fault;           // kUnreadable: which entry, and what is wrong with it
};

/// Which rows are shown. A filter that names something shows it in any state.
struct RightFilter {
  std::optional<std::uint16_t> machine;
  std::string holder;  // a part of the holder's text
  bool all = false;    // free ones, too
};

struct RightsView {
  std::string url;  // of the store
  std::string source;
  StoreFace store;
  time::SmearedUtc now;
  std::vector<RightRow> rows;  // all of them, by machine id

  [[nodiscard]] std::size_t count(RightState state) const;
  /// Released or run out, and not before `now` anybody's.
  [[nodiscard]] std::size_t free() const;
  /// Released, and free later.
  [[nodiscard]] std::size_t resting() const;
};

/// `shared`: of a store on which daemons have sessions.
[[nodiscard]] RightsView view_rights(const control::Listing& meta, const control::Listing& rights,
                                     const control::Listing& sessions, time::SmearedUtc now, bool shared);

[[nodiscard]] std::vector<RightRow> shown(const RightsView& view, const RightFilter& filter);

/// For people: a line for each row, and one with sums.
[[nodiscard]] std::string rights_text(const RightsView& view, const RightFilter& filter);
/// The same for programs: one line of JSON.
[[nodiscard]] std::string rights_json(const RightsView& view, const RightFilter& filter);

/// "3/4711": the store's epoch and the revision of the grant.
[[nodiscard]] std::string token_text(mint::Token token);

/// The first right to an id begins nowhere: "none".
[[nodiscard]] std::string floor_text(time::SmearedUtc floor);

}  // namespace gnomon::cmd
