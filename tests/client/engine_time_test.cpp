// SPDX-License-Identifier: Apache-2.0
//
// The operations on time in the client's engine, in virtual time.
#include <gtest/gtest.h>

#include "tests/client/engine_bench.hpp"

namespace gnomon::client {
namespace {

using testing::Bench;
using testing::SentMessage;
using testing::servers;

constexpr LinkId kFirst{0, 0};
constexpr LinkId kSecond{1, 0};

Call timed(std::uint64_t token, wire::Op op, const Bench& bench, std::uint64_t argument = 0,
           time::Duration patience = {}) {
  Call call;
  call.token = token;
  call.op = op;
  call.argument = argument;
  call.patience = patience;
  call.deadline = bench.now + time::seconds(2) + patience;
  return call;
}

wire::Message interval(const SentMessage& sent, std::uint64_t earliest, std::uint64_t latest) {
  wire::Message reply = sent.message;
  reply.flags |= wire::kFlagReply;
  reply.a = earliest;
  reply.b = latest;
  reply.epsilon_ns = static_cast<std::uint32_t>((latest - earliest + 1) / 2);
  return reply;
}

TEST(EngineTime, AsksWithTheFieldsOfEachOperation) {
  Bench bench(servers(1));
  bench.submit(timed(1, wire::Op::kNow, bench, 5));
  EXPECT_EQ(bench.last().message.op, static_cast<std::uint8_t>(wire::Op::kNow));
  EXPECT_EQ(bench.last().message.a, 0U) << "the server drops a request whose unused fields are set";
  EXPECT_EQ(bench.last().message.count, 0U);
  EXPECT_EQ(bench.last().message.format, 0U);
  bench.submit(timed(2, wire::Op::kTimeSync, bench));
  EXPECT_EQ(bench.last().message.op, static_cast<std::uint8_t>(wire::Op::kTimeSync));
  bench.submit(timed(3, wire::Op::kHlcUpdate, bench, 77));
  EXPECT_EQ(bench.last().message.a, 77U);
  bench.submit(timed(4, wire::Op::kCommitWait, bench, 88, time::seconds(1)));
  EXPECT_EQ(bench.last().message.a, 88U);
}

TEST(EngineTime, AnIntervalThatEndsBeforeItBeginsOrIsNoTimeIsIgnored) {
  Bench bench(servers(1));
  bench.submit(timed(1, wire::Op::kNow, bench));
  const SentMessage sent = bench.last();
  bench.deliver(kFirst, {interval(sent, 200, 100), interval(sent, 1, std::uint64_t{1} << 63)});
  EXPECT_EQ(bench.engine.stats().replies_mismatched, 2U);
  EXPECT_TRUE(bench.answers.empty());
  bench.deliver(kFirst, {interval(sent, 100, 200)});
  ASSERT_EQ(bench.answers.size(), 1U);
  EXPECT_EQ(bench.answers[0].reply.a, 100U);
}

TEST(EngineTime, ACommitWaitIsNotBelievedBeforeEarliestIsPastT) {
  Bench bench(servers(1));
  bench.submit(timed(1, wire::Op::kCommitWait, bench, 1000, time::seconds(1)));
  const SentMessage sent = bench.last();
  bench.deliver(kFirst, {interval(sent, 1000, 1500)});
  EXPECT_EQ(bench.engine.stats().replies_mismatched, 1U);
  EXPECT_EQ(bench.endings.count(1), 0U);
  bench.deliver(kFirst, {interval(sent, 1001, 1500)});
  ASSERT_EQ(bench.endings[1], 1);
  EXPECT_TRUE(bench.ended[1].ok);
}

TEST(EngineTime, AHybridTimestampThatIsNotLargerIsIgnored) {
  Bench bench(servers(1));
  bench.submit(timed(1, wire::Op::kHlcUpdate, bench, 50));
  wire::Message reply = bench.last().message;
  reply.flags |= wire::kFlagReply;
  bench.deliver(kFirst, {reply});  // an echo
  EXPECT_EQ(bench.engine.stats().replies_mismatched, 1U);
  reply.a = 51;
  bench.deliver(kFirst, {reply});
  ASSERT_EQ(bench.answers.size(), 1U);
  EXPECT_EQ(bench.answers[0].reply.a, 51U);
}

TEST(EngineTime, AServerMayKeepACommitWaitForAsLongAsItsPatience) {
  Bench bench(servers(2));
  bench.submit(timed(1, wire::Op::kCommitWait, bench, 1000, time::milliseconds(800)));
  bench.advance(time::milliseconds(850));
  EXPECT_EQ(bench.route(), "A") << "it waits there, as it should";
  bench.advance(time::milliseconds(50));
  EXPECT_EQ(bench.route(), "A B") << "later than the patience and a round trip: that server is silent";
  bench.deliver(kSecond, {interval(bench.last(), 1001, 1002)});
  EXPECT_TRUE(bench.ended[1].ok);
}

TEST(EngineTime, WhatWaitsInAServerLeavesTheWindowToOthers) {
  Bench bench(servers(1));
  for (std::uint64_t token = 0; token < Engine::kMaxWaits; ++token)
    bench.submit(timed(token, wire::Op::kCommitWait, bench, 1000, time::seconds(1)));
  EXPECT_EQ(bench.sent.size(), Engine::kMaxWaits);
  bench.call(5000);
  ASSERT_EQ(bench.sent.size(), Engine::kMaxWaits + 1) << "not behind a window full of waits";
  bench.deliver(kFirst, {Bench::answer(bench.last(), 9, 1)});
  EXPECT_TRUE(bench.ended[5000].ok);

  bench.submit(timed(6000, wire::Op::kCommitWait, bench, 1000, time::seconds(1)));
  ASSERT_EQ(bench.endings[6000], 1);
  EXPECT_EQ(bench.ended[6000].kind, ErrorKind::kOverloaded);
  bench.deliver(kFirst, {interval(bench.sent.front(), 1001, 1002)});  // one has ended
  bench.submit(timed(6001, wire::Op::kCommitWait, bench, 1000, time::seconds(1)));
  EXPECT_EQ(bench.endings.count(6001), 0U) << "there is room for it again";
}

TEST(EngineTime, TooFarEndsACallAtOnceAndAnUnsynchronisedServerIsLeftForAnother) {
  Bench bench(servers(2));
  bench.submit(timed(1, wire::Op::kCommitWait, bench, 1000, time::seconds(1)));
  bench.deliver(kFirst, {Bench::refusal(bench.last(), wire::Status::kTooFar)});
  ASSERT_EQ(bench.endings[1], 1);
  EXPECT_EQ(bench.ended[1].kind, ErrorKind::kTooFar);

  bench.submit(timed(2, wire::Op::kNow, bench));
  ASSERT_EQ(bench.last().link, kFirst);
  bench.deliver(kFirst, {Bench::refusal(bench.last(), wire::Status::kClockUnsynchronised)});
  ASSERT_EQ(bench.last().link, kSecond);
  bench.deliver(kSecond, {interval(bench.last(), 5, 6)});
  EXPECT_TRUE(bench.ended[2].ok);
}

}  // namespace
}  // namespace gnomon::client
