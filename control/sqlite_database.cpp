// SPDX-License-Identifier: Apache-2.0
#include "control/sqlite_database.hpp"

#include <sqlite3.h>

#include <cerrno>
#include <cstring>

namespace gnomon::control {
namespace {

std::string_view remedy(int code) {
  switch (code & 0xff) {
    case SQLITE_FULL: return "; the disk is full: free space and start again";
    case SQLITE_READONLY:
      return "; the file or its file system is read-only: remount it, or check the owner and the mode";
    case SQLITE_CANTOPEN: return "; check that the directory exists and that this user may write to it";
    case SQLITE_BUSY:
    case SQLITE_LOCKED: return "; another program has the file open: stop it";
    case SQLITE_ERROR:  // our own statements are right: the schema in the file is not
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB: return "; the file is damaged: run `gnomon control recover`";
    case SQLITE_IOERR:
      return "; check the disk and its free space, then start again (nothing that was promised is lost)";
    default: return "; see the kernel log for disk errors";
  }
}

SqlError error_of(sqlite3* database, const std::string& path, int code) {
  std::string text = "the database " + path + " failed: ";
  text += database == nullptr ? sqlite3_errstr(code) : sqlite3_errmsg(database);
  const int system_code = database == nullptr ? 0 : sqlite3_system_errno(database);
  if ((code & 0xff) == SQLITE_IOERR && system_code != 0)
    text +=
        std::string(" (") + std::strerror(system_code) + ")";  // NOLINT(concurrency-mt-unsafe): one thread per database
  text += " [" + std::to_string(code) + "]";
  text += remedy(code);
  return {code, std::move(text)};
}

}  // namespace

void Statement::Finalize::operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }

Statement& Statement::start() {
  sqlite3_reset(statement_.get());  // reports the failure of the last run once more
  sqlite3_clear_bindings(statement_.get());
  next_parameter_ = 1;
  bind_result_ = SQLITE_OK;
  return *this;
}

Statement& Statement::bind(std::string_view text) {
  const int result =
      sqlite3_bind_text(statement_.get(), next_parameter_++, text.data(), static_cast<int>(text.size()), SQLITE_STATIC);
  if (bind_result_ == SQLITE_OK) bind_result_ = result;
  return *this;
}

Statement& Statement::bind(std::int64_t number) {
  const int result = sqlite3_bind_int64(statement_.get(), next_parameter_++, number);
  if (bind_result_ == SQLITE_OK) bind_result_ = result;
  return *this;
}

tl::expected<bool, SqlError> Statement::step() {
  sqlite3* database = sqlite3_db_handle(statement_.get());
  if (bind_result_ != SQLITE_OK) return tl::make_unexpected(error_of(database, path_, bind_result_));
  const int result = sqlite3_step(statement_.get());
  if (result == SQLITE_ROW) return true;
  if (result == SQLITE_DONE) return false;
  return tl::make_unexpected(error_of(database, path_, sqlite3_extended_errcode(database)));
}

tl::expected<void, SqlError> Statement::run() {
  const auto stepped = step();
  sqlite3_reset(statement_.get());
  if (!stepped) return tl::make_unexpected(stepped.error());
  return {};
}

std::string Statement::text(int column) const {
  const unsigned char* bytes = sqlite3_column_text(statement_.get(), column);
  const int size = sqlite3_column_bytes(statement_.get(), column);
  if (bytes == nullptr || size <= 0) return {};
  return {reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(size)};
}

std::int64_t Statement::number(int column) const { return sqlite3_column_int64(statement_.get(), column); }

void Database::Close::operator()(sqlite3* database) const { sqlite3_close_v2(database); }

tl::expected<Database, SqlError> Database::open(const std::string& path) {
  sqlite3* raw = nullptr;
  const int result = sqlite3_open_v2(path.c_str(), &raw, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, nullptr);
  Database database(raw, path);
  if (result != SQLITE_OK) return tl::make_unexpected(error_of(raw, path, result));
  sqlite3_extended_result_codes(raw, 1);
  // A file that may not be written is opened all the same, and the first commit would find out.
  if (sqlite3_db_readonly(raw, "main") != 0) return tl::make_unexpected(error_of(nullptr, path, SQLITE_READONLY));
  // Ours alone, the schema not trusted: a file that was put there must not run code of its own.
  if (auto set = database.execute("PRAGMA trusted_schema=OFF; PRAGMA cell_size_check=ON;"); !set)
    return tl::make_unexpected(set.error());
  return database;
}

tl::expected<void, SqlError> Database::execute(const char* sql) {
  const int result = sqlite3_exec(database_.get(), sql, nullptr, nullptr, nullptr);
  if (result != SQLITE_OK)
    return tl::make_unexpected(error_of(database_.get(), path_, sqlite3_extended_errcode(database_.get())));
  return {};
}

tl::expected<Statement, SqlError> Database::prepare(std::string_view sql) {
  sqlite3_stmt* raw = nullptr;
  const int result = sqlite3_prepare_v3(database_.get(), sql.data(), static_cast<int>(sql.size()),
                                        SQLITE_PREPARE_PERSISTENT, &raw, nullptr);
  if (result != SQLITE_OK)
    return tl::make_unexpected(error_of(database_.get(), path_, sqlite3_extended_errcode(database_.get())));
  return Statement(raw, path_);
}

tl::expected<std::string, SqlError> Database::ask(std::string_view sql) {
  auto statement = prepare(sql);
  if (!statement) return tl::make_unexpected(statement.error());
  const auto row = statement->step();
  if (!row) return tl::make_unexpected(row.error());
  return *row ? statement->text(0) : std::string();
}

}  // namespace gnomon::control
