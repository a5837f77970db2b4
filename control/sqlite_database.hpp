// SPDX-License-Identifier: Apache-2.0
//
// SQLite behind two types that can't leak and can't be ignored: every call returns a value that says whether it worked,
// and the text says what SQLite said and what to do about it. Nothing here retries: a retried fsync lies.
//
// Thread rule: one thread at a time per database.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include <tl/expected.hpp>

struct sqlite3;
struct sqlite3_stmt;

namespace gnomon::control {

struct SqlError {
  int code = 0;      // SQLite's extended result code
  std::string text;  // what was done to which file, what SQLite said, and a remedy
};

class Statement {
 public:
  Statement(sqlite3_stmt* statement, std::string path) : statement_(statement), path_(std::move(path)) {}

  /// Forgets the results and the bindings of the last run.
  Statement& start();
  Statement& bind(std::string_view text);  // the text must live until the run is over
  Statement& bind(std::int64_t number);
  /// True: a row stands there. False: done.
  [[nodiscard]] tl::expected<bool, SqlError> step();
  /// For statements without results.
  [[nodiscard]] tl::expected<void, SqlError> run();

  [[nodiscard]] std::string text(int column) const;
  [[nodiscard]] std::int64_t number(int column) const;

 private:
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const;
  };
  std::unique_ptr<sqlite3_stmt, Finalize> statement_;
  std::string path_;
  int next_parameter_ = 1;
  int bind_result_ = 0;
};

class Database {
 public:
  /// An existing file, to read and write.
  [[nodiscard]] static tl::expected<Database, SqlError> open(const std::string& path);

  [[nodiscard]] tl::expected<void, SqlError> execute(const char* sql);
  [[nodiscard]] tl::expected<Statement, SqlError> prepare(std::string_view sql);
  /// The first column of the first row, as text ("" if there is none).
  [[nodiscard]] tl::expected<std::string, SqlError> ask(std::string_view sql);

 private:
  struct Close {
    void operator()(sqlite3* database) const;
  };
  Database(sqlite3* database, std::string path) : database_(database), path_(std::move(path)) {}

  std::unique_ptr<sqlite3, Close> database_;
  std::string path_;
};

}  // namespace gnomon::control
