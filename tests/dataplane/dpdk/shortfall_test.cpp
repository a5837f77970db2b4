// SPDX-License-Identifier: Apache-2.0
//
// Nobody takes what the worker sends: it drops, counts and goes on, and it can be stopped.
#include <gtest/gtest.h>

#include <chrono>
#include <vector>

#include "tests/dataplane/dpdk/asker.hpp"
#include "tests/dataplane/dpdk/own_process.hpp"
#include "tests/dataplane/dpdk/ring_serving.hpp"
#include "tests/dataplane/udp_client.hpp"

namespace gnomon::test {
namespace {

using dataplane::PollMode;
using page::Counter;
using support::Bytes;

constexpr unsigned kSendRing = 64;
constexpr std::uint64_t kRoom = kSendRing - 1;

class Shortfall : public testing::TestWithParam<PollMode> {
 protected:
  static RingOptions options() {
    RingOptions options;
    options.pool.poll = GetParam();
    options.send_ring_size = kSendRing;
    return options;
  }
};
INSTANTIATE_TEST_SUITE_P(Poll, Shortfall, testing::Values(PollMode::kBlock, PollMode::kSpin),
                         [](const auto& of) { return of.param == PollMode::kSpin ? "Spin" : "Block"; });

void send_pings(RingServing& serving, Asker& asker, std::uint64_t first, std::uint64_t n) {
  for (std::uint64_t i = 0; i < n; ++i)
    asker.send(ping(first + i));
  ASSERT_TRUE(eventually([&] { return serving.desk().count(Counter::kReplies) == first + n; }));
}

TEST_P(Shortfall, DropsWhatDoesNotFitAndGoesOn) {
  in_own_process([] {
    RingServing serving(options());
    Asker asker(serving.wire(), 0, endpoint(kServer4));
    constexpr std::uint64_t kRequests = 3000;
    send_pings(serving, asker, 0, kRequests);
    ASSERT_TRUE(eventually([&] { return serving.desk().count(Counter::kSendDropped) == kRequests - kRoom; }))
        << serving.desk().count(Counter::kSendDropped);
    EXPECT_TRUE(eventually([&] { return serving.pool().buffers(0).free + kRoom + 1 == serving.pool().buffers(0).all; }))
        << "more than those in the ring are in use; " << serving.buffers_text();

    // The first ones are there, none of them twice, and whoever asks now is served as ever.
    for (std::uint64_t i = 0; i < kRoom; ++i) {
      const auto replies = asker.receive();
      ASSERT_EQ(replies.size(), 1U);
      ASSERT_EQ(replies[0].request_id, i);
    }
    EXPECT_FALSE(serving.wire().receive_now(0));
    for (std::uint64_t i = 0; i < 200; ++i)
      ASSERT_EQ(asker.ask(next_id(i)).status, 0);
    EXPECT_EQ(serving.desk().count(Counter::kSendDropped), kRequests - kRoom);
    EXPECT_EQ(serving.desk().count(Counter::kSendErrors), 0U);
    EXPECT_TRUE(eventually([&] { return serving.pool().ports().at(0).tx_frames == kRoom + 200; }));
    EXPECT_EQ(serving.unaccounted(0), 0);
    EXPECT_TRUE(serving.all_buffers_back()) << serving.buffers_text();
  });
}

// Replies to parked requests are dropped as others are, and the next frames of the neighbours too.
TEST_P(Shortfall, DropsParkedRepliesAndAnnouncementsToo) {
  in_own_process([] {
    auto with_patience = options();
    with_patience.pool.server.park_for = time::seconds(60);
    RingServing serving(with_patience);
    Desk& desk = serving.desk();
    Asker asker(serving.wire(), 0, endpoint(kServer4));
    send_pings(serving, asker, 0, kRoom);
    ASSERT_EQ(desk.count(Counter::kSendDropped), 0U);

    constexpr std::uint64_t kRequests = 300;
    for (std::uint64_t i = 0; i < kRequests; ++i)
      asker.send(next_id(i, 128, id::kJs53.value));  // a millisecond each
    ASSERT_TRUE(eventually([&] { return desk.count(Counter::kReplies) == kRoom + kRequests; }));
    EXPECT_GT(desk.count(Counter::kParked), kRequests / 2);
    ASSERT_TRUE(eventually([&] { return desk.count(Counter::kSendDropped) > kRequests / 2; }));
    const std::uint64_t dropped = desk.count(Counter::kSendDropped);
    ASSERT_TRUE(serving.pool().look_after_ports().has_value());
    ASSERT_TRUE(eventually([&] { return desk.count(Counter::kSendDropped) == dropped + 2; })) << "two addresses";
    EXPECT_EQ(desk.count(Counter::kAnnouncements), 2U);
    EXPECT_EQ(serving.wire().sweep_sent(), kRoom);
    EXPECT_TRUE(serving.all_buffers_back()) << serving.buffers_text();
  });
}

TEST_P(Shortfall, StopsWithinBoundsWhileNobodyTakesAnything) {
  in_own_process([] {
    auto with_patience = options();
    with_patience.pool.server.park_for = time::seconds(3600);
    RingServing serving(with_patience);
    Asker asker(serving.wire(), 0, endpoint(kServer4));
    send_pings(serving, asker, 0, 2 * kRoom);
    constexpr std::uint64_t kRequests = 400;
    for (std::uint64_t i = 0; i < kRequests; ++i)
      asker.send(next_id(i, 128, id::kJs53.value));  // 0.4 s of waiting
    ASSERT_TRUE(eventually([&] { return serving.desk().count(Counter::kMessages) == 2 * kRoom + kRequests; }));
    const auto begin = std::chrono::steady_clock::now();
    serving.pool().drain_and_stop(time::seconds(30));
    EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(10)) << "it waits for a reader";
    EXPECT_EQ(serving.desk().count(Counter::kReplies), 2 * kRoom + kRequests);
    EXPECT_EQ(serving.wire().sweep(), kRoom);
    EXPECT_TRUE(serving.all_buffers_back()) << serving.buffers_text();
  });
}

}  // namespace
}  // namespace gnomon::test
