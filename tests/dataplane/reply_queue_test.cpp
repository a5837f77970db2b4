// SPDX-License-Identifier: Apache-2.0
//
// Replies on their way out, and what happens when the kernel does not want them. This program brings its own sendmmsg
// and sendmsg: they pass everything on to the kernel, or fail as the test says.
#include "dataplane/kernel/reply_queue.hpp"

#include <gtest/gtest.h>
#include <netinet/udp.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <deque>
#include <numeric>

#include "dataplane/kernel/kernel_path.hpp"
#include "tests/dataplane/udp_client.hpp"

namespace {

/// What the next calls do: 0 passes on, else errno. Empty: pass on.
std::deque<int> g_send_errors;
int g_train_error = 0;  // for every train of more than one datagram
int g_calls = 0;

bool is_train(const msghdr& header) {
  for (const cmsghdr* c = CMSG_FIRSTHDR(&header); c != nullptr;
       c = CMSG_NXTHDR(const_cast<msghdr*>(&header), const_cast<cmsghdr*>(c)))
    if (c->cmsg_level == IPPROTO_UDP && c->cmsg_type == UDP_SEGMENT) return true;
  return false;
}

int next_error() {
  if (g_send_errors.empty()) return 0;
  const int error = g_send_errors.front();
  g_send_errors.pop_front();
  return error;
}

}  // namespace

// NOLINTNEXTLINE(readability-inconsistent-declaration-parameter-name): the C library's are reserved
extern "C" int sendmmsg(int fd, mmsghdr* headers, unsigned n, int flags) {
  ++g_calls;
  int error = next_error();
  if (error == 0 && g_train_error != 0) {  // like the kernel: all before the first that fails
    unsigned good = 0;
    while (good < n && !is_train(headers[good].msg_hdr))
      ++good;
    if (good == 0) error = g_train_error;
    n = good;
  }
  if (error == 0) return static_cast<int>(syscall(SYS_sendmmsg, fd, headers, n, flags));
  errno = error;
  return -1;
}

namespace gnomon::dataplane {
namespace {

using page::Counter;
using test::UdpClient;

class ReplyQueueTest : public testing::Test {
 protected:
  ReplyQueueTest() {
    auto socket = UdpSocket::bind(*platform::parse_endpoint("127.0.0.1:0"), PortSharing::kAlone, {});
    if (!socket) throw std::runtime_error(socket.error().text);
    sockets.push_back(std::move(*socket));
    path = path_to(*platform::parse_endpoint("127.0.0.1:" + std::to_string(client_port())));
    for (std::size_t i = 0; i < bytes.size(); ++i)
      bytes[i] = static_cast<std::byte>(i / wire::kMessageSize);
    g_send_errors.clear();
    g_train_error = 0;
    g_calls = 0;
  }

  [[nodiscard]] std::uint16_t client_port() const {
    sockaddr_storage local{};
    socklen_t size = sizeof local;
    getsockname(client.fd(), reinterpret_cast<sockaddr*>(&local), &size);
    return platform::from_socket_address(local)->port;
  }
  static serve::ReturnPath path_to(const platform::Endpoint& to) {
    const auto address = platform::to_socket_address(to);
    serve::ReturnPath out;
    std::memcpy(out.bytes.data(), &address.storage, address.size);
    out.size = address.size;
    return out;
  }
  /// `n` replies of 64 bytes, one behind the other.
  void append(ReplyQueue& queue, std::size_t n, std::size_t from = 0) {
    for (std::size_t i = from; i < from + n; ++i)
      queue.append(bytes.data() + i * wire::kMessageSize, wire::kMessageSize, path);
  }
  /// The first byte of each datagram that came: which reply it was.
  std::vector<int> received() {
    std::vector<int> out;
    while (const auto got = client.receive_now()) {
      EXPECT_EQ(got->bytes.size(), wire::kMessageSize);
      out.push_back(static_cast<int>(got->bytes.at(0)));
    }
    return out;
  }
  static std::vector<int> first(int n) {
    std::vector<int> all(static_cast<std::size_t>(n));
    std::iota(all.begin(), all.end(), 0);
    return all;
  }

  UdpClient client{*platform::parse_endpoint("127.0.0.1:9")};
  std::vector<UdpSocket> sockets;
  page::Counters counters;
  serve::ReturnPath path;
  std::vector<std::byte> bytes = std::vector<std::byte>(200 * wire::kMessageSize);
};

TEST_F(ReplyQueueTest, SendsRepliesOfOneClientAsTrains) {
  ReplyQueue queue(sockets, true, counters);
  append(queue, 130);  // 64 + 64 + 2
  queue.flush();
  EXPECT_EQ(g_calls, 1);
  EXPECT_EQ(received(), first(130));
  queue.flush();
  EXPECT_EQ(g_calls, 1) << "nothing left, no call";
}

TEST_F(ReplyQueueTest, EndsATrainAtAShorterOrALongerReply) {
  ReplyQueue queue(sockets, true, counters);
  std::size_t at = 0;
  const std::vector<std::size_t> sizes{128, 128, 64, 64, 192, 192, 192};
  for (const std::size_t size : sizes) {
    queue.append(bytes.data() + at, size, path);
    at += size;
  }
  queue.flush();
  EXPECT_EQ(g_calls, 1);
  at = 0;
  for (const std::size_t size : sizes) {
    const auto got = client.receive();
    ASSERT_TRUE(got);
    EXPECT_EQ(got->bytes.size(), size);
    EXPECT_EQ(got->bytes.at(0), bytes[at]);
    at += size;
  }
}

TEST_F(ReplyQueueTest, SendsOneByOneWithTrainsOff) {
  ReplyQueue queue(sockets, false, counters);
  append(queue, 100);
  queue.flush();
  EXPECT_EQ(g_calls, 2) << "64, then 36";
  EXPECT_EQ(received(), first(100));
}

TEST_F(ReplyQueueTest, SendsARefusedTrainInPieces) {
  for (const int error : {EIO, EINVAL, ENOPROTOOPT, EMSGSIZE, EOPNOTSUPP}) {
    g_train_error = error;
    ReplyQueue queue(sockets, true, counters);
    append(queue, 10);
    queue.flush();
    EXPECT_EQ(received(), first(10)) << error;
  }
  EXPECT_EQ(counters.get(Counter::kSendErrors), 0U);
}

TEST_F(ReplyQueueTest, GivesTrainsUpAfterManyRefusalsInARow) {
  ReplyQueue queue(sockets, true, counters);
  const auto round = [&] {
    append(queue, 4);
    queue.flush();
    EXPECT_EQ(received(), first(4));
  };
  g_train_error = EIO;
  for (int i = 1; i < ReplyQueue::kGsoRefusals; ++i)
    round();
  EXPECT_TRUE(queue.gso(0));
  g_train_error = 0;
  round();  // a success: counting starts again
  g_train_error = EIO;
  for (int i = 1; i < ReplyQueue::kGsoRefusals; ++i)
    round();
  EXPECT_TRUE(queue.gso(0));
  round();
  EXPECT_FALSE(queue.gso(0));
  g_calls = 0;
  round();
  EXPECT_EQ(g_calls, 1) << "remembered: no further attempt";
}

// A client that claims to send from port 0 can't be answered; it must not cost the others their trains.
TEST_F(ReplyQueueTest, DoesNotBlameTrainsForAClientThatCantBeReached) {
  ReplyQueue queue(sockets, true, counters);
  serve::ReturnPath nowhere = path_to(*platform::parse_endpoint("127.0.0.1:0"));
  for (int i = 0; i < 2 * ReplyQueue::kGsoRefusals; ++i) {
    for (std::size_t k = 0; k < 3; ++k)
      queue.append(bytes.data() + k * wire::kMessageSize, wire::kMessageSize, nowhere);
    queue.append(bytes.data() + 3 * wire::kMessageSize, wire::kMessageSize, path);
    queue.flush();
  }
  EXPECT_TRUE(queue.gso(0));
  EXPECT_EQ(received().size(), 2U * ReplyQueue::kGsoRefusals) << "the reachable client lost nothing";
  EXPECT_EQ(counters.get(Counter::kSendErrors), 3U * 2 * ReplyQueue::kGsoRefusals);
}

TEST_F(ReplyQueueTest, WaitsForRoomAFewTimesThenDropsAndCounts) {
  ReplyQueue queue(sockets, true, counters);
  g_send_errors = {EAGAIN};
  append(queue, 5);
  queue.flush();
  EXPECT_EQ(received(), first(5)) << "room after one wait";
  EXPECT_EQ(counters.get(Counter::kSendDropped), 0U);

  g_send_errors = {EAGAIN, ENOBUFS, EAGAIN};
  g_calls = 0;
  append(queue, 70);
  queue.flush();
  EXPECT_EQ(g_calls, ReplyQueue::kMaxWaits + 1);
  EXPECT_TRUE(received().empty());
  EXPECT_EQ(counters.get(Counter::kSendDropped), 70U);

  append(queue, 5);
  queue.flush();
  EXPECT_EQ(received(), first(5)) << "and goes on";
}

TEST_F(ReplyQueueTest, CountsAnIcmpErrorAndGoesOn) {
  ReplyQueue queue(sockets, true, counters);
  serve::ReturnPath other = path;
  g_send_errors = {ECONNREFUSED};
  queue.append(bytes.data(), wire::kMessageSize, other);
  append(queue, 3, 1);
  queue.flush();
  EXPECT_EQ(counters.get(Counter::kSendErrors), 1U);
  EXPECT_EQ(received(), (std::vector<int>{1, 2, 3}));
}

TEST(UdpSocketTest, RefusesAPortThatSomebodyHasWhateverTheOptions) {
  const auto any = *platform::parse_endpoint("127.0.0.1:0");
  const auto first = UdpSocket::bind(any, PortSharing::kFirst, {});
  ASSERT_TRUE(first);
  EXPECT_TRUE(UdpSocket::bind(first->local(), PortSharing::kJoin, {}));
  for (const PortSharing sharing : {PortSharing::kAlone, PortSharing::kFirst}) {
    const auto second = UdpSocket::bind(first->local(), sharing, {});
    ASSERT_FALSE(second) << "a second daemon would take half of the clients";
    EXPECT_EQ(second.error().code, EADDRINUSE);
    EXPECT_NE(second.error().text.find(platform::to_string(first->local())), std::string::npos);
  }
  const auto alone = UdpSocket::bind(any, PortSharing::kAlone, {});
  ASSERT_TRUE(alone);
  EXPECT_FALSE(UdpSocket::bind(alone->local(), PortSharing::kJoin, {}));
}

TEST(UdpSocketTest, SaysWhatCantBeBound) {
  const auto elsewhere = UdpSocket::bind(*platform::parse_endpoint("192.0.2.1:0"), PortSharing::kAlone, {});
  ASSERT_FALSE(elsewhere);
  EXPECT_EQ(elsewhere.error().code, EADDRNOTAVAIL);
  EXPECT_NE(elsewhere.error().text.find("192.0.2.1"), std::string::npos);
}

}  // namespace
}  // namespace gnomon::dataplane
