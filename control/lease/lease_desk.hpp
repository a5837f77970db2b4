// SPDX-License-Identifier: Apache-2.0
//
// The desk: all lease commands that one daemon is working on. Event in, effects out, as the agent: it owns no thread,
// clock, socket or store, so the simulator runs this very code.
//
// One commit per command is all that a store of three hosts can do quickly, so nothing is read first: the desk decides
// on what it remembers of the store (LeaseMirror), and the commit's compares tell whether that was still true. On a
// conflict it reads what the decision rests on and decides again; it reads, too, before it refuses, because a refusal
// that rests on a memory may be wrong. After an unknown outcome it reads: what carries the command's nonce is its own.
//
// Whoever waits is parked by name, and looked at again when the name, the holder's session or the queue changes, and
// when time alone sets it free. A command that is past its deadline is answered and begins no further commit; whatever
// it has under way may still happen, which is why every command may be sent again.
//
// Thread rule: one thread at a time.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include <tl/expected.hpp>

#include "control/store.hpp"
#include "oracle/lease/lease_rules.hpp"

namespace gnomon::control {

struct CallId {
  std::uint64_t value = 0;
  friend constexpr auto operator<=>(CallId, CallId) = default;
};

/// What lies between a command and the moment at which it can be decided.
enum class DeskFault : std::uint8_t {
  kClockUnsynchronised,  // this daemon can't tell the time
  kNotAMember,           // its clock stands against the others'
  kRecovering,           // the store was recovered: grants of before may still be held
  kTooMany,              // sessions of this client, leases of this session, or waiters of this name: so at any daemon
  kOverloaded,           // this daemon has as many calls or watches as it takes: another one may have room
  kStoreUnavailable,     // nothing was written
  kStoreFailed,          // the daemon is about to stop
  kTimeout,              // the outcome is not known
};
constexpr std::size_t kDeskFaults = 8;
[[nodiscard]] std::string_view text_of(DeskFault fault);
struct DeskError {
  DeskFault fault{};
  std::string text;
  time::Duration retry_after;
};

namespace command {
struct OpenSession {
  time::Duration ttl;
  std::string label;
};
struct RenewSession {
  time::Duration ttl;
};
struct CloseSession {};
struct Acquire {
  lease::AcquireCommand acquire;
  time::Duration wait_for;  // 0: answer at once
};
struct Release {
  std::string name;
  mint::Token token;  // 0: only the place in the queue
};
struct Get {
  std::string name;
};
struct List {
  std::string prefix;
  std::string after;
  std::size_t limit = 0;  // 0: DeskOptions::most_listed
};
struct Validate {
  std::string name;
  mint::Token token;
};
struct Break {
  std::string name;
};
}  // namespace command
using Command = std::variant<command::OpenSession, command::RenewSession, command::CloseSession, command::Acquire,
                             command::Release, command::Get, command::List, command::Validate, command::Break>;

struct Call {
  CallId id;
  lease::SessionId session{};
  std::string principal;
  Command command;
  time::Uptime deadline;  // no commit begins after it
};

struct Listed {
  std::vector<lease::LeaseView> leases;
  bool more = false;
};
struct Validated {
  lease::TokenStanding standing{};
  mint::Token current;
  time::Duration remaining;
};
/// `queued`: an answer::Held that was waited for.
struct Answered {
  lease::Answer answer;
  bool queued = false;
};
using Reply = tl::expected<std::variant<Answered, lease::LeaseView, Listed, Validated>, DeskError>;

/// The clock by which leases expire, or why there is none; and the one of deadlines.
struct DeskTime {
  tl::expected<lease::Moment, DeskError> moment;
  time::Uptime uptime;
};

struct DeskOptions {
  lease::LeasePolicy policy{};
  std::size_t most_calls = 10'000;  // under way or parked; for those that free what others wait for: most_calls_with
  std::size_t most_waiters_per_name = 1'000;
  std::size_t most_sessions_per_principal = 10'000;
  std::size_t most_leases_per_session = 1'000;
  std::size_t most_leases_per_principal = 250'000;  // places in queues included, as for a session
  std::size_t most_listed = 1'000;
  std::uint32_t most_attempts = 8;  // decisions for one command, before it is kStoreUnavailable
};

/// How many calls may be under way so that one more with this command is taken. Renewals, releases and closings have a
/// tenth on top for themselves: a client that can't send them loses, or keeps from others, what it holds.
[[nodiscard]] std::size_t most_calls_with(const Command& command, const DeskOptions& options);

struct StoreTaskId {
  std::uint64_t value = 0;
  friend constexpr auto operator<=>(StoreTaskId, StoreTaskId) = default;
};

namespace desk_effect {
/// Reads, each as of its own moment, in this order. The answer tells of absent keys, too.
struct Read {
  StoreTaskId task;
  std::vector<std::string> keys;
  std::vector<std::string> prefixes;
};
struct Commit {
  StoreTaskId task;
  Transaction transaction;
  time::Uptime deadline = time::Uptime::max();  // not begun by then: never, and answered with kUnavailable
};
struct Send {
  CallId call;
  Reply reply;
};
/// What is there of a lease, or that it is gone, for those who watch.
struct Tell {
  lease::LeaseView lease;
};
}  // namespace desk_effect
using DeskEffect = std::variant<desk_effect::Read, desk_effect::Commit, desk_effect::Send, desk_effect::Tell>;

namespace desk_event {
struct Asked {
  Call call;
};
/// The caller is gone: nobody waits for the reply, and none is sent.
struct Gone {
  CallId call;
};
struct ReadDone {
  StoreTaskId task;
  std::vector<std::optional<Entry>> keys;  // in the order of the effect
  std::vector<Listing> listings;           // likewise
};
struct CommitDone {
  StoreTaskId task;
  Revision revision;
};
struct StoreFailed {
  StoreTaskId task;
  StoreError error;
};
/// What a watch of kHeldPrefix, kQueuePrefix or kClientPrefix told. A watch that begins after the first step, or begins
/// anew, is told of as a gap at the revision that it begins at.
struct Heard {
  Changes changes;
  bool all = false;  // one watch tells of the whole store, so `through` holds for all three prefixes
};
/// When next_tick() says so, but no more often than every 20 ms.
struct Tick {};
}  // namespace desk_event
using DeskEvent = std::variant<desk_event::Asked, desk_event::Gone, desk_event::ReadDone, desk_event::CommitDone,
                               desk_event::StoreFailed, desk_event::Heard, desk_event::Tick>;

struct DeskCounters {
  std::uint64_t commands = 0;
  std::uint64_t commits = 0;
  std::uint64_t conflicts = 0;
  std::uint64_t unknown = 0;
  std::uint64_t reads = 0;
  std::uint64_t grants = 0;
  std::uint64_t takeovers = 0;
  std::uint64_t refusals = 0;
  std::uint64_t faults = 0;
  std::array<std::uint64_t, lease::kRefusals> refused{};  // of the refusals, by lease::Refusal
  std::array<std::uint64_t, kDeskFaults> faulted{};       // of the faults, by DeskFault
  std::uint64_t cleaned = 0;                              // entries of sessions that are over
  // In the store at present, as remembered:
  std::uint64_t sessions = 0;    // open ones; one that has expired is open until somebody ends it
  std::uint64_t leases = 0;      // that hang on them
  std::uint64_t waiters = 0;     // places in queues
  std::uint64_t unreadable = 0;  // leases and sessions that are damaged
};

class LeaseDesk {
 public:
  /// `seed`: 16 random bytes from which each commit's nonce is drawn (it must never come twice in one store).
  LeaseDesk(DeskOptions options, const Nonce& seed);
  LeaseDesk(const LeaseDesk&) = delete;
  LeaseDesk& operator=(const LeaseDesk&) = delete;
  ~LeaseDesk();

  /// `now` is read after the event arrived.
  [[nodiscard]] std::vector<DeskEffect> step(const DeskEvent& event, const DeskTime& now);

  /// When it wants a tick at the latest; nothing: only events matter.
  [[nodiscard]] std::optional<time::Uptime> next_tick() const;
  [[nodiscard]] std::size_t parked() const;
  [[nodiscard]] const DeskCounters& counters() const;
  /// Leases as remembered, behind `after`, for a watch that begins: ascending by name, at most `most`.
  [[nodiscard]] Listed remembered(std::string_view prefix, std::string_view after, std::size_t most,
                                  const DeskTime& now) const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace gnomon::control
