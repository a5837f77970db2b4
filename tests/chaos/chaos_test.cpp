// SPDX-License-Identifier: Apache-2.0
//
// The storm, short: every kind of fault that a minute and a half has room for, on a real cluster, by gnomon-chaos. With
// --full it lasts twenty minutes and restores etcd from a snapshot. What fails is printed with the seed, the plan, and
// the ends of all logs.
#include <gtest/gtest.h>

#include <chrono>
#include <cstdio>
#include <string>

#include "tests/chaos/report.hpp"
#include "tests/chaos/xml_shape.hpp"
#include "tests/support/child_process.hpp"
#include "tests/support/daemon.hpp"
#include "tests/support/scratch_folder.hpp"

namespace gnomon::chaos {
namespace {

using namespace std::chrono_literals;

constexpr int kCannotBeHad = 77;
constexpr auto kShort = 75s;  // has every kind of fault but the restore, whatever the seed: plan_test.cpp
constexpr auto kLong = 1200s;
constexpr auto kAround = 300s;  // to fetch etcd, to start and to calm down, on a machine that has other things to do

/// Where gnomon-chaos says why it can't be had.
std::string last_line(std::string text) {
  while (text.ends_with('\n'))
    text.pop_back();
  return text.substr(text.rfind('\n') + 1);
}

TEST(Chaos, EveryPromiseIsKeptInTheStorm) {
  const auto seconds = support::full_size() ? kLong : kShort;
  const support::ScratchFolder folder;
  const std::string build_folder = support::built("");
  const support::Output output =
      support::run_program({support::built("tests/chaos/gnomon-chaos"), "--seconds", std::to_string(seconds.count()),
                            "--report", folder.path().string()},
                           {{"GNOMON_BUILD_DIR", build_folder}}, seconds + kAround);
  if (output.exit.code == kCannotBeHad) GTEST_SKIP() << last_line(output.text);
  std::printf("%s", output.text.c_str());
  ASSERT_TRUE(output.exit.exited && output.exit.code == 0) << output.text;
  const std::string report = support::slurp(folder.path() / kReportName);
  EXPECT_NE(report.find("**Every promise was kept.**"), std::string::npos) << report;
  EXPECT_EQ(xml_fault(support::slurp(folder.path() / kPictureName)), "");
}

}  // namespace
}  // namespace gnomon::chaos
