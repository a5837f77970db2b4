// SPDX-License-Identifier: Apache-2.0
//
// Millions of frames that are no requests, with requests in between: no buffer is lost, every frame is counted once
// under its name, and nobody is answered but who asked.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <iostream>
#include <map>
#include <random>

#include "tests/dataplane/dpdk/asker.hpp"
#include "tests/dataplane/dpdk/bad_frames.hpp"
#include "tests/dataplane/dpdk/own_process.hpp"
#include "tests/dataplane/dpdk/ring_serving.hpp"
#include "tests/dataplane/udp_client.hpp"
#include "tests/support/ledger.hpp"

namespace gnomon::test {
namespace {

using page::Counter;
using support::Bytes;

constexpr std::uint16_t kVlan = 7;
constexpr std::uint64_t kSeed = 20'240'611;

std::uint64_t bad_frame_count() { return std::getenv("GNOMON_TEST_FULL") != nullptr ? 10'000'000 : 1'000'000; }

std::string_view name_of(Counter counter) { return page::kCounterTable[static_cast<std::size_t>(counter)].name; }

/// Sends what it is given, and judges whatever comes back.
class Besieger {
 public:
  explicit Besieger(RingServing& serving)
      : wire_(serving.wire()),
        desk_(serving.desk()),
        askers_{Asker(wire_, 0, endpoint(kServer4), {.tags = {kVlan | 0xa000}}),
                Asker(wire_, 0, endpoint(kServer6), {.address = "fd00:9::2", .port = 40'001})},
        plain4_(wire_, 0, endpoint(kServer4)),
        kinds_(bad_frames(plain4_, askers_[1], kVlan)) {}

  void run(std::uint64_t bad) {
    std::cout << "seed " << kSeed << ", " << bad << " frames of " << kinds_.size() << " kinds\n";
    std::mt19937_64 random(kSeed);
    for (std::uint64_t i = 0; i < bad; ++i) {
      const Kind& kind = kinds_[random() % kinds_.size()];
      send_bad(kind, kind.frames[random() % kind.frames.size()]);
      if (random() % 16 == 0) send_good(random() % 2);
      if (i % 32 == 31) take_all();
    }
    const bool all_came = eventually([this] {
      take_all();
      return asked_ == served_ && desk_.count(Counter::kFrames) == sent_ &&
             unaccounted_frames(desk_.page(0).counters) == 0;
    });
    EXPECT_TRUE(all_came) << asked_ << " asked, " << served_ << " were served; " << sent_ << " frames sent, "
                          << desk_.count(Counter::kFrames) << " arrived";
    take_all();
  }

  void expect_exact_counts() const {
    for (const page::CounterInfo& info : page::kCounterTable) {
      if (!info.name.starts_with("dropped_") && !info.name.ends_with("_replies") &&
          info.counter != Counter::kAddressConflicts)
        continue;
      const auto found = expected_.find(info.counter);
      EXPECT_EQ(desk_.count(info.counter), found == expected_.end() ? 0 : found->second) << info.name;
    }
    EXPECT_EQ(desk_.count(Counter::kReplies), asked_);
    EXPECT_EQ(answers_, expected_answers_) << "frames of ARP, NDP and echo that came back";
    EXPECT_EQ(desk_.count(Counter::kSendDropped), 0U);
    EXPECT_EQ(ledger_.ids(), asked_);
    EXPECT_EQ(ledger_.duplicates().count, 0U) << ledger_.duplicates().first;
  }

  [[nodiscard]] const std::vector<Kind>& kinds() const { return kinds_; }
  [[nodiscard]] std::uint64_t asked() const { return asked_; }

 private:
  void send_bad(const Kind& kind, const Bytes& frame) {
    hand_in(kind.pieces == 1 ? buffer(frame) : chain(frame, kind.pieces));
    ++expected_[kind.counted];
    if (kind.answered) ++expected_answers_;
  }

  void send_good(std::size_t which) { hand_in(buffer(askers_[which].request(next_id(asked_++)))); }

  void hand_in(rte_mbuf* one) {
    if (!eventually([&] { return wire_.put(0, std::span(&one, 1)) == 1; }))
      throw std::runtime_error("the worker has stopped taking frames");
    ++sent_;
  }

  rte_mbuf* buffer(std::span<const std::byte> frame) {
    rte_mbuf* one = nullptr;
    const bool there = eventually([&] {
      one = wire_.buffer(0, frame);
      if (one == nullptr) take_all();
      return one != nullptr;
    });
    if (!there) throw std::runtime_error("the worker's pool is empty, and stays so");
    return one;
  }

  // One frame in several buffers, as drivers deliver what is longer than one.
  rte_mbuf* chain(const Bytes& frame, std::size_t pieces) {
    const std::size_t piece = frame.size() / pieces + 1;
    rte_mbuf* head = nullptr;
    for (std::size_t at = 0; at < frame.size(); at += piece) {
      rte_mbuf* const next = buffer(std::span(frame).subspan(at, std::min(piece, frame.size() - at)));
      if (head == nullptr)
        head = next;
      else if (rte_pktmbuf_chain(head, next) != 0)
        throw std::runtime_error("a frame has too many pieces");
    }
    return head;
  }

  void take_all() {
    while (const unsigned n = wire_.take(0, taken_)) {
      for (unsigned i = 0; i < n; ++i) {
        const auto bytes = bytes_of(taken_[i]);
        judge(Bytes(bytes.begin(), bytes.end()));
      }
      rte_pktmbuf_free_bulk(taken_.data(), n);
    }
  }

  void judge(const Bytes& frame) {
    for (const Asker& asker : askers_) {
      if (!asker.fault_of_reply(frame).empty()) continue;
      for (const wire::Message& reply : to_messages(support::dissect(frame).payload)) {
        EXPECT_EQ(reply.status, 0);
        EXPECT_LT(reply.request_id, asked_);
        ledger_.add({.first = reply.a,
                     .count = reply.count,
                     .layout = reply.format,
                     .machine = reply.machine_id,
                     .token_low = reply.token_low});
        ++served_;
      }
      return;
    }
    EXPECT_EQ(support::check_reply_frame(frame), "") << support::to_hex(frame);
    const support::Dissection seen = support::dissect(frame);
    EXPECT_NE(seen.protocol, support::kProtocolUdp) << "a reply to nobody: " << support::to_hex(frame);
    EXPECT_EQ(seen.from, kServerMac);
    EXPECT_EQ(seen.to, plain4_.envelope().from_mac);
    ++answers_;
  }

  Wire& wire_;
  const Desk& desk_;
  std::array<Asker, 2> askers_;
  Asker plain4_;
  std::vector<Kind> kinds_;
  std::map<Counter, std::uint64_t> expected_;
  std::array<rte_mbuf*, 64> taken_{};
  support::Ledger ledger_;
  std::uint64_t sent_ = 0;
  std::uint64_t asked_ = 0;
  std::uint64_t served_ = 0;
  std::uint64_t answers_ = 0;
  std::uint64_t expected_answers_ = 0;
};

// What each kind is counted as, one frame after the other, so that a wrong name is seen beside the frame.
TEST(NoLeak, EveryKindIsCountedUnderItsName) {
  in_own_process([] {
    RingServing serving({.vlans = {0, kVlan}});
    const Asker v4(serving.wire(), 0, endpoint(kServer4));
    const Asker v6(serving.wire(), 0, endpoint(kServer6), {.address = "fd00:9::2"});
    std::uint64_t frames = 0;
    for (const Kind& kind : bad_frames(v4, v6, kVlan)) {
      if (kind.pieces != 1) continue;
      for (const Bytes& frame : kind.frames) {
        const std::uint64_t before = serving.desk().count(kind.counted);
        serving.wire().send(0, frame);
        ++frames;
        ASSERT_TRUE(eventually([&] {
          return serving.desk().count(Counter::kFrames) == frames && serving.unaccounted(0) == 0;
        })) << kind.name
            << ": " << support::to_hex(frame);
        EXPECT_EQ(serving.desk().count(kind.counted), before + 1)
            << kind.name << " is not counted as " << name_of(kind.counted) << ": " << support::to_hex(frame);
        const auto answer = serving.wire().receive(0, std::chrono::milliseconds(kind.answered ? 20'000 : 0));
        EXPECT_EQ(answer.has_value(), kind.answered) << kind.name << ": " << support::to_hex(frame);
      }
    }
    EXPECT_GT(frames, 400U);
    EXPECT_TRUE(serving.all_buffers_back()) << serving.buffers_text();
  });
}

TEST(NoLeak, NoneOfMillionsOfBadFramesKeepsABuffer) {
  in_own_process(
      [] {
        RingServing serving({.vlans = {0, kVlan}});
        ASSERT_TRUE(serving.all_buffers_back()) << "before: " << serving.buffers_text();
        Besieger besieger(serving);
        besieger.run(bad_frame_count());
        besieger.expect_exact_counts();
        EXPECT_GT(besieger.asked(), bad_frame_count() / 32);
        EXPECT_EQ(serving.unaccounted(0), 0);
        EXPECT_TRUE(serving.all_buffers_back()) << serving.buffers_text();
        Asker asker(serving.wire(), 0, endpoint(kServer4));
        EXPECT_EQ(asker.ask(next_id(1)).status, 0) << "it does not serve any more";
      },
      std::chrono::seconds(std::getenv("GNOMON_TEST_FULL") != nullptr ? 2000 : 200));
}

}  // namespace
}  // namespace gnomon::test
