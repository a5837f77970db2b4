// SPDX-License-Identifier: Apache-2.0
//
// No allocation per request. This program counts every operator new of the process, from whatever thread; while it
// counts, the test itself sends and receives from memory that it has already.
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <cstdlib>
#include <new>

#include "tests/dataplane/serving.hpp"
#include "tests/dataplane/udp_client.hpp"

namespace {
std::atomic<std::uint64_t> g_allocations{0};

void* counted(std::size_t size, std::size_t alignment) {
  g_allocations.fetch_add(1, std::memory_order_relaxed);
  const std::size_t rounded = (size + alignment - 1) / alignment * alignment;
  void* const memory = std::aligned_alloc(alignment, rounded == 0 ? alignment : rounded);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}
}  // namespace

void* operator new(std::size_t size) { return counted(size, alignof(std::max_align_t)); }
void* operator new(std::size_t size, std::align_val_t alignment) {
  return counted(size, static_cast<std::size_t>(alignment));
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept { std::free(memory); }

namespace gnomon::test {
namespace {

using page::Counter;

constexpr std::size_t kPerTrain = 50;

/// Sends trains of one-message datagrams and takes in as many replies, without allocating.
class FrugalClient {
 public:
  explicit FrugalClient(const platform::Endpoint& server) : client_(server) {
    const auto to = platform::to_socket_address(server);
    EXPECT_EQ(connect(client_.fd(), to.get(), to.size), 0);
  }

  /// The number of replies to `trains` trains; stops early if none comes.
  std::size_t run(std::size_t trains) {
    std::size_t replies = 0;
    for (std::size_t i = 0; i < trains; ++i) {
      send(i);
      for (std::size_t k = 0; k < kPerTrain; ++k) {
        pollfd readable{client_.fd(), POLLIN, 0};
        if (poll(&readable, 1, UdpClient::kTimeoutMs) <= 0) return replies;
        if (recv(client_.fd(), reply_.data(), reply_.size(), 0) == wire::kMessageSize) ++replies;
      }
    }
    return replies;
  }

 private:
  void send(std::size_t train) {
    for (std::size_t k = 0; k < kPerTrain; ++k)
      wire::store(next_id(train * kPerTrain + k, 1, 2), bytes_.data() + k * wire::kMessageSize);
    iovec piece{bytes_.data(), bytes_.size()};
    const std::uint16_t segment = wire::kMessageSize;
    cmsghdr cut{};
    cut.cmsg_level = IPPROTO_UDP;
    cut.cmsg_type = UDP_SEGMENT;
    cut.cmsg_len = CMSG_LEN(sizeof segment);
    std::memcpy(control_.data(), &cut, sizeof cut);
    std::memcpy(control_.data() + CMSG_LEN(0), &segment, sizeof segment);
    msghdr header{};
    header.msg_iov = &piece;
    header.msg_iovlen = 1;
    header.msg_control = control_.data();
    header.msg_controllen = control_.size();
    ASSERT_EQ(sendmsg(client_.fd(), &header, 0), static_cast<ssize_t>(bytes_.size()));
  }

  UdpClient client_;
  std::array<std::byte, kPerTrain * wire::kMessageSize> bytes_{};
  std::array<std::byte, wire::kMaxDatagram> reply_{};
  alignas(cmsghdr) std::array<std::byte, CMSG_SPACE(sizeof(std::uint16_t))> control_{};
};

TEST(Allocation, CountsAtAll) {
  const std::uint64_t before = g_allocations;
  delete new int(7);
  const std::vector<int> some(100);
  EXPECT_GE(g_allocations, before + 1);
}

TEST(Allocation, NoneInAHundredThousandRequests) {
  Serving serving;
  FrugalClient client(serving.address());
  ASSERT_EQ(client.run(100), 100 * kPerTrain);  // warm-up
  constexpr std::size_t kTrains = 2100;
  const std::uint64_t before = g_allocations;
  const std::size_t replies = client.run(kTrains);
  const std::uint64_t allocations = g_allocations - before;
  ASSERT_EQ(replies, kTrains * kPerTrain);
  EXPECT_GE(serving.count(Counter::kReplies), 100'000U);
  EXPECT_EQ(allocations, 0U);
}

TEST(Allocation, NoneForParkedRefusedAndDroppedRequests) {
  auto options = pool_options();
  options.server.park_for = time::milliseconds(5);
  Serving serving(options);
  UdpClient client(serving.address());
  const auto round = [&] {
    const std::vector<wire::Message> mixed(22, next_id(1, 128, 3));
    client.send(mixed);              // parked, or busy
    client.send(next_id(1, 0));      // bad_count
    client.send(next_id(1, 1, 99));  // bad_format
    client.send_bytes(Bytes(100));   // dropped
    (void)client.receive_messages(24);
  };
  round();
  const std::vector<wire::Message> mixed(22, next_id(1, 128, 3));
  const Bytes parked = to_bytes(mixed);
  const Bytes bad = to_bytes(std::vector{next_id(1, 0), next_id(1, 1, 99)});
  const Bytes invalid(100);
  const std::uint64_t answered = serving.count(Counter::kReplies);
  const std::uint64_t before = g_allocations;
  for (int i = 0; i < 100; ++i) {
    client.send_bytes(parked);
    client.send_bytes(bad);
    client.send_bytes(invalid);
    while (recv(client.fd(), nullptr, 0, MSG_DONTWAIT | MSG_TRUNC) > 0) {
    }
    const timespec nap{0, 1'000'000};
    nanosleep(&nap, nullptr);
  }
  const auto until = std::chrono::steady_clock::now() + kPatience;
  while (serving.count(Counter::kReplies) < answered + 2400 && std::chrono::steady_clock::now() < until) {
  }
  EXPECT_EQ(g_allocations - before, 0U);
  EXPECT_EQ(serving.count(Counter::kReplies), answered + 2400);
  EXPECT_GT(serving.count(Counter::kParked), 100U);
  EXPECT_GE(serving.count(Counter::kDropLength), 100U);
}

}  // namespace
}  // namespace gnomon::test
