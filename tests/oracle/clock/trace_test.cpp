// SPDX-License-Identifier: Apache-2.0
//
// Plays the traces in traces/: the examples of the source document (sections 1.3 to 1.5, with its errata applied) and
// the edges that belong to them, as transcripts that can be read beside it. trace.hpp says what a trace looks like.
//
//   lamport A B=7       starts Lamport clocks of A and B; B has got to 7
//   vector A B=7 C      starts vector clocks; B has counted 7 events
//   hlc A B             starts hybrid clocks with the default limit of 500 ms
//   physical A 100      sets the physical clock of A, in ms (hlc)
//   A event a           an event; `A send m` is one, too: a message carries the value of its sending
//   B receive m         the receipt of it, an event that is called recv(m)
//   forge m 5           a value from outside that no clock here made: 5, [0,5,0] or (700,0)
//   compare a b         how two named values lie to each other
//   encode a            the bytes of a vector clock; `decode HEX HEX` reads some
#include "tests/oracle/clock/trace.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <exception>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tests/oracle/clock/trace_clocks.hpp"
#include "tests/support/source_tree.hpp"

namespace gnomon::clock {
namespace {

/// Runs the commands of one trace.
class Interpreter {
 public:
  std::string run(const std::vector<std::string>& words) try {
    const std::vector<std::string> about(words.begin() + 1, words.end());
    if (auto started = start(words[0], about)) {
      clocks_ = std::move(started);
      return "clocks: " + std::to_string(about.size());
    }
    if (clocks_ == nullptr) return "error: no clocks were started";
    if (words[0] == "forge") return clocks_->forge(about.at(0), about.at(1));
    if (words[0] == "compare") return clocks_->compare(about.at(0), about.at(1));
    const std::string verb = about.at(0);
    if (verb == "event" || verb == "send") return clocks_->step(words[0], about.at(1), std::nullopt);
    if (verb == "receive") return clocks_->step(words[0], "recv(" + about.at(1) + ")", about.at(1));
    return clocks_->other(words[0], about);
  } catch (const std::exception& error) {
    return std::string("error: ") + error.what();
  }

 private:
  static std::unique_ptr<TraceClocks> start(const std::string& kind, const std::vector<std::string>& processes) {
    if (kind == "lamport") return std::make_unique<TraceLamport>(processes);
    if (kind == "vector") return std::make_unique<TraceVector>(processes);
    if (kind == "hlc") return std::make_unique<TraceHlc>(processes);
    return nullptr;
  }

  std::unique_ptr<TraceClocks> clocks_;
};

std::string played(const std::string& trace) {
  Interpreter interpreter;
  return play(trace, [&](const std::vector<std::string>& words) { return interpreter.run(words); });
}

TEST(ClockTrace, each_trace_plays_as_it_is_written) {
  std::vector<std::filesystem::path> paths;
  for (const auto& entry : std::filesystem::directory_iterator(support::in_source_tree("tests/oracle/clock/traces")))
    paths.push_back(entry.path());
  std::sort(paths.begin(), paths.end());
  ASSERT_GE(paths.size(), 6U) << "traces are missing";
  for (const auto& path : paths) {
    const std::string written = text_of_file(path);
    const std::string now = played(written);
    EXPECT_EQ(written, now) << path.filename() << "; GNOMON_REWRITE=1 writes what is played now";
    EXPECT_EQ(now.find("error:"), std::string::npos) << path.filename() << " has a command that means nothing";
    EXPECT_NE(now.find("\n----\n"), std::string::npos) << path.filename() << " has no commands";
    rewrite_if_asked(path, now);
  }
}

// The interpreter itself: a trace that is wrong must not pass.
TEST(ClockTrace, a_wrong_trace_plays_differently) {
  const std::string right = "# a remark\n\nlamport A\nA event a\n----\nclocks: 1\na = 1 at A\n";
  EXPECT_EQ(played(right), right);
  EXPECT_EQ(played("# a remark\n\nlamport A\nA event a\n"), right) << "new commands get their output";
  for (const std::string wrong : {"a = 2 at A\n", "", "a = 1 at A\na = 1 at A\n", "a = 1 at A"})
    EXPECT_EQ(played(right.substr(0, right.size() - 11) + wrong), right) << wrong;
}

TEST(ClockTrace, a_command_that_means_nothing_is_an_error) {
  for (const std::string command : {"A event a", "lamport A\nB event b", "lamport A\nA dance a", "hlc A\nforge m 5",
                                    "lamport A\nforge m five", "vector A\ndecode xy", "lamport A\ncompare a b", "hlc"})
    EXPECT_EQ(played(command + '\n').find("error:") != std::string::npos, command != "hlc") << played(command + '\n');
}

}  // namespace
}  // namespace gnomon::clock
