// SPDX-License-Identifier: Apache-2.0
//
// The client's engine in virtual time: what it sends, believes and gives back.
#include "client/engine.hpp"

#include <gtest/gtest.h>

#include <numeric>
#include <set>

#include "tests/client/engine_bench.hpp"

namespace gnomon::client {
namespace {

using testing::Bench;
using testing::SentMessage;
using testing::servers;
using wire::Status;

constexpr LinkId kA{0, 0};
constexpr LinkId kB{1, 0};

TEST(Engine, ALoneCallGoesOutAtOnceAndEndsWithItsReply) {
  Bench bench(servers(1));
  bench.call(7, 5);
  ASSERT_EQ(bench.sent.size(), 1U);
  const wire::Message& request = bench.last().message;
  EXPECT_EQ(wire::check_request(reinterpret_cast<const std::byte*>(&request)), wire::Invalid::kNone);
  EXPECT_EQ(request.count, 5U);
  EXPECT_EQ(request.format, id::kSnowflake.value);
  bench.deliver(kA, {Bench::answer(bench.last(), 100, 5)});
  ASSERT_TRUE(bench.ended[7].ok);
  EXPECT_EQ(bench.ended[7].ranges, (std::vector<IdRange>{{{100}, 5, 1}}));
  EXPECT_EQ(bench.engine.pending(), 0U);
  EXPECT_EQ(bench.engine.next_wake(), time::Uptime::max());
}

TEST(Engine, CallsThatAreThereTogetherShareDatagramsOf22) {
  Bench bench(servers(1));
  bench.held = true;
  for (std::uint64_t token = 0; token < 50; ++token)
    bench.call(token);
  bench.held = false;
  bench.settle();
  EXPECT_EQ(bench.datagrams, (std::vector<std::size_t>{22, 22, 6}));
  EXPECT_EQ(bench.engine.stats().datagrams_sent, 3U);
  EXPECT_EQ(bench.engine.stats().messages_sent, 50U);
}

TEST(Engine, TheWindowBoundsWhatIsInFlight) {
  Bench bench(servers(1));
  bench.held = true;
  for (std::uint64_t token = 0; token < Engine::kWindow + 10; ++token)
    bench.call(token);
  bench.held = false;
  bench.settle();
  EXPECT_EQ(bench.sent.size(), Engine::kWindow);
  bench.deliver(kA, {Bench::answer(bench.sent[3], 1, 1), Bench::answer(bench.sent[4], 2, 1)});
  EXPECT_EQ(bench.sent.size(), Engine::kWindow + 2);
}

TEST(Engine, EachTransmissionHasAnIdOfItsOwn) {
  Bench bench(servers(2));
  for (std::uint64_t token = 0; token < 100; ++token)
    bench.call(token);
  bench.advance(time::seconds(3));
  std::set<std::uint64_t> ids;
  for (const SentMessage& sent : bench.sent)
    ids.insert(sent.message.request_id);
  EXPECT_EQ(ids.size(), bench.sent.size());
  EXPECT_GT(bench.sent.size(), 200U) << "there were retries";
}

TEST(Engine, ALostDatagramIsSentAgainToTheNextServer) {
  Bench bench(servers(2));
  bench.call(1);
  bench.advance(time::milliseconds(59));
  EXPECT_EQ(bench.route(), "A");
  bench.advance(time::milliseconds(2));
  EXPECT_EQ(bench.route(), "A B");
  bench.deliver(kB, {Bench::answer(bench.last(), 1, 1)});
  EXPECT_TRUE(bench.ended[1].ok);
  EXPECT_EQ(bench.engine.stats().timeouts, 1U);
}

TEST(Engine, ALateReplyToARetiredTransmissionIsIgnored) {
  Bench bench(servers(2));
  bench.call(1);
  const SentMessage first = bench.last();
  bench.advance(time::milliseconds(61));
  bench.deliver(kA, {Bench::answer(first, 1, 1)});
  EXPECT_EQ(bench.endings.count(1), 0U);
  EXPECT_EQ(bench.engine.stats().replies_unknown, 1U);
}

TEST(Engine, DuplicatedAndReorderedRepliesEndEachCallOnce) {
  Bench bench(servers(1));
  bench.held = true;
  for (std::uint64_t token = 0; token < 4; ++token)
    bench.call(token);
  bench.held = false;
  bench.settle();
  std::vector<wire::Message> replies;
  replies.reserve(4);
  for (std::uint64_t i = 0; i < 4; ++i)
    replies.push_back(Bench::answer(bench.sent[i], 100 + i, 1));
  bench.deliver(kA, {replies[3], replies[1]});
  bench.deliver(kA, {replies[1], replies[0], replies[2]});
  bench.deliver(kA, replies);
  for (std::uint64_t token = 0; token < 4; ++token) {
    EXPECT_EQ(bench.endings[token], 1);
    EXPECT_EQ(bench.ended[token].ranges[0].first.value, 100 + token);
  }
  EXPECT_EQ(bench.engine.stats().replies_unknown, 5U);
}

TEST(Engine, RepliesOfStrangersChangeNothing) {
  EngineOptions options = servers(2);
  Bench bench(options);
  bench.call(1, 5);
  const SentMessage sent = bench.last();
  const wire::Message good = Bench::answer(sent, 100, 5);
  const auto with = [&good](auto change) {
    wire::Message message = good;
    change(message);
    return message;
  };
  bench.deliver(kB, {good});
  EXPECT_EQ(bench.engine.stats().replies_wrong_server, 1U);
  bench.deliver(kA, {with([](wire::Message& m) { m.request_id ^= 1; })});
  bench.deliver(kA, {with([](wire::Message& m) { m.request_id = 0; })});
  EXPECT_EQ(bench.engine.stats().replies_unknown, 2U);
  bench.deliver(
      kA, {with([](wire::Message& m) { m.op = 1; }), with([](wire::Message& m) { m.format = 2; }),
           with([](wire::Message& m) { m.count = 0; }), with([](wire::Message& m) { m.count = 6; }),
           with([](wire::Message& m) { m.stride = 0; }), with([](wire::Message& m) { m.a = ~std::uint64_t{0} - 3; })});
  EXPECT_EQ(bench.engine.stats().replies_mismatched, 6U);
  bench.deliver(kA, {with([](wire::Message& m) { m.magic = 0; }), with([](wire::Message& m) { m.flags = 0; }),
                     with([](wire::Message& m) { m.status = 99; })});
  EXPECT_EQ(bench.engine.stats().replies_invalid, 3U);
  bench.engine.receive(bench.now, kA, std::vector<std::byte>(63), bench.effects);
  EXPECT_EQ(bench.engine.stats().replies_invalid, 4U);
  EXPECT_TRUE(bench.endings.empty());
  bench.deliver(kA, {good});
  EXPECT_TRUE(bench.ended[1].ok) << "the true reply still counts";
}

TEST(Engine, ASignedRequestTakesOnlySignedReplies) {
  EngineOptions options = servers(1);
  options.key = wire::Key{{9}, {4, 5, 6}};
  Bench bench(options);
  bench.call(1);
  EXPECT_TRUE(wire::verify(bench.last().message, *options.key));
  wire::Message reply = Bench::answer(bench.last(), 100, 1);
  wire::sign(reply, *options.key);
  wire::Message forged = reply;
  forged.a = 101;
  wire::Message bare = reply;
  bare.flags = wire::kFlagReply;
  bare.key_id = 0;
  bare.tag = 0;
  bench.deliver(kA, {forged, bare});
  EXPECT_EQ(bench.engine.stats().replies_bad_tag, 2U);
  EXPECT_TRUE(bench.endings.empty());
  bench.deliver(kA, {reply});
  EXPECT_EQ(bench.ended[1].ranges[0].first.value, 100U);
}

TEST(Engine, AnUnsignedUnauthorisedEndsTheCall) {
  EngineOptions options = servers(2);
  options.key = wire::Key{{9}, {4, 5, 6}};
  Bench bench(options);
  bench.call(1);
  wire::Message reply = Bench::refusal(bench.last(), Status::kUnauthorised);
  reply.flags = wire::kFlagReply;
  reply.key_id = 0;
  reply.tag = 0;
  bench.deliver(kA, {reply});
  EXPECT_EQ(bench.ended[1].kind, ErrorKind::kUnauthorised);
  EXPECT_EQ(bench.route(), "A") << "no other server was bothered";
}

TEST(Engine, GatheringGoesOnUntilAllAreThereAndKeepsTheOrder) {
  Bench bench(servers(1));
  bench.call(1, 10'000, time::seconds(2), Gather::kAll);
  EXPECT_EQ(bench.last().message.count, 4096U) << "a unit of the layout holds no more";
  bench.deliver(kA, {Bench::answer(bench.last(), 0, 4096)});
  EXPECT_EQ(bench.last().message.count, 4096U);
  bench.deliver(kA, {Bench::answer(bench.last(), 5'000, 4'000)});
  EXPECT_EQ(bench.last().message.count, 1'904U);
  EXPECT_TRUE(bench.endings.empty());
  bench.deliver(kA, {Bench::answer(bench.last(), 10'000, 1'904)});
  ASSERT_TRUE(bench.ended[1].ok);
  EXPECT_EQ(bench.ended[1].ranges.size(), 3U);
  EXPECT_EQ(bench.engine.stats().retries, 0U);
  EXPECT_EQ(bench.engine.stats().ids, 10'000U);
}

TEST(Engine, GatheringLearnsTheLimitOfALayout) {
  Bench bench(servers(1));
  bench.call(1, 100, time::seconds(2), Gather::kAll, {16});
  EXPECT_EQ(bench.last().message.count, 100U);
  bench.deliver(kA, {Bench::refusal(bench.last(), Status::kBadCount, 64)});
  EXPECT_EQ(bench.last().message.count, 64U);
  bench.call(2, 100, time::seconds(2), Gather::kAll, {16});
  EXPECT_EQ(bench.last().message.count, 64U) << "remembered";
  bench.call(3, 100, time::seconds(2), Gather::kOneRange, {16});
  bench.deliver(kA, {Bench::refusal(bench.last(), Status::kBadCount, 64)});
  EXPECT_EQ(bench.ended[3].kind, ErrorKind::kBadCount) << "the caller chose the size";
  EXPECT_NE(bench.ended[3].text.find("at most 64"), std::string::npos);
}

TEST(Engine, APingAsksTheNamedServerAndIsEchoed) {
  Bench bench(servers(3));
  Call call;
  call.token = 1;
  call.op = wire::Op::kPing;
  call.server = 2;
  call.deadline = bench.now + time::seconds(1);
  bench.submit(call);
  ASSERT_EQ(bench.route(), "C");
  wire::Message reply = bench.last().message;
  reply.flags |= wire::kFlagReply;
  reply.b = 42;
  wire::Message wrong = reply;
  wrong.a ^= 1;
  bench.now = bench.now + time::milliseconds(3);
  bench.deliver({2, 0}, {wrong, reply});
  EXPECT_EQ(bench.engine.stats().replies_mismatched, 1U);
  ASSERT_EQ(bench.answers.size(), 1U);
  EXPECT_EQ(bench.answers[0].reply.b, 42U);
  EXPECT_EQ(bench.answers[0].round_trip, time::milliseconds(3));
}

TEST(Engine, SocketsTakeTurnsAndAStreamKeepsToItsOwn) {
  EngineOptions options = servers(1);
  options.sockets_per_server = 3;
  Bench bench(options);
  for (std::uint64_t token = 0; token < 6; ++token)
    bench.call(token);
  std::vector<int> sockets;
  sockets.reserve(bench.sent.size());
  for (const SentMessage& sent : bench.sent)
    sockets.push_back(sent.link.socket);
  EXPECT_EQ(sockets, (std::vector<int>{0, 1, 2, 0, 1, 2}));
  bench.sent.clear();
  for (std::uint64_t token = 10; token < 14; ++token) {
    Call call;
    call.token = token;
    call.socket = 7;
    call.deadline = bench.now + time::seconds(1);
    bench.submit(call);
    EXPECT_EQ(bench.last().link.socket, 1);
  }
}

TEST(Engine, ClosingEndsEveryCallOnce) {
  Bench bench(servers(2));
  for (std::uint64_t token = 0; token < 3; ++token)
    bench.call(token);  // in flight
  bench.held = true;
  bench.call(3);  // queued
  bench.engine.close(bench.effects);
  bench.settle();
  for (std::uint64_t token = 0; token < 4; ++token) {
    EXPECT_EQ(bench.endings[token], 1);
    EXPECT_EQ(bench.ended[token].kind, ErrorKind::kClosed);
  }
  EXPECT_EQ(bench.engine.pending(), 0U);
}

}  // namespace
}  // namespace gnomon::client
