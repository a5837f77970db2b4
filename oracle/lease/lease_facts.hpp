// SPDX-License-Identifier: Apache-2.0
//
// What the rules of leases ask of a scene, each question answered in one place: is a session over, is a lease free, who
// waits in front. The rules (lease_rules.hpp) are a few comparisons of these answers; were each of them to ask the
// clock in its own way, an acquisition and a view of the same moment would soon disagree.
//
// Pure. Thread rule: values.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "oracle/lease/lease_rules.hpp"

namespace gnomon::lease {

/// What is there and can be read; null otherwise.
template <typename T>
[[nodiscard]] const T* readable(const std::optional<Seen<T>>& seen) {
  return seen && seen->value ? &*seen->value : nullptr;
}
template <typename T>
[[nodiscard]] Revision revision_of(const std::optional<Seen<T>>& seen) {
  return seen ? seen->modified : Revision{};
}

/// Closed, killed, or surely past its expiry. Nothing makes it open again, so a stale "over" is right for ever; only
/// a session that is open and looks past its expiry may have been renewed since.
[[nodiscard]] bool is_over(const ClientSession& session, const Moment& moment);

/// Its expiry lies beyond everyone's horizon, or on a clock that nobody can read any more: it would never be seen to
/// end. Not to be asked of one that is closed.
[[nodiscard]] bool is_quarantined(const ClientSession& session, const LeasePolicy& policy, const Moment& moment);

/// For how long it certainly goes on, whatever happens to it.
[[nodiscard]] time::Duration remaining(const ClientSession& session, const Moment& moment);

/// For humans: its label, or its principal if it has none.
[[nodiscard]] std::string holder_of(const ClientSession& session);

/// Of the grant; {0} if there is none or it can't be read.
[[nodiscard]] mint::Token token_of(const std::optional<Seen<NamedLease>>& lease);
[[nodiscard]] std::uint16_t epoch_of(mint::Token token);
[[nodiscard]] Revision revision_of(mint::Token token);

/// The grant of a scene together with the session that it hangs on.
struct Hold {
  enum class State : std::uint8_t {
    kNone,        // no entry
    kUnreadable,  // the entry, or its session's; or the session's is gone
    kClosed,      // its session said that it uses nothing any more
    kQuarantined,
    kBound,  // until its session's expiry
  };
  State state = State::kNone;
  const NamedLease* lease = nullptr;       // if the entry is readable
  const ClientSession* session = nullptr;  // if both are
  mint::Token token;                       // if the entry is readable
};
[[nodiscard]] Hold hold_of(const Scene& scene, const LeasePolicy& policy, const Moment& moment);

/// Of a hold that is kBound: how long until its lock-delay is surely over; zero if it is.
[[nodiscard]] time::Duration until_free(const Hold& hold, const Moment& moment);

/// Its session is there, open, and not surely past its expiry. One that is quarantined does not count either: it may be
/// long dead and would keep everybody behind it waiting until a mad clock's instant.
[[nodiscard]] bool is_live(const SeenWaiter& waiter, const LeasePolicy& policy, const Moment& moment);
/// Nobody will ever use its place: its session is over or gone.
[[nodiscard]] bool is_fallen(const SeenWaiter& waiter, const Moment& moment);
[[nodiscard]] std::uint32_t count_live(const Scene& scene, const LeasePolicy& policy, const Moment& moment);

/// The queue as the asker sees it.
struct Place {
  const SeenWaiter* own = nullptr;        // none: it has no place yet, so everybody is in front
  std::uint32_t in_front = 0;             // live ones
  time::Duration until_over;              // until all of those are surely past; zero: nobody is in front
  std::vector<const SeenWaiter*> fallen;  // those in front that are, in order
};
[[nodiscard]] Place place_of(const Scene& scene, const LeasePolicy& policy, const Asker& asker);

/// A transaction begins with what every command relies on.
[[nodiscard]] Transaction begin_transaction(const LeasePolicy& policy);
void compare_session(Transaction& transaction, const SessionId& id, const std::optional<Seen<ClientSession>>& session);
/// Killed, so that nothing of it can be renewed; its expiry stays.
void put_killed(Transaction& transaction, const SessionId& id, const ClientSession& session, const Nonce& nonce);

}  // namespace gnomon::lease
