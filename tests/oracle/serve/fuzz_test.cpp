// SPDX-License-Identifier: Apache-2.0
//
// A million hostile datagrams: noise, mutated requests, replies sent back, every length, while rights, clock and access
// policy change. The server may refuse all of it; it may not crash, read or write outside the datagram, answer with
// more bytes than came, hand out an ID twice, release a commit-wait early, or lose count. Most telling under
// ./dev test --sanitize address.
#include <gtest/gtest.h>

#include <cstdlib>
#include <map>
#include <random>

#include "tests/oracle/serve/rig.hpp"

namespace gnomon::serve {
namespace {

using namespace testing;  // NOLINT(google-build-using-namespace)
using page::Counter;

const wire::Key kKey{{7}, {1, 2, 3, 4, 5, 6, 7, 8}};

class Fuzzer {
 public:
  explicit Fuzzer(std::uint64_t seed) : random_(seed), policies_(make_policies()), rig_(options()) {
    rig_.grant({1, 2});
    rig_.burst();
  }

  void run(int datagrams) {
    for (int i = 0; i < datagrams && !::testing::Test::HasFatalFailure(); ++i) {
      if (i % 16 == 0) disturb();
      one_datagram();
      if (i % 64 == 0) collect();
    }
    rig_.advance(time::seconds(1));
    rig_.lose_clock();  // an interval as wide as an hour lets a commit-wait last for one
    collect();
    EXPECT_EQ(rig_.server.parked(), 0U) << "everybody who was parked got an answer";
    check_counters();
  }

  [[nodiscard]] Rig& rig() { return rig_; }
  [[nodiscard]] std::uint64_t answered() const { return answered_; }

 private:
  std::uint64_t pick(std::uint64_t below) { return random_() % below; }

  static RigOptions options() {
    RigOptions options;
    options.layouts = {id::builtin_layouts()[0], id::builtin_layouts()[2],
                       id::make_layout({16}, "tiny", {0}, time::milliseconds(1), 41, 4, 3).value()};
    options.park_limit = 100;
    options.commit_wait_limit = 100;
    options.max_commit_wait = time::milliseconds(500);
    return options;
  }

  static std::array<AccessPolicy, 4> make_policies() {
    std::array<AccessPolicy, 4> policies;
    policies[1].auth = AuthRule::kAlways;
    policies[1].keys = wire::KeyRing({kKey});
    policies[2].auth = AuthRule::kNever;
    policies[2].rate = {.messages_per_second = 100'000, .burst = 50};
    policies[3].deny = {{Address::v4(10, 0, 0, 0), 104}};
    policies[3].keys = wire::KeyRing({kKey});
    for (std::uint64_t i = 0; i < policies.size(); ++i)
      policies[i].version = i;
    return policies;
  }

  void disturb() {
    const std::uint64_t kind = pick(100);
    if (kind < 60) rig_.now.ns += static_cast<std::int64_t>(pick(400'000));
    if (kind < 60) rig_.uptime.ns += static_cast<std::int64_t>(pick(400'000));
    if (kind < 90) know(static_cast<std::int64_t>(pick(400'000)));
    if (kind == 90) know(-static_cast<std::int64_t>(pick(3'000'000'000)));
    if (kind == 91) rig_.truth = tl::make_unexpected(static_cast<time::ClockFault>(1 + pick(time::kClockFaults - 1)));
    if (kind == 92) rig_.truth = time::Interval{{static_cast<std::int64_t>(random_())}, time::Tai::max()};
    if (kind == 60) rig_.now.ns -= static_cast<std::int64_t>(pick(3'000'000'000));
    if (kind == 61) rig_.revoke();
    if (kind >= 62 && kind < 66) regrant();
    if (kind >= 66 && kind < 70) rig_.raise_ceilings(time::seconds(1));
    if (kind >= 70 && kind < 74) rig_.server.use_policy(policies_[pick(policies_.size())]);
    if (kind == 74) rig_.ordering = static_cast<mint::OrderingState>(pick(4));
    if (kind > 74 && kind < 90) rig_.ordering = mint::OrderingState::kFollowing;
    rig_.behind_for.ns = rig_.ordering == mint::OrderingState::kBehind ? 1'000'000'000 : 0;
    rig_.burst();
  }

  void know(std::int64_t moved_by_ns) {
    tai_.ns += moved_by_ns;
    rig_.truth = time::Interval{tai_ - time::Duration{static_cast<std::int64_t>(pick(100'000))}, tai_};
  }

  // The store's rule: the next window of a machine id begins where the last one ended.
  void regrant() {
    floor_ = std::max(floor_, rig_.now);
    for (std::uint32_t i = 0; i < rig_.set.count; ++i)
      floor_ = std::max(floor_, rig_.set.slots[i].ceiling);
    rig_.now = floor_;
    rig_.grant({static_cast<std::uint16_t>(pick(3)), static_cast<std::uint16_t>(3 + pick(40))});
    floor_ = floor_ + time::seconds(10);
  }

  wire::Message some_request() {
    wire::Message message = next_id_request(random_(), static_cast<std::uint32_t>(pick(12)),
                                            {static_cast<std::uint16_t>(pick(2) == 0 ? 1 : 16)});
    if (pick(4) == 0) message = ping_request(random_(), random_());
    if (pick(4) == 0) message = some_time_request();
    if (pick(3) == 0) wire::sign(message, kKey);
    return message;
  }

  wire::Message some_time_request() {
    constexpr std::array kOps{wire::Op::kHlcUpdate, wire::Op::kCommitWait, wire::Op::kTimeSync};
    const auto near = static_cast<std::uint64_t>(tai_.ns) + pick(2'000'000);
    switch (pick(4)) {
      case 0: return request_of(wire::Op::kNow, random_());
      case 1: return request_of(kOps.at(pick(3)), random_(), random_());
      case 2: return request_of(wire::Op::kHlcUpdate, random_(), near / 1'000'000 << clock::kHlcCounterBits);
      default: return request_of(wire::Op::kCommitWait, random_(), near);
    }
  }

  std::vector<std::byte> some_datagram() {
    std::vector<std::byte> bytes;
    if (pick(10) == 0) {
      bytes.resize(pick(1600));
      for (std::byte& byte : bytes)
        byte = static_cast<std::byte>(random_());
      return bytes;
    }
    bytes.resize((1 + pick(pick(3) == 0 ? 24 : 3)) * wire::kMessageSize);
    for (std::size_t at = 0; at < bytes.size(); at += wire::kMessageSize)
      wire::store(some_request(), bytes.data() + at);
    if (pick(2) == 0)
      for (std::uint64_t flips = 1 + pick(3); flips > 0; --flips)
        bytes[pick(bytes.size())] ^= static_cast<std::byte>(1U << pick(8));
    if (pick(20) == 0) bytes.resize(pick(bytes.size() + 1));
    return bytes;
  }

  void one_datagram() {
    // A heap block of exactly this size, so that a sanitizer sees one byte too many.
    std::vector<std::byte> bytes = some_datagram();
    bytes.shrink_to_fit();
    const Address source = pick(2) == 0 ? kLocal : Address::v4(10, 0, static_cast<std::uint8_t>(pick(256)), 1);
    remember_commit_waits(bytes);
    const std::size_t length = rig_.server.answer(bytes, source, path_to(static_cast<std::uint8_t>(pick(5))));
    ASSERT_LE(length, bytes.size());
    check_replies({bytes.data(), length});
    if (length == 0 || pick(8) != 0) return;
    bytes.resize(length);  // what a reflector would do: send the answer back
    ASSERT_EQ(rig_.server.answer(bytes, kLocal, path_to(1)), 0U);
  }

  void collect() {
    std::vector<std::byte> out(wire::kMaxDatagram);
    ReturnPath path;
    while (const std::size_t length = rig_.server.next_parked(out, path))
      check_replies({out.data(), length});
  }

  void check_replies(std::span<const std::byte> bytes) {
    ASSERT_EQ(bytes.size() % wire::kMessageSize, 0U);
    for (std::size_t at = 0; at < bytes.size(); at += wire::kMessageSize) {
      ASSERT_EQ(wire::check_reply(bytes.data() + at), wire::Invalid::kNone);
      const wire::Message reply = wire::load(bytes.data() + at);
      ASSERT_TRUE((reply.flags & wire::kFlagAuthenticated) == 0 || wire::verify(reply, kKey));
      ++answered_;
      if (reply.op == static_cast<std::uint8_t>(wire::Op::kCommitWait)) check_commit_wait(reply);
      if (status_of(reply) != wire::Status::kOk || reply.op != static_cast<std::uint8_t>(wire::Op::kNextId)) continue;
      std::uint64_t& last = last_[reply.format];
      ASSERT_GT(reply.a, last) << "IDs of one worker and layout ascend";
      last = reply.a + reply.count - 1;
    }
  }

  void check_commit_wait(const wire::Message& reply) {
    const auto asked = asked_.find(reply.request_id);
    ASSERT_NE(asked, asked_.end());
    ASSERT_TRUE(status_of(reply) != wire::Status::kOk || reply.a > asked->second) << "released early";
    asked_.erase(asked);
  }

  // As they were sent, damage included; what was dropped is forgotten when nobody waits.
  void remember_commit_waits(std::span<const std::byte> bytes) {
    if (rig_.server.parked() == 0) asked_.clear();
    for (std::size_t at = 0; at + wire::kMessageSize <= bytes.size(); at += wire::kMessageSize) {
      const wire::Message message = wire::load(bytes.data() + at);
      if (message.op == static_cast<std::uint8_t>(wire::Op::kCommitWait)) asked_[message.request_id] = message.a;
    }
  }

  void check_counters() {
    EXPECT_EQ(rig_.count(Counter::kMessages), rig_.count(Counter::kReplies) + rig_.server.parked());
    EXPECT_EQ(rig_.count(Counter::kReplies), answered_);
    EXPECT_GT(rig_.drops(), 0U);
    EXPECT_GT(rig_.count(Counter::kDatagrams), rig_.drops());
    for (auto c = Counter::kNotLeased; c <= Counter::kDropFieldNotZero;
         c = static_cast<Counter>(static_cast<unsigned>(c) + 1))
      EXPECT_GT(rig_.count(c), 0U) << page::kCounterTable[static_cast<std::size_t>(c)].name << " was never reached";
  }

  std::mt19937_64 random_;
  std::array<AccessPolicy, 4> policies_;
  Rig rig_;
  time::SmearedUtc floor_ = kStart;
  time::Tai tai_ = kStartTai;
  std::map<std::uint64_t, std::uint64_t> asked_;  // commit-waits: request id to t
  std::array<std::uint64_t, 256> last_{};
  std::uint64_t answered_ = 0;
};

TEST(Fuzz, a_million_hostile_datagrams) {
  const int datagrams = std::getenv("GNOMON_TEST_FULL") != nullptr ? 20'000'000 : 1'000'000;
  constexpr std::uint64_t kSeed = 20261123;
  SCOPED_TRACE(::testing::Message() << "seed " << kSeed);
  Fuzzer fuzzer(kSeed);
  fuzzer.run(datagrams);
  EXPECT_GT(fuzzer.answered(), static_cast<std::uint64_t>(datagrams) / 5);
  EXPECT_GT(fuzzer.rig().count(Counter::kIds), static_cast<std::uint64_t>(datagrams) / 10);
}

}  // namespace
}  // namespace gnomon::serve
