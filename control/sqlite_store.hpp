// SPDX-License-Identifier: Apache-2.0
//
// The store of one host: a SQLite database in WAL mode with synchronous=FULL.
//
// SQLite keeps its promise if the disk does; disks lose and flip bits, and a B-tree that is well-formed may still hold
// an old page. So each row carries a checksum over key, value and revision, and one more row counts the revisions, the
// rows, and the xor of all checksums: a row that vanished, came back or changed is noticed when the store is opened.
//
// After the first error that is not a conflict, nothing is known any more: whether the commit is on disk, whether what
// a read returns is. The store then refuses everything, with the first error's text, until it is opened again and
// verified; it never finds out by reading back.
//
// It has one writer: WriterLock keeps other daemons out, SQLite's exclusive mode everybody else.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>

#include <tl/expected.hpp>

#include "control/change_log.hpp"
#include "control/sqlite_database.hpp"
#include "control/state_error.hpp"
#include "control/store.hpp"

namespace gnomon::control {

class SqliteStore final : public Store {
 public:
  /// Opens and verifies an existing database: structure, every row, and that nothing is missing.
  [[nodiscard]] static tl::expected<std::unique_ptr<SqliteStore>, StateError> open(const std::string& path);

  /// Makes a database that holds these entries as of `at`. It appears under `path` whole or not at all, and replaces
  /// what is there: the caller makes sure that it may, and that no write-ahead log of another database lies beside it.
  [[nodiscard]] static tl::expected<void, StateError> create(const std::string& path, std::span<const Entry> entries,
                                                             Revision at);

  [[nodiscard]] tl::expected<std::optional<Entry>, StoreError> get(std::string_view key) override;
  [[nodiscard]] tl::expected<Listing, StoreError> list(std::string_view prefix) override;
  [[nodiscard]] tl::expected<Revision, StoreError> commit(const Transaction& transaction) override;
  /// There is one writer, so it tells of what was committed through this object.
  [[nodiscard]] std::unique_ptr<Watch> watch(std::string_view prefix, Revision after) override {
    return log_.watch(prefix, after);
  }

  [[nodiscard]] Revision revision() const { return {totals_.revision}; }

  /// What is still readable of a database that may be damaged: every row whose checksum is right.
  struct Salvage {
    std::vector<Entry> entries;  // ascending by key
    Revision at;                 // highest revision seen
    std::uint64_t bad_rows = 0;  // seen, and refused
    bool complete = false;       // as good as `open` would ask for
  };
  /// Works on a copy; the file itself is only read. Fails if there is a file that can't be copied: taking it for empty
  /// would forget what it holds. No file at all is nothing to salvage.
  [[nodiscard]] static tl::expected<Salvage, StateError> salvage(const std::string& path);

 private:
  /// The one row beside the entries.
  struct Totals {
    std::uint64_t revision = 0;
    std::uint64_t rows = 0;
    std::uint64_t digest = 0;  // xor of the checksums of all rows
    friend bool operator==(const Totals&, const Totals&) = default;
  };
  struct Statements {
    Statement get, list, put, erase, totals;
  };

  SqliteStore(Database database, Statements statements, const Totals& totals);

  [[nodiscard]] static tl::expected<Statements, SqlError> prepare(Database& database);
  [[nodiscard]] static tl::expected<void, StateError> check_kind(Database& database, const std::string& path);
  [[nodiscard]] static tl::expected<Totals, StateError> verify(Database& database, const std::string& path);
  [[nodiscard]] static std::uint64_t checksum_of(const Entry& entry);
  [[nodiscard]] static std::uint64_t checksum_of(const Totals& totals);
  [[nodiscard]] static bool read_row(Statement& row, Entry& entry);

  [[nodiscard]] tl::expected<std::optional<Entry>, SqlError> find(std::string_view key);
  [[nodiscard]] tl::expected<std::string, SqlError> first_changed(const Transaction& transaction);
  [[nodiscard]] tl::expected<Totals, SqlError> write(const Transaction& transaction);
  [[nodiscard]] tl::expected<void, SqlError> put(const Entry& entry, Totals& totals);
  [[nodiscard]] tl::expected<void, SqlError> erase(std::string_view key, Totals& totals);
  [[nodiscard]] tl::expected<void, SqlError> write_totals(const Totals& totals);
  [[nodiscard]] StoreError latch(const SqlError& error);

  Database database_;
  Statements statements_;
  Totals totals_;
  ChangeLog log_;
  std::optional<StoreError> latched_;
};

}  // namespace gnomon::control
