// SPDX-License-Identifier: Apache-2.0
//
// The systemd unit, its drop-ins for DPDK and for sources of time, and the units of docs/examples: systemd's own check
// of them, and the lines without which the unit would be too powerful or not restart.
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

/// A file of the source tree; empty if it is not there.
std::string source_text(const std::string& name) {
  const char* root = std::getenv("GNOMON_SOURCE_DIR");  // set by tests/run_tests.py and meson
  return root == nullptr ? std::string() : text_of(std::filesystem::path(root) / name);
}

constexpr const char* kDropIns[] = {"packaging/gnomond-dpdk.conf", "packaging/gnomond-time.conf"};
constexpr const char* kTimeDropIn = kDropIns[1];

// "#Key=value": a setting that waits for its device or source. Prose has a blank behind the mark.
bool is_waiting(const std::string& line) {
  return line.size() > 1 && line[0] == '#' && std::isupper(static_cast<unsigned char>(line[1])) != 0;
}

/// What a drop-in says of one kind of device or source, from its "# ---" on. The first is what holds for all.
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

std::string settings_of(const Block& block) {
  std::string out;
  for (const std::string& setting : block.settings)
    out += setting + "\n";
  return out;
}

/// What is in force of a drop-in as it is installed.
std::string in_force(const std::string& drop_in) {
  std::istringstream lines(drop_in);
  std::string out;
  for (std::string line; std::getline(lines, line);)
    if (!line.empty() && line[0] != '#') out += line + "\n";
  return out;
}

/// What systemd says of a unit of that name with these drop-ins; empty if it is content. Its program need not be
/// installed: `program` stands in for it.
std::string complaints(std::string unit, const std::string& name, const std::string& program,
                       const std::vector<std::string>& drop_ins) {
  const std::size_t begin = unit.find("ExecStart=") + 10;
  unit.replace(begin, unit.find(' ', begin) - begin, program);
  const support::ScratchFolder folder;
  const std::filesystem::path file = folder.path() / name;
  std::ofstream(file) << unit;
  // A template takes an instance, and has its drop-ins in the folder without one.
  const std::size_t at = name.find("@.");
  const std::string asked = at == std::string::npos ? name : name.substr(0, at + 1) + "eth1" + name.substr(at + 1);
  std::filesystem::create_directory(folder.path() / (name + ".d"));
  for (std::size_t i = 0; i < drop_ins.size(); ++i)
    std::ofstream(folder.path() / (name + ".d") / ("part" + std::to_string(i) + ".conf")) << drop_ins[i];
  const support::Output output = support::run_program(
      {kAnalyze, "verify", "--man=no", (folder.path() / asked).string()}, {{"PATH", "/usr/bin:/bin"}});
  if (output.exit.code != 0) return "it failed: " + output.text;
  // It tells what it ignores, and is content.
  const bool about_us = output.text.find(asked + ":") != std::string::npos ||
                        output.text.find(folder.path().string()) != std::string::npos;
  return about_us ? output.text : std::string();
}

/// Of gnomond's own unit.
std::string complaints(const std::vector<std::string>& drop_ins) {
  return complaints(unit_text(), "gnomond.service", support::built("cmd/gnomond"), drop_ins);
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
  EXPECT_EQ(complaints({}), "");
}

// As installed they grant nothing: which device or source there is, and what it needs, is for the operator to say.
TEST(DropIn, GrantsNothingBeforeItIsChosen) {
  EXPECT_EQ(in_force(source_text(kDropIns[0])),
            "[Unit]\nStartLimitIntervalSec=0\n"
            "[Service]\nLimitMEMLOCK=infinity\nLimitNOFILE=65536\n");
  EXPECT_EQ(in_force(source_text(kTimeDropIn)), "[Service]\n");
}

TEST(DropIn, SaysWhatEachKindNeeds) {
  for (const char* name : kDropIns) {
    const std::vector<Block> blocks = blocks_of(source_text(name));
    ASSERT_GE(blocks.size(), 7U) << name;
    EXPECT_TRUE(blocks.front().settings.empty()) << name;
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
      for (const char* never : {"NoNewPrivileges", "ProtectSystem", "MemoryDenyWriteExecute", "User"})
        EXPECT_EQ(value_in(block, never), "") << block.title;
    }
  }
}

// Who reads clocks needs no capability. The two calls that read the kernel's estimate also set the clock, so without
// CAP_SYS_TIME is what makes them safe to allow.
TEST(DropIn, ForTimeReadsClocksAndSetsNone) {
  std::string calls;
  for (const Block& block : blocks_of(source_text(kTimeDropIn))) {
    for (const char* never : {"CapabilityBoundingSet", "AmbientCapabilities", "RestrictAddressFamilies", "BindPaths"})
      EXPECT_EQ(value_in(block, never), "") << block.title;
    const std::string devices = value_in(block, "DeviceAllow");
    EXPECT_EQ(devices.find('w'), std::string::npos) << block.title << " may write to " << devices;
    calls += value_in(block, "SystemCallFilter");
  }
  EXPECT_EQ(calls, "adjtimex clock_adjtime ");
}

TEST(DropIn, PassesSystemdsOwnCheckWithEachKind) {
  if (!std::filesystem::exists(kAnalyze)) GTEST_SKIP() << "systemd-analyze is not installed here";
  std::vector<std::string> all;
  for (const char* name : kDropIns) {
    const std::string drop_in = source_text(name);
    ASSERT_EQ(complaints({drop_in}), "") << name;
    std::string chosen = drop_in;
    for (const Block& block : blocks_of(drop_in)) {
      EXPECT_EQ(complaints({drop_in + settings_of(block)}), "") << block.title;
      chosen += settings_of(block);
    }
    EXPECT_EQ(complaints({chosen}), "") << "several kinds at once in " << name;
    EXPECT_NE(complaints({chosen + "NoSuchSetting=1\n"}), "") << "systemd does not read the drop-in";
    all.push_back(chosen);
  }
  EXPECT_EQ(complaints(all), "") << "both drop-ins at once";
}

// Those that docs/rack-time.md tells operators to install. Their programs are not here.
TEST(ExampleUnits, PassSystemdsOwnCheck) {
  if (!std::filesystem::exists(kAnalyze)) GTEST_SKIP() << "systemd-analyze is not installed here";
  const std::string ptp4l = source_text("docs/examples/ptp4l@.service");
  // It insists that what is required exists; the unit that it requires is the other example.
  std::string phc2sys = source_text("docs/examples/phc2sys.service");
  const std::string requires_ptp4l = "Requires=ptp4l@eth1.service\n";
  ASSERT_NE(phc2sys.find(requires_ptp4l), std::string::npos);
  phc2sys.erase(phc2sys.find(requires_ptp4l), requires_ptp4l.size());
  const std::string chrony = source_text("docs/examples/chrony-gnomon.conf");
  const std::string any_unit = "[Service]\nExecStart=/usr/sbin/chronyd -x\nRuntimeDirectory=chrony\n";
  ASSERT_FALSE(chrony.empty());
  const auto judge = [](const std::string& unit, const std::string& name, const std::string& drop_in) {
    EXPECT_EQ(complaints(unit, name, "/bin/true", {drop_in}), "") << name;
    EXPECT_NE(complaints(unit, name, "/bin/true", {drop_in + "[Service]\nNoSuchSetting=1\n"}), "")
        << "systemd does not read what belongs to " << name;
  };
  judge(ptp4l, "ptp4l@.service", "");
  judge(phc2sys, "phc2sys.service", "");
  judge(any_unit, "chrony.service", chrony);
}

}  // namespace
}  // namespace gnomon::cmd
