// SPDX-License-Identifier: Apache-2.0
//
// The client's time over real loopback sockets, against the real worker step and a ground truth that both can read.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <future>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "client/client.hpp"
#include "client/hlc_stamper.hpp"
#include "tests/client/test_server.hpp"

namespace gnomon::client {
namespace {

using testing::TestServer;

constexpr time::Duration kBound = time::microseconds(50);

Client connect_to(std::vector<std::string> servers, time::Duration deadline = time::seconds(10),
                  time::Duration max_age = time::seconds(1)) {
  Options options;
  options.servers = std::move(servers);
  options.deadline = deadline;
  options.time_max_age = max_age;
  return testing::connected(options);
}

/// now(), and whether it contains the truth: earliest is not after it at the return, latest not before it at the call.
::testing::AssertionResult contained(Client& client) {
  const time::Tai call = TestServer::true_time();
  const auto now = client.now();
  const time::Tai returned = TestServer::true_time();
  if (!now) return ::testing::AssertionFailure() << now.error().text;
  if (now->earliest > returned) return ::testing::AssertionFailure() << (now->earliest - returned).ns << " ns early";
  if (now->latest < call) return ::testing::AssertionFailure() << (call - now->latest).ns << " ns late";
  return ::testing::AssertionSuccess();
}

TEST(ClientTime, ContainsTheTruthAndAsksOnlyNowAndThen) {
  TestServer server;
  server.set_truth(kBound, {});  // as one-sided as it may be
  Client client = connect_to({server.address()});
  for (int i = 0; i < 20'000; ++i)
    ASSERT_TRUE(contained(client));
  server.set_truth({}, kBound);
  std::this_thread::sleep_for(std::chrono::milliseconds(250));
  for (int i = 0; i < 20'000; ++i)
    ASSERT_TRUE(contained(client));
  for (int i = 0; i < 10'000 && client.stats().exchanges < 2; ++i)  // in the background
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  const Stats stats = client.stats();
  EXPECT_GE(stats.exchanges, 2U) << "after a tenth of the largest age it asks again";
  EXPECT_LT(stats.messages_sent, 4'000U) << "40,000 answers, nearly all of them without a request";
  EXPECT_EQ(stats.time_contradictions, 0U);
}

TEST(ClientTime, ManyThreadsAtOnce) {
  TestServer server;
  server.set_truth(kBound, kBound);
  Client client = connect_to({server.address()}, time::seconds(10), time::milliseconds(200));
  std::atomic<int> wrong{0};
  std::atomic<int> served{0};
  std::vector<std::thread> threads;
  threads.reserve(8);
  for (int t = 0; t < 8; ++t)
    threads.emplace_back([&] {
      for (int i = 0; i < 2'000; ++i)
        ++(contained(client) ? served : wrong);
    });
  for (std::thread& thread : threads)
    thread.join();
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(served, 16'000);
}

TEST(ClientTime, AServerThatCannotSayIsAnErrorAndLeftForOneThatCan) {
  TestServer lost;
  TestServer good;
  good.set_truth(kBound, kBound);
  Client alone = connect_to({lost.address()}, time::seconds(1));
  const auto refused = alone.now();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::kClockUnsynchronised);
  Client both = connect_to({lost.address(), good.address()});
  EXPECT_TRUE(contained(both));
}

TEST(ClientTime, WhenTheServerIsGoneItIsKnownForAsLongAsStatedAndThenNoMore) {
  auto server = std::make_unique<TestServer>();
  server->set_truth(kBound, kBound);
  Client client = connect_to({server->address()}, time::milliseconds(200), time::seconds(2));
  ASSERT_TRUE(contained(client));
  server.reset();
  EXPECT_TRUE(contained(client)) << "what was proved goes on being true";
  std::this_thread::sleep_for(std::chrono::milliseconds(2'100));
  const auto now = client.now();
  ASSERT_FALSE(now);
  EXPECT_TRUE(now.error().kind == ErrorKind::kUnreachable || now.error().kind == ErrorKind::kTimeout)
      << now.error().text;
}

TEST(ClientTime, AServerThatContradictsItselfIsRefusedUntilItAgreesWithItself) {
  TestServer server;
  server.set_truth({}, {});
  Client client = connect_to({server.address()}, time::seconds(10), time::seconds(10));
  ASSERT_TRUE(contained(client));
  server.set_truth(time::seconds(-10), time::seconds(10) + time::milliseconds(1));  // 10 s ahead from here on
  std::this_thread::sleep_for(std::chrono::milliseconds(1'050));                    // it asks again after a second
  for (int i = 0; i < 2'000 && client.stats().time_contradictions == 0; ++i) {
    static_cast<void>(client.now());
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  EXPECT_EQ(client.stats().time_contradictions, 1U);
  const auto now = client.now();  // asks as often as it takes
  ASSERT_TRUE(now) << now.error().text;
  EXPECT_GT(now->earliest, TestServer::true_time()) << "what one server alone says is believed in the end";
}

TEST(ClientTime, ACommitWaitReturnsOnlyWhenTHasPassed) {
  TestServer server;
  server.set_truth(time::milliseconds(3), {});  // the earliest end lags by 3 ms: the wait is that long
  Client waiter = connect_to({server.address()});
  TestServer other;
  other.set_truth(kBound, {});
  Client elsewhere = connect_to({other.address()});
  for (int i = 0; i < 50; ++i) {
    const auto now = waiter.now();
    ASSERT_TRUE(now);
    const time::Tai t = now->latest;
    const auto passed = i % 2 == 0 ? waiter.commit_wait(t) : waiter.commit_wait_at_server(t);
    ASSERT_TRUE(passed) << passed.error().text;
    EXPECT_GT(passed->earliest, t);
    EXPECT_GT(TestServer::true_time(), t);
    const auto later = elsewhere.now();
    ASSERT_TRUE(later);
    EXPECT_GT(later->latest, t);
  }
}

TEST(ClientTime, ACommitWaitThatIsTooFarOrMeansNothingIsRefusedAtOnce) {
  TestServer server;
  server.set_truth(kBound, kBound);
  Client client = connect_to({server.address()});
  const time::Tai far = TestServer::true_time() + time::seconds(100);
  const auto local = client.commit_wait(far, time::seconds(1));
  ASSERT_FALSE(local);
  EXPECT_EQ(local.error().kind, ErrorKind::kTooFar);
  const auto remote = client.commit_wait_at_server(far, time::seconds(200));
  ASSERT_FALSE(remote);
  EXPECT_EQ(remote.error().kind, ErrorKind::kTooFar) << "the server's own limit";
  EXPECT_EQ(client.commit_wait(far, time::seconds(-1)).error().kind, ErrorKind::kBadArgument);
  EXPECT_EQ(client.commit_wait_at_server(far, time::seconds(3601)).error().kind, ErrorKind::kBadArgument);
  EXPECT_TRUE(client.commit_wait({-5})) << "long past";
  EXPECT_TRUE(client.commit_wait_at_server({-5}));
}

TEST(ClientTime, AWaitInTheServerIsNotTakenForItsSilence) {
  TestServer server;
  server.set_truth(time::milliseconds(300), time::milliseconds(300));  // the wait is as long as that is wide
  Client client = connect_to({server.address()}, time::milliseconds(400));
  const auto now = client.now();
  ASSERT_TRUE(now);
  const auto passed = client.commit_wait_at_server(now->latest, time::milliseconds(1));
  ASSERT_TRUE(passed) << passed.error().text;
  EXPECT_GT(passed->earliest, now->latest);
  const auto far = client.commit_wait_at_server(passed->latest + time::milliseconds(900), time::milliseconds(100));
  ASSERT_FALSE(far);
  EXPECT_EQ(far.error().kind, ErrorKind::kTooFar) << "by the caller's limit, which is smaller than the server's";
  EXPECT_EQ(client.stats().penalties, 0U);
}

TEST(ClientTime, BlockingInACallbackIsRefused) {
  TestServer server;
  server.set_truth(kBound, kBound);
  Client client = connect_to({server.address()}, time::seconds(10), time::seconds(10));
  ASSERT_TRUE(contained(client));
  std::promise<std::pair<bool, ErrorKind>> seen;
  ASSERT_TRUE(client.next_range_async(id::kSnowflake, 1, [&](const Result<IdRange>&) {
    const bool known = client.now().has_value();  // asks nobody
    const auto waited = client.commit_wait(TestServer::true_time() + time::seconds(1));
    seen.set_value({known, waited ? ErrorKind::kTimeout : waited.error().kind});
  }));
  const auto [known, kind] = seen.get_future().get();
  EXPECT_TRUE(known);
  EXPECT_EQ(kind, ErrorKind::kBadArgument);
}

TEST(ClientTime, ACommitWaitWhoseClockIsLostIsAnErrorNotARelease) {
  TestServer server;
  server.set_truth(kBound, kBound);
  Client client = connect_to({server.address()}, time::milliseconds(300));
  std::thread loser([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    server.lose_truth();
  });
  const auto passed = client.commit_wait_at_server(TestServer::true_time() + time::milliseconds(900));
  loser.join();
  ASSERT_FALSE(passed);
  EXPECT_EQ(passed.error().kind, ErrorKind::kClockUnsynchronised);
}

TEST(ClientTime, AsksOneServerForItsOwnInterval) {
  TestServer first;
  TestServer second;
  first.set_truth(kBound, kBound);
  second.set_truth(time::milliseconds(7), time::milliseconds(9));
  Client client = connect_to({first.address(), second.address()});
  const auto reply = client.ask_time(1);
  const time::Tai returned = TestServer::true_time();
  ASSERT_TRUE(reply) << reply.error().text;
  EXPECT_EQ(reply->server, second.address());
  EXPECT_EQ(reply->said.width(), time::milliseconds(16));
  EXPECT_LE(reply->at_receipt.earliest, returned);
  EXPECT_GE(reply->at_receipt.latest, reply->said.latest + reply->round_trip / 2);
  EXPECT_FALSE(client.ask_time(2));
}

TEST(ClientTime, AChildBeginsAnew) {
  TestServer server;
  server.set_truth(kBound, kBound);
  Client client = connect_to({server.address()});
  ASSERT_TRUE(contained(client));
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    const bool fresh = client.stats().exchanges == 0;
    const bool good = static_cast<bool>(contained(client)) && client.stats().exchanges >= 1;
    _exit(fresh && good ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  EXPECT_TRUE(contained(client));
}

TEST(ClientTime, HybridTimestampsGrowWithWhatTheClientHasSeen) {
  TestServer server;
  server.set_truth(kBound, kBound);
  Client client = connect_to({server.address()});
  clock::HlcTimestamp last{};
  for (int i = 0; i < 100; ++i) {
    const auto next = client.hlc_update();
    ASSERT_TRUE(next) << next.error().text;
    ASSERT_GT(*next, last);
    last = *next;
  }
  const clock::HlcTimestamp remote{last.value + (std::uint64_t{100} << clock::kHlcCounterBits)};  // 100 ms ahead
  const auto after = client.hlc_update(remote);
  ASSERT_TRUE(after);
  EXPECT_GT(*after, remote);

  // Another server knows nothing of it; the client does.
  TestServer second;
  second.set_truth(kBound, kBound);
  Client both = connect_to({second.address()});
  const auto received = both.hlc_update(*after);
  ASSERT_TRUE(received);
  EXPECT_GT(*received, *after);
  const auto next = both.hlc_update();
  ASSERT_TRUE(next);
  EXPECT_GT(*next, *received);

  const clock::HlcTimestamp mad{last.value + (std::uint64_t{3'600'000} << clock::kHlcCounterBits)};
  const auto refused = both.hlc_update(mad);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::kTooFar);
  EXPECT_TRUE(both.hlc_update()) << "a refused value leaves nothing behind";
}

TEST(HlcStamper, StampsAscendAndExceedWhatIsReceived) {
  HlcStamper stamper;
  const time::Tai now{1'800'000'000'000'000'000};
  const auto sent = stamper.receive_at(now, {});
  ASSERT_TRUE(sent);
  const clock::HlcTimestamp remote{sent->value + (std::uint64_t{400} << clock::kHlcCounterBits)};
  const auto received = stamper.receive_at(now, remote);
  ASSERT_TRUE(received);
  EXPECT_EQ(received->value, remote.value + 1);
  const auto next = stamper.receive_at(now, {});
  ASSERT_TRUE(next);
  EXPECT_GT(*next, *received);

  const clock::HlcTimestamp mad{sent->value + (std::uint64_t{900} << clock::kHlcCounterBits)};
  const auto refused = stamper.receive_at(now, mad);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::kTooFar);
  EXPECT_EQ(stamper.receive_at(now, {})->value, next->value + 1) << "a refused value changed nothing";

  const auto set_back = stamper.receive_at(now - time::seconds(1), {});
  ASSERT_FALSE(set_back);
  EXPECT_EQ(set_back.error().kind, ErrorKind::kClockBehind);
  EXPECT_EQ(stamper.receive_at({-1}, {}).error().kind, ErrorKind::kClockUnsynchronised);
}

TEST(HlcStamper, ManyThreadsGetDistinctStamps) {
  HlcStamper stamper;
  constexpr std::size_t kThreads = 4;
  constexpr std::size_t kEach = 20'000;
  std::vector<std::vector<std::uint64_t>> got(kThreads);
  std::vector<std::thread> threads;
  threads.reserve(kThreads);
  for (auto& mine : got)
    threads.emplace_back([&] {
      for (std::size_t i = 0; i < kEach; ++i)
        mine.push_back(stamper.send().value().value);
    });
  for (std::thread& thread : threads)
    thread.join();
  std::vector<std::uint64_t> all;
  for (const auto& mine : got) {
    EXPECT_TRUE(std::is_sorted(mine.begin(), mine.end()));
    all.insert(all.end(), mine.begin(), mine.end());
  }
  std::sort(all.begin(), all.end());
  EXPECT_EQ(std::adjacent_find(all.begin(), all.end()), all.end());
  EXPECT_EQ(all.size(), kThreads * kEach);
}

}  // namespace
}  // namespace gnomon::client
