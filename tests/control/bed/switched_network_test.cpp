// SPDX-License-Identifier: Apache-2.0
//
// The switch between hosts: those who are parted hear nothing of one another, neither way, and aren't told why; all
// others do.
#include "tests/control/bed/switched_network.hpp"

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "platform/endpoint.hpp"
#include "platform/unique_fd.hpp"

namespace gnomon::bed {
namespace {

constexpr std::uint16_t kPort = 5000;
constexpr int kPatienceMs = 5000;
constexpr int kSilenceMs = 200;
constexpr std::size_t kHosts = 3;

platform::SocketAddress address_of(std::size_t host) {
  return platform::to_socket_address({platform::parse_address(SwitchedNetwork::address(host)).value(), kPort});
}

class Switch : public testing::Test {
 protected:
  void SetUp() override {
    std::string why;
    if (!SwitchedNetwork::available(&why)) GTEST_SKIP() << why;
    network_ = std::make_unique<SwitchedNetwork>(kHosts);
    for (std::size_t i = 0; i < kHosts; ++i) {
      const support::InNamespace inside(network_->host(i));
      sockets_.emplace_back(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
      const platform::SocketAddress address = address_of(i);
      ASSERT_EQ(bind(sockets_.back().get(), address.get(), address.size), 0);
    }
  }

  // The sender must never notice.
  void send_from(std::size_t from, std::size_t to) {
    const platform::SocketAddress address = address_of(to);
    ASSERT_EQ(sendto(sockets_[from].get(), "x", 1, 0, address.get(), address.size), 1);
  }

  [[nodiscard]] bool arrives(std::size_t from, std::size_t to, int patience_ms) {
    send_from(from, to);
    pollfd readable{sockets_[to].get(), POLLIN, 0};
    if (poll(&readable, 1, patience_ms) != 1) return false;
    char byte = 0;
    return recv(sockets_[to].get(), &byte, 1, MSG_DONTWAIT) == 1;
  }

  std::unique_ptr<SwitchedNetwork> network_;
  std::vector<platform::UniqueFd> sockets_;
};

TEST_F(Switch, PartedHostsHearNothingEitherWayUntilTheyAreHealed) {
  ASSERT_TRUE(arrives(0, 1, kPatienceMs) && arrives(1, 0, kPatienceMs));
  network_->part(0, 1);
  network_->part(1, 0);  // they are apart already
  EXPECT_TRUE(network_->are_apart(1, 0));
  EXPECT_FALSE(arrives(0, 1, kSilenceMs));
  EXPECT_FALSE(arrives(1, 0, kSilenceMs));
  EXPECT_TRUE(arrives(0, 2, kPatienceMs) && arrives(2, 0, kPatienceMs));
  EXPECT_TRUE(arrives(1, 2, kPatienceMs) && arrives(2, 1, kPatienceMs));
  network_->heal(1, 0);
  EXPECT_FALSE(network_->are_apart(0, 1));
  EXPECT_TRUE(arrives(0, 1, kPatienceMs) && arrives(1, 0, kPatienceMs));
}

TEST_F(Switch, SilenceIsOneWay) {
  ASSERT_TRUE(arrives(0, 1, kPatienceMs) && arrives(1, 0, kPatienceMs));
  network_->silence(0, 1);
  EXPECT_FALSE(arrives(0, 1, kSilenceMs));
  EXPECT_TRUE(arrives(1, 0, kPatienceMs) && arrives(0, 2, kPatienceMs));
  network_->heal_all();
  EXPECT_TRUE(arrives(0, 1, kPatienceMs));
}

TEST_F(Switch, AnUnpluggedHostIsAlone) {
  network_->unplug(0);
  for (const std::size_t other : {1U, 2U})
    EXPECT_FALSE(arrives(0, other, kSilenceMs) || arrives(other, 0, kSilenceMs)) << other;
  EXPECT_TRUE(arrives(1, 2, kPatienceMs));
  network_->plug_in(0);
  EXPECT_TRUE(arrives(0, 1, kPatienceMs) && arrives(2, 0, kPatienceMs));
}

TEST_F(Switch, HealAllForgetsEveryParting) {
  network_->part(0, 1);
  network_->silence(2, 1);
  network_->part(0, 2);
  network_->silence(0, 2);
  network_->unplug(1);
  EXPECT_FALSE(arrives(0, 2, kSilenceMs));
  network_->heal_all();
  for (std::size_t from = 0; from < kHosts; ++from)
    for (std::size_t to = 0; to < kHosts; ++to)
      EXPECT_TRUE(from == to || arrives(from, to, kPatienceMs)) << from << " to " << to;
}

}  // namespace
}  // namespace gnomon::bed
