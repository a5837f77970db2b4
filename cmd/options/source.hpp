// SPDX-License-Identifier: Apache-2.0
//
// Where a value came from, and what each source had to say.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "cmd/options/settings.hpp"

namespace gnomon::cmd {

struct Origin {
  enum class Kind : std::uint8_t { kDefault, kFile, kEnvironment, kFlag };
  Kind kind = Kind::kDefault;
  std::string name;        // of the file, the variable or the flag
  std::uint32_t line = 0;  // file only; 0: unknown
  std::uint32_t column = 0;

  /// "gnomond.toml:4:1", "environment GNOMON_WORKERS_COUNT", "--workers-count", "default".
  [[nodiscard]] std::string text() const;
};

/// One option as one source gives it; the type is right, the bounds are not checked yet.
struct Assignment {
  std::size_t row = 0;
  Value value;
  Origin origin;
};

/// What a source yields. Problems are complete lines: where, what, and what to do.
struct Reading {
  std::vector<Assignment> assignments;
  std::vector<std::string> problems;
};

}  // namespace gnomon::cmd
