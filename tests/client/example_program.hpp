// SPDX-License-Identifier: Apache-2.0
//
// An example of the library as its user runs it: what it printed, line by line, and how it ended. Thread rule: none.
#pragma once

#include <cstdlib>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/child_process.hpp"

namespace gnomon::client {

struct Ran {
  int status = -1;
  std::vector<std::string> lines{};
};

/// `folder`: the variable of the environment that says where the example is.
inline Ran run_example(const char* folder, const std::string& program, std::vector<std::string> arguments) {
  const char* where = std::getenv(folder);
  if (where == nullptr) return {-1, {std::string(folder) + " is not set: run this through meson test"}};
  arguments.insert(arguments.begin(), std::string(where) + "/" + program);
  const support::Output output = support::run_program(arguments, {});
  Ran ran{output.exit.code};
  std::istringstream text(output.text);
  for (std::string line; std::getline(text, line);)
    ran.lines.push_back(std::move(line));
  return ran;
}

}  // namespace gnomon::client
