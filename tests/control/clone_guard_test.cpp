// SPDX-License-Identifier: Apache-2.0
#include "control/clone_guard.hpp"

#include <gtest/gtest.h>

namespace gnomon::control {
namespace {

using namespace std::string_view_literals;

TEST(CloneGuard, KnowsTheAnnouncement) {
  EXPECT_TRUE(announces_new_vm("change@/devices/LNXSYSTM:00/QEMUVGID:00\0ACTION=change\0NEW_VMGENID=1\0SEQNUM=7\0"sv));
  EXPECT_TRUE(announces_new_vm("change@/x\0NEW_VMGENID=1"sv)) << "the last field may lack its end";
}

TEST(CloneGuard, IsNotFooledByOthers) {
  EXPECT_FALSE(announces_new_vm(""sv));
  EXPECT_FALSE(announces_new_vm("add@/devices/virtual/net/veth0\0ACTION=add\0SUBSYSTEM=net\0"sv));
  EXPECT_FALSE(announces_new_vm("change@/x\0NEW_VMGENID=0\0"sv));
  EXPECT_FALSE(announces_new_vm("change@/x\0NEW_VMGENID=11\0"sv));
  EXPECT_FALSE(announces_new_vm("change@/x\0XNEW_VMGENID=1\0"sv));
  EXPECT_FALSE(announces_new_vm("change@/x NEW_VMGENID=1\0"sv));
  EXPECT_FALSE(announces_new_vm("libudev\0NEW_VMGENID=1\0"sv)) << "udev's own format, not the kernel's";
  EXPECT_FALSE(announces_new_vm("\0\0\0\0"sv));
}

TEST(CloneGuard, OpensOrSaysWhyNot) {
  auto guard = CloneGuard::open();
  if (!guard) {
    EXPECT_NE(guard.error().code, 0);
    GTEST_SKIP() << guard.error().text;
  }
  EXPECT_FALSE(guard->take_events());
}

TEST(CloneGuard, BootIdIsStable) {
  EXPECT_FALSE(read_boot_id().empty());
  EXPECT_EQ(read_boot_id(), read_boot_id());
}

}  // namespace
}  // namespace gnomon::control
