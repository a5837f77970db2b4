// SPDX-License-Identifier: Apache-2.0
//
// The wire with delays, by itself: never early, in order, lossy as asked, and each direction for itself. How late a
// frame may be is a matter of the machine and is not judged.
#include "tests/ptp/bed/path.hpp"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <optional>
#include <stdexcept>

#include "tests/ptp/bed/virtual_clock_page.hpp"

namespace gnomon::bed {
namespace {

using support::NetworkNamespace;
using time::Duration;
using time::milliseconds;

constexpr std::uint16_t kPort = 5000;
constexpr int kPatienceMs = 5000;
constexpr int kSilenceMs = 300;

// What is sent carries its number and when it was sent.
struct Datagram {
  std::int64_t number = 0;
  HostTime sent;
};
struct Received {
  Datagram datagram;
  HostTime at;  // by the kernel: waking up a reader would hide a wire that is early
};

class Wire : public testing::Test {
 protected:
  void SetUp() override {
    std::string why;
    if (!NetworkNamespace::available(&why)) GTEST_SKIP() << why;
    hosts_ = std::make_unique<std::array<NetworkNamespace, 3>>();
    path_ = std::make_unique<Path>(std::vector<Path::Host>{
        {(*hosts_)[0], "va", "10.9.0.1/24"}, {(*hosts_)[1], "vb", "10.9.0.2/24"}, {(*hosts_)[2], "vc", "10.9.0.3/24"}});
    for (std::size_t i = 0; i < 3; ++i)
      open_socket(i);
    // Addresses of neighbours are asked for before anything is delayed or lost.
    for (std::size_t from = 0; from < 3; ++from)
      for (std::size_t to = 0; to < 3; ++to)
        ASSERT_TRUE(from == to || passage_of(from, to).has_value()) << from << " to " << to;
  }

  void open_socket(std::size_t host) {
    const support::InNamespace inside((*hosts_)[host]);
    sockets_[host].reset(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    const int on = 1;
    ASSERT_EQ(setsockopt(sockets_[host].get(), SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on), 0);
    sockaddr_in any = address_of(host);
    void* generic = &any;
    ASSERT_EQ(bind(sockets_[host].get(), static_cast<sockaddr*>(generic), sizeof any), 0);
  }
  static sockaddr_in address_of(std::size_t host) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(kPort);
    address.sin_addr.s_addr = htonl(0x0a09'0001U + static_cast<std::uint32_t>(host));
    return address;
  }

  void send(std::size_t from, std::size_t to, std::int64_t number = 0) {
    const Datagram datagram{number, host_now()};
    sockaddr_in address = address_of(to);
    void* generic = &address;
    ASSERT_EQ(
        sendto(sockets_[from].get(), &datagram, sizeof datagram, 0, static_cast<sockaddr*>(generic), sizeof address),
        static_cast<ssize_t>(sizeof datagram));
  }
  std::optional<Received> receive(std::size_t host, int limit_ms = kPatienceMs) {
    pollfd readable{sockets_[host].get(), POLLIN, 0};
    if (poll(&readable, 1, limit_ms) != 1) return std::nullopt;
    Received received;
    alignas(cmsghdr) std::array<std::byte, 256> control{};
    iovec body{&received.datagram, sizeof received.datagram};
    msghdr header{};
    header.msg_iov = &body;
    header.msg_iovlen = 1;
    header.msg_control = control.data();
    header.msg_controllen = control.size();
    if (recvmsg(sockets_[host].get(), &header, MSG_DONTWAIT) != sizeof received.datagram) return std::nullopt;
    const cmsghdr* stamp = CMSG_FIRSTHDR(&header);
    if (stamp == nullptr || stamp->cmsg_type != SO_TIMESTAMPNS) return std::nullopt;
    timespec at{};
    std::memcpy(&at, CMSG_DATA(stamp), sizeof at);
    received.at = {at.tv_sec * kBillion + at.tv_nsec};
    return received;
  }
  std::optional<Duration> passage_of(std::size_t from, std::size_t to, int limit_ms = kPatienceMs) {
    send(from, to);
    const auto received = receive(to, limit_ms);
    if (!received) return std::nullopt;
    return received->at - received->datagram.sent;
  }

  std::unique_ptr<std::array<NetworkNamespace, 3>> hosts_;
  std::unique_ptr<Path> path_;
  std::array<platform::UniqueFd, 3> sockets_;
};

TEST_F(Wire, DelaysEachDirectionByItselfAndIsNeverEarly) {
  path_->set_from_host(0, {.delay = milliseconds(100)});
  path_->set_to_host(1, {.delay = milliseconds(50)});
  for (int i = 0; i < 3; ++i) {
    EXPECT_GE(passage_of(0, 1).value_or(Duration{}), milliseconds(150));
    EXPECT_GE(passage_of(0, 2).value_or(Duration{}), milliseconds(100));
    EXPECT_GE(passage_of(2, 1).value_or(Duration{}), milliseconds(50));
  }
  path_->set_from_host(2, {.delay = milliseconds(1)});
  for (int i = 0; i < 100; ++i)
    EXPECT_GE(passage_of(2, 0).value_or(Duration{}), milliseconds(1));
  Duration quickest = milliseconds(kPatienceMs);
  for (int i = 0; i < 20; ++i)
    quickest = std::min(quickest, passage_of(1, 0).value_or(quickest));
  EXPECT_LT(quickest, milliseconds(50)) << "the way back has no delay";
  path_->set_from_host(0, {});
  path_->set_to_host(1, {});
  for (int i = 0; i < 20; ++i)
    quickest = std::min(quickest, passage_of(0, 1).value_or(quickest));
  EXPECT_LT(quickest, milliseconds(50)) << "nor has this one any longer";
}

TEST_F(Wire, KeepsTheOrderUnderJitter) {
  path_->set_from_host(0, {.delay = milliseconds(1), .jitter = milliseconds(20)});
  for (std::int64_t i = 0; i < 200; ++i)
    send(0, 1, i);
  for (std::int64_t i = 0; i < 200; ++i) {
    const auto received = receive(1);
    ASSERT_TRUE(received.has_value()) << i;
    ASSERT_EQ(received->datagram.number, i);
  }
}

TEST_F(Wire, LosesWhatItWasToldTo) {
  path_->set_to_host(1, {.loss_ppm = 1'000'000});
  EXPECT_EQ(passage_of(0, 1, kSilenceMs), std::nullopt);
  EXPECT_NE(passage_of(0, 2), std::nullopt);
  EXPECT_GE(path_->counts().lost, 1U);
  path_->set_to_host(1, {.loss_ppm = 500'000});
  int arrived = 0;
  for (std::int64_t i = 0; i < 400; ++i)
    send(0, 1, i);
  while (receive(1, kSilenceMs))
    ++arrived;
  EXPECT_GT(arrived, 120);
  EXPECT_LT(arrived, 280);
}

// A queue without a bound would take the machine's memory, and the frames would come out minutes later.
TEST_F(Wire, DropsWhatIsTooMuch) {
  path_->set_from_host(0, {.delay = milliseconds(2000)});
  for (std::int64_t i = 0; i < 3000; ++i)  // each waits for two receivers
    send(0, 1, i);
  int arrived = 0;
  while (receive(1, arrived == 0 ? kPatienceMs : kSilenceMs))
    ++arrived;
  EXPECT_GT(path_->counts().dropped, 0U);
  EXPECT_GT(arrived, 0);
  EXPECT_LT(arrived, 3000);
}

TEST_F(Wire, RefusesWhatIsOutOfRange) {
  EXPECT_THROW(path_->set_to_host(0, {.delay = Duration{-1}}), std::invalid_argument);
  EXPECT_THROW(path_->set_from_host(0, {.jitter = time::seconds(11)}), std::invalid_argument);
  EXPECT_THROW(path_->set_from_host(0, {.loss_ppm = 1'000'001}), std::invalid_argument);
  EXPECT_THROW(path_->set_from_host(3, {}), std::out_of_range);
}

}  // namespace
}  // namespace gnomon::bed
