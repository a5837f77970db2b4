// SPDX-License-Identifier: Apache-2.0
//
// The demo on a stage of its own: with --dpdk it serves another host through a port, shows that host what it is, and
// takes all of it down again, also when it is interrupted.
#include <gtest/gtest.h>
#include <net/if.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <set>

#include "tests/support/daemon.hpp"
#include "tests/support/network_namespace.hpp"

namespace gnomon::net {
namespace {

using namespace support;

// With a folder for temporary files of its own, what is left there afterwards is the demo's.
class DpdkDemo : public testing::Test {
 protected:
  void SetUp() override {
    std::string why;
    if (!NetworkNamespace::available(&why)) GTEST_SKIP() << why;
    before_ = interfaces();
  }
  void TearDown() override {
    if (IsSkipped()) return;
    EXPECT_EQ(leftovers(), std::set<std::string>{});
    EXPECT_EQ(interfaces(), before_) << "the host's own interfaces are not the demo's to touch";
  }

  [[nodiscard]] std::set<std::string> leftovers() const {
    std::set<std::string> found;
    for (const auto& entry : std::filesystem::directory_iterator(folder_.path()))
      found.insert(entry.path().string());
    return found;
  }
  [[nodiscard]] static std::set<std::string> interfaces() {
    std::set<std::string> names;
    struct if_nameindex* all = if_nameindex();
    for (const struct if_nameindex* i = all; i != nullptr && i->if_index != 0; ++i)
      names.insert(i->if_name);
    if_freenameindex(all);
    return names;
  }
  [[nodiscard]] std::map<std::string, std::string> environment() const { return {{"TMPDIR", folder_.path().string()}}; }
  [[nodiscard]] static std::vector<std::string> command() {
    return {built("bench/gnomon-demo"), "--gnomond", built("cmd/gnomond"), "--dpdk"};
  }

  ScratchFolder folder_;
  std::set<std::string> before_;
};

TEST_F(DpdkDemo, RunsToItsEndAndLeavesNothing) {
  std::vector<std::string> arguments = command();
  arguments.insert(arguments.end(), {"--ids", "300000", "--one-by-one", "20000"});
  const Output output = run_program(arguments, environment());
  EXPECT_EQ(output.exit.code, 0) << output.text;
  for (const char* words : {"gnomond serves on 10.9.0.1:14666 and [fd00:9::1]:14666, through a DPDK port",
                            "IDs are distinct, and each is larger than the one before it",
                            "64 bytes from 10.9.0.1:", "64 bytes from fd00:9::1:", "from 10.9.0.1 [02:00:00:00:09:01]",
                            "IDs over IPv6", "net_af_packet"})
    EXPECT_NE(output.text.find(words), std::string::npos) << "no '" << words << "' in\n" << output.text;
}

TEST_F(DpdkDemo, InterruptedLeavesNothing) {
  const ScratchFolder elsewhere;
  ChildProcess demo(command(), environment(), elsewhere.path() / "log");
  const auto serves = [&] {
    const std::set<std::string> folders = leftovers();
    return std::any_of(folders.begin(), folders.end(), [](const std::string& folder) {
      return std::filesystem::exists(std::filesystem::path(folder) / "ready");
    });
  };
  while (demo.running() && !serves())
    nap(5);
  nap(500);  // in the middle of its first or second load
  demo.send_signal(SIGINT);
  const Exit exit = demo.wait_exit(std::chrono::seconds(30));
  EXPECT_EQ(exit.code, 1) << demo.log();
  EXPECT_NE(demo.log().find("interrupted"), std::string::npos) << demo.log();
}

}  // namespace
}  // namespace gnomon::net
