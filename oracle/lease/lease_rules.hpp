// SPDX-License-Identifier: Apache-2.0
//
// The rules of named leases: what the store holds + a command + a moment -> the transaction that carries the command
// out and the answer if it is committed, or an answer at once.
//
// Exclusion rests on one thing: a lease changes hands only in a commit that compares the lease *and* the session it
// hangs on. A late renewal and a takeover both write the session, so one of the two conflicts; a takeover kills the
// session, so nothing of it can be renewed afterwards. The clock decides only when a takeover may be tried:
//
//   open, renew   expiry := max(old, moment.latest + ttl)      moment: read after the request arrived
//   acquire       free, or its session is closed, or surely past its expiry + lock-delay; and nobody waits in front
//   release       only under the token that the client holds: a late duplicate must not release the next grant. Under
//                 no token only a place in the queue is given up
//
// Holders count `ttl` from before they *sent* the renewal, so they end earlier than moment.latest + ttl. A shorter TTL
// never shortens what was promised. Waiters are served in order; one whose session is over does not count.
//
// Every transaction compares `meta/store` and the caller's session, and each value carries the fresh nonce of its
// transaction. Whoever decides on entries that are stale gets a conflict, never a wrong grant; a *refusal* decided on
// stale entries would be a wrong answer, so callers refresh before they refuse (control/lease).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "oracle/lease/client_session.hpp"
#include "oracle/lease/moment.hpp"
#include "oracle/lease/named_lease.hpp"
#include "oracle/lease/record.hpp"
#include "oracle/lease/right_rules.hpp"
#include "oracle/lease/stored_right.hpp"
#include "oracle/mint/names.hpp"
#include "oracle/time/instant.hpp"

namespace gnomon::lease {

struct LeasePolicy {
  StoreFacts store{};
  time::Duration min_ttl = time::seconds(1);
  time::Duration max_ttl = time::seconds(600);
  /// By how much hosts' clocks may be off beyond their intervals: an expiry further ahead than its TTL and this is
  /// beyond everyone's horizon.
  time::Duration tolerance = time::seconds(10);
};

/// Who asks, when, and the random bits of this command.
struct Asker {
  SessionId session{};
  std::string principal{};
  Moment moment{};
  Nonce nonce{};
};

enum class Refusal : std::uint8_t {
  kNoSession,       // never opened, or ended so long ago that nothing is left of it
  kSessionOver,     // closed, killed, or past its expiry: open another one
  kForeignSession,  // of another principal
  kHeld,            // by somebody else
  kQueued,          // free, or about to be, but others wait in front
  kNotHeld,         // by this session; or under another token
  kQuarantined,     // its expiry lies beyond everyone's horizon: a mad clock wrote it; see `gnomon lease break`
  kBadName,
  kBadTtl,  // outside of [min_ttl, max_ttl]
  kBadMetadata,
  kBadLockDelay,
  kBadLabel,
  kUnreadable,  // what the store holds of it is damaged
};
constexpr std::size_t kRefusals = 13;
/// "session_over" and the like: stable, for logs, counters and JSON.
[[nodiscard]] std::string_view text_of(Refusal refusal);

namespace answer {

struct Refused {
  Refusal why{};
  std::string text;            // complete sentence: what, to what, what to do
  time::Duration retry_after;  // when asking again may do better, if nothing else happens; zero: nobody can say
  std::string holder;          // kHeld, kQuarantined: the holder's label, or its principal
  mint::Token token;           // likewise: of the grant that is in the way
};
/// The session is open, for `ttl` from this command's moment on.
struct SessionOpen {
  time::Duration ttl;  // what the client counts with: as asked, never longer
};
struct SessionClosed {};
struct Held {
  mint::Token token;
  bool anew = false;            // false: this session held it already
  bool taken_over = false;      // from a session that had expired
  time::Duration session_left;  // of the session, at this moment
};
struct Waiting {
  std::uint32_t in_front = 0;  // live waiters before this one, the holder not counted
  time::Duration retry_after;  // when the name is free at the latest if nobody renews
};
struct Released {};   // the lease
struct Withdrawn {};  // the place in the queue; no grant
struct Broken {
  std::string holder;
  mint::Token token;
};

}  // namespace answer

using Answer = std::variant<answer::Refused, answer::SessionOpen, answer::SessionClosed, answer::Held, answer::Waiting,
                            answer::Released, answer::Withdrawn, answer::Broken>;

/// A transaction, and what is true once it is committed. A token that is the commit's own revision is still zero.
struct Step {
  Transaction transaction;
  Answer answer;
};
using Decision = std::variant<Answer, Step>;

/// The answer to a step that was committed at `revision`.
[[nodiscard]] Answer completed(const Step& step, Revision revision, std::uint16_t epoch);

/// One value as stored; nullopt inside: there, but unreadable.
template <typename T>
struct Seen {
  std::optional<T> value;
  Revision modified;
};

struct SeenWaiter {
  SessionId session{};
  Revision modified;
  std::optional<Seen<ClientSession>> owner;  // its session, if there is one
};

/// What the store holds about one name and who asks for it.
struct Scene {
  std::optional<Seen<ClientSession>> own;     // the asker's session
  std::optional<Seen<NamedLease>> lease;      // the grant
  std::optional<Seen<ClientSession>> holder;  // the session that the grant hangs on
  std::vector<SeenWaiter> queue;              // ascending by revision
};

/// Opens the asker's session, or renews one that is there under the same principal (a repeated opening).
[[nodiscard]] Decision open_session(const Scene& scene, const LeasePolicy& policy, const Asker& asker,
                                    time::Duration ttl, std::string_view label);
[[nodiscard]] Decision renew_session(const Scene& scene, const LeasePolicy& policy, const Asker& asker,
                                     time::Duration ttl);
/// Its leases are free at once, its places in queues void. Closing what is over or was never there is SessionClosed
/// too.
[[nodiscard]] Decision close_session(const Scene& scene, const LeasePolicy& policy, const Asker& asker);

struct AcquireCommand {
  std::string name;
  time::Duration lock_delay{};
  std::string metadata{};
  bool wait = false;  // take a place in the queue if it can't be had now
};
[[nodiscard]] Decision acquire(const Scene& scene, const LeasePolicy& policy, const Asker& asker,
                               const AcquireCommand& command);

/// `token`: which grant; {0}: none, but the place of this session in the queue.
[[nodiscard]] Decision release(const Scene& scene, const LeasePolicy& policy, const Asker& asker, std::string_view name,
                               mint::Token token);

/// The operator's word that the holder is stopped: takes the grant away from whoever has it and kills its session.
[[nodiscard]] Decision break_lease(const Scene& scene, const LeasePolicy& policy, const Nonce& nonce,
                                   std::string_view name);

enum class LeaseState : std::uint8_t {
  kFree,
  kHeld,         // certainly not expired
  kExpiring,     // may have expired, nobody has taken it over
  kExpired,      // certainly expired; free for whoever asks, once the lock-delay is over
  kQuarantined,  // Refusal::kQuarantined
  kUnreadable,
};
[[nodiscard]] std::string_view text_of(LeaseState state);

struct LeaseView {
  std::string name;
  LeaseState state = LeaseState::kFree;
  mint::Token token;  // of the grant; {0}: free
  SessionId session{};
  std::string principal;
  std::string label;
  std::string metadata;
  time::Duration remaining;   // for so long it certainly is held, if nothing is released
  time::Duration free_in;     // until it can be taken over if nobody renews; zero: now
  std::uint32_t waiters = 0;  // live ones
};
[[nodiscard]] LeaseView view(const Scene& scene, const LeasePolicy& policy, const Moment& moment,
                             std::string_view name);

enum class TokenStanding : std::uint8_t {
  kCurrent,   // of the present grant, whose session certainly has not expired
  kDoubtful,  // of the present grant, whose session may have expired
  kStale,     // of an earlier grant, or of one that is over
  kUnknown,   // larger than any that the store has given: of another store
};
[[nodiscard]] std::string_view text_of(TokenStanding standing);
/// `newest`: a revision of the store that the scene is not older than.
[[nodiscard]] TokenStanding standing_of(const Scene& scene, const LeasePolicy& policy, const Moment& moment,
                                        mint::Token token, Revision newest);

}  // namespace gnomon::lease
