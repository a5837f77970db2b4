// SPDX-License-Identifier: Apache-2.0
//
// What a daemon keeps on a store that several hosts share, opened and checked as one: the store's identity, and this
// host's journal of what the store acknowledged to it. A daemon starts with `open_shared` or not at all; the two ways
// out of a refusal are `recover_shared` and `adopt_shared`, for an operator to choose.
//
//   <state dir>/etcd.<instance>.acknowledged   the journal
//   <state dir>/etcd.<instance>.lock           who has it open
//   <journal>.aside-<n>                        what an adoption put aside
//
// On one host a store that went back stops the one daemon that there is. Here that is not enough: the host that can
// tell (its journal knows more than the store) stands beside others that can't, and they would go on handing out
// windows that were handed out before. So whoever finds it out *seals* the store: `meta/sealed` is put and `meta/store`
// rewritten in one commit. Every commit of every daemon compares `meta/store`, so from then on none succeeds, and no
// daemon starts on a sealed store. Only a recovery takes the seal away.
//
// What nobody can notice: a store that was put back, before a host returns that was used with the newer one.
// Thread rule: as of a Store, one thread; all of this blocks.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <tl/expected.hpp>

#include "control/journal.hpp"
#include "control/meta.hpp"
#include "control/state.hpp"
#include "control/state_error.hpp"
#include "control/store.hpp"
#include "control/writer_lock.hpp"
#include "oracle/lease/heal.hpp"
#include "oracle/mint/names.hpp"
#include "oracle/time/instant.hpp"

namespace gnomon::control {

struct SharedPaths {
  std::string journal;
  std::string lock;

  static SharedPaths of(const std::string& state_dir, const std::string& instance) {
    const std::string stem = state_dir + "/etcd." + instance;
    return {stem + ".acknowledged", stem + ".lock"};
  }
};

struct SharedState {
  std::optional<WriterLock> lock;
  Journal journal;
  StoreMeta meta;
  bool created = false;  // the store was empty: it got its identity now
};

/// Opens the shared state of this instance. An empty store gets an identity, a host without a journal a new one. The
/// directory must exist. `who`: for the lock file and for a seal: host, instance. kUnreachable is worth another try; a
/// store that went back is sealed before this returns kWentBack.
[[nodiscard]] tl::expected<SharedState, StateError> open_shared(Store& store, const SharedPaths& paths,
                                                                const std::string& who);

enum class SealOutcome : std::uint8_t {
  kSealed,     // by this call, or it was already
  kNotOurs,    // another store: none of our business
  kRecovered,  // it stands in a later epoch: a recovery has taken care
};
/// Seals the store that is known as `known` (an identity that it had, or should have). Safe against races, and may be
/// called again. `why`: who found what.
[[nodiscard]] tl::expected<SealOutcome, StateError> seal_store(Store& store, const StoreIdentity& known,
                                                               std::string_view why);
[[nodiscard]] tl::expected<std::optional<Seal>, StateError> is_sealed(Store& store);

struct SharedRecoveryReport {
  std::uint16_t epoch = 0;         // the new one
  std::size_t entries = 0;         // that the store has
  std::size_t released = 0;        // machine ids whose rights were taken away, each at its highest known ceiling
  std::size_t unreadable = 0;      // of these, ids whose entries could not be read
  std::vector<std::string> left;   // other entries that can't be read, with the reason: a recovery leaves them alone
  bool journal_was_whole = false;  // there was one, and it could be read
  std::optional<Seal> sealed;      // that was taken away
  time::SmearedUtc floor;          // no window starts below it from now on
  std::size_t commits = 0;
};

/// How much further ahead of true time than window + max_lead a ceiling may lie that a daemon of a shared store was
/// granted, although its clock passed the vote all the while (agent/membership.hpp). With one host there is one clock,
/// and a recovery goes by it; here it goes by the clock of the host that it is run on, and what another one committed
/// may be lost. The sum of what may come together:
///   max_lead         the window began at a floor that lay so far ahead of a timeline which led its clock already
///   2 tolerances     from there on the clock's word doesn't meet the word of one that is right
///   2/5 tolerance    for the error of that other one
///   1 tolerance      a jump that is too small to join anew for it, with the next list not in yet
///   3 heartbeats and half a second   what lies between the readings that are compared, and until the next list
[[nodiscard]] constexpr time::Duration unnoticed_lead(time::Duration max_lead, time::Duration tolerance,
                                                      time::Duration heartbeat) {
  return max_lead + tolerance * 3 + tolerance * 2 / 5 + heartbeat * 3 + time::milliseconds(500);
}
/// Of what nobody stated, no daemon is configured with more (store.clock_tolerance_ms, store.heartbeat_ms).
constexpr time::Duration kLongestTolerance = time::seconds(60);
constexpr time::Duration kLongestHeartbeat = time::seconds(10);

/// Lifts every machine id of the store above what may have been issued, raises the epoch above everything known and
/// `epoch_above`, draws a new lineage, and takes the seal away. Nothing is lowered. The first commit stops every daemon
/// of the store; if more than one is needed, the store is sealed until the last, so a recovery that ended in between is
/// simply run again. `paths`: of this host's journal, whose ceilings count and which starts anew; nullptr: none.
[[nodiscard]] tl::expected<SharedRecoveryReport, StateError> recover_shared(Store& store, const SharedPaths* paths,
                                                                            const RecoveryLimits& limits,
                                                                            std::uint16_t epoch_above = 0);

struct SharedAdoption {
  StoreMeta meta;
  std::string aside;  // where the old journal is now; empty: there was none, or it is the right one
};
/// The operator's word that this host belongs to this store from now on: the journal of another store, or one that
/// can't be read, is put aside, and a new one begins. Refused where the host belongs already and the store lost what it
/// had acknowledged: only a recovery helps there.
[[nodiscard]] tl::expected<SharedAdoption, StateError> adopt_shared(Store& store, const SharedPaths& paths);

struct HealReport {
  mint::MachineId machine;
  std::string holder;  // who had it last
  mint::Token token;   // likewise
  bool was_held = false;
  time::SmearedUtc ceiling;  // until then the id rests
};
/// Takes the right to `machine` away from whoever holds it, on any store (oracle/lease/heal.hpp). `who`: for the grant
/// that says so. Refused (kSystem) if somebody else takes the id meanwhile.
[[nodiscard]] tl::expected<HealReport, StateError> heal_right(Store& store, mint::MachineId machine,
                                                              const std::string& who);

}  // namespace gnomon::control
