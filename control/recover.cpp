// SPDX-License-Identifier: Apache-2.0
//
// Recovery: a usable state out of what can still be read, without ever lowering anything.
//
// What was lost is not known, so what was issued isn't either. Two lifts make up for that: each known right is released
// at the highest ceiling that any file tells of, and no window of any id starts below now + window + max_lead (a daemon
// that ran until this very moment can't have been granted more). The epoch rises, so old tokens stay smaller than new.
//
// A crash at any point leaves the state as it was, or something that open_state refuses and a second recovery takes:
// the new database is made beside the old one, the old log is moved away before the old database (a log without its
// database is refused, and a database without its log is older than the journal), and the journal is written before any
// of them is moved: from then on the old database is older than its journal, and no database at all is one that is
// missing. A second recovery finds in the new journal every ceiling that the first one knew, and the rest in the
// database that was made beside.

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <map>

#include "control/state.hpp"
#include "platform/durable_file.hpp"
#include "platform/random.hpp"

namespace gnomon::control {
namespace {

struct Known {
  std::map<std::string, Entry> entries;
  std::optional<StoreIdentity> identity;
  std::optional<JournalContent> journal;
  lease::RightTable rights;
  Revision at;
  std::uint16_t epoch = 0;
  time::SmearedUtc floor;
};

// The highest epoch that anything readable tells of.
std::uint16_t highest_epoch(const Known& known) {
  std::uint16_t epoch = 0;
  if (known.identity) epoch = std::max(epoch, known.identity->epoch);
  if (known.journal) epoch = std::max(epoch, known.journal->epoch);
  for (const auto& [machine, right] : known.rights.rights) {
    if (right.grant) epoch = std::max(epoch, right.grant->value.epoch);
    if (right.window) epoch = std::max(epoch, static_cast<std::uint16_t>(right.window->value.token.value >> 48));
  }
  return epoch;
}

Known read_what_is_left(const StatePaths& paths, const SqliteStore::Salvage& salvage) {
  Known known;
  known.at = salvage.at;
  std::vector<Entry> rights;
  for (const Entry& entry : salvage.entries) {
    known.entries[entry.key] = entry;
    if (entry.key.starts_with(lease::kRightPrefix)) rights.push_back(entry);
    if (entry.key == lease::kStoreKey)
      if (const auto identity = parse_identity(entry.value)) known.identity = *identity;
    if (entry.key == kFloorKey)
      if (const auto floor = parse_floor(entry.value)) known.floor = *floor;
  }
  known.rights = lease::read_rights(rights);
  // A damaged journal is as good as none.
  if (const auto journal = Journal::load(paths.journal).value_or(std::optional<Journal>{})) {
    const JournalContent& content = journal->content();
    known.at = std::max(known.at, content.highest);
    for (const auto& [machine, noted] : content.rights)
      known.at = std::max(known.at, noted.modified);
    known.journal = content;
  }
  known.epoch = highest_epoch(known);
  return known;
}

// The highest ceiling of each id that any file tells of. Also of rights whose two entries contradict each other.
std::map<mint::MachineId, time::SmearedUtc> highest_ceilings(const Known& known) {
  std::map<mint::MachineId, time::SmearedUtc> ceilings;
  const auto take = [&](mint::MachineId machine, time::SmearedUtc ceiling) {
    const auto [at, fresh] = ceilings.emplace(machine, ceiling);
    if (!fresh) at->second = std::max(at->second, ceiling);
  };
  for (const auto& [machine, right] : known.rights.rights)
    if (right.window) take(machine, right.window->value.ceiling);
  for (const lease::Unreadable& unreadable : known.rights.unreadable) {
    const auto entry = known.entries.find(lease::window_key(unreadable.machine));
    if (entry == known.entries.end()) continue;
    if (const auto window = lease::parse_window(entry->second.value)) take(unreadable.machine, window->ceiling);
  }
  if (known.journal)
    for (const auto& [machine, noted] : known.journal->rights)
      take(machine, noted.ceiling);
  return ceilings;
}

// Puts the old files aside under the first number that is free.
tl::expected<std::vector<std::string>, StateError> put_aside(const StatePaths& paths) {
  std::string aside;
  for (int n = 1; aside.empty() || platform::exists(aside) || platform::exists(aside + "-wal"); ++n)
    aside = paths.database + ".damaged-" + std::to_string(n);
  std::vector<std::string> moved;
  for (const char* suffix : {"-wal", "-shm", ""}) {
    if (std::rename((paths.database + suffix).c_str(), (aside + suffix).c_str()) == 0)
      moved.push_back(aside + suffix);
    else if (errno != ENOENT)
      return tl::make_unexpected(StateError{StateErrorKind::kSystem,
                                            platform::system_error("move " + paths.database + suffix + " aside").text});
  }
  if (auto synced = platform::sync_directory_of(paths.database); !synced)
    return tl::make_unexpected(StateError{StateErrorKind::kSystem, synced.error().text});
  return moved;
}

// Rewrites meta and all windows at the new revision; everything else stays as it was.
void lift(Known& known, const StoreIdentity& identity, time::SmearedUtc floor, Revision revision,
          JournalContent& journal) {
  const auto nonce = platform::random_value<Nonce>();
  const auto put = [&](const std::string& key, std::string value) {
    known.entries[key] = {key, std::move(value), revision};
  };
  put(std::string(lease::kStoreKey), encode_identity(identity, nonce));
  put(std::string(kFloorKey), encode_floor(floor, nonce));
  for (const auto& [machine, ceiling] : highest_ceilings(known)) {
    const lease::StoredRight* right = known.rights.find(machine);
    const mint::Token token = right == nullptr ? mint::Token{} : right->token().value_or(mint::Token{});
    const lease::Window window{ceiling, ceiling, token, lease::WindowState::kReleased, nonce};
    put(lease::window_key(machine), lease::encode(window));
    journal.rights[machine] = {machine, revision, nonce, ceiling};
  }
  // A grant that can't be read would keep its id from everybody for ever.
  for (const lease::Unreadable& unreadable : known.rights.unreadable)
    known.entries.erase(lease::grant_key(unreadable.machine));
}

}  // namespace

tl::expected<RecoveryReport, StateError> recover(const StatePaths& paths, const RecoveryLimits& limits,
                                                 const Nonce& machine,
                                                 const std::function<void(std::string_view)>& after_step) {
  const auto done = [&](std::string_view step) {
    if (after_step) after_step(step);
  };
  auto lock = WriterLock::take(paths.lock, "gnomon control recover");
  if (!lock) return tl::make_unexpected(lock.error());
  if (!platform::exists(paths.database) && !platform::exists(paths.journal) &&
      !platform::exists(paths.database + "-wal"))
    return tl::make_unexpected(StateError{StateErrorKind::kIncomplete, "there is nothing to recover: neither " +
                                                                           paths.database + " nor " + paths.journal +
                                                                           " exists; check the path"});
  const std::string beside = paths.database + ".recovered";
  auto salvaged = SqliteStore::salvage(platform::exists(paths.database) ? paths.database : beside);
  if (!salvaged) return tl::make_unexpected(salvaged.error());
  const SqliteStore::Salvage& salvage = *salvaged;
  Known known = read_what_is_left(paths, salvage);
  if (known.epoch == UINT16_MAX)
    return tl::make_unexpected(StateError{StateErrorKind::kSystem,
                                          "the store has used up its 65,535 epochs; start with an empty data directory "
                                          "and machine ids that were never used"});

  RecoveryReport report;
  report.epoch = static_cast<std::uint16_t>(known.epoch + 1);
  report.entries_kept = salvage.entries.size();
  report.rows_lost = salvage.bad_rows;
  report.database_was_whole = salvage.complete;
  report.journal_was_whole = known.journal.has_value();
  report.floor = std::max(known.floor, limits.floor());

  StoreIdentity identity{platform::random_value<Nonce>(), machine, report.epoch};
  if (known.identity)
    identity.id = known.identity->id;
  else if (known.journal)
    identity.id = known.journal->store;
  const Revision revision{known.at.value + 1};
  JournalContent journal{identity.id, identity.epoch, revision, {}};
  lift(known, identity, report.floor, revision, journal);
  report.rights = journal.rights.size();

  std::vector<Entry> entries;
  entries.reserve(known.entries.size());
  for (auto& [key, entry] : known.entries)
    entries.push_back(std::move(entry));
  if (auto made = SqliteStore::create(beside, entries, revision); !made) return tl::make_unexpected(made.error());
  done("made beside");
  if (auto written = Journal::create(paths.journal, journal); !written) return tl::make_unexpected(written.error());
  done("journal written");
  auto aside = put_aside(paths);
  if (!aside) return tl::make_unexpected(aside.error());
  report.aside = std::move(*aside);
  done("put aside");
  if (auto renamed = platform::rename_durably(beside, paths.database); !renamed)
    return tl::make_unexpected(StateError{StateErrorKind::kSystem, renamed.error().text});
  return report;
}

}  // namespace gnomon::control
