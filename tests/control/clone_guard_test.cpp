// SPDX-License-Identifier: Apache-2.0
#include "control/clone_guard.hpp"

#include <gtest/gtest.h>
#include <linux/netlink.h>
#include <sys/socket.h>

#include <string>

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
  EXPECT_FALSE(guard->take_events().cloned);
}

// The user's family stands in for the kernel's events: it overflows in the same way, and tests may send there.
TEST(CloneGuard, SaysWhenEventsWereDropped) {
  const auto netlink = [] {
    return platform::UniqueFd(::socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_USERSOCK));
  };
  platform::UniqueFd listener = netlink();
  const platform::UniqueFd sender = netlink();
  if (!listener.valid() || !sender.valid()) GTEST_SKIP() << "no netlink sockets here";
  const int small = 1;
  ASSERT_EQ(::setsockopt(listener.get(), SOL_SOCKET, SO_RCVBUF, &small, sizeof small), 0);
  sockaddr_nl group{};
  group.nl_family = AF_NETLINK;
  group.nl_groups = 1U << 30;
  if (::bind(listener.get(), reinterpret_cast<const sockaddr*>(&group), sizeof group) != 0)
    GTEST_SKIP() << "only root may listen to a group";
  const std::string event = "change@/x" + std::string("\0NEW_VMGENID=1", 14) + std::string(1000, '\0');
  for (int i = 0; i < 100; ++i)
    static_cast<void>(
        ::sendto(sender.get(), event.data(), event.size(), 0, reinterpret_cast<const sockaddr*>(&group), sizeof group));
  CloneGuard guard(std::move(listener));
  const CloneGuard::Heard heard = guard.take_events();
  EXPECT_TRUE(heard.missed);
  EXPECT_FALSE(heard.cloned) << "not from the kernel";
  EXPECT_FALSE(guard.take_events().missed) << "said once";
}

TEST(CloneGuard, BootIdIsStable) {
  EXPECT_FALSE(read_boot_id().empty());
  EXPECT_EQ(read_boot_id(), read_boot_id());
}

}  // namespace
}  // namespace gnomon::control
