// SPDX-License-Identifier: Apache-2.0
//
// What a newcomer sees first has to work: the demo runs to its end, suggests programs that exist, and leaves nothing
// behind, also when it is interrupted.
#include <gtest/gtest.h>

#include <csignal>
#include <filesystem>
#include <regex>
#include <sstream>
#include <thread>

#include "tests/support/daemon.hpp"

namespace gnomon::net {
namespace {

using namespace support;
using std::chrono::milliseconds;

// With a folder for temporary files of its own, what is left there afterwards is the demo's.
class Demo : public testing::Test {
 protected:
  [[nodiscard]] std::vector<std::string> leftovers() const {
    std::vector<std::string> found;
    for (const auto& entry : std::filesystem::directory_iterator(folder_.path()))
      found.push_back(entry.path().string());
    return found;
  }
  [[nodiscard]] std::map<std::string, std::string> environment() const { return {{"TMPDIR", folder_.path().string()}}; }

  ScratchFolder folder_;
};

TEST_F(Demo, RunsToItsEndAndLeavesNothing) {
  const Output output = run_program(
      {built("bench/gnomon-demo"), "--gnomond", built("cmd/gnomond"), "--ids", "300000", "--one-by-one", "20000"},
      environment());
  EXPECT_EQ(output.exit.code, 0) << output.text;
  EXPECT_NE(output.text.find("IDs are distinct, and each is larger than the one before it"), std::string::npos)
      << output.text;
  const std::regex program("^  (\\S+/gnomond?) ");
  int suggested = 0;
  std::istringstream lines(output.text);
  for (std::string line; std::getline(lines, line);) {
    std::smatch match;
    if (!std::regex_search(line, match, program)) continue;
    ++suggested;
    EXPECT_TRUE(std::filesystem::exists(match[1].str())) << line;
  }
  EXPECT_GE(suggested, 3) << output.text;
  EXPECT_EQ(leftovers(), std::vector<std::string>{});
}

TEST_F(Demo, InterruptedLeavesNothing) {
  ChildProcess demo({built("bench/gnomon-demo"), "--gnomond", built("cmd/gnomond")}, environment(),
                    folder_.path().parent_path() / (folder_.path().filename().string() + ".log"));
  while (leftovers().empty() && demo.running())
    std::this_thread::sleep_for(milliseconds(5));
  std::this_thread::sleep_for(milliseconds(500));  // in the middle of its first or second load
  demo.send_signal(SIGINT);
  const Exit exit = demo.wait_exit(std::chrono::seconds(30));
  EXPECT_EQ(exit.code, 1) << demo.log();
  EXPECT_NE(demo.log().find("interrupted"), std::string::npos) << demo.log();
  EXPECT_EQ(leftovers(), std::vector<std::string>{});
  std::filesystem::remove(demo.log_path());
}

}  // namespace
}  // namespace gnomon::net
