// SPDX-License-Identifier: Apache-2.0
//
// The client over real loopback sockets, against the real worker step.
#include "client/client.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <mutex>
#include <thread>
#include <vector>

#include "tests/client/test_server.hpp"

namespace gnomon::client {
namespace {

using testing::TestServer;
using testing::unused_port;

Client connect_to(std::vector<std::string> servers, time::Duration deadline = time::seconds(10),
                  time::Duration attempt_timeout = time::milliseconds(60)) {
  Options options;
  options.servers = std::move(servers);
  options.deadline = deadline;
  options.attempt_timeout = attempt_timeout;
  return testing::connected(options);
}

std::string local(std::uint16_t port) { return "127.0.0.1:" + std::to_string(port); }

/// The server counts a burst after it has answered it: waits until it has counted `least`, or ten seconds.
std::uint64_t counted(const TestServer& server, page::Counter counter, std::uint64_t least) {
  for (int i = 0; i < 10'000 && server.count(counter) < least; ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  return server.count(counter);
}

std::size_t distinct(std::vector<std::uint64_t> ids) {
  std::sort(ids.begin(), ids.end());
  return static_cast<std::size_t>(std::unique(ids.begin(), ids.end()) - ids.begin());
}

TEST(Client, FetchesOneIdAfterAnotherInAscendingOrder) {
  const TestServer server;
  Client client = connect_to({server.address()});
  id::Id last{};
  for (int i = 0; i < 100; ++i) {
    const auto id = client.next_id(id::kSnowflake);
    ASSERT_TRUE(id) << id.error().text;
    EXPECT_GT(*id, last);
    last = *id;
  }
  EXPECT_EQ(client.stats().calls_ok, 100U);
  EXPECT_EQ(counted(server, page::Counter::kIds, 100), 100U);
}

TEST(Client, ARangeIsContiguousAndAtMostWhatWasAsked) {
  const TestServer server;
  Client client = connect_to({server.address()});
  const auto range = client.next_range(id::kSnowflake, 1000);
  ASSERT_TRUE(range) << range.error().text;
  EXPECT_GE(range->count, 1U);
  EXPECT_LE(range->count, 1000U);
  EXPECT_EQ(range->stride, 1U);
}

TEST(Client, GathersExactlyAsManyAsAskedAlsoBeyondAUnit) {
  const TestServer server;
  Client client = connect_to({server.address()});
  // Layout 16 holds 64 in a unit, which the client has to learn.
  for (const id::LayoutNumber layout : {id::kSnowflake, id::kJs53, id::LayoutNumber{16}}) {
    const auto ranges = client.next_ids(layout, 1'500);
    ASSERT_TRUE(ranges) << ranges.error().text;
    std::vector<std::uint64_t> ids;
    for (const IdRange& range : *ranges)
      for (std::uint32_t i = 0; i < range.count; ++i)
        ids.push_back(range.at(i).value);
    EXPECT_EQ(ids.size(), 1'500U);
    EXPECT_TRUE(std::is_sorted(ids.begin(), ids.end()));
    EXPECT_EQ(distinct(ids), 1'500U);
  }
}

TEST(Client, ManyThreadsShareDatagramsAndNeverAnId) {
  const TestServer server;
  Client client = connect_to({server.address()});
  constexpr std::size_t kThreads = 32;
  constexpr std::size_t kEach = 300;
  std::vector<std::vector<std::uint64_t>> ids(kThreads);
  std::vector<std::thread> threads;
  threads.reserve(kThreads);
  for (std::size_t t = 0; t < kThreads; ++t)
    threads.emplace_back([&, t] {
      for (std::size_t i = 0; i < kEach; ++i) {
        const auto id = client.next_id(id::kSnowflake);
        if (id) ids[t].push_back(id->value);
      }
    });
  for (std::thread& thread : threads)
    thread.join();
  std::vector<std::uint64_t> all;
  for (const auto& part : ids) {
    EXPECT_TRUE(std::is_sorted(part.begin(), part.end())) << "one thread, one socket, one worker: ascending";
    all.insert(all.end(), part.begin(), part.end());
  }
  EXPECT_EQ(all.size(), kThreads * kEach);
  EXPECT_EQ(distinct(all), kThreads * kEach);
  const std::uint64_t messages = counted(server, page::Counter::kMessages, kThreads * kEach);
  const std::uint64_t datagrams = server.count(page::Counter::kDatagrams);
  EXPECT_GE(messages, kThreads * kEach);
  EXPECT_LT(datagrams, messages) << "how many share one is the scheduler's to say, but some do";
}

TEST(Client, ALoneCallWaitsForNobody) {
  const TestServer server;
  Client client = connect_to({server.address()}, time::seconds(60), time::seconds(10));
  ASSERT_TRUE(client.next_id(id::kSnowflake));
  EXPECT_EQ(client.stats().datagrams_sent, 1U);
  EXPECT_EQ(counted(server, page::Counter::kMessages, 1), 1U);
}

TEST(Client, AsynchronousCallsComeBackOnceEach) {
  const TestServer server;
  Client client = connect_to({server.address()});
  constexpr int kCalls = 5'000;
  std::mutex mutex;
  std::vector<std::uint64_t> ids;
  std::atomic<int> done{0};
  for (int i = 0; i < kCalls; ++i) {
    const auto accepted = client.next_range_async(id::kSnowflake, 1, [&](Result<IdRange> range) {
      {
        const std::lock_guard lock(mutex);
        if (range) ids.push_back(range->first.value);
      }
      done.fetch_add(1);
      done.notify_one();
    });
    ASSERT_TRUE(accepted) << accepted.error().text;
  }
  for (int seen = done.load(); seen < kCalls; seen = done.load())
    done.wait(seen);
  const std::lock_guard lock(mutex);
  EXPECT_EQ(distinct(ids), static_cast<std::size_t>(kCalls));
}

TEST(Client, AFutureHoldsTheResult) {
  const TestServer server;
  Client client = connect_to({server.address()});
  auto good = client.next_range_future(id::kSnowflake, 5);
  auto bad = client.next_range_future(id::kSnowflake, 0);
  EXPECT_TRUE(good.get());
  EXPECT_EQ(bad.get().error().kind, ErrorKind::kBadCount);
}

TEST(Client, ABlockingCallFromACallbackIsRefusedInsteadOfHanging) {
  const TestServer server;
  Client client = connect_to({server.address()});
  std::promise<ErrorKind> seen;
  ASSERT_TRUE(client.next_range_async(id::kSnowflake, 1, [&](const Result<IdRange>&) {
    const auto nested = client.next_id(id::kSnowflake);
    seen.set_value(nested ? ErrorKind::kTimeout : nested.error().kind);
  }));
  EXPECT_EQ(seen.get_future().get(), ErrorKind::kBadArgument);
}

TEST(Client, DestroyingTheClientEndsPendingCalls) {
  const platform::UniqueFd silent(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  const auto any = platform::to_socket_address({serve::Address::v4(127, 0, 0, 1), 0});
  ASSERT_EQ(::bind(silent.get(), any.get(), any.size), 0);
  sockaddr_storage bound{};
  socklen_t size = sizeof bound;
  getsockname(silent.get(), reinterpret_cast<sockaddr*>(&bound), &size);
  std::future<Result<IdRange>> future;
  {
    Client client = connect_to({to_string(*platform::from_socket_address(bound))});
    future = client.next_range_future(id::kSnowflake, 1);
  }
  EXPECT_EQ(future.get().error().kind, ErrorKind::kClosed);
}

TEST(Client, ADeadServerIsLeftForTheNextAtOnce) {
  const TestServer alive;
  Client client = connect_to({local(unused_port()), alive.address()});
  const auto id = client.next_id(id::kSnowflake);
  ASSERT_TRUE(id) << id.error().text;
  EXPECT_GE(client.stats().refused, 1U) << "the kernel said so; no timeout was needed";
}

TEST(Client, AServerWithoutARightIsLeftForTheNext) {
  const TestServer without({.leased = false});
  const TestServer with({.machine = 2});
  Client client = connect_to({without.address(), with.address()});
  const auto id = client.next_id(id::kSnowflake);
  ASSERT_TRUE(id) << id.error().text;
  EXPECT_GE(counted(without, page::Counter::kNotLeased, 1), 1U);
}

TEST(Client, WhenNobodyServesTheErrorSaysWhatEachServerDid) {
  const TestServer without({.leased = false});
  const std::string dead = local(unused_port());
  Client client = connect_to({without.address(), dead}, time::milliseconds(300));
  const auto id = client.next_id(id::kSnowflake);
  ASSERT_FALSE(id);
  EXPECT_EQ(id.error().kind, ErrorKind::kNotLeased);
  EXPECT_TRUE(try_elsewhere(id.error().kind));
  EXPECT_EQ(id.error().server, without.address());
  EXPECT_NE(id.error().text.find(without.address() + " answered not_leased"), std::string::npos) << id.error().text;
  EXPECT_NE(id.error().text.find(dead + " refused"), std::string::npos) << id.error().text;
}

TEST(Client, ARequestThatIsWrongEverywhereEndsAtOnce) {
  const TestServer server;
  Client client = connect_to({server.address()}, time::seconds(60), time::seconds(10));
  const auto unknown = client.next_id({200});
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().kind, ErrorKind::kBadFormat);
  const auto too_many = client.next_range(id::kJs53, 1'000);
  ASSERT_FALSE(too_many);
  EXPECT_EQ(too_many.error().kind, ErrorKind::kBadCount);
  EXPECT_NE(too_many.error().text.find("at most 128"), std::string::npos) << too_many.error().text;
  EXPECT_EQ(client.stats().retries, 0U);
}

TEST(Client, AServerThatIsStartedAgainAtTheSamePortIsFoundAgain) {
  auto server = std::make_unique<TestServer>();
  const std::uint16_t port = server->port();
  Client client = connect_to({server->address()}, time::seconds(30));
  const auto before = client.next_id(id::kSnowflake);
  ASSERT_TRUE(before);
  server.reset();
  auto during = client.next_range_future(id::kSnowflake, 1);
  while (client.stats().refused == 0)
    std::this_thread::yield();
  server = std::make_unique<TestServer>(testing::TestServerOptions{.port = port});
  const auto after = during.get();
  ASSERT_TRUE(after) << after.error().text;
  EXPECT_GT(after->first, *before);
}

TEST(Client, PingTellsWhoAnswered) {
  const TestServer first({.machine = 3});
  const TestServer second({.machine = 4, .leased = false});
  Client client = connect_to({first.address(), second.address()});
  const auto one = client.ping(0);
  ASSERT_TRUE(one) << one.error().text;
  EXPECT_TRUE(one->leased);
  EXPECT_EQ(one->machine, mint::MachineId{3});
  EXPECT_GT(one->right_remaining, time::Duration{});
  EXPECT_GT(one->round_trip, time::Duration{});
  const auto two = client.ping(second.address());
  ASSERT_TRUE(two) << two.error().text;
  EXPECT_FALSE(two->leased);
  EXPECT_NE(one->incarnation, two->incarnation);
  EXPECT_EQ(client.ping(2).error().kind, ErrorKind::kBadArgument);
  EXPECT_EQ(client.ping("127.0.0.1:1").error().kind, ErrorKind::kBadArgument);
}

TEST(Client, SignsAndVerifiesWithItsKey) {
  wire::Key key{{7}, {1, 2, 3}};
  const TestServer server({.keys = wire::KeyRing({key})});
  Options options;
  options.servers = {server.address()};
  options.key = ClientKey{7, key.bytes};
  auto with = Client::connect(options);
  ASSERT_TRUE(with);
  EXPECT_TRUE(with->next_id(id::kSnowflake));
  options.key->bytes[0] ^= 1;
  auto wrong = Client::connect(options);
  ASSERT_TRUE(wrong);
  EXPECT_EQ(wrong->next_id(id::kSnowflake).error().kind, ErrorKind::kUnauthorised);
  options.key.reset();
  auto without = Client::connect(options);
  ASSERT_TRUE(without);
  EXPECT_EQ(without->next_id(id::kSnowflake).error().kind, ErrorKind::kUnauthorised);
}

TEST(Client, MoreCallsThanItMayHoldAreRefused) {
  Options options;
  options.servers = {local(unused_port())};
  options.max_pending = 2;
  auto client = Client::connect(options);
  ASSERT_TRUE(client);
  const auto ignore = [](const Result<IdRange>&) {};
  EXPECT_TRUE(client->next_range_async(id::kSnowflake, 1, ignore));
  EXPECT_TRUE(client->next_range_async(id::kSnowflake, 1, ignore));
  EXPECT_EQ(client->next_range_async(id::kSnowflake, 1, ignore).error().kind, ErrorKind::kOverloaded);
  EXPECT_EQ(client->stats().overloaded, 1U);
}

TEST(Client, SeveralSocketsAreSeveralFlows) {
  const TestServer server;
  Options options;
  options.servers = {server.address()};
  options.sockets_per_server = 4;
  auto client = Client::connect(options);
  ASSERT_TRUE(client);
  std::vector<std::uint64_t> ids;
  ids.reserve(40);
  for (int i = 0; i < 40; ++i)
    ids.push_back(client->next_id(id::kSnowflake).value().value);
  EXPECT_EQ(distinct(ids), 40U);
}

TEST(Client, OptionsThatCannotBeMeantAreRefusedWithAReason) {
  const auto refused = [](auto change, std::string_view reason) {
    Options options;
    options.servers = {"127.0.0.1:14666"};
    change(options);
    const auto client = Client::connect(options);
    ASSERT_FALSE(client) << reason;
    EXPECT_EQ(client.error().kind, ErrorKind::kBadArgument);
    EXPECT_NE(client.error().text.find(reason), std::string::npos) << client.error().text;
  };
  refused([](Options& o) { o.servers.clear(); }, "no server");
  refused([](Options& o) { o.servers.assign(17, "127.0.0.1"); }, "17 servers");
  refused([](Options& o) { o.servers = {"127.0.0.1:1", "127.0.0.1:1"}; }, "twice");
  refused([](Options& o) { o.servers = {"127.0.0.1:70000"}; }, "port");
  refused([](Options& o) { o.servers = {"::1:5"}; }, "brackets");
  refused([](Options& o) { o.servers = {"0.0.0.0"}; }, "every address");
  refused([](Options& o) { o.servers = {""}; }, "server ''");
  refused([](Options& o) { o.deadline = {}; }, "deadline");
  refused([](Options& o) { o.attempt_timeout = time::seconds(11); }, "attempt_timeout");
  refused([](Options& o) { o.sockets_per_server = 0; }, "sockets_per_server");
  refused([](Options& o) { o.max_pending = 0; }, "max_pending");
}

}  // namespace
}  // namespace gnomon::client
