// SPDX-License-Identifier: Apache-2.0
//
// Streams over real loopback sockets.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <thread>
#include <vector>

#include "client/id_stream.hpp"
#include "tests/client/test_server.hpp"

namespace gnomon::client {
namespace {

using testing::TestServer;

Client connect_to(std::string server, time::Duration deadline) {
  Options options;
  options.servers = {std::move(server)};
  options.deadline = deadline;
  return testing::connected(options);
}

TEST(IdStream, HandsOutAscendingIdsInFarFewerRequests) {
  const TestServer server;
  Client client = connect_to(server.address(), time::seconds(20));
  auto stream = IdStream::open(client, {.layout = id::kSnowflake, .max_age = time::seconds(60)});
  ASSERT_TRUE(stream) << stream.error().text;
  id::Id last{};
  for (int i = 0; i < 50'000; ++i) {
    const auto id = stream->next();
    ASSERT_TRUE(id) << id.error().text;
    ASSERT_GT(*id, last);
    last = *id;
  }
  EXPECT_LT(server.count(page::Counter::kMessages), 2'000U);
  EXPECT_EQ(stream->stats().ids, 50'000U);
  EXPECT_GT(stream->stats().batch, 64U) << "the demand was noticed";
}

TEST(IdStream, ThreadsThatShareAStreamNeverShareAnId) {
  const TestServer server;
  Client client = connect_to(server.address(), time::seconds(20));
  auto stream = IdStream::open(client, {});
  ASSERT_TRUE(stream);
  constexpr std::size_t kThreads = 4;
  constexpr std::size_t kEach = 10'000;
  std::vector<std::vector<std::uint64_t>> ids(kThreads);
  std::vector<std::thread> threads;
  threads.reserve(kThreads);
  for (auto& part : ids)
    threads.emplace_back([&] {
      for (std::size_t i = 0; i < kEach; ++i)
        if (const auto id = stream->next()) part.push_back(id->value);
    });
  for (std::thread& thread : threads)
    thread.join();
  std::vector<std::uint64_t> all;
  for (const auto& part : ids)
    all.insert(all.end(), part.begin(), part.end());
  std::sort(all.begin(), all.end());
  EXPECT_EQ(all.size(), kThreads * kEach);
  EXPECT_EQ(std::adjacent_find(all.begin(), all.end()), all.end());
}

TEST(IdStream, TheErrorComesOnlyWhenTheStockIsUsedUp) {
  TestServer server;
  Client client = connect_to(server.address(), time::milliseconds(200));
  auto stream = IdStream::open(
      client, {.layout = id::kSnowflake, .min_batch = 100, .max_batch = 100, .max_age = time::seconds(3600)});
  ASSERT_TRUE(stream);
  ASSERT_TRUE(stream->next());
  server.set_leased(false);
  std::size_t more = 0;
  Result<id::Id> id = stream->next();
  for (; id; id = stream->next())
    ++more;
  EXPECT_GE(more, 98U) << "what had been fetched is handed out, to the last";
  EXPECT_EQ(id.error().kind, ErrorKind::kNotLeased) << id.error().text;
  EXPECT_GE(stream->stats().failed_refills, 1U);
  server.set_leased(true);
  while (!(id = stream->next())) {
  }
  EXPECT_TRUE(id) << "and it recovers by itself";
}

TEST(IdStream, OldIdsAreDroppedSoThatTheirTimeIsRecent) {
  const TestServer server;
  Client client = connect_to(server.address(), time::seconds(20));
  auto stream = IdStream::open(
      client, {.layout = id::kSnowflake, .min_batch = 100, .max_batch = 100, .max_age = time::milliseconds(20)});
  ASSERT_TRUE(stream);
  const auto first = stream->next();
  ASSERT_TRUE(first);
  std::this_thread::sleep_for(std::chrono::milliseconds(30));
  const auto second = stream->next();
  ASSERT_TRUE(second);
  EXPECT_GE((second->value >> 22) - (first->value >> 22), 25U) << "milliseconds between them";
  EXPECT_GE(stream->stats().dropped_too_old, 99U);
}

TEST(IdStream, OutlivesTheClientObject) {
  const TestServer server;
  auto client = std::make_unique<Client>(connect_to(server.address(), time::seconds(20)));
  auto stream = IdStream::open(*client, {});
  ASSERT_TRUE(stream);
  client.reset();
  EXPECT_TRUE(stream->next());
}

TEST(IdStream, OptionsThatCannotBeMeantAreRefusedWithAReason) {
  const TestServer server;
  Client client = connect_to(server.address(), time::seconds(1));
  for (const StreamOptions& options :
       {StreamOptions{.layout = {0}}, StreamOptions{.layout = {256}}, StreamOptions{.min_batch = 0},
        StreamOptions{.min_batch = 5, .max_batch = 4}, StreamOptions{.max_batch = 1'000'001},
        StreamOptions{.max_age = {}}, StreamOptions{.max_age = time::seconds(3601)}})
    EXPECT_EQ(IdStream::open(client, options).error().kind, ErrorKind::kBadArgument);
}

}  // namespace
}  // namespace gnomon::client
