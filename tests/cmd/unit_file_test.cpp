// SPDX-License-Identifier: Apache-2.0
//
// The systemd unit, and its drop-in for DPDK: systemd's own check of them, and the lines without which the unit would
// be too powerful or not restart.
#include <gtest/gtest.h>

#include <cctype>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>
#include <vector>

#include "tests/support/daemon.hpp"

namespace gnomon::cmd {
namespace {

constexpr const char* kAnalyze = "/usr/bin/systemd-analyze";

std::string text_of(const std::filesystem::path& file) {
  std::ifstream in(file);
  return {std::istreambuf_iterator<char>(in), {}};
}

std::string unit_text() { return text_of(support::built("packaging/gnomond.service")); }

std::string drop_in_text() {
  const char* root = std::getenv("GNOMON_SOURCE_DIR");  // set by tests/run_tests.py and meson
  return root == nullptr ? std::string() : text_of(std::filesystem::path(root) / "packaging" / "gnomond-dpdk.conf");
}

// "#Key=value": a setting that waits for its device. Prose has a blank behind the mark.
bool is_waiting(const std::string& line) {
  return line.size() > 1 && line[0] == '#' && std::isupper(static_cast<unsigned char>(line[1])) != 0;
}

/// What the drop-in says of one kind of device, from its "# ---" on. The first is what holds for all.
struct Block {
  std::string title;
  std::vector<std::string> settings;  // without the mark
};

std::vector<Block> blocks_of(const std::string& drop_in) {
  std::vector<Block> out{{.title = "all", .settings = {}}};
  std::istringstream lines(drop_in);
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("# ---")) out.push_back({.title = line, .settings = {}});
    if (is_waiting(line)) out.back().settings.push_back(line.substr(1));
  }
  return out;
}

/// The values of `key` in a block, as one text.
std::string value_in(const Block& block, const std::string& key) {
  std::string out;
  for (const std::string& setting : block.settings)
    if (setting.starts_with(key + "=")) out += setting.substr(key.size() + 1) + " ";
  return out;
}

/// What systemd says of the unit with this drop-in; empty if it is content.
std::string complaints(const std::string& drop_in) {
  // It insists that the program exists, and this build is not installed.
  std::string unit = unit_text();
  const std::size_t begin = unit.find("ExecStart=") + 10;
  unit.replace(begin, unit.find(' ', begin) - begin, support::built("cmd/gnomond"));
  const support::ScratchFolder folder;
  const std::filesystem::path file = folder.path() / "gnomond.service";
  std::ofstream(file) << unit;
  std::filesystem::create_directory(folder.path() / "gnomond.service.d");
  std::ofstream(folder.path() / "gnomond.service.d" / "dpdk.conf") << drop_in;
  const support::Output output =
      support::run_program({kAnalyze, "verify", "--man=no", file.string()}, {{"PATH", "/usr/bin:/bin"}});
  if (output.exit.code != 0) return "it failed: " + output.text;
  // It tells what it ignores, and is content.
  const bool about_us =
      output.text.find("gnomond.service:") != std::string::npos || output.text.find("dpdk.conf:") != std::string::npos;
  return about_us ? output.text : std::string();
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
  if (!std::filesystem::exists(kAnalyze)) GTEST_SKIP() << "systemd-analyze is not installed here";
  EXPECT_EQ(complaints(""), "");
}

// As installed it grants nothing: which device there is, and what it needs, is for the operator to say.
TEST(DropIn, GrantsNothingBeforeADeviceIsChosen) {
  std::istringstream lines(drop_in_text());
  std::string settings;
  for (std::string line; std::getline(lines, line);)
    if (!line.empty() && line[0] != '#') settings += line + "\n";
  EXPECT_EQ(settings,
            "[Unit]\nStartLimitIntervalSec=0\n"
            "[Service]\nLimitMEMLOCK=infinity\nLimitNOFILE=65536\n");
}

TEST(DropIn, SaysWhatEachKindOfDeviceNeeds) {
  const std::vector<Block> blocks = blocks_of(drop_in_text());
  ASSERT_GE(blocks.size(), 8U);
  EXPECT_TRUE(blocks.front().settings.empty());
  for (std::size_t i = 1; i < blocks.size(); ++i) {
    const Block& block = blocks[i];
    EXPECT_FALSE(block.settings.empty()) << block.title;
    // A capability comes to a process that is not root only if it is in both.
    EXPECT_EQ(value_in(block, "CapabilityBoundingSet"), value_in(block, "AmbientCapabilities")) << block.title;
    // Who sees all of /dev may open of it what is named, and no more.
    if (!value_in(block, "PrivateDevices").empty()) {
      EXPECT_EQ(value_in(block, "DevicePolicy"), "closed ") << block.title;
      EXPECT_NE(value_in(block, "DeviceAllow"), "") << block.title;
    }
    for (const char* never : {"NoNewPrivileges", "ProtectSystem", "MemoryDenyWriteExecute", "User", "DynamicUser"})
      EXPECT_EQ(value_in(block, never), "") << block.title;
  }
}

TEST(DropIn, PassesSystemdsOwnCheckWithEachDevice) {
  if (!std::filesystem::exists(kAnalyze)) GTEST_SKIP() << "systemd-analyze is not installed here";
  const std::string drop_in = drop_in_text();
  ASSERT_EQ(complaints(drop_in), "");
  std::string all = drop_in;
  for (const Block& block : blocks_of(drop_in)) {
    std::string settings;
    for (const std::string& setting : block.settings)
      settings += setting + "\n";
    EXPECT_EQ(complaints(drop_in + settings), "") << block.title;
    all += settings;
  }
  EXPECT_EQ(complaints(all), "") << "several kinds of device at once";
  EXPECT_NE(complaints(all + "NoSuchSetting=1\n"), "") << "systemd does not read the drop-in";
}

}  // namespace
}  // namespace gnomon::cmd
