// SPDX-License-Identifier: Apache-2.0
//
// The agent: keeps the rights of all workers of one daemon. Event in, effects out; it owns no thread, clock, socket or
// file, so the simulator runs this very code.
//
// What it must never do, whatever is lost, late or repeated:
//   - publish a right, or a higher ceiling, before the store committed it and the journal was synced;
//   - use an extension whose outcome is unknown;
//   - read last-used timestamps before every worker acknowledged the revocation;
//   - publish a right again once its release was sent, whatever became of the release;
//   - on a shared store: ask for a right, or raise a ceiling, by a clock on which the others have not voted.
//
// One store operation is under way at a time; the rights of all workers are taken, extended and released together, in
// one commit each. Their life: none -> acquiring -> held (extended at a third of the window) -> revoking -> releasing.
// An answer that does not come is given up after a while; a commit that was given up counts as unknown, and what was
// unknown is decided by reading: only values that are byte-equal to what was written, nonce included, are ours.
// `step` is deterministic: time and randomness come in with the event. Thread rule: one thread.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "control/agent/attempts.hpp"
#include "control/agent/backoff.hpp"
#include "control/agent/handshake.hpp"
#include "control/agent/membership.hpp"
#include "control/agent/store_failures.hpp"
#include "control/journal_right.hpp"
#include "control/store.hpp"
#include "oracle/lease/right_rules.hpp"
#include "oracle/mint/ordering.hpp"
#include "oracle/mint/right.hpp"
#include "oracle/time/instant.hpp"

namespace gnomon::control {

/// Names one operation of the agent, so that a late answer to an abandoned one is recognised.
struct OperationId {
  std::uint64_t value = 0;
  friend constexpr auto operator<=>(OperationId, OperationId) = default;
};

namespace event {

/// The clock's word, about every 20 ms, and after every answer. Each tick brings a nonce of its own; a commit uses one
/// up.
struct Tick {
  time::SmearedUtc now;  // ordering timeline
  mint::OrderingState ordering = mint::OrderingState::kNoTime;
  mint::Era era;
  time::Uptime uptime;
  Nonce nonce{};
  time::Duration lead{};                  // of the ordering timeline over the clock behind it
  std::optional<time::Interval> truth{};  // none: not synchronised
};
struct Listed {
  OperationId operation;
  Listing listing;
};
struct Committed {
  OperationId operation;
  Revision revision;
};
/// A list, a commit or a sync of the journal that failed; kFatal stops the agent.
struct StoreFailed {
  OperationId operation;
  StoreError error;
};
struct JournalSynced {
  OperationId operation;
};
/// A worker acknowledged this generation (each reported at least once; repeats are harmless).
struct Acknowledged {
  WorkerIndex worker;
  mint::Generation generation;
  std::vector<UsedRight> used;
};
/// On a shared store: a session was written that asks for an answer (Membership::asks). A hint: it may be lost.
struct SessionsAsk {};
/// Revoke, release, then stop.
struct StopRequested {};
/// This image may be running twice (NEW_VMGENID, changed boot id): drop all rights without releasing them. With an
/// exclusive store that is the end: the copies have a store each, and nothing would keep their next choices apart. On a
/// shared one it goes on as another incarnation.
struct CloneDetected {};

}  // namespace event

using Event = std::variant<event::Tick, event::Listed, event::Committed, event::StoreFailed, event::JournalSynced,
                           event::Acknowledged, event::SessionsAsk, event::StopRequested, event::CloneDetected>;

namespace effect {

struct List {
  OperationId operation;
  std::string prefix;
};
struct Commit {
  OperationId operation;
  Transaction transaction;
};
/// Merge these into the journal, with the highest acknowledged revision, and sync it to disk.
struct SyncJournal {
  OperationId operation;
  Revision highest;
  std::vector<JournalRight> rights;
};
struct PublishRights {
  WorkerIndex worker;
  mint::RightSet rights;
};
/// Leave a durable mark that this state was cloned: a restart must not serve from it before an operator has decided.
struct MarkCloned {};
/// The shared store has lost what it acknowledged to this daemon: keep everybody else from using it
/// (control/shared_state.hpp, seal_store).
struct SealStore {
  std::string text;
};
/// Ask the clock thread for a new era of the ordering timeline; ticks show it when it has begun.
struct StartNewEra {};
/// For the log and `gnomon status`; never decides anything.
struct Note {
  enum class Kind : std::uint8_t {
    kAcquired,          // rights granted to all workers
    kExtended,          // ceilings raised
    kReleased,          // rights given back
    kLost,              // a compare failed: somebody else has our right
    kIdsExhausted,      // every machine id that fits is taken: `until` says when the first one frees
    kWaitingForFloor,   // a pinned id's floor lies ahead: `until` says when it is reached
    kRotating,          // policy rotate: the clock is behind, fresh ids are being taken
    kBehindItsIds,      // the clock fell back below what was issued: nothing is taken before `until`
    kOutcomeUnknown,    // a commit's answer was lost
    kStoreUnavailable,  // nothing can be committed at the moment; workers run to their ceilings
    kClocksAgree,       // the vote passed: this daemon is a member
    kOutvoted,          // the clocks of others contradict this one: rights are given back until they agree
    kUnreadable,        // stored rights that can't be read: their ids are left alone
    kCloned,
  };
  Kind kind = Kind::kAcquired;
  std::string text;
  time::SmearedUtc until;
};
/// The agent is at its end: `failed` with a reason that the daemon must exit with, or cleanly after a stop.
struct Stopped {
  bool failed = false;
  std::string text;
};

}  // namespace effect

using Effect = std::variant<effect::List, effect::Commit, effect::SyncJournal, effect::PublishRights,
                            effect::MarkCloned, effect::SealStore, effect::StartNewEra, effect::Note, effect::Stopped>;

struct AgentOptions {
  std::uint32_t workers = 1;                  // 1 to page::kMaxWorkers
  std::uint32_t ids_per_worker = 1;           // 1 to mint::kMaxRightsPerWorker
  std::uint32_t machine_ids = 1024;           // ids 0 .. machine_ids-1 fit every served layout
  std::vector<mint::MachineId> pinned{};      // empty: take the free ones whose ceilings are longest past; else exactly
                                              // workers x ids_per_worker ids, given out in this order
  time::Duration window = time::seconds(10);  // 1 s to 10 min
  time::Duration max_lead = time::milliseconds(1000);
  mint::LeadPolicy lead_policy = mint::LeadPolicy::kRefuse;  // kRotate needs fresh ids: with pinned ones it refuses
  lease::StoreFacts store{};    // as read when the store was opened; every commit compares its identity
  bool exclusive_store = true;  // one daemon owns the store: a right that another incarnation held is free once
                                // its ceiling is past, or at most max_lead ahead
  std::string holder{};         // this incarnation, for humans and the auditor: host, pid, start, random
  Nonce incarnation{};
  // On a shared store:
  time::Duration heartbeat = time::seconds(1);        // of the session; 20 ms to 10 s
  time::Duration clock_tolerance = time::seconds(1);  // how far the clock behind the ordering timeline may be off
  std::vector<JournalRight> acknowledged{};           // as the journal remembers them: the store has to know them
  Revision highest{};                                 // likewise: the store must not stand, or commit, below it
  time::Duration keep_history = time::seconds(86'400LL * 400);
};

/// What is wrong with these options; empty if nothing is.
[[nodiscard]] std::string fault_of(const AgentOptions& options);

enum class AgentState : std::uint8_t {
  kStarting,     // no time yet
  kAcquiring,    // no rights: looking for free ids, or waiting for them
  kHeld,         // rights are published and extended
  kRevoking,     // empty sets are published; waiting for the workers to acknowledge them
  kReleasing,    // giving the rights back
  kAwaitingEra,  // policy rotate: waiting for the clock thread to start a new era
  kStopped,      // for good
};
[[nodiscard]] std::string_view text_of(AgentState state);

/// A copy for status displays.
struct AgentView {
  AgentState state = AgentState::kStarting;
  std::vector<mint::RightSet> published;          // by worker
  Revision highest;                               // acknowledged commit
  std::optional<time::SmearedUtc> waiting_until;  // no free id, or a pinned id's floor ahead: until about then
  std::optional<effect::Note> last_note;
  bool shared_store = false;
  lease::Standing standing = lease::Standing::kMember;  // by the vote on this daemon's clock
  lease::Vote vote{};                                   // the last one
  StoreFailures store_failures{};                       // of all calls since the start
};

class Agent {
 public:
  /// fault_of(options) must be empty.
  explicit Agent(AgentOptions options);

  [[nodiscard]] std::vector<Effect> step(const Event& event);
  [[nodiscard]] AgentView view() const;

 private:
  /// What follows when the rights held now are given back.
  enum class Goal : std::uint8_t { kServe, kReacquire, kRotate, kStop };
  enum class OperationKind : std::uint8_t { kList, kCommit, kJournal, kSessions, kSession, kHistory, kTidying };
  struct Operation {
    OperationId id;
    OperationKind kind = OperationKind::kList;
    time::Duration started;  // in attended time
  };
  struct Holding {
    lease::HeldRight right;
    WorkerIndex worker;
    time::SmearedUtc used_until;  // from the acknowledgement on
  };
  /// What a list says of one holding.
  enum class Finding : std::uint8_t { kUnchanged, kExtended, kReleased, kLost, kWentBack };
  using NoteKind = effect::Note::Kind;

  void on(const event::Tick& tick);
  void on(const event::Listed& listed);
  void on(const event::Committed& committed);
  void on(const event::StoreFailed& failed);
  void on(const event::JournalSynced& synced);
  void on(const event::Acknowledged& acknowledged);
  void on(const event::SessionsAsk& ask);
  void on(const event::StopRequested& stop);
  void on(const event::CloneDetected& clone);

  // The next move of each state, when no operation is under way.
  void advance();
  void advance_state();
  void advance_acquiring();
  void advance_held();
  void advance_revoking();
  void advance_releasing();
  void advance_awaiting_era();

  // The session, and what is done in passing (agent_membership.cpp). True: an operation was begun.
  [[nodiscard]] bool attend_membership();
  void tidy_up();
  void on_sessions(const Listing& listing);
  void on_history(const Listing& listing);
  void commit_aside(OperationKind kind, Transaction transaction);
  void note_standing();
  void take_another_name();
  /// What the journal remembers and the store does not; empty if it knows all of it.
  [[nodiscard]] std::string forgotten(const Listing& listing) const;
  void fail_gone_back(const std::string& what);
  void fail_other_identity();

  [[nodiscard]] bool finish(OperationKind kind, OperationId id);
  OperationId begin(OperationKind kind);
  void give_up_lost_answer();
  void list_rights();
  void commit(Attempt attempt);
  void sync_journal();
  void operation_failed(OperationKind kind, const StoreError& error);
  void commit_failed(const StoreError& error);
  void retry_later();

  // Taking and keeping (agent.cpp).
  void leave_false_future();
  [[nodiscard]] bool has_fresh_table() const;
  void choose_and_acquire(const lease::RightTable& table);
  void wait_for_ids(const lease::NotYet& not_yet);
  void adopt(const Attempt& attempt, Revision revision);
  void adopt_acquired(const Attempt& attempt, Revision revision);

  // What is ours after a conflict or a lost answer (agent_settle.cpp).
  void settle_conflict(const Listing& listing);
  void settle_acquisition(const Listing& listing);
  void settle_holdings(const Listing& listing);
  [[nodiscard]] bool taken_honestly(const lease::HeldRight& right, const Entry& window) const;
  [[nodiscard]] Finding judge(Holding& holding, const Listing& listing) const;

  // Giving back (agent_release.cpp).
  void revoke(Goal goal);
  void collect_used();
  void give_up_release();
  void advance_stop_while_acquiring();
  void released();
  void acquire_again();

  /// In place: g++ 12 takes a variant moved as a whole for an uninitialised one.
  template <typename T>
  void emit(T effect) {
    effects_.emplace_back(std::in_place_type<T>, std::move(effect));
  }
  void publish_holdings(bool new_generation);
  void publish_empty_sets();
  void fail(const std::string& text);
  void stop_cleanly(const std::string& text);
  void note(NoteKind kind, std::string text, time::SmearedUtc until = {});
  void to_journal(const lease::HeldRight& right);
  [[nodiscard]] bool extension_due() const;
  [[nodiscard]] bool has_run_out_behind() const;
  [[nodiscard]] bool rotates() const {
    return options_.lead_policy == mint::LeadPolicy::kRotate && options_.pinned.empty();
  }
  /// For retries: the uptime of one turn may be far ahead, when the counter has just jumped.
  [[nodiscard]] time::Uptime attended() const { return time::Uptime{} + attended_; }
  [[nodiscard]] Nonce take_nonce();

  AgentOptions options_;
  lease::RightPolicy policy_;
  std::vector<Effect> effects_;

  AgentState state_ = AgentState::kStarting;
  Goal goal_ = Goal::kServe;
  event::Tick tick_;
  bool ticked_ = false;
  bool nonce_used_ = true;
  time::Duration attended_;  // time during which this process ran: a pause counts as one tick at most

  std::vector<mint::RightSet> published_;                 // by worker
  std::vector<Holding> holdings_;                         // committed, as last proved
  std::optional<lease::RightTable> table_;                // of the last list, while acquiring
  time::Duration table_read_at_;                          // when, by the attended time
  bool must_list_ = false;                                // what the store holds of ours is not certain
  Attempts attempts_;                                     // commits sent on the present base, not known to have failed
  std::vector<Compare> conflicted_;                       // what the last commit compared, if it met a conflict
  std::vector<JournalRight> journal_;                     // not synced yet
  std::map<mint::MachineId, JournalRight> acknowledged_;  // synced, in this life and before; of a shared store only
  Membership membership_;
  bool must_rename_ = false;   // a copy has this incarnation: the next fresh random bits are another
  bool noted_member_ = false;  // as the last note on it said
  bool noted_failed_ = false;
  bool history_is_due_ = false;           // to be pruned: rights were taken
  Handshake handshake_;                   // of the last revocation
  std::vector<mint::MachineId> avoided_;  // ids of the era that a rotation leaves: free at their full ceilings
  std::optional<Operation> operation_;
  std::uint64_t last_operation_ = 0;
  bool session_was_last_ = false;  // the last operation was one of the session
  Revision highest_;
  Backoff backoff_;
  StoreFailures store_failures_;
  int failures_ = 0;        // of operations in a row; counts for a way back, which begins at 0
  std::string unreleased_;  // which rights are left to run out, and why
  bool deaf_worker_ = false;
  time::SmearedUtc highest_used_ = time::SmearedUtc::min();     // no unit was opened here beyond it, by rights given up
  time::SmearedUtc highest_unheard_ = time::SmearedUtc::min();  // likewise, when a worker did not acknowledge that
  time::SmearedUtc waits_for_clock_ = time::SmearedUtc::min();  // as was noted
  mint::Era era_left_;
  std::optional<time::SmearedUtc> waiting_until_;
  time::Uptime look_again_at_ = time::Uptime::min();  // for free ids; the session is renewed meanwhile
  std::optional<effect::Note> last_note_;
};

}  // namespace gnomon::control
