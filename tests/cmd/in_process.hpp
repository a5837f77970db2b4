// SPDX-License-Identifier: Apache-2.0
//
// A command of gnomon, run in the test's own process.
#pragma once

#include <sstream>
#include <string>
#include <vector>

#include "cmd/gnomon/command_line.hpp"

namespace gnomon::cmd {

struct Ran {
  ExitCode code = ExitCode::kOk;
  std::string out;
  std::string err;
};

inline Ran gnomon(std::vector<std::string> arguments, const std::string& input = {}) {
  arguments.insert(arguments.begin(), "gnomon");
  std::vector<const char*> argv;
  argv.reserve(arguments.size());
  for (const std::string& word : arguments)
    argv.push_back(word.c_str());
  std::istringstream in(input);
  std::ostringstream out;
  std::ostringstream err;
  const ExitCode code = run_command_line(static_cast<int>(argv.size()), argv.data(), in, out, err);
  return {code, out.str(), err.str()};
}

}  // namespace gnomon::cmd
