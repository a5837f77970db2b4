// SPDX-License-Identifier: Apache-2.0
#include "client/lease/token_guard.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <thread>
#include <vector>

namespace gnomon::client {
namespace {

TEST(TokenGuard, AnOlderTokenIsRefusedAndToldWhoCameLater) {
  TokenGuard guard;
  EXPECT_TRUE(guard.admits("a", 33));
  EXPECT_TRUE(guard.admits("a", 33)) << "one holder may act as often as it likes";
  EXPECT_TRUE(guard.admits("a", 34));
  const Admission late = guard.admits("a", 33);
  EXPECT_FALSE(late);
  EXPECT_EQ(late.highest, 34U);
  EXPECT_TRUE(guard.admits("a", 34)) << "a refusal changes nothing";
}

TEST(TokenGuard, NamesKnowNothingOfEachOther) {
  TokenGuard guard;
  EXPECT_TRUE(guard.admits("a", 100));
  EXPECT_TRUE(guard.admits("b", 1));
  EXPECT_EQ(guard.highest("a"), 100U);
  EXPECT_EQ(guard.highest("b"), 1U);
  EXPECT_EQ(guard.highest("c"), 0U);
}

TEST(TokenGuard, ZeroIsNobodysToken) {
  TokenGuard guard;
  EXPECT_FALSE(guard.admits("a", 0));
  EXPECT_TRUE(guard.exported().empty());
}

TEST(TokenGuard, ALaterStoreEpochIsLarger) {
  NameTokenGuard guard;
  EXPECT_TRUE(guard.admits((std::uint64_t{1} << 48U) | 900'000));
  EXPECT_TRUE(guard.admits((std::uint64_t{2} << 48U) | 5));
  EXPECT_FALSE(guard.admits((std::uint64_t{1} << 48U) | 900'001));
}

TEST(TokenGuard, WhatWasExportedRefusesTheSameAfterARestart) {
  TokenGuard before;
  EXPECT_TRUE(before.admits("a", 7));
  EXPECT_TRUE(before.admits("b", 9));
  TokenGuard after;
  EXPECT_TRUE(after.admits("b", 12)) << "the restore may come late";
  after.restore(before.exported());
  EXPECT_FALSE(after.admits("a", 6));
  EXPECT_TRUE(after.admits("a", 7));
  EXPECT_FALSE(after.admits("b", 11)) << "and never makes a token smaller";
  EXPECT_EQ(after.exported(), (TokenGuard::Tokens{{"a", 7}, {"b", 12}}));
}

TEST(TokenGuard, OnlyAnAdmittedWriteRuns) {
  TokenGuard guard;
  int writes = 0;
  EXPECT_TRUE(guard.act("a", 2, [&] { ++writes; }));
  EXPECT_FALSE(guard.act("a", 1, [&] { ++writes; }));
  EXPECT_EQ(writes, 1);
}

// The history of the writes of each name is what a resource shows: tokens that never go back.
TEST(TokenGuard, WritesOfManyThreadsAreInTheOrderOfTheirTokens) {
  constexpr int kThreads = 4;
  constexpr std::uint64_t kTokens = 5'000;
  TokenGuard guard;
  std::vector<std::uint64_t> written;  // guarded by the guard
  std::atomic<std::uint64_t> next{0};
  std::atomic<std::uint64_t> refused{0};
  std::vector<std::thread> threads;
  threads.reserve(kThreads);
  for (int i = 0; i < kThreads; ++i)
    threads.emplace_back([&] {
      for (std::uint64_t token = ++next; token <= kTokens; token = ++next)
        if (!guard.act("a", token, [&] { written.push_back(token); })) ++refused;
    });
  for (std::thread& thread : threads)
    thread.join();
  EXPECT_TRUE(std::is_sorted(written.begin(), written.end()));
  EXPECT_EQ(written.size() + refused.load(), kTokens);
  EXPECT_EQ(guard.highest("a"), kTokens);
}

}  // namespace
}  // namespace gnomon::client
