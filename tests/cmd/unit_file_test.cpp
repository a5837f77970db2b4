// SPDX-License-Identifier: Apache-2.0
//
// The systemd unit: systemd's own check of it, and the lines without which it would be too powerful or not restart.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "tests/support/daemon.hpp"

namespace gnomon::cmd {
namespace {

std::string unit_text() {
  std::ifstream in(support::built("packaging/gnomond.service"));
  return {std::istreambuf_iterator<char>(in), {}};
}

TEST(Unit, HasItsPrivilegesTakenAway) {
  const std::string unit = unit_text();
  ASSERT_FALSE(unit.empty());
  for (const char* line :
       {"Type=notify", "Restart=on-failure", "RestartPreventExitStatus=2", "WatchdogSec=", "StateDirectory=gnomon",
        "RuntimeDirectory=gnomon", "RuntimeDirectoryMode=0755", "ProtectSystem=strict", "NoNewPrivileges=yes",
        "CapabilityBoundingSet=\n", "MemoryDenyWriteExecute=yes",
        "RestrictAddressFamilies=", "SystemCallFilter=@system-service"})
    EXPECT_NE(unit.find(std::string("\n") + line), std::string::npos) << line;
}

TEST(Unit, PassesSystemdsOwnCheck) {
  constexpr const char* kTool = "/usr/bin/systemd-analyze";
  if (!std::filesystem::exists(kTool)) GTEST_SKIP() << "systemd-analyze is not installed here";
  // It insists that the program exists, and this build is not installed.
  std::string unit = unit_text();
  const std::size_t begin = unit.find("ExecStart=") + 10;
  unit.replace(begin, unit.find(' ', begin) - begin, support::built("cmd/gnomond"));
  const support::ScratchFolder folder;
  const std::string file = (folder.path() / "gnomond.service").string();
  std::ofstream(file) << unit;
  const support::Output output = support::run_program({kTool, "verify", "--man=no", file}, {{"PATH", "/usr/bin:/bin"}});
  EXPECT_EQ(output.exit.code, 0) << output.text;
  EXPECT_EQ(output.text.find("gnomond.service:"), std::string::npos) << output.text;
}

}  // namespace
}  // namespace gnomon::cmd
