// SPDX-License-Identifier: Apache-2.0
//
// Files of the source tree that tests read. Where it lies is said when a test runs, not when it is compiled: then what
// was compiled in one checkout does for every other.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <string_view>

namespace gnomon::support {

/// GNOMON_SOURCE_DIR, which tests/run_tests.py sets; without it the folder that the program was started in.
inline std::filesystem::path in_source_tree(std::string_view path) {
  const char* const root = std::getenv("GNOMON_SOURCE_DIR");  // NOLINT(concurrency-mt-unsafe): nobody sets it
  return std::filesystem::path(root != nullptr ? root : ".") / path;
}

}  // namespace gnomon::support
