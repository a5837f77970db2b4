// SPDX-License-Identifier: Apache-2.0
//
// The DPDK twin over rings: queues and workers, keys, orders, the end.
#include "dataplane/dpdk/port_pool.hpp"

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <optional>
#include <set>
#include <thread>

#include "oracle/wire/auth.hpp"
#include "tests/dataplane/dpdk/asker.hpp"
#include "tests/dataplane/dpdk/own_process.hpp"
#include "tests/dataplane/dpdk/ring_serving.hpp"
#include "tests/dataplane/udp_client.hpp"
#include "tests/support/ledger.hpp"

namespace gnomon::test {
namespace {

using dataplane::PollMode;
using page::Counter;
using support::Bytes;
using wire::Message;
using wire::Status;

const wire::Key kKey{{7}, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}};

std::uint8_t status(Status s) { return static_cast<std::uint8_t>(s); }

/// Both families, one after the other.
Asker asker_of_family(RingServing& serving, unsigned queue, bool v6, std::uint16_t port = 40'000) {
  return {serving.wire(),
          queue,
          endpoint(v6 ? kServer6 : kServer4),
          {.address = v6 ? "fd00:9::2" : "10.9.0.2", .port = port}};
}

void note(support::Ledger& ledger, const Message& reply) {
  ledger.add({.first = reply.a,
              .count = reply.count,
              .layout = reply.format,
              .machine = reply.machine_id,
              .token_low = reply.token_low});
}

// Sends `frames` requests of `messages` messages into the queue, in windows, and takes in the answers: each a good one,
// by the worker of that queue. What had to wait for the next unit comes later, in a frame of its own: the number of
// frames that came is added to `answers`.
void converse(Asker& asker, unsigned queue, std::size_t frames, std::size_t messages, std::uint16_t layout,
              support::Ledger& ledger, std::uint64_t& answers) {
  constexpr std::size_t kWindow = 100;
  std::vector<Message> request(messages);
  for (std::size_t sent = 0; sent < frames;) {
    const std::size_t n = std::min(kWindow, frames - sent);
    for (std::size_t i = 0; i < n; ++i) {
      for (std::size_t k = 0; k < messages; ++k)
        request[k] = next_id((sent + i) * messages + k, 1, layout);
      asker.send(request);
    }
    for (std::size_t k = 0; k < n * messages; ++answers) {
      for (const Message& reply : asker.receive()) {
        ASSERT_EQ(reply.request_id, sent * messages + k++) << "answers come in the order of the questions";
        ASSERT_EQ(reply.status, status(Status::kOk));
        ASSERT_EQ(reply.machine_id, 1 + queue) << "by the worker of another queue";
        ASSERT_EQ(reply.format, layout);
        note(ledger, reply);
      }
    }
    sent += n;
  }
}

TEST(PortPool, AnswersWhereItWasAskedAndNeverTwiceTheSame) {
  in_own_process([] {
    constexpr unsigned kWorkers = 2;
    constexpr std::size_t kFrames = 2000;
    RingServing serving({.pool = port_pool_options(kWorkers)});
    support::Ledger ledger;
    std::array<std::uint64_t, kWorkers> frames{};
    std::array<std::uint64_t, kWorkers> messages{};
    std::array<std::uint64_t, kWorkers> answers{};
    for (unsigned round = 0; round < 8; ++round) {
      const unsigned queue = round % kWorkers;
      const std::size_t per_frame = round < 4 ? 1 : wire::kMaxMessages;
      const std::uint16_t layout = round % 4 < 2 ? id::kSnowflake.value : id::kInstagram.value;
      // A second family, and with one port nothing else about the worker may matter.
      Asker asker = asker_of_family(serving, queue, round >= 6);
      converse(asker, queue, kFrames, per_frame, layout, ledger, answers[queue]);
      frames[queue] += kFrames;
      messages[queue] += kFrames * per_frame;
    }
    EXPECT_EQ(ledger.ids(), messages[0] + messages[1]);
    EXPECT_EQ(ledger.duplicates().count, 0U) << ledger.duplicates().first;
    EXPECT_EQ(ledger.order_violations(), 0U) << ledger.first_order_violation();
    EXPECT_EQ(ledger.rights(), 4U) << "two layouts under two rights";
    EXPECT_EQ(ledger.machines(), (std::vector<std::uint16_t>{1, 2}));

    const Desk& desk = serving.desk();
    for (unsigned i = 0; i < kWorkers; ++i) {
      EXPECT_EQ(desk.count_at(i, Counter::kFrames), frames[i]);
      EXPECT_EQ(desk.count_at(i, Counter::kDatagrams), frames[i]);
      EXPECT_EQ(desk.count_at(i, Counter::kMessages), messages[i]);
      EXPECT_EQ(desk.count_at(i, Counter::kReplies), messages[i]);
      EXPECT_EQ(desk.count_at(i, Counter::kIds), messages[i]);
      EXPECT_EQ(serving.unaccounted(i), 0);
    }
    // A driver counts a frame after it is there to be taken.
    EXPECT_TRUE(eventually([&] { return serving.pool().ports().at(0).tx_frames == answers[0] + answers[1]; }));
    const std::vector<dataplane::PortReport> ports = serving.pool().ports();
    ASSERT_EQ(ports.size(), 1U);
    EXPECT_EQ(ports[0].rx_frames, frames[0] + frames[1]);
    ASSERT_EQ(ports[0].per_queue.size(), kWorkers);
    for (unsigned i = 0; i < kWorkers; ++i) {
      EXPECT_EQ(ports[0].per_queue[i].rx_frames, frames[i]);
      EXPECT_EQ(ports[0].per_queue[i].tx_frames, answers[i]);
    }
    EXPECT_TRUE(serving.all_buffers_back()) << serving.buffers_text();
  });
}

TEST(PortPool, AsksForAKeyAndSignsItsReplies) {
  in_own_process([] {
    serve::AccessPolicy policy;
    policy.auth = serve::AuthRule::kAlways;
    policy.keys = wire::KeyRing({kKey});
    RingServing serving({.pool = port_pool_options(2), .policy = policy});
    support::Ledger ledger;
    for (unsigned queue = 0; queue < 2; ++queue)
      for (const bool v6 : {false, true}) {
        Asker asker = asker_of_family(serving, queue, v6);
        for (std::uint64_t i = 0; i < 100; ++i) {
          Message request = next_id(i, 3, i % 2 == 0 ? id::kSnowflake.value : id::kInstagram.value);
          const Message bare = asker.ask(request);
          ASSERT_EQ(bare.status, status(Status::kUnauthorised));
          ASSERT_EQ(bare.a, 0U);
          wire::sign(request, kKey);
          const Message reply = asker.ask(request);
          ASSERT_EQ(reply.status, status(Status::kOk));
          ASSERT_EQ(reply.flags, wire::kFlagReply | wire::kFlagAuthenticated);
          ASSERT_TRUE(wire::verify(reply, kKey));
          ASSERT_EQ(reply.machine_id, 1 + queue);
          note(ledger, reply);
          request.request_id ^= 1;  // after it was signed
          ASSERT_EQ(asker.ask(request).status, status(Status::kUnauthorised));
        }
      }
    EXPECT_EQ(ledger.ids(), 1200U);
    EXPECT_EQ(ledger.duplicates().count, 0U) << ledger.duplicates().first;
    EXPECT_EQ(serving.desk().count(Counter::kUnauthorised), 800U);
    EXPECT_EQ(serving.desk().count(Counter::kIds), 1200U);
  });
}

// One worker, two ports: whoever asks on one of them is answered there.
TEST(PortPool, ServesSeveralPortsAtOnce) {
  in_own_process([] {
    RingServing serving({.wires = 2});
    Asker first(serving.wire(0), 0, endpoint(kServer4));
    Asker second(serving.wire(1), 0, endpoint(kServer4));
    ASSERT_NE(serving.wire(0).mac(), serving.wire(1).mac());
    std::uint64_t last = 0;
    for (std::uint64_t i = 0; i < 200; ++i) {
      first.send(next_id(2 * i));
      second.send(next_id(2 * i + 1));
      for (Asker* asker : {&first, &second}) {
        const std::vector<Message> replies = asker->receive();
        ASSERT_EQ(replies.size(), 1U);
        ASSERT_EQ(replies[0].request_id, 2 * i + (asker == &first ? 0 : 1));
        ASSERT_EQ(replies[0].status, status(Status::kOk));
        last = std::max(last, replies[0].a);
      }
    }
    for (std::size_t i = 0; i < 2; ++i)
      EXPECT_TRUE(eventually([&] { return serving.pool().ports().at(i).tx_frames == 200; })) << i;
    EXPECT_EQ(serving.unaccounted(0), 0);
  });
}

// A port that has looked at a checksum is believed, and a port that says nothing is not asked.
TEST(PortPool, BelievesAPortAboutChecksums) {
  struct Case {
    const char* name;
    bool v6;
    bool right;           // as the frame has them
    std::uint64_t flags;  // as the port says
    Counter counted;      // kReplies: answered
  };
  const std::vector<Case> cases{
      {"unknown and right", false, true, 0, Counter::kReplies},
      {"unknown and wrong", false, false, 0, Counter::kDropUdpChecksum},
      {"good", false, false, RTE_MBUF_F_RX_IP_CKSUM_GOOD | RTE_MBUF_F_RX_L4_CKSUM_GOOD, Counter::kReplies},
      {"good over IPv6", true, false, RTE_MBUF_F_RX_L4_CKSUM_GOOD, Counter::kReplies},
      {"not yet made", false, false, RTE_MBUF_F_RX_L4_CKSUM_NONE, Counter::kReplies},
      {"a bad IP checksum", false, true, RTE_MBUF_F_RX_IP_CKSUM_BAD, Counter::kDropIpChecksum},
      {"a bad UDP checksum", false, true, RTE_MBUF_F_RX_IP_CKSUM_GOOD | RTE_MBUF_F_RX_L4_CKSUM_BAD,
       Counter::kDropUdpChecksum},
      {"a bad UDP checksum over IPv6", true, true, RTE_MBUF_F_RX_L4_CKSUM_BAD, Counter::kDropUdpChecksum},
  };
  in_own_process([&cases] {
    RingServing serving;
    const Desk& desk = serving.desk();
    for (const Case& one : cases) {
      Asker asker = asker_of_family(serving, 0, one.v6);
      const Message request = next_id(1);
      const Bytes frame =
          support::udp_frame(asker.envelope(),
                             {.from = asker.host().port,
                              .to = asker.server().port,
                              .checksum = one.right ? support::Checksum::kRight : support::Checksum::kWrong},
                             to_bytes(std::span(&request, 1)));
      rte_mbuf* buffer = serving.wire().buffer(0, frame);
      ASSERT_NE(buffer, nullptr);
      buffer->ol_flags = one.flags;
      const std::uint64_t before = desk.count(one.counted);
      ASSERT_EQ(serving.wire().put(0, std::span(&buffer, 1)), 1U);
      ASSERT_TRUE(eventually([&] { return desk.count(one.counted) == before + 1; })) << one.name;
      if (one.counted != Counter::kReplies) continue;
      EXPECT_EQ(asker.receive().size(), 1U) << one.name;
    }
    EXPECT_FALSE(serving.wire().receive_now(0));
    EXPECT_TRUE(serving.all_buffers_back()) << serving.buffers_text();
  });
}

class EveryPoll : public testing::TestWithParam<PollMode> {};
INSTANTIATE_TEST_SUITE_P(Poll, EveryPoll, testing::Values(PollMode::kBlock, PollMode::kSpin),
                         [](const auto& of) { return of.param == PollMode::kSpin ? "Spin" : "Block"; });

TEST_P(EveryPoll, AcknowledgesARevocationWhileIdle) {
  in_own_process([poll = GetParam()] {
    auto options = port_pool_options();
    options.poll = poll;
    RingServing serving({.pool = options});
    Asker asker(serving.wire(), 0, endpoint(kServer4));
    Desk& desk = serving.desk();
    for (int round = 0; round < 5; ++round) {
      const std::uint64_t frames = desk.count(Counter::kFrames);
      desk.revoke(0);
      ASSERT_TRUE(eventually([&] { return desk.acknowledged(0); }));
      ASSERT_EQ(desk.count(Counter::kFrames), frames) << "it was not idle";
      EXPECT_EQ(asker.ask(next_id(1)).status, status(Status::kNotLeased));
      desk.grant(0);
      ASSERT_TRUE(eventually([&] { return desk.acknowledged(0); }));
      EXPECT_EQ(asker.ask(next_id(2)).status, status(Status::kOk));
    }
  });
}

TEST_P(EveryPoll, FollowsANewPolicyWhileIdleAndWhileBusy) {
  in_own_process([poll = GetParam()] {
    auto options = port_pool_options(2);
    options.poll = poll;
    RingServing serving({.pool = options});
    Desk& desk = serving.desk();
    Asker asker(serving.wire(), 0, endpoint(kServer4));
    std::uint64_t asked = 0;
    for (std::uint64_t version = 1; version <= 20; ++version) {
      auto policy = std::make_shared<serve::AccessPolicy>(open_policy());
      policy->version = version;
      const bool denied = version % 2 == 1;
      if (denied) policy->deny = {{support::address_of("10.9.0.0"), serve::Cidr::kV4PrefixBits + 24}};
      if (version > 10)  // and somebody asks meanwhile
        for (int i = 0; i < 50; ++i, ++asked)
          asker.send(next_id(1));
      serving.pool().use_policy(std::move(policy));
      // Waited for by use_policy, for 100 ms at most; a machine under load may take longer.
      for (unsigned i = 0; i < 2; ++i)
        ASSERT_TRUE(eventually([&] { return desk.page(i).policy_seen.load() == version; }));
      ASSERT_TRUE(eventually([&] {
        return desk.count(Counter::kDatagrams) == asked &&
               serving.pool().ports().at(0).tx_frames == desk.count(Counter::kReplies);
      }));
      (void)serving.wire().sweep_sent();
      const std::uint64_t before = desk.count(Counter::kDropSourceDenied);
      if (denied) {
        asker.send(next_id(7));
        ASSERT_TRUE(eventually([&] { return desk.count(Counter::kDropSourceDenied) == before + 1; }));
        EXPECT_EQ(serving.wire().sweep_sent(), 0U);
      } else {
        EXPECT_EQ(asker.ask(next_id(7)).status, status(Status::kOk));
      }
      ++asked;
    }
  });
}

TEST(PortPool, StartsOnce) {
  in_own_process([] {
    RingServing serving;
    const auto again = serving.pool().start();
    ASSERT_FALSE(again.has_value());
    EXPECT_EQ(again.error().code, EALREADY);
    Asker asker(serving.wire(), 0, endpoint(kServer4));
    EXPECT_EQ(asker.ask(next_id(1)).status, status(Status::kOk)) << "the refusal broke it";
    serving.pool().drain_and_stop(time::milliseconds(100));
    EXPECT_FALSE(serving.pool().start().has_value()) << "a pool has one life";
  });
}

TEST(PortPool, AnswersNobodyOnceItHasStopped) {
  in_own_process([] {
    RingServing serving({.pool = port_pool_options(2)});
    Asker asker(serving.wire(), 0, endpoint(kServer4));
    (void)asker.ask(next_id(1));
    for (int i = 0; i < 3; ++i)  // stopping is idempotent
      serving.pool().drain_and_stop(time::seconds(20));
    const std::uint64_t polls = serving.desk().count(Counter::kIdlePolls);
    asker.send(next_id(2));
    EXPECT_FALSE(serving.wire().receive(0, std::chrono::milliseconds(100)));
    EXPECT_EQ(serving.desk().count(Counter::kFrames), 1U);
    EXPECT_EQ(serving.desk().count(Counter::kIdlePolls), polls) << "a worker still polls";
    EXPECT_EQ(serving.wire().sweep(), 1U);
    EXPECT_TRUE(serving.all_buffers_back()) << serving.buffers_text();
  });
}

// Frees what the worker has sent; the number of messages in it. Those that had to wait come several to a frame.
std::uint64_t take_messages(Wire& wire, unsigned queue) {
  constexpr std::size_t kHeaders = 14 + 20 + 8;
  std::array<rte_mbuf*, 64> back{};
  std::uint64_t messages = 0;
  while (const unsigned n = wire.take(queue, back)) {
    for (unsigned i = 0; i < n; ++i)
      messages += (bytes_of(back[i]).size() - kHeaders) / wire::kMessageSize;
    rte_pktmbuf_free_bulk(back.data(), n);
  }
  return messages;
}

// Whatever was taken in is answered; what comes later stays where it is.
TEST(PortPool, StopsWithTrafficUnderWay) {
  in_own_process([] {
    constexpr unsigned kMoreThanAllBuffers = 4096;
    RingServing serving({.pool = port_pool_options(2), .send_ring_size = kMoreThanAllBuffers});
    Desk& desk = serving.desk();
    std::atomic<bool> enough{false};
    std::array<std::uint64_t, 2> taken{};
    const auto pump = [&](unsigned queue) {
      const Asker asker(serving.wire(), queue, endpoint(kServer4));
      const Bytes request = asker.request(next_id(1));
      while (!enough.load()) {
        rte_mbuf* one = serving.wire().buffer(queue, request);
        if (one != nullptr && serving.wire().put(queue, std::span(&one, 1)) == 0) rte_pktmbuf_free(one);
        taken[queue] += take_messages(serving.wire(), queue);
      }
    };
    std::thread first([&] { pump(0); });
    std::thread second([&] { pump(1); });
    const bool busy = eventually(
        [&] { return desk.count_at(0, Counter::kReplies) > 10'000 && desk.count_at(1, Counter::kReplies) > 10'000; });
    const auto begin = std::chrono::steady_clock::now();
    serving.pool().drain_and_stop(time::seconds(5));
    const auto took = std::chrono::steady_clock::now() - begin;
    enough = true;
    first.join();
    second.join();
    ASSERT_TRUE(busy);
    EXPECT_LT(took, std::chrono::seconds(4)) << "nothing was parked: there is nothing to wait for";
    EXPECT_EQ(desk.count(Counter::kReplies), desk.count(Counter::kMessages));
    for (unsigned i = 0; i < 2; ++i) {
      EXPECT_EQ(serving.unaccounted(i), 0);
      taken[i] += take_messages(serving.wire(), i);
      EXPECT_EQ(desk.count_at(i, Counter::kSendDropped), 0U) << "there was room for all";
      EXPECT_EQ(taken[i], desk.count_at(i, Counter::kReplies));
    }
    (void)serving.wire().sweep();
    EXPECT_TRUE(serving.all_buffers_back()) << serving.buffers_text();
  });
}

}  // namespace
}  // namespace gnomon::test
