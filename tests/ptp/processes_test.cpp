// SPDX-License-Identifier: Apache-2.0
//
// Whether a program runs, by folders that look like /proc of a host, of a container, and of one that hides processes.
#include "ptp/processes.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "tests/support/scratch_folder.hpp"

namespace gnomon::ptp {
namespace {

class Processes : public testing::Test {
 protected:
  void add(const std::string& pid, const std::string& comm) const {
    std::filesystem::create_directories(folder_.path() / pid);
    std::ofstream(folder_.path() / pid / "comm") << comm << "\n";
  }
  void add_host() const {
    add("1", "systemd");
    add("2", "kthreadd");
    add("600", "ptp4l");
    add("self", "gnomond");
  }
  [[nodiscard]] bool phc2sys_runs() const { return process_runs("phc2sys", folder_.path()); }

 private:
  support::ScratchFolder folder_;
};

TEST_F(Processes, OfAHostAreTold) {
  add_host();
  EXPECT_FALSE(phc2sys_runs());
  add("601", "phc2sys");
  EXPECT_TRUE(phc2sys_runs());
}

TEST_F(Processes, ThatAreHiddenMayRun) {
  add("600", "ptp4l");
  EXPECT_TRUE(phc2sys_runs());
}

// It has a process 1 of its own, and sees nothing of the host's.
TEST_F(Processes, OutsideOfAContainerMayRun) {
  add("1", "gnomond");
  EXPECT_TRUE(phc2sys_runs()) << "it is alone";
  add("2", "sh");
  EXPECT_TRUE(phc2sys_runs()) << "it has company";
}

}  // namespace
}  // namespace gnomon::ptp
