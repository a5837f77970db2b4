// SPDX-License-Identifier: Apache-2.0
//
// Real forks under load: the child goes on with sockets, request ids and IDs of its own, and hangs on no lock.
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <new>
#include <thread>
#include <vector>

#include "client/fork_guard.hpp"
#include "client/id_stream.hpp"
#include "tests/client/test_server.hpp"

#if defined(__SANITIZE_THREAD__)
// Its default is to end a child that starts a thread, which is just what is tested here.
extern "C" const char* __tsan_default_options();
extern "C" const char* __tsan_default_options() { return "die_after_fork=0"; }
#endif

namespace gnomon::client {
namespace {

using testing::TestServer;

constexpr int kChildIds = 200;
constexpr int kChildSeconds = 60;  // after which alarm() ends a child that hangs

Options options_for(const TestServer& server) {
  Options options;
  options.servers = {server.address()};
  options.deadline = time::seconds(20);
  return options;
}

/// Runs `body` in a child and returns the IDs that it wrote; an ID of 0 stands for a failure.
template <typename Body>
std::vector<std::uint64_t> in_child(const Body& body) {
  int ends[2];
  if (pipe(ends) != 0) return {};
  const pid_t child = fork();
  if (child == 0) {
    alarm(kChildSeconds);
    close(ends[0]);
    std::vector<std::uint64_t> ids = body();
    const auto bytes = ids.size() * sizeof ids[0];
    _exit(write(ends[1], ids.data(), bytes) == static_cast<ssize_t>(bytes) ? 0 : 1);
  }
  close(ends[1]);
  std::vector<std::uint64_t> ids;
  std::uint64_t id = 0;
  while (read(ends[0], &id, sizeof id) == sizeof id)
    ids.push_back(id);
  close(ends[0]);
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << "the child ended with " << status;
  return ids;
}

template <typename Next>
std::vector<std::uint64_t> fetch(const Next& next) {
  std::vector<std::uint64_t> ids;
  for (int i = 0; i < kChildIds; ++i) {
    const Result<id::Id> id = next();
    ids.push_back(id ? id->value : 0);
  }
  return ids;
}

void expect_distinct(std::vector<std::uint64_t> ids, std::size_t count) {
  std::sort(ids.begin(), ids.end());
  ASSERT_EQ(ids.size(), count);
  EXPECT_NE(ids.front(), 0U) << "a call failed";
  EXPECT_EQ(std::adjacent_find(ids.begin(), ids.end()), ids.end());
}

TEST(Fork, TheChildUsesTheSameClientAndStreamWithoutSharingAnId) {
  const TestServer server;
  auto client = Client::connect(options_for(server));
  ASSERT_TRUE(client);
  auto stream = IdStream::open(*client, {.layout = id::kSnowflake, .max_age = time::seconds(60)});
  ASSERT_TRUE(stream);
  std::vector<std::uint64_t> all;
  const auto take = [&all](std::vector<std::uint64_t> ids) { all.insert(all.end(), ids.begin(), ids.end()); };
  take(fetch([&] { return stream->next(); }));  // leaves prefetched IDs for the child to inherit
  for (int round = 0; round < 5; ++round) {
    take(in_child([&] {
      auto ids = fetch([&] { return stream->next(); });
      const auto more = fetch([&] { return client->next_id(id::kSnowflake); });
      ids.insert(ids.end(), more.begin(), more.end());
      return ids;
    }));
    take(fetch([&] { return stream->next(); }));
  }
  expect_distinct(all, static_cast<std::size_t>(kChildIds) * 16);
}

TEST(Fork, WhileOtherThreadsOfTheParentHoldEveryLockThereIs) {
  const TestServer server;
  auto client = Client::connect(options_for(server));
  ASSERT_TRUE(client);
  auto stream = IdStream::open(*client, {});
  ASSERT_TRUE(stream);
  std::atomic<bool> stop{false};
  std::vector<std::thread> threads;
  threads.reserve(3);
  for (int i = 0; i < 3; ++i)
    threads.emplace_back([&, i] {
      while (!stop.load())
        if (i == 0)
          static_cast<void>(client->next_id(id::kSnowflake));
        else
          static_cast<void>(stream->next());
    });
  std::vector<std::uint64_t> all;
  for (int round = 0; round < 20; ++round) {
    const auto ids = in_child([&] { return fetch([&] { return stream->next(); }); });
    all.insert(all.end(), ids.begin(), ids.end());
  }
  stop.store(true);
  for (std::thread& thread : threads)
    thread.join();
  expect_distinct(all, static_cast<std::size_t>(kChildIds) * 20);
}

// As daemons do: close all that was inherited, then open files of one's own, under the same numbers.
TEST(Fork, WhatTheChildOpenedUnderTheSameNumbersStaysOpen) {
  constexpr int kNumbers = 64;
  const TestServer server;
  auto client = Client::connect(options_for(server));
  ASSERT_TRUE(client);
  ASSERT_TRUE(client->next_id(id::kSnowflake));
  int report[2];
  ASSERT_EQ(pipe(report), 0);
  const pid_t child = fork();
  if (child == 0) {
    alarm(kChildSeconds);
    const int out = dup2(report[1], 3 + kNumbers);
    for (int fd = 3; fd < 3 + kNumbers; ++fd)
      close(fd);
    // Each holds a number of its own, so that a socket which the client opens in place of one it closed is found out.
    std::vector<int> own;
    for (std::uint64_t i = 1; i <= kNumbers; ++i) {
      own.push_back(i % 2 == 0 ? eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC) : memfd_create("own", MFD_CLOEXEC));
      if (write(own.back(), &i, sizeof i) != sizeof i) _exit(2);
      if (i % 2 != 0) lseek(own.back(), 0, SEEK_SET);
    }
    const bool served = client->next_id(id::kSnowflake).has_value();
    int intact = 0;
    for (std::uint64_t i = 1; i <= kNumbers; ++i) {
      std::uint64_t held = 0;
      if (read(own[i - 1], &held, sizeof held) == sizeof held && held == i) ++intact;
    }
    const int seen[2] = {served ? 1 : 0, intact};
    _exit(write(out, seen, sizeof seen) == sizeof seen ? 0 : 1);
  }
  close(report[1]);
  int seen[2] = {0, 0};
  EXPECT_EQ(read(report[0], seen, sizeof seen), static_cast<ssize_t>(sizeof seen));
  close(report[0]);
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << "the child ended with " << status;
  EXPECT_EQ(seen[0], 1) << "the child's client did not serve";
  EXPECT_EQ(seen[1], kNumbers) << "files of the child were closed under its hands";
  EXPECT_TRUE(client->next_id(id::kSnowflake)) << "and the parent's sockets are its own";
}

struct Value {
  void abandon() const {}
};

TEST(Fork, ARenewalThatThrowsCanBeTriedAgain) {
  ForkSafe<Value> value(std::make_unique<Value>());
  const auto seen = in_child([&] {
    std::uint64_t thrown = 0;
    for (int i = 0; i < 2; ++i) {
      try {
        static_cast<void>(value.get([]() -> Result<std::unique_ptr<Value>> { throw std::bad_alloc(); }));
      } catch (const std::bad_alloc&) {
        ++thrown;
      }
    }
    const auto renewed = value.get([]() -> Result<std::unique_ptr<Value>> { return std::make_unique<Value>(); });
    return std::vector<std::uint64_t>{thrown, renewed && *renewed == value.peek() ? 1U : 0U};
  });
  EXPECT_EQ(seen, (std::vector<std::uint64_t>{2, 1})) << "times thrown, renewed in the end";
}

TEST(Fork, PendingCallsOfTheParentEndInTheParentOnly) {
  TestServer server({.leased = false});
  auto client = Client::connect(options_for(server));
  ASSERT_TRUE(client);
  std::atomic<int> ended{0};
  constexpr int kCalls = 10;
  for (int i = 0; i < kCalls; ++i)
    ASSERT_TRUE(client->next_range_async(id::kSnowflake, 1, [&](const Result<IdRange>&) {
      ended.fetch_add(1);
      ended.notify_one();
    }));
  const auto seen_by_child = in_child([&] {
    static_cast<void>(client->ping(0));
    return std::vector<std::uint64_t>{static_cast<std::uint64_t>(ended.load()) + 1};
  });
  EXPECT_EQ(seen_by_child, std::vector<std::uint64_t>{1});
  server.set_leased(true);
  for (int n = ended.load(); n < kCalls; n = ended.load())
    ended.wait(n);
  EXPECT_EQ(ended.load(), kCalls);
}

TEST(Fork, AChildThatNeverUsesTheClientCanDestroyIt) {
  const TestServer server;
  auto client = std::make_unique<Client>(Client::connect(options_for(server)).value());
  ASSERT_TRUE(client->next_id(id::kSnowflake));
  const auto done = in_child([&] {
    client.reset();
    return std::vector<std::uint64_t>{1};
  });
  EXPECT_EQ(done.size(), 1U);
  EXPECT_TRUE(client->next_id(id::kSnowflake)) << "and the parent's goes on";
}

TEST(Fork, ACallbackThatForksDoesNotRunTheRestOfTheParentsCallbacksInTheChild) {
  const TestServer server;
  auto client = Client::connect(options_for(server));
  ASSERT_TRUE(client);
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  std::atomic<int> ended{0};
  std::atomic<pid_t> child{0};
  const pid_t parent = getpid();
  for (int i = 0; i < 200; ++i)
    ASSERT_TRUE(client->next_range_async(id::kSnowflake, 1, [&, i](const Result<IdRange>&) {
      if (i == 0) child.store(fork());
      if (getpid() != parent && i != 0) static_cast<void>(!write(ends[1], "x", 1));
      ended.fetch_add(1);
      ended.notify_one();
    }));
  for (int n = ended.load(); n < 200; n = ended.load())
    ended.wait(n);
  int status = 0;
  ASSERT_EQ(waitpid(child.load(), &status, 0), child.load());
  EXPECT_TRUE(WIFEXITED(status));
  pollfd readable{.fd = ends[0], .events = POLLIN, .revents = 0};
  close(ends[1]);
  ASSERT_EQ(poll(&readable, 1, 10'000), 1);
  char byte = 0;
  EXPECT_EQ(read(ends[0], &byte, 1), 0) << "a callback of the parent ran in the child";
  close(ends[0]);
}

}  // namespace
}  // namespace gnomon::client
