// SPDX-License-Identifier: Apache-2.0
#include "control/sqlite_store.hpp"

#include <fcntl.h>
#include <sodium.h>
#include <unistd.h>

#include <array>
#include <cassert>
#include <cstdio>
#include <cstring>

#include "platform/durable_file.hpp"
#include "platform/unique_fd.hpp"

namespace gnomon::control {
namespace {

constexpr std::int64_t kApplicationId = 0x676e6f6d;  // "gnom": what `file` and other programs see
constexpr std::int64_t kSchemaVersion = 1;
constexpr const char* kSchema =
    "CREATE TABLE entries(key TEXT PRIMARY KEY NOT NULL, value TEXT NOT NULL, modified INTEGER NOT NULL,"
    " checksum INTEGER NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE totals(one INTEGER PRIMARY KEY CHECK(one = 1), revision INTEGER NOT NULL, rows INTEGER NOT NULL,"
    " digest INTEGER NOT NULL, checksum INTEGER NOT NULL);"
    "PRAGMA application_id=1735290733;"
    "PRAGMA user_version=1;";
static_assert(kApplicationId == 1735290733);

std::int64_t as_signed(std::uint64_t value) { return static_cast<std::int64_t>(value); }
std::uint64_t as_unsigned(std::int64_t value) { return static_cast<std::uint64_t>(value); }

// SipHash with a fixed key: this guards against broken disks, not against people who can write the file.
class Checksum {
 public:
  Checksum& add(std::string_view text) {
    add(text.size());
    bytes_.append(text);
    return *this;
  }
  Checksum& add(std::uint64_t number) {
    for (int shift = 0; shift < 64; shift += 8)
      bytes_ += static_cast<char>(number >> shift);
    return *this;
  }
  [[nodiscard]] std::uint64_t value() const {
    static constexpr std::array<unsigned char, crypto_shorthash_KEYBYTES> kKey{'g', 'n', 'o', 'm', 'o', 'n', ' ', 's',
                                                                               't', 'o', 'r', 'e', ' ', 'r', 'o', 'w'};
    std::array<unsigned char, crypto_shorthash_BYTES> out{};
    static_assert(out.size() == sizeof(std::uint64_t));
    crypto_shorthash(out.data(), reinterpret_cast<const unsigned char*>(bytes_.data()), bytes_.size(), kKey.data());
    std::uint64_t value = 0;
    for (std::size_t i = out.size(); i-- > 0;)
      value = value << 8 | out[i];
    return value;
  }

 private:
  std::string bytes_;
};

tl::unexpected<StateError> damaged(const std::string& path, const std::string& what) {
  return tl::make_unexpected(StateError{
      StateErrorKind::kDamaged, "the database " + path + " is damaged: " + what + "; run `gnomon control recover`"});
}

tl::unexpected<StateError> unusable(const SqlError& error) {
  return tl::make_unexpected(StateError{StateErrorKind::kDamaged, error.text});
}

}  // namespace

std::uint64_t SqliteStore::checksum_of(const Entry& entry) {
  return Checksum().add(entry.key).add(entry.value).add(entry.modified.value).value();
}

std::uint64_t SqliteStore::checksum_of(const Totals& totals) {
  return Checksum().add("totals").add(totals.revision).add(totals.rows).add(totals.digest).value();
}

// Columns: key, value, modified, checksum.
bool SqliteStore::read_row(Statement& row, Entry& entry) {
  entry = {row.text(0), row.text(1), {as_unsigned(row.number(2))}};
  return as_unsigned(row.number(3)) == checksum_of(entry);
}

SqliteStore::SqliteStore(Database database, Statements statements, const Totals& totals)
    : database_(std::move(database)), statements_(std::move(statements)), totals_(totals), log_({totals.revision}) {}

tl::expected<SqliteStore::Statements, SqlError> SqliteStore::prepare(Database& database) {
  auto get = database.prepare("SELECT key, value, modified, checksum FROM entries WHERE key = ?");
  if (!get) return tl::make_unexpected(get.error());
  auto list = database.prepare("SELECT key, value, modified, checksum FROM entries WHERE key >= ? ORDER BY key");
  if (!list) return tl::make_unexpected(list.error());
  auto put = database.prepare("INSERT OR REPLACE INTO entries(key, value, modified, checksum) VALUES(?, ?, ?, ?)");
  if (!put) return tl::make_unexpected(put.error());
  auto erase = database.prepare("DELETE FROM entries WHERE key = ?");
  if (!erase) return tl::make_unexpected(erase.error());
  auto totals =
      database.prepare("INSERT OR REPLACE INTO totals(one, revision, rows, digest, checksum) VALUES(1, ?, ?, ?, ?)");
  if (!totals) return tl::make_unexpected(totals.error());
  return Statements{std::move(*get), std::move(*list), std::move(*put), std::move(*erase), std::move(*totals)};
}

tl::expected<void, StateError> SqliteStore::check_kind(Database& database, const std::string& path) {
  const auto application = database.ask("PRAGMA application_id");
  if (!application) return unusable(application.error());
  if (*application != std::to_string(kApplicationId)) return damaged(path, "it is not a gnomon store");
  const auto version = database.ask("PRAGMA user_version");
  if (!version) return unusable(version.error());
  if (*version != std::to_string(kSchemaVersion))
    return tl::make_unexpected(
        StateError{StateErrorKind::kDamaged, "the database " + path + " has format " + *version +
                                                 ", this program knows format " + std::to_string(kSchemaVersion) +
                                                 "; use the version of gnomon that wrote it. If no other version ever "
                                                 "did, the file is damaged: run `gnomon control recover`"});
  return {};
}

tl::expected<SqliteStore::Totals, StateError> SqliteStore::verify(Database& database, const std::string& path) {
  const auto structure = database.ask("PRAGMA integrity_check(1)");
  if (!structure) return unusable(structure.error());
  if (*structure != "ok") return damaged(path, *structure);

  auto stated_row = database.prepare("SELECT revision, rows, digest, checksum FROM totals");
  if (!stated_row) return unusable(stated_row.error());
  const auto has_totals = stated_row->step();
  if (!has_totals) return unusable(has_totals.error());
  if (!*has_totals) return damaged(path, "its revision counter is missing");
  const Totals stated{as_unsigned(stated_row->number(0)), as_unsigned(stated_row->number(1)),
                      as_unsigned(stated_row->number(2))};
  if (as_unsigned(stated_row->number(3)) != checksum_of(stated))
    return damaged(path, "its revision counter is altered");

  auto row = database.prepare("SELECT key, value, modified, checksum FROM entries ORDER BY key");
  if (!row) return unusable(row.error());
  Totals found{stated.revision, 0, 0};
  for (;;) {
    const auto more = row->step();
    if (!more) return unusable(more.error());
    if (!*more) break;
    Entry entry;
    if (!read_row(*row, entry)) return damaged(path, "the row of " + entry.key + " fails its checksum");
    if (entry.modified.value > stated.revision) return damaged(path, "the row of " + entry.key + " is from the future");
    ++found.rows;
    found.digest ^= checksum_of(entry);
  }
  if (found != stated)
    return damaged(path, "it holds " + std::to_string(found.rows) + " rows, but not the " +
                             std::to_string(stated.rows) + " that were written last");
  return stated;
}

tl::expected<std::unique_ptr<SqliteStore>, StateError> SqliteStore::open(const std::string& path) {
  auto database = Database::open(path);
  if (!database) return unusable(database.error());
  // Exclusive before the first read: in WAL mode there is no -shm file to trust only if it comes first.
  if (auto set = database->execute("PRAGMA locking_mode=EXCLUSIVE; PRAGMA synchronous=FULL;"); !set)
    return unusable(set.error());
  if (auto kind = check_kind(*database, path); !kind) return tl::make_unexpected(kind.error());
  const auto mode = database->ask("PRAGMA journal_mode=WAL");
  if (!mode) return unusable(mode.error());
  if (*mode != "wal")
    return tl::make_unexpected(StateError{
        StateErrorKind::kSystem,
        "the database " + path + " can't use a write-ahead log here (" + *mode + "); put it on a local file system"});
  // The lock is kept once it was taken: whoever has the file open is found here, not by the first commit.
  if (auto locked = database->execute("BEGIN IMMEDIATE; COMMIT;"); !locked) return unusable(locked.error());
  const auto totals = verify(*database, path);
  if (!totals) return tl::make_unexpected(totals.error());
  auto statements = prepare(*database);
  if (!statements) return unusable(statements.error());
  return std::unique_ptr<SqliteStore>(new SqliteStore(std::move(*database), std::move(*statements), *totals));
}

tl::expected<void, StateError> SqliteStore::create(const std::string& path, std::span<const Entry> entries,
                                                   Revision at) {
  const auto system = [](const std::string& what) {
    return tl::make_unexpected(StateError{StateErrorKind::kSystem, platform::system_error(what).text});
  };
  const std::string beside = path + ".new";
  for (const char* suffix : {"", "-wal", "-shm", "-journal"})
    ::unlink((beside + suffix).c_str());
  if (platform::UniqueFd fd(::open(beside.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600)); !fd.valid())
    return system("create database " + beside);
  {
    auto database = Database::open(beside);
    if (!database) return unusable(database.error());
    if (auto made = database->execute("PRAGMA synchronous=FULL; BEGIN IMMEDIATE;"); !made)
      return unusable(made.error());
    if (auto made = database->execute(kSchema); !made) return unusable(made.error());
    auto statements = prepare(*database);
    if (!statements) return unusable(statements.error());
    SqliteStore store(std::move(*database), std::move(*statements), {});
    Totals totals{at.value, 0, 0};
    for (const Entry& entry : entries)
      if (auto put = store.put(entry, totals); !put) return unusable(put.error());
    if (auto put = store.write_totals(totals); !put) return unusable(put.error());
    if (auto done = store.database_.execute("COMMIT"); !done) return unusable(done.error());
  }
  if (auto renamed = platform::rename_durably(beside, path); !renamed)
    return tl::make_unexpected(StateError{StateErrorKind::kSystem, renamed.error().text});
  return {};
}

tl::expected<std::optional<Entry>, SqlError> SqliteStore::find(std::string_view key) {
  Statement& get = statements_.get.start().bind(key);
  const auto row = get.step();
  if (!row) return tl::make_unexpected(row.error());
  std::optional<Entry> found;
  if (*row && !read_row(get, found.emplace()))
    return tl::make_unexpected(
        SqlError{0, "the row of " + std::string(key) + " fails its checksum; stop, and run `gnomon control recover`"});
  get.start();
  return found;
}

tl::expected<std::optional<Entry>, StoreError> SqliteStore::get(std::string_view key) {
  if (latched_) return tl::make_unexpected(*latched_);
  auto found = find(key);
  if (!found) return tl::make_unexpected(latch(found.error()));
  return std::move(*found);
}

tl::expected<Listing, StoreError> SqliteStore::list(std::string_view prefix) {
  if (latched_) return tl::make_unexpected(*latched_);
  Listing listing{revision(), {}};
  Statement& rows = statements_.list.start().bind(prefix);
  for (;;) {
    const auto more = rows.step();
    if (!more) return tl::make_unexpected(latch(more.error()));
    Entry entry;
    if (*more && !read_row(rows, entry))
      return tl::make_unexpected(
          latch({0, "the row of " + entry.key + " fails its checksum; stop, and run `gnomon control recover`"}));
    if (!*more || !entry.key.starts_with(prefix)) break;  // ascending: the prefix is over
    listing.entries.push_back(std::move(entry));
  }
  rows.start();
  return listing;
}

tl::expected<Revision, StoreError> SqliteStore::commit(const Transaction& transaction) {
  if (latched_) return tl::make_unexpected(*latched_);
  if (auto begun = database_.execute("BEGIN IMMEDIATE"); !begun) return tl::make_unexpected(latch(begun.error()));
  const auto changed = first_changed(transaction);
  if (!changed) return tl::make_unexpected(latch(changed.error()));
  if (!changed->empty()) {
    if (auto undone = database_.execute("ROLLBACK"); !undone) return tl::make_unexpected(latch(undone.error()));
    return tl::make_unexpected(StoreError{StoreErrorKind::kConflict, *changed + " was changed meanwhile"});
  }
  const auto totals = write(transaction);
  if (!totals) return tl::make_unexpected(latch(totals.error()));
  if (auto done = database_.execute("COMMIT"); !done) return tl::make_unexpected(latch(done.error()));
  totals_ = *totals;
  log_.record(transaction, revision());
  return revision();
}

// The first key whose revision is not the compared one; empty if all are.
tl::expected<std::string, SqlError> SqliteStore::first_changed(const Transaction& transaction) {
  for (const Compare& compare : transaction.compares) {
    const auto found = find(compare.key);
    if (!found) return tl::make_unexpected(found.error());
    const std::optional<Entry>& entry = *found;
    if ((entry ? entry->modified : Revision{}) != compare.modified) return compare.key;
  }
  return std::string();
}

tl::expected<SqliteStore::Totals, SqlError> SqliteStore::write(const Transaction& transaction) {
  Totals totals = totals_;
  ++totals.revision;
  for (const Put& each : transaction.puts)
    if (auto done = put({each.key, each.value, {totals.revision}}, totals); !done)
      return tl::make_unexpected(done.error());
  for (const std::string& key : transaction.deletes)
    if (auto done = erase(key, totals); !done) return tl::make_unexpected(done.error());
  if (auto done = write_totals(totals); !done) return tl::make_unexpected(done.error());
  return totals;
}

tl::expected<void, SqlError> SqliteStore::put(const Entry& entry, Totals& totals) {
  if (auto gone = erase(entry.key, totals); !gone) return gone;
  const std::uint64_t checksum = checksum_of(entry);
  ++totals.rows;
  totals.digest ^= checksum;
  return statements_.put.start()
      .bind(entry.key)
      .bind(entry.value)
      .bind(as_signed(entry.modified.value))
      .bind(as_signed(checksum))
      .run();
}

tl::expected<void, SqlError> SqliteStore::erase(std::string_view key, Totals& totals) {
  const auto found = find(key);
  if (!found) return tl::make_unexpected(found.error());
  const std::optional<Entry>& entry = *found;
  if (!entry) return {};
  --totals.rows;
  totals.digest ^= checksum_of(*entry);
  return statements_.erase.start().bind(key).run();
}

tl::expected<void, SqlError> SqliteStore::write_totals(const Totals& totals) {
  return statements_.totals.start()
      .bind(as_signed(totals.revision))
      .bind(as_signed(totals.rows))
      .bind(as_signed(totals.digest))
      .bind(as_signed(checksum_of(totals)))
      .run();
}

StoreError SqliteStore::latch(const SqlError& error) {
  latched_ = StoreError{StoreErrorKind::kFatal, error.text};
  return *latched_;
}

}  // namespace gnomon::control
