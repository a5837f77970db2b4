// SPDX-License-Identifier: Apache-2.0
//
// Requests that have to wait are answered later, in frames that the worker makes itself.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <deque>
#include <map>
#include <set>
#include <thread>

#include "oracle/id/layout.hpp"
#include "tests/dataplane/dpdk/asker.hpp"
#include "tests/dataplane/dpdk/own_process.hpp"
#include "tests/dataplane/dpdk/ring_serving.hpp"
#include "tests/dataplane/udp_client.hpp"

namespace gnomon::test {
namespace {

using page::Counter;
using support::Bytes;
using wire::Message;
using wire::Status;

constexpr std::uint16_t kSmall = 16;  // 4 IDs in 20 ms
constexpr std::uint32_t kSmallUnit = 4;
constexpr std::uint16_t kWide = 17;  // 1024 IDs in 100 ms
constexpr std::uint32_t kWideUnit = 1024;
constexpr std::uint32_t kJs53Unit = 128;  // in a millisecond

std::uint8_t status(Status s) { return static_cast<std::uint8_t>(s); }

id::Layout layout(std::uint16_t number, time::Duration unit, unsigned sequence_bits) {
  const time::SmearedUtc epoch = id::builtin_layouts()[0].epoch;
  const auto made = id::make_layout({number}, "test" + std::to_string(number), epoch, unit, 36, 10, sequence_bits);
  if (!made) throw std::invalid_argument(std::string(id::text_of(made.error())));
  return *made;
}

RingOptions options(time::Duration park_for) {
  RingOptions options;
  options.pool.server.park_for = park_for;
  options.pool.server.layouts.push_back(layout(kSmall, time::milliseconds(20), 2));
  options.pool.server.layouts.push_back(layout(kWide, time::milliseconds(100), 10));
  return options;
}

// Of everything that arrives at a wire within the patience: `n` frames, each to the asker that it names by its port.
std::vector<Message> replies(Wire& wire, const std::map<std::uint16_t, const Asker*>& askers, std::size_t n) {
  std::vector<Message> all;
  while (all.size() < n) {
    const auto frame = wire.receive(0);
    if (!frame) break;
    if (const std::string fault = support::check_reply_frame(*frame); !fault.empty()) {
      ADD_FAILURE() << fault << ": " << support::to_hex(*frame);
      break;
    }
    const support::Dissection seen = support::dissect(*frame);
    const auto asker = askers.find(seen.destination_port);
    if (asker == askers.end()) {
      ADD_FAILURE() << "a frame to nobody: " << support::to_hex(*frame);
      break;
    }
    EXPECT_EQ(asker->second->fault_of_reply(*frame), "");
    for (const Message& reply : to_messages(seen.payload)) {
      EXPECT_EQ(reply.request_id >> 16, seen.destination_port) << "another asker's reply";
      all.push_back(reply);
    }
  }
  return all;
}

// As many as asked for, each under its own request id, none of whose IDs is another one's.
void expect_units(const std::vector<Message>& all, std::size_t n, std::uint32_t count) {
  ASSERT_EQ(all.size(), n);
  std::set<std::uint64_t> requests;
  std::set<std::uint64_t> ids;
  for (const Message& reply : all) {
    EXPECT_EQ(reply.status, status(Status::kOk));
    EXPECT_EQ(reply.count, count);
    EXPECT_TRUE(requests.insert(reply.request_id).second);
    for (std::uint32_t k = 0; k < reply.count; ++k)
      EXPECT_TRUE(ids.insert(reply.a + k).second);
  }
}

// All IDs of a unit of the wide layout are gone, and nearly all of its time is left: it waited for the unit to begin.
void take_a_wide_unit(Asker& asker, const Desk& desk) {
  ASSERT_TRUE(eventually([&] {
    const std::uint64_t before = desk.count(Counter::kParked);
    (void)asker.ask(next_id(0, kWideUnit, kWide));
    return desk.count(Counter::kParked) > before;
  }));
}

// Hosts of both families, without a tag, with one, and with one that has a priority; on two ports of one worker.
TEST(Parked, EachReplyGoesBackTheWayItsRequestCame) {
  in_own_process([] {
    RingOptions wanted = options(time::seconds(60));
    wanted.wires = 2;
    RingServing serving(wanted);
    std::deque<Asker> askers;
    std::map<std::uint16_t, const Asker*> by_port;
    const std::vector<std::vector<std::uint16_t>> tags{{}, {7}, {7 | 0xb000}};
    for (std::size_t w = 0; w < 2; ++w)
      for (const bool v6 : {false, true})
        for (const auto& tag : tags) {
          const auto i = static_cast<std::uint8_t>(askers.size() + 2);
          askers.emplace_back(serving.wire(w), 0, endpoint(v6 ? kServer6 : kServer4),
                              Host{.mac = {0x02, 0, 0, 0x77, 0, i},
                                   .address = (v6 ? "fd00:9::" : "10.9.0.") + std::to_string(i),
                                   .port = static_cast<std::uint16_t>(40'000 + i),
                                   .tags = tag});
          by_port[askers.back().host().port] = &askers.back();
        }
    constexpr std::uint64_t kRounds = 3;
    for (std::uint64_t round = 0; round < kRounds; ++round)
      for (Asker& asker : askers)
        asker.send(next_id(std::uint64_t{asker.host().port} << 16 | round, kSmallUnit, kSmall));

    // Nobody else waits for them.
    ASSERT_TRUE(eventually([&] { return serving.desk().count(Counter::kParked) >= kRounds * askers.size() - 3; }));
    const std::size_t half = kRounds * askers.size() / 2;
    std::vector<Message> all = replies(serving.wire(0), by_port, half);
    for (const Message& reply : replies(serving.wire(1), by_port, half))
      all.push_back(reply);
    expect_units(all, 2 * half, kSmallUnit);
    EXPECT_EQ(serving.desk().count(Counter::kReplies), 2 * half);
    EXPECT_FALSE(serving.wire(0).receive_now(0));
    EXPECT_FALSE(serving.wire(1).receive_now(0));
    EXPECT_EQ(serving.unaccounted(0), 0);
    EXPECT_TRUE(serving.all_buffers_back()) << serving.buffers_text();
  });
}

TEST(Parked, FirstComeFirstServedAndNobodyElseWaits) {
  in_own_process([] {
    RingServing serving(options(time::seconds(60)));
    Asker patient(serving.wire(), 0, endpoint(kServer4));
    constexpr std::uint64_t kRequests = 40;
    for (std::uint64_t i = 0; i < kRequests; ++i)
      patient.send(next_id(i, kSmallUnit, kSmall));  // 0.8 s of waiting
    ASSERT_TRUE(eventually([&] { return serving.desk().count(Counter::kMessages) == kRequests; }));
    std::uint64_t late = 0;
    std::uint64_t prompt = 0;
    while (late < kRequests) {
      patient.send(next_id(1000 + prompt));  // of another layout: answered at once
      bool answered = false;
      while (!answered)
        for (const Message& reply : patient.receive()) {
          ASSERT_EQ(reply.status, status(Status::kOk));
          if (reply.format == kSmall)
            ASSERT_EQ(reply.request_id, late++);
          else
            ASSERT_EQ(reply.request_id, 1000 + prompt);
          answered = answered || reply.format != kSmall;
        }
      ++prompt;
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    EXPECT_GT(prompt, kRequests) << "they waited behind those who were parked";
    EXPECT_TRUE(serving.all_buffers_back()) << serving.buffers_text();
  });
}

// What is not parked of a datagram goes at once, and the rest later, in another frame.
TEST(Parked, PartOfADatagramMayWait) {
  in_own_process([] {
    RingServing serving(options(time::seconds(60)));
    Asker asker(serving.wire(), 0, endpoint(kServer6), {.address = "fd00:9::2", .tags = {7}});
    take_a_wide_unit(asker, serving.desk());
    const std::vector<Message> mixed{next_id(1), next_id(2, 2, kWide), next_id(3), next_id(4, 3, kWide)};
    asker.send(mixed);
    const std::vector<Message> now = asker.receive();
    ASSERT_EQ(now.size(), 2U);
    EXPECT_EQ(now[0].request_id, 1U);
    EXPECT_EQ(now[1].request_id, 3U);
    const std::vector<Message> later = asker.receive();
    ASSERT_EQ(later.size(), 2U) << "one asker's replies share a frame";
    EXPECT_EQ(later[0].request_id, 2U);
    EXPECT_EQ(later[0].count, 2U);
    EXPECT_EQ(later[1].request_id, 4U);
    EXPECT_EQ(later[1].count, 3U);
  });
}

TEST(Parked, BusyWhereTheWaitWouldBeTooLong) {
  in_own_process([] {
    RingServing serving(options(time::milliseconds(3)));
    Asker asker(serving.wire(), 0, endpoint(kServer4), {.tags = {7}});
    constexpr std::size_t kFrames = 40;
    std::vector<Message> full(wire::kMaxMessages, next_id(1, kJs53Unit, id::kJs53.value));
    for (std::size_t i = 0; i < kFrames; ++i)
      asker.send(full);
    std::size_t busy = 0;
    std::size_t all = 0;
    while (all < kFrames * full.size())
      for (const Message& reply : asker.receive()) {
        ++all;
        if (reply.status != status(Status::kBusy)) continue;
        ++busy;
        EXPECT_GT(reply.count, 0U) << "a busy reply says when to come back";
      }
    EXPECT_GT(busy, 100U);
    EXPECT_EQ(serving.desk().count(Counter::kBusy), busy);
    EXPECT_EQ(serving.desk().count(Counter::kReplies), all);
    EXPECT_GT(serving.desk().count(Counter::kParked), 0U);
    EXPECT_TRUE(serving.all_buffers_back()) << serving.buffers_text();
  });
}

/// Many hosts that wait for the same unit: more than a turn has places for, and more than the worker has buffers at
/// hand.
class Crowd {
 public:
  static constexpr std::uint64_t kHosts = 500;
  static_assert(kHosts > 2 * dataplane::dpdk::PortIo::kParkedReplies);

  explicit Crowd(RingServing& serving) : wire_(serving.wire()) {
    for (std::uint64_t i = 0; i < kHosts; ++i) {
      hosts_.emplace_back(
          wire_, 0, endpoint(i % 2 == 0 ? kServer4 : kServer6),
          Host{.address = i % 2 == 0 ? "10.9.0.2" : "fd00:9::2", .port = static_cast<std::uint16_t>(40'000 + i)});
      by_port_[hosts_.back().host().port] = &hosts_.back();
    }
  }

  // Everybody asks for one ID of a unit whose IDs are all gone.
  void ask_in_vain(RingServing& serving) {
    take_a_wide_unit(hosts_.front(), serving.desk());
    for (Asker& host : hosts_)
      host.send(next_id(std::uint64_t{host.host().port} << 16, 1, kWide));
    ASSERT_TRUE(eventually([&] { return serving.desk().count(Counter::kDatagrams) >= kHosts; }));
  }

  [[nodiscard]] std::vector<Message> take(std::size_t n) { return replies(wire_, by_port_, n); }

 private:
  Wire& wire_;
  std::deque<Asker> hosts_;
  std::map<std::uint16_t, const Asker*> by_port_;
};

TEST(Parked, MoreThanATurnHasPlacesFor) {
  in_own_process([] {
    RingServing serving(options(time::seconds(60)));
    Crowd crowd(serving);
    crowd.ask_in_vain(serving);
    expect_units(crowd.take(Crowd::kHosts), Crowd::kHosts, 1);
    EXPECT_GT(serving.desk().count(Counter::kParked), Crowd::kHosts / 2);
    EXPECT_TRUE(serving.all_buffers_back()) << serving.buffers_text();
  });
}

// The worker runs out of buffers in the middle, because others hold them; it goes on once they are back.
TEST(Parked, WaitsForBuffersAndFollowsOrdersMeanwhile) {
  in_own_process([] {
    RingServing serving(options(time::seconds(60)));
    Crowd crowd(serving);
    crowd.ask_in_vain(serving);
    std::vector<rte_mbuf*> held;
    while (rte_mbuf* const one = serving.wire().buffer(0, {}))
      held.push_back(one);
    ASSERT_GT(held.size(), 1000U);
    const std::uint64_t before = serving.desk().count(Counter::kReplies);
    // Those that the worker has at hand, and not one more.
    std::vector<rte_mbuf*> sent(Crowd::kHosts);
    std::size_t n = 0;
    const auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds(500);
    while (std::chrono::steady_clock::now() < until)
      n += serving.wire().take(0, std::span(sent).subspan(n));
    EXPECT_GT(n, 0U);
    ASSERT_LT(n, Crowd::kHosts) << "it has buffers from somewhere else";
    EXPECT_TRUE(eventually([&] { return serving.desk().count(Counter::kReplies) == before + n; }))
        << "a worker that waits for buffers counts all the same";
    auto policy = std::make_shared<serve::AccessPolicy>(open_policy());
    policy->version = 5;
    serving.pool().use_policy(std::move(policy));
    EXPECT_TRUE(eventually([&] { return serving.desk().page(0).policy_seen.load() == 5; }));

    rte_pktmbuf_free_bulk(held.data(), static_cast<unsigned>(held.size()));
    rte_pktmbuf_free_bulk(sent.data(), static_cast<unsigned>(n));
    EXPECT_EQ(crowd.take(Crowd::kHosts - n).size(), Crowd::kHosts - n);
    EXPECT_EQ(serving.desk().count(Counter::kReplies), before + Crowd::kHosts);
    EXPECT_TRUE(serving.all_buffers_back()) << serving.buffers_text();
  });
}

TEST(Parked, RefusedOnceTheirRightIsRevoked) {
  in_own_process([] {
    RingServing serving(options(time::seconds(3600)));
    Desk& desk = serving.desk();
    Asker asker(serving.wire(), 0, endpoint(kServer4));
    constexpr std::uint64_t kRequests = 200;  // 4 s of waiting
    for (std::uint64_t i = 0; i < kRequests; ++i)
      asker.send(next_id(i, kSmallUnit, kSmall));
    ASSERT_TRUE(eventually([&] { return desk.count(Counter::kMessages) == kRequests; }));
    desk.revoke(0);
    ASSERT_TRUE(eventually([&] { return desk.acknowledged(0); }));
    const std::int64_t used = desk.page(0).slots[0].used_until_ns.load();
    const std::uint64_t ids = desk.count(Counter::kIds);
    std::uint64_t refused = 0;
    for (std::uint64_t i = 0; i < kRequests;)
      for (const Message& reply : asker.receive()) {
        EXPECT_EQ(reply.request_id, i++);
        refused += reply.status == status(Status::kNotLeased) ? 1 : 0;
      }
    EXPECT_GT(refused, kRequests / 2);
    EXPECT_EQ(refused, desk.count(Counter::kNotLeased));
    EXPECT_EQ(desk.count(Counter::kIds), ids) << "an ID after the acknowledgement";
    EXPECT_EQ(desk.page(0).slots[0].used_until_ns.load(), used);
    EXPECT_TRUE(serving.all_buffers_back()) << serving.buffers_text();
  });
}

TEST(Parked, AnsweredBeforeThePoolStops) {
  in_own_process([] {
    RingServing serving(options(time::seconds(60)));
    Asker asker(serving.wire(), 0, endpoint(kServer4));
    constexpr std::uint64_t kRequests = 50;  // a second of waiting
    for (std::uint64_t i = 0; i < kRequests; ++i)
      asker.send(next_id(i, kSmallUnit, kSmall));
    ASSERT_TRUE(eventually([&] { return serving.desk().count(Counter::kMessages) == kRequests; }));
    serving.pool().drain_and_stop(time::seconds(20));
    EXPECT_EQ(serving.desk().count(Counter::kReplies), kRequests);
    for (std::uint64_t i = 0; i < kRequests;)
      for (const Message& reply : asker.receive()) {
        EXPECT_EQ(reply.request_id, i++);
        EXPECT_EQ(reply.status, status(Status::kOk));
      }
    EXPECT_TRUE(serving.all_buffers_back()) << serving.buffers_text();
  });
}

// Or the end would never come: there is always somebody who asks.
TEST(Parked, NobodyIsTakenInWhileThePoolDrains) {
  in_own_process([] {
    RingServing serving(options(time::seconds(60)));
    Asker asker(serving.wire(), 0, endpoint(kServer4));
    constexpr std::uint64_t kRequests = 50;  // a second of waiting
    for (std::uint64_t i = 0; i < kRequests; ++i)
      asker.send(next_id(i, kSmallUnit, kSmall));
    ASSERT_TRUE(eventually([&] { return serving.desk().count(Counter::kMessages) == kRequests; }));
    std::atomic<bool> enough{false};
    std::uint64_t asked = kRequests;
    std::thread others([&] {
      const Bytes request = asker.request(next_id(99, kSmallUnit, kSmall));
      for (; !enough.load(); std::this_thread::sleep_for(std::chrono::milliseconds(2))) {
        rte_mbuf* one = serving.wire().buffer(0, request);
        if (one == nullptr) continue;
        if (serving.wire().put(0, std::span(&one, 1)) == 1)
          ++asked;
        else
          rte_pktmbuf_free(one);
      }
    });
    const bool came = eventually([&] { return serving.desk().count(Counter::kMessages) > kRequests; });
    const auto begin = std::chrono::steady_clock::now();
    serving.pool().drain_and_stop(time::seconds(15));
    const auto took = std::chrono::steady_clock::now() - begin;
    enough = true;
    others.join();
    ASSERT_TRUE(came);
    EXPECT_LT(took, std::chrono::seconds(10)) << "it waited for those who came later";
    EXPECT_EQ(serving.desk().count(Counter::kReplies), serving.desk().count(Counter::kMessages));
    EXPECT_LT(serving.desk().count(Counter::kMessages), asked) << "nobody was left out: this tests nothing";
    (void)serving.wire().sweep();
    EXPECT_TRUE(serving.all_buffers_back()) << serving.buffers_text();
  });
}

TEST(Parked, LeftAloneWhenTheLimitOfTheStopHasPassed) {
  in_own_process([] {
    RingServing serving(options(time::seconds(3600)));
    Asker asker(serving.wire(), 0, endpoint(kServer4));
    constexpr std::uint64_t kRequests = 500;  // ten seconds of waiting
    for (std::uint64_t i = 0; i < kRequests; ++i)
      asker.send(next_id(i, kSmallUnit, kSmall));
    ASSERT_TRUE(eventually([&] { return serving.desk().count(Counter::kMessages) == kRequests; }));
    const auto begin = std::chrono::steady_clock::now();
    serving.pool().drain_and_stop(time::milliseconds(50));
    EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(4));
    EXPECT_LT(serving.desk().count(Counter::kReplies), kRequests / 2);
    (void)serving.wire().sweep();
    EXPECT_TRUE(serving.all_buffers_back()) << serving.buffers_text();
  });
}

}  // namespace
}  // namespace gnomon::test
