// SPDX-License-Identifier: Apache-2.0
#include "control/state.hpp"

#include <unistd.h>

#include <algorithm>

#include "platform/durable_file.hpp"
#include "platform/random.hpp"

namespace gnomon::control {
namespace {

tl::unexpected<StateError> refuse(StateErrorKind kind, std::string text) {
  return tl::make_unexpected(StateError{kind, std::move(text)});
}

// A new store: one entry, its identity. The journal comes second: a database at its first revision may lack one.
tl::expected<void, StateError> create_database(const StatePaths& paths, const Nonce& machine) {
  if (platform::exists(paths.database + "-wal"))
    return refuse(StateErrorKind::kIncomplete, "there is a write-ahead log " + paths.database +
                                                   "-wal without its database; put the database back, or run "
                                                   "`gnomon control recover`");
  const StoreIdentity identity{platform::random_value<Nonce>(), machine, 1};
  const Entry entry{std::string(lease::kStoreKey), encode_identity(identity, platform::random_value<Nonce>()), {1}};
  return SqliteStore::create(paths.database, std::span(&entry, 1), {1});
}

tl::expected<Journal, StateError> continue_journal(const StatePaths& paths, SqliteStore& store, const StoreMeta& meta,
                                                   std::optional<Journal> journal) {
  if (journal) {
    const auto rights = store.list(lease::kRightPrefix);
    if (!rights) return refuse(StateErrorKind::kDamaged, rights.error().text);
    if (auto continuous = check_continuity(journal->content(), meta, *rights); !continuous)
      return tl::make_unexpected(continuous.error());
    return std::move(*journal);
  }
  if (store.revision() > Revision{1})
    return refuse(StateErrorKind::kIncomplete,
                  "the journal " + paths.journal + " is missing, so nothing tells whether the database " +
                      paths.database +
                      " is the newest; put the journal back, or run `gnomon control recover`, which works without it");
  return Journal::create(paths.journal, {meta.identity.id, meta.identity.epoch, store.revision(), {}});
}

// `machine` empty: any.
tl::expected<State, StateError> open_locked(const StatePaths& paths, WriterLock lock, const Nonce* machine,
                                            const Nonce& here) {
  auto journal = Journal::load(paths.journal);
  if (!journal) return tl::make_unexpected(journal.error());
  const bool created = !platform::exists(paths.database);
  if (created) {
    if (*journal)
      return refuse(
          StateErrorKind::kIncomplete,
          "the database " + paths.database + " is missing, but its journal " + paths.journal +
              " tells of IDs that were issued from it; put the database back, or run `gnomon control recover`");
    if (auto made = create_database(paths, here); !made) return tl::make_unexpected(made.error());
  }
  auto store = SqliteStore::open(paths.database);
  if (!store) return tl::make_unexpected(store.error());
  auto meta = read_meta(**store);
  if (!meta) return tl::make_unexpected(meta.error());
  if (machine != nullptr && meta->identity.machine != *machine)
    return refuse(
        StateErrorKind::kOtherMachine,
        "the database " + paths.database +
            " belongs to another machine: this is a copy of it, or the machine's id has changed. Two machines "
            "on copies of one store would issue the same IDs. If the original is out of use for good, run "
            "`gnomon control adopt`; else give this machine a data directory of its own");
  auto continued = continue_journal(paths, **store, *meta, std::move(*journal));
  if (!continued) return tl::make_unexpected(continued.error());
  return State{std::move(lock), std::move(*store), std::move(*continued), *meta, created};
}

}  // namespace

tl::expected<State, StateError> open_state(const StatePaths& paths, const std::string& who, const Nonce& machine) {
  auto lock = WriterLock::take(paths.lock, who);
  if (!lock) return tl::make_unexpected(lock.error());
  if (platform::exists(paths.cloned))
    return refuse(StateErrorKind::kCloned,
                  "this machine was cloned or restored while a daemon ran on " + paths.database + " (" + paths.cloned +
                      " says so): a copy may be issuing IDs from the same state. If no other copy is in use any more, "
                      "run `gnomon control adopt`; else give all copies but one an empty data directory and machine "
                      "ids of their own (ids.pinned)");
  return open_locked(paths, std::move(*lock), &machine, machine);
}

tl::expected<std::uint16_t, StateError> adopt(const StatePaths& paths, const RecoveryLimits& limits,
                                              const Nonce& machine) {
  auto lock = WriterLock::take(paths.lock, "gnomon control adopt");
  if (!lock) return tl::make_unexpected(lock.error());
  if (!platform::exists(paths.database))
    return refuse(StateErrorKind::kIncomplete, "there is no database " + paths.database + " to adopt; check the path");
  auto state = open_locked(paths, std::move(*lock), nullptr, machine);
  if (!state) return tl::make_unexpected(state.error());
  StoreIdentity identity = state->meta.identity;
  if (identity.epoch == UINT16_MAX)
    return refuse(StateErrorKind::kSystem,
                  "the store has used up its 65,535 epochs; start with an empty data directory "
                  "and machine ids that were never used");
  ++identity.epoch;
  identity.machine = machine;
  Transaction transaction;
  transaction.compares.push_back({std::string(lease::kStoreKey), state->meta.facts.identity});
  transaction.puts.push_back(
      {std::string(lease::kStoreKey), encode_identity(identity, platform::random_value<Nonce>())});
  const bool cloned = platform::exists(paths.cloned);
  const time::SmearedUtc floor = std::max(cloned ? limits.floor() : limits.now, state->meta.facts.floor);
  transaction.puts.push_back({std::string(kFloorKey), encode_floor(floor, platform::random_value<Nonce>())});
  const auto committed = state->store->commit(transaction);
  if (!committed) return refuse(StateErrorKind::kDamaged, committed.error().text);
  JournalContent content = state->journal.content();
  content.epoch = identity.epoch;
  content.highest = *committed;
  if (auto written = Journal::create(paths.journal, content); !written) return tl::make_unexpected(written.error());
  if (!cloned) return identity.epoch;
  if (::unlink(paths.cloned.c_str()) != 0)
    return refuse(StateErrorKind::kSystem, platform::system_error("remove " + paths.cloned).text);
  if (auto synced = platform::sync_directory_of(paths.cloned); !synced)
    return refuse(StateErrorKind::kSystem, synced.error().text);
  return identity.epoch;
}

}  // namespace gnomon::control
