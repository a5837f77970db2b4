// SPDX-License-Identifier: Apache-2.0
//
// What was read of a store, and what its own entries say of it. Tolerant where a daemon is strict: an operator looks
// because something is wrong, so what can't be read is shown as that and hides nothing else.
//
// Pure. The parts are lists of their own, taken one after the other: between them the store may have gone on.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "control/meta.hpp"
#include "control/store.hpp"
#include "oracle/lease/session.hpp"
#include "oracle/time/instant.hpp"

namespace gnomon::cmd {

/// What meta/ says.
struct StoreFace {
  std::optional<control::StoreIdentity> identity;
  control::Revision identity_at;      // at which it was written
  time::SmearedUtc floor;             // {0}: none was ever set
  std::optional<std::string> sealed;  // refused by every daemon until a recovery: by whom, why and when
  std::vector<std::string> faults;    // entries that are missing or can't be read
  control::Revision at;
};
[[nodiscard]] StoreFace face_of(const control::Listing& meta);

/// A session that can be read.
struct SeenSession {
  control::Nonce incarnation{};
  control::Revision modified;
  lease::Session session;
};
struct SeenSessions {
  control::Revision at;
  std::vector<SeenSession> sessions;    // ascending by incarnation
  std::vector<std::string> unreadable;  // key and reason
};
[[nodiscard]] SeenSessions sessions_of(const control::Listing& sessions);

/// No right clock can have led to a ceiling above it (lease::horizon), judged from `now`, or from the furthest clock
/// that a session tells of.
[[nodiscard]] time::SmearedUtc horizon_of(const SeenSessions& sessions, time::SmearedUtc now);

/// "held by `holder`" wants a name even where there is none.
[[nodiscard]] std::string name_or(std::string_view holder, const control::Nonce& incarnation);

}  // namespace gnomon::cmd
