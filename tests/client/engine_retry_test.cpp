// SPDX-License-Identifier: Apache-2.0
//
// Where the engine turns when a server does not answer, or will not: servers, rounds, waits, deadlines and last words.
#include <gtest/gtest.h>

#include <utility>

#include "client/engine.hpp"
#include "tests/client/engine_bench.hpp"

namespace gnomon::client {
namespace {

using testing::Bench;
using testing::SentMessage;
using testing::servers;
using wire::Status;

constexpr LinkId kA{0, 0};
constexpr LinkId kB{1, 0};

TEST(EngineRetry, NotLeasedGoesToTheNextServerAtOnce) {
  for (const Status status : {Status::kNotLeased, Status::kClockUnsynchronised, Status::kClockBehind, Status::kBusy}) {
    Bench bench(servers(2));
    bench.call(1);
    bench.deliver(kA, {Bench::refusal(bench.last(), status, status >= Status::kClockBehind ? 50'000 : 0)});
    ASSERT_EQ(bench.route(), "A B") << wire::text_of(status);
    EXPECT_EQ(bench.last().at, Bench::kStart) << "without any wait";
    bench.deliver(kB, {Bench::answer(bench.last(), 1, 1)});
    EXPECT_TRUE(bench.ended[1].ok);
    EXPECT_EQ(bench.engine.stats().statuses, 1U);
  }
}

TEST(EngineRetry, BusyWaitsForItsHintWhenThereIsNobodyElse) {
  Bench bench(servers(1));
  bench.call(1);
  bench.deliver(kA, {Bench::refusal(bench.last(), Status::kBusy, 5'000)});
  bench.advance(time::microseconds(4'999));
  EXPECT_EQ(bench.route(), "A");
  // The hint, then a random time below the backoff of the round after it, plus the timer's granules.
  bench.advance(time::milliseconds(6));
  ASSERT_EQ(bench.route(), "A A");
  EXPECT_GE(bench.last().at, Bench::kStart + time::milliseconds(5));
}

TEST(EngineRetry, OtherCallsLeaveABusyServerAloneToo) {
  Bench bench(servers(1));
  bench.call(1);
  bench.deliver(kA, {Bench::refusal(bench.last(), Status::kBusy, 5'000)});
  bench.call(2);
  bench.advance(time::microseconds(4'999));
  EXPECT_EQ(bench.route(), "A");
  bench.advance(time::milliseconds(10));
  EXPECT_EQ(bench.sent.size(), 3U);
}

TEST(EngineRetry, AHintBeyondTheDeadlineEndsTheCallInsteadOfWaitingForIt) {
  Bench bench(servers(2));
  bench.call(1, 1, time::milliseconds(500));
  bench.deliver(kA, {Bench::refusal(bench.last(), Status::kClockBehind, 3'000'000)});
  bench.deliver(kB, {Bench::refusal(bench.last(), Status::kBusy, 800'000)});
  ASSERT_EQ(bench.endings[1], 1);
  EXPECT_EQ(bench.ended[1].kind, ErrorKind::kBusy);
  EXPECT_EQ(bench.ended[1].retry_after, time::milliseconds(800));
  EXPECT_EQ(bench.ended[1].at, Bench::kStart);
}

TEST(EngineRetry, WhatIsWrongEverywhereEndsAtOnce) {
  const std::pair<Status, ErrorKind> cases[] = {{Status::kBadFormat, ErrorKind::kBadFormat},
                                                {Status::kBadCount, ErrorKind::kBadCount},
                                                {Status::kTooFar, ErrorKind::kTooFar},
                                                {Status::kUnauthorised, ErrorKind::kUnauthorised}};
  for (const auto& [status, kind] : cases) {
    Bench bench(servers(2));
    bench.call(1);
    bench.deliver(kA, {Bench::refusal(bench.last(), status)});
    ASSERT_EQ(bench.endings[1], 1);
    EXPECT_EQ(bench.ended[1].kind, kind);
    EXPECT_FALSE(try_elsewhere(kind));
    EXPECT_EQ(bench.ended[1].server, "10.0.0.1:14666");
    EXPECT_EQ(bench.route(), "A");
  }
}

TEST(EngineRetry, ARefusedLinkMovesEverythingThatWasOnIt) {
  Bench bench(servers(2));
  for (std::uint64_t token = 0; token < 3; ++token)
    bench.call(token);
  bench.fail_link(kA, LinkFault::kRefused);
  EXPECT_EQ(bench.route(), "A A A B B B");
  bench.call(3);
  EXPECT_EQ(bench.route(), "A A A B B B B") << "the dead server comes last for new calls";
  EXPECT_EQ(bench.engine.stats().refused, 3U);
  EXPECT_EQ(bench.engine.stats().penalties, 1U) << "one outage, not three";
}

TEST(EngineRetry, QueuedCallsDoNotWaitForADeadServersWindow) {
  Bench bench(servers(2));
  bench.held = true;
  for (std::uint64_t token = 0; token < Engine::kWindow + 5; ++token)
    bench.call(token);
  bench.held = false;
  bench.settle();
  EXPECT_EQ(bench.sent.size(), Engine::kWindow);
  bench.fail_link(kA, LinkFault::kRefused);
  std::size_t to_b = 0;
  for (const SentMessage& sent : bench.sent)
    to_b += sent.link == kB ? 1 : 0;
  EXPECT_EQ(to_b, Engine::kWindow) << "as many as B's window takes";
  EXPECT_EQ(bench.sent.size(), 2 * Engine::kWindow) << "and none to A again";
}

TEST(EngineRetry, OneCallTriesADeadServerAgainAndItsSuccessBringsTheOthersBack) {
  Bench bench(servers(2));
  bench.call(1);
  bench.fail_link(kA, LinkFault::kRefused);
  bench.deliver(kB, {Bench::answer(bench.last(), 1, 1)});
  bench.advance(ServerBook::kMinPenalty + time::milliseconds(1));
  bench.sent.clear();
  for (std::uint64_t token = 10; token < 13; ++token)
    bench.call(token);
  EXPECT_EQ(bench.route(), "A B B") << "one finds out, the others stay safe";
  bench.deliver(kA, {Bench::answer(bench.sent[0], 1, 1)});
  bench.sent.clear();
  bench.call(20);
  EXPECT_EQ(bench.route(), "A");
}

TEST(EngineRetry, EachFurtherOutageDoublesThePenalty) {
  ServerBook book(servers(1).servers, 0, time::milliseconds(60));
  time::Uptime now = Bench::kStart;
  time::Duration last{};
  for (int outage = 0; outage < 30; ++outage) {
    ASSERT_TRUE(book.failed(0, now, now));
    EXPECT_FALSE(book.failed(0, now - time::nanoseconds(1), now)) << "sent before: the same outage";
    time::Duration lasts{};
    while (book.penalised(0, now + lasts))
      lasts = lasts + time::milliseconds(500);
    EXPECT_EQ(lasts, last.ns == 0 ? ServerBook::kMinPenalty : std::min(last * 2, ServerBook::kMaxPenalty));
    last = lasts;
    now = now + lasts;
  }
  EXPECT_EQ(last, ServerBook::kMaxPenalty);
}

TEST(EngineRetry, ALostDatagramAmongRepliesIsNoOutage) {
  Bench bench(servers(2));
  bench.call(1);
  bench.advance(time::milliseconds(10));
  bench.call(2);
  bench.deliver(kA, {Bench::answer(bench.last(), 1, 1)});
  bench.advance(time::milliseconds(60));
  EXPECT_EQ(bench.route(), "A A B") << "call 1 looks elsewhere";
  bench.call(3);
  EXPECT_EQ(bench.route(), "A A B A") << "but A answered in the meantime";
  EXPECT_EQ(bench.engine.stats().penalties, 0U);
}

TEST(EngineRetry, NotHolderMovesTheFirstChoiceToTheNamedServer) {
  Bench bench(servers(3));
  bench.call(1);
  wire::Message reply = Bench::refusal(bench.last(), Status::kNotHolder, 14666);
  const auto holder = serve::Address::v4(10, 0, 0, 3);
  std::memcpy(&reply.a, holder.bytes.data(), 8);
  std::memcpy(&reply.b, holder.bytes.data() + 8, 8);
  bench.deliver(kA, {reply});
  bench.call(2);
  EXPECT_EQ(bench.route(), "A C C");
  EXPECT_EQ(bench.engine.stats().hints_followed, 1U);
  reply = Bench::refusal(bench.sent[1], Status::kNotHolder, 1);
  bench.deliver({2, 0}, {reply});
  EXPECT_EQ(bench.engine.stats().hints_unknown, 1U);
}

TEST(EngineRetry, AllServersDeadTheErrorGivesEachOnesLastWord) {
  Bench bench(servers(4));
  bench.call(1, 5, time::milliseconds(100));
  bench.fail_link(kA, LinkFault::kRefused);
  bench.deliver(kB, {Bench::refusal(bench.last(), Status::kNotLeased)});
  bench.fail_link({2, 0}, LinkFault::kUnreachable);
  bench.advance(time::milliseconds(101));
  ASSERT_EQ(bench.endings[1], 1);
  const auto& end = bench.ended[1];
  EXPECT_EQ(end.kind, ErrorKind::kNotLeased);
  EXPECT_EQ(end.server, "10.0.0.2:14666");
  EXPECT_TRUE(end.text.starts_with("fetching 5 IDs of layout 1 failed after 100 ms: ")) << end.text;
  for (const std::string_view part :
       {"10.0.0.1:14666 refused the datagram", "10.0.0.2:14666 answered not_leased", "10.0.0.3:14666 can't be reached",
        "10.0.0.4:14666 did not answer", "gnomon status"})
    EXPECT_NE(end.text.find(part), std::string::npos) << end.text;
  EXPECT_EQ(bench.engine.pending(), 0U);
}

TEST(EngineRetry, ServersThatRefuseAreUnreachableAndSilentOnesATimeout) {
  Bench refused(servers(1));
  refused.call(1, 1, time::milliseconds(50));
  while (refused.endings[1] == 0) {
    refused.fail_link(kA, LinkFault::kRefused);
    refused.advance(time::milliseconds(1));
  }
  EXPECT_EQ(refused.ended[1].kind, ErrorKind::kUnreachable);
  EXPECT_NE(refused.ended[1].text.find("start gnomond"), std::string::npos) << refused.ended[1].text;

  Bench silent(servers(1));
  silent.call(1, 1, time::milliseconds(500));
  silent.advance(time::milliseconds(501));
  EXPECT_EQ(silent.ended[1].kind, ErrorKind::kTimeout);
}

TEST(EngineRetry, TheDeadlineHoldsInEveryState) {
  Bench queued(servers(1));
  queued.held = true;
  queued.call(1, 1, time::milliseconds(10));
  queued.advance(time::milliseconds(11));
  EXPECT_EQ(queued.endings[1], 1);
  EXPECT_NE(queued.ended[1].text.find("was not reached"), std::string::npos) << queued.ended[1].text;

  Bench flying(servers(1));
  flying.call(1, 1, time::milliseconds(10));
  flying.advance(time::milliseconds(11));
  EXPECT_EQ(flying.endings[1], 1);

  Bench waiting(servers(1));
  waiting.call(1, 1, time::milliseconds(10));
  waiting.deliver(kA, {Bench::refusal(waiting.last(), Status::kBusy, 9'900)});
  waiting.advance(time::milliseconds(11));
  EXPECT_EQ(waiting.endings[1], 1);
}

// Full jitter: every wait lies below backoff x 2^round, and the waits differ between clients.
TEST(EngineRetry, BackoffIsRandomAndBounded) {
  std::vector<std::int64_t> firsts;
  for (std::uint8_t seed = 0; seed < 20; ++seed) {
    EngineOptions options = servers(1);
    options.secret[0] = seed;
    Bench bench(options);
    bench.call(1, 1, time::seconds(60));
    time::Duration bound = Engine::kBackoff;
    for (int round = 0; round < 12; ++round) {
      const time::Uptime refused_at = bench.now;
      const std::size_t before = bench.sent.size();
      bench.deliver(kA, {Bench::refusal(bench.last(), Status::kNotLeased)});
      ASSERT_EQ(bench.sent.size(), before) << "not at once";
      while (bench.sent.size() == before)
        bench.advance(time::microseconds(100));
      const time::Duration waited = bench.last().at - refused_at;
      EXPECT_GE(waited, Engine::kMinBackoff);
      EXPECT_LE(waited, bound + time::nanoseconds(2 * TimerWheel::kGranuleNs)) << "round " << round;
      bound = std::min(bound * 2, Engine::kMaxBackoff);
      if (round == 6) firsts.push_back(waited.ns);
    }
  }
  std::sort(firsts.begin(), firsts.end());
  EXPECT_GT(std::unique(firsts.begin(), firsts.end()) - firsts.begin(), 10);
}

TEST(EngineRetry, ASilentServerIsNotFlooded) {
  Bench bench(servers(1));
  bench.call(1, 1, time::seconds(10));
  bench.advance(time::seconds(11));
  EXPECT_EQ(bench.endings[1], 1);
  EXPECT_LE(bench.sent.size(), 20U) << "timeouts double up to a second";
  EXPECT_GE(bench.sent.size(), 10U);
}

// Everything at once, for long: random loss, delay, refusals. Each call ends exactly once, and no ID goes to two.
TEST(EngineRetry, UnderRandomFaultsEachCallEndsOnceAndNoIdIsGivenTwice) {
  for (std::uint8_t seed = 1; seed <= 5; ++seed) {
    EngineOptions options = servers(3);
    options.secret[0] = seed;
    options.sockets_per_server = 2;
    Bench bench(options);
    SecretNumbers random({seed});
    std::uint64_t next_id = 1;
    std::size_t seen = 0;
    std::vector<SentMessage> open;
    for (std::uint64_t token = 0; token < 3'000; ++token) {
      bench.call(token, 1 + random.below(10), time::milliseconds(200),
                 random.below(2) == 0 ? Gather::kAll : Gather::kOneRange);
      bench.advance(time::microseconds(static_cast<std::int64_t>(random.below(500))));
      for (; seen < bench.sent.size(); ++seen)
        open.push_back(bench.sent[seen]);
      while (open.size() > 20 || (!open.empty() && random.below(3) == 0)) {
        const std::size_t pick = random.below(open.size());
        const SentMessage sent = open[pick];
        open.erase(open.begin() + static_cast<std::ptrdiff_t>(pick));
        const std::uint64_t fate = random.below(20);
        if (fate == 0) continue;  // lost
        if (fate == 1) bench.fail_link(sent.link, LinkFault::kRefused);
        const auto count = static_cast<std::uint32_t>(1 + random.below(sent.message.count));
        wire::Message reply = Bench::answer(sent, next_id, count);
        if (fate == 2) reply = Bench::refusal(sent, Status::kBusy, static_cast<std::uint32_t>(random.below(3'000)));
        if (fate == 3) reply = Bench::refusal(sent, Status::kNotLeased);
        next_id += count;
        bench.deliver(sent.link, {reply});
        if (fate == 4) bench.deliver(sent.link, {reply});  // duplicated
      }
    }
    bench.advance(time::seconds(1));
    EXPECT_EQ(bench.endings.size(), 3'000U);
    EXPECT_EQ(bench.engine.pending(), 0U);
    std::vector<bool> given(next_id);
    std::size_t ok = 0;
    for (const auto& [token, times] : bench.endings) {
      EXPECT_EQ(times, 1) << token;
      ok += bench.ended[token].ok ? 1 : 0;
      for (const IdRange& range : bench.ended[token].ranges)
        for (std::uint32_t i = 0; i < range.count; ++i) {
          EXPECT_FALSE(given[range.at(i).value]);
          given[range.at(i).value] = true;
        }
    }
    EXPECT_GT(ok, 2'500U) << "seed " << int{seed};
  }
}

}  // namespace
}  // namespace gnomon::client
