// SPDX-License-Identifier: Apache-2.0
//
// The session of a daemon on a shared store, as stored under `session/<incarnation, 32 hex digits>`: who it is, where
// it stands, and what its clock said.
//
// A session is no lease: nobody loses a right because a session grew old. It is there so that daemons can hold their
// clocks against each other (clock_vote.hpp), and so that an operator sees who is there.
//
// `seen` is what makes two clocks comparable without a third: the clock was read after its holder had learnt of
// revision `seen`, so later in true time than whatever led to that revision. Who writes a session reads `seen` first,
// then the clock, then commits; so `seen` is always below the revision of the session itself, and one where it is not
// is unreadable (clock_vote.cpp checks it: the text alone does not know its revision).
//
// Invariants: earliest <= latest on both timelines, in every text that is accepted. One session has one text.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <tl/expected.hpp>

#include "oracle/lease/record.hpp"
#include "oracle/lease/text_value.hpp"
#include "oracle/time/interval.hpp"

namespace gnomon::lease {

constexpr std::string_view kSessionPrefix = "session/";

/// What a daemon's clock says at one moment, as wide as it may be wrong.
struct ClockWord {
  time::SmearedInterval ordering;       // the timeline that windows lie on, with its lead and the stated tolerance
  std::optional<time::Interval> truth;  // the true time (TAI); none: not synchronised
  friend bool operator==(const ClockWord&, const ClockWord&) = default;
};

enum class Standing : std::uint8_t {
  kJoining,   // has not passed the vote in this life
  kMember,    // passed: it holds rights or may ask for them
  kTied,      // stepped down: as many clocks contradict it as agree
  kOutvoted,  // stepped down: most contradict it
};
[[nodiscard]] std::string_view text_of(Standing standing);

/// Whether it asks to be let in, and is waiting for the others' answers. It has no say on those that are in.
[[nodiscard]] constexpr bool is_newcomer(Standing standing) {
  return standing == Standing::kJoining || standing == Standing::kOutvoted;
}

struct Session {
  Nonce nonce{};  // of the commit that wrote it
  Standing standing = Standing::kJoining;
  Revision seen;
  ClockWord clock;
  std::string holder;  // for humans: host, pid, instance
  friend bool operator==(const Session&, const Session&) = default;
};

[[nodiscard]] std::string session_key(const Nonce& incarnation);
/// Nothing if the key is not one of a session.
[[nodiscard]] std::optional<Nonce> incarnation_of_session(std::string_view key);
/// Its intervals must have earliest <= latest.
[[nodiscard]] std::string encode(const Session& session);
[[nodiscard]] tl::expected<Session, ValueFault> parse_session(std::string_view text);

}  // namespace gnomon::lease
