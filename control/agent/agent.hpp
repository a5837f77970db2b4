// SPDX-License-Identifier: Apache-2.0
//
// The agent: keeps the rights of all workers of one daemon. Event in, effects out; it owns no thread, clock, socket or
// file, so the simulator runs this very code.
//
// What it must never do, whatever is lost, late or repeated:
//   - publish a right, or a higher ceiling, before the store committed it and the journal was synced;
//   - use an extension whose outcome is unknown;
//   - read last-used timestamps before every worker acknowledged the revocation;
//   - publish a right again once its release was sent, whatever became of the release.
//
// One store operation is under way at a time; all workers' rights are extended in one commit. The life of a worker's
// rights: none -> acquiring -> held (extended at a third of the window) -> revoking -> releasing -> none.
// `step` is deterministic: time and randomness come in with the event.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "control/store.hpp"
#include "oracle/mint/ordering.hpp"
#include "oracle/mint/right.hpp"
#include "oracle/time/instant.hpp"

namespace gnomon::control {

/// Names one operation of the agent, so that a late answer to an abandoned one is recognised.
struct OperationId {
  std::uint64_t value = 0;
  friend constexpr auto operator<=>(OperationId, OperationId) = default;
};

struct WorkerIndex {
  std::uint32_t value = 0;
  friend constexpr auto operator<=>(WorkerIndex, WorkerIndex) = default;
};

/// 128 fresh random bits; one for every commit.
using Nonce = std::array<std::uint8_t, 16>;

/// How far a right was used, as its worker's page says after the acknowledgement.
struct UsedRight {
  mint::MachineId machine;
  mint::Token token;
  time::SmearedUtc used_until;
};

namespace event {

/// The clock's word, about every 20 ms, and after every answer.
struct Tick {
  time::SmearedUtc now;  // ordering timeline
  mint::OrderingState ordering = mint::OrderingState::kNoTime;
  mint::Era era;
  time::Uptime uptime;
  Nonce nonce{};
};
struct Listed {
  OperationId operation;
  Listing rights;
};
struct Committed {
  OperationId operation;
  Revision revision;
};
/// A list or a commit that failed; kFatal stops the agent.
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
/// Revoke, release, then stop.
struct StopRequested {};
/// This image may be running twice (NEW_VMGENID, changed boot id): drop all rights without releasing them.
struct CloneDetected {};

}  // namespace event

using Event = std::variant<event::Tick, event::Listed, event::Committed, event::StoreFailed, event::JournalSynced,
                           event::Acknowledged, event::StopRequested, event::CloneDetected>;

/// What the second synced file remembers of one right: enough to see that a store went back.
struct JournalRight {
  mint::MachineId machine;
  Revision modified;         // of the window key's last acknowledged write
  Nonce nonce{};             // that it carried
  time::SmearedUtc ceiling;  // that it set
  friend bool operator==(const JournalRight&, const JournalRight&) = default;
};

namespace effect {

/// List all rights (prefix `right/`).
struct ListRights {
  OperationId operation;
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
/// Ask the clock thread for a new era of the ordering timeline; ticks show it when it has begun.
struct StartNewEra {};
/// For the log and `gnomon status`; never decides anything.
struct Note {
  enum class Kind : std::uint8_t {
    kAcquired,         // rights granted to all workers
    kExtended,         // ceilings raised
    kReleased,         // rights given back
    kLost,             // a compare failed: somebody else has our right
    kIdsExhausted,     // every machine id that fits is taken: `until` says when the first one frees
    kWaitingForFloor,  // a pinned id's floor lies ahead: `until` says when it is reached
    kRotating,         // policy rotate: the clock is behind, fresh ids are being taken
    kOutcomeUnknown,   // a commit's answer was lost
    kStoreUnavailable,
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

using Effect = std::variant<effect::ListRights, effect::Commit, effect::SyncJournal, effect::PublishRights,
                            effect::StartNewEra, effect::Note, effect::Stopped>;

struct AgentOptions {
  std::uint32_t workers = 1;         // 1 to page::kMaxWorkers
  std::uint32_t ids_per_worker = 1;  // 1 to mint::kMaxRightsPerWorker
  std::uint32_t machine_ids = 1024;  // ids 0 .. machine_ids-1 fit every served layout
  std::vector<mint::MachineId> pinned;  // empty: take the free ones whose ceilings are longest past; else exactly
                                        // workers x ids_per_worker ids, given out in this order
  time::Duration window = time::seconds(10);            // 1 s to 10 min
  time::Duration max_lead = time::milliseconds(1000);
  mint::LeadPolicy lead_policy = mint::LeadPolicy::kRefuse;
  std::uint16_t store_epoch = 0;
  bool exclusive_store = true;       // one daemon owns the store: a right that another incarnation held is free once
                                     // its ceiling is past, or at most max_lead ahead
  std::string holder;                // this incarnation, for humans and the auditor: host, pid, start, random
  Nonce incarnation{};
};

// class Agent { explicit Agent(const AgentOptions&); std::vector<Effect> step(const Event&); AgentView view() const; }

}  // namespace gnomon::control
