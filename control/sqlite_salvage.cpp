// SPDX-License-Identifier: Apache-2.0
//
// Reads what is left of a damaged database. A scan stops at the first page that SQLite can't follow, so it is done from
// both ends; every row must pass its own checksum, whatever the tree around it looks like.
#include <algorithm>
#include <filesystem>
#include <map>

#include "control/sqlite_store.hpp"

namespace gnomon::control {
namespace {

// The file and its write-ahead log, under another name; gone at the end.
class ScratchCopy {
 public:
  explicit ScratchCopy(const std::string& path) : path_(path + ".salvage") {
    remove();
    for (const char* suffix : {"", "-wal"})
      if (error_.empty()) copy(path + suffix, path_ + suffix);
  }
  ScratchCopy(const ScratchCopy&) = delete;
  ScratchCopy& operator=(const ScratchCopy&) = delete;
  ~ScratchCopy() { remove(); }
  [[nodiscard]] const std::string& path() const { return path_; }
  /// Empty if everything that is there was copied, whole.
  [[nodiscard]] const std::string& error() const { return error_; }

 private:
  void copy(const std::string& from, const std::string& to) {
    std::error_code failed;
    const bool there = std::filesystem::exists(std::filesystem::symlink_status(from, failed));
    if (!there && (!failed || failed == std::errc::no_such_file_or_directory)) return;
    if (!failed) std::filesystem::copy_file(from, to, failed);
    if (failed)
      error_ = "can't copy " + from + " to " + to + " to read what is left of it: " + failed.message() +
               "; nothing was changed. Make room, or see to it that this user may read the one and write the other, "
               "and run it again; from a broken disk, copy the data directory to another one first";
  }
  void remove() const {
    std::error_code ignored;
    for (const char* suffix : {"", "-wal", "-shm", "-journal"})
      std::filesystem::remove(path_ + suffix, ignored);
  }
  std::string path_;
  std::string error_;
};

}  // namespace

tl::expected<SqliteStore::Salvage, StateError> SqliteStore::salvage(const std::string& path) {
  Salvage salvaged;
  const ScratchCopy copy(path);
  if (!copy.error().empty()) return tl::make_unexpected(StateError{StateErrorKind::kSystem, copy.error()});
  auto database = Database::open(copy.path());
  if (!database) return salvaged;
  if (auto set = database->execute("PRAGMA locking_mode=EXCLUSIVE;"); !set) return salvaged;
  std::map<std::string, Entry> found;
  for (const char* order : {"ASC", "DESC"}) {
    auto row =
        database->prepare(std::string("SELECT key, value, modified, checksum FROM entries ORDER BY key ") + order);
    if (!row) continue;
    std::uint64_t bad_rows = 0;
    for (auto more = row->step(); more && *more; more = row->step()) {
      Entry entry;
      if (!read_row(*row, entry)) {
        ++bad_rows;
        continue;
      }
      Entry& kept = found[entry.key];
      if (kept.key.empty() || kept.modified < entry.modified) kept = std::move(entry);
    }
    salvaged.bad_rows = std::max(salvaged.bad_rows, bad_rows);
  }
  for (auto& [key, entry] : found) {
    salvaged.at = std::max(salvaged.at, entry.modified);
    salvaged.entries.push_back(std::move(entry));
  }
  if (const auto totals = verify(*database, copy.path())) {
    salvaged.complete = true;
    salvaged.at = {totals->revision};
  }
  return salvaged;
}

}  // namespace gnomon::control
