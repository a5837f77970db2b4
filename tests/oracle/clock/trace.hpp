// SPDX-License-Identifier: Apache-2.0
//
// Golden traces: files that read like a transcript (after the data-driven tests of etcd/raft). A block is commands, one
// per line, then a line of four dashes, then what came out of them, line by line; an empty line ends it.
//
//   A event a          <- a command
//   ----
//   a = 1 at A         <- its output
//
// Lines between blocks that begin with '#' are remarks. A trace is right if playing its commands gives the same file
// again, to the byte: so a comparison of two texts is the whole test, and rewriting one is writing what was played.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <sstream>
#include <string>
#include <vector>

namespace gnomon::clock {

/// The words of one command in, one line of output out.
using TraceCommand = std::function<std::string(const std::vector<std::string>& words)>;

inline std::vector<std::string> words_of(const std::string& line) {
  std::istringstream in(line);
  return {std::istream_iterator<std::string>(in), {}};
}

/// The trace with its outputs as `command` gives them now; remarks and commands are kept.
inline std::string play(const std::string& trace, const TraceCommand& command) {
  std::istringstream in(trace);
  std::string played;
  std::vector<std::string> pending;
  bool in_output = false;
  const auto finish_block = [&] {
    if (!pending.empty()) played += "----\n";
    for (const std::string& line : pending)
      played += command(words_of(line)) + '\n';
    pending.clear();
  };
  for (std::string line; std::getline(in, line);) {
    if (line == "----") {
      finish_block();
      in_output = true;
    } else if (line.empty()) {
      finish_block();
      in_output = false;
      played += '\n';
    } else if (!in_output) {
      played += line + '\n';
      if (line[0] != '#') pending.push_back(line);
    }
  }
  finish_block();
  return played;
}

inline std::string text_of_file(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// GNOMON_REWRITE=1 writes the traces as they are played now, for somebody to read the difference. The run that changes
/// one still fails, so that the switch can't be left on.
inline void rewrite_if_asked(const std::filesystem::path& path, const std::string& played) {
  const char* rewrite = std::getenv("GNOMON_REWRITE");
  if (rewrite != nullptr && std::string(rewrite) == "1") std::ofstream(path, std::ios::binary) << played;
}

}  // namespace gnomon::clock
