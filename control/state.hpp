// SPDX-License-Identifier: Apache-2.0
//
// The state that a daemon keeps on disk: lock, database, journal, opened and checked as one. A daemon starts with
// `open_state` or not at all; the two ways out of a refusal are `recover` and `adopt`, for an operator to choose.
//
//   PATH                the database (and SQLite's PATH-wal)
//   PATH.lock           who has it open
//   PATH.acknowledged   the journal
//   PATH.cloned         the machine was cloned while a daemon ran; nothing but an adoption takes it away
//   PATH.damaged-<n>    what a recovery found, kept aside
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <tl/expected.hpp>

#include "control/journal.hpp"
#include "control/meta.hpp"
#include "control/sqlite_store.hpp"
#include "control/state_error.hpp"
#include "control/writer_lock.hpp"
#include "oracle/time/instant.hpp"

namespace gnomon::control {

struct StatePaths {
  std::string database;
  std::string lock;
  std::string journal;
  std::string cloned;

  static StatePaths of(const std::string& database) {
    return {database, database + ".lock", database + ".acknowledged", database + ".cloned"};
  }
};

struct State {
  WriterLock lock;
  std::unique_ptr<SqliteStore> store;
  Journal journal;
  StoreMeta meta;
  bool created = false;  // there was none before
};

/// Opens the state of this machine, or makes a new one if there is nothing. The directory must exist. `who`: for the
/// lock file, e.g. "gnomond instance main". `machine`: this_machine(), other values for tests.
[[nodiscard]] tl::expected<State, StateError> open_state(const StatePaths& paths, const std::string& who,
                                                         const Nonce& machine = this_machine());

struct RecoveryReport {
  std::uint16_t epoch = 0;       // the new one
  std::size_t entries_kept = 0;  // salvaged from the database
  std::uint64_t rows_lost = 0;   // seen, but failing their checksum; rows that could not be reached are not counted
  bool database_was_whole = false;
  bool journal_was_whole = false;
  std::size_t rights = 0;          // machine ids whose windows are known, each released at its highest known ceiling
  time::SmearedUtc floor;          // no window starts below it from now on
  std::vector<std::string> aside;  // files kept under another name
};

struct RecoveryLimits {
  time::SmearedUtc now;     // a clock that the operator trusts
  time::Duration window;    // the longest that was ever configured here
  time::Duration max_lead;  // likewise
  time::Duration apart{};   // on a store of many hosts: what their clocks add, see unnoticed_lead

  /// No window of any id starts below it after a recovery.
  [[nodiscard]] time::SmearedUtc floor() const { return time::saturating_add(now, window + max_lead + apart); }
};

/// Makes a usable state out of what can still be read: salvages rows, takes the maximum with the journal, raises the
/// epoch, and lifts every machine id above what may have been issued. Refused while a daemon runs. `after_step` hears
/// of every step that changed a file: tests crash there.
[[nodiscard]] tl::expected<RecoveryReport, StateError> recover(
    const StatePaths& paths, const RecoveryLimits& limits, const Nonce& machine = this_machine(),
    const std::function<void(std::string_view)>& after_step = {});

/// Binds the state to this machine, raises the epoch and ends the refusal after a cloning. The operator's word that no
/// daemon uses the original or another copy any more is what this rests on: what was issued before the copies parted
/// lies below the ceilings that this database knows. What another copy issued afterwards lies below now + window +
/// max_lead, to which a cloned state is lifted, as in a recovery. Any other is lifted to now, which keeps no machine id
/// from anybody, and from which the leases count how long one may still be held by the word of the original. Refused
/// while a daemon runs here, and on a state that open_state would refuse otherwise.
[[nodiscard]] tl::expected<std::uint16_t, StateError> adopt(const StatePaths& paths, const RecoveryLimits& limits,
                                                            const Nonce& machine = this_machine());

}  // namespace gnomon::control
