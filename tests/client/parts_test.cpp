// SPDX-License-Identifier: Apache-2.0
//
// The client's small parts, each held against a model: timer wheel, request table, stock, waiter.
#include <gtest/gtest.h>

#include <map>
#include <random>
#include <thread>

#include "client/request_table.hpp"
#include "client/stock.hpp"
#include "client/timer_wheel.hpp"
#include "client/waiter.hpp"

namespace gnomon::client {
namespace {

constexpr time::Uptime kStart{5'000'000'000};

TEST(TimerWheel, FiresNeverEarlyAndAtMostAGranuleLate) {
  std::mt19937_64 random(1);
  TimerWheel wheel(kStart);
  std::map<std::uint32_t, time::Uptime> model;
  std::vector<std::uint32_t> due;
  time::Uptime now = kStart;
  std::size_t fired = 0;
  for (int step = 0; step < 200'000; ++step) {
    const auto index = static_cast<std::uint32_t>(random() % 500);
    const std::uint64_t what = random() % 10;
    if (what < 5) {
      // Now and then far beyond the circle.
      const auto ahead = static_cast<std::int64_t>(random() % (what == 0 ? 5'000'000'000 : 20'000'000));
      model[index] = now + time::nanoseconds(ahead);
      wheel.arm(index, model[index]);
    } else if (what < 7) {
      model.erase(index);
      wheel.disarm(index);
    } else {
      now = now + time::nanoseconds(static_cast<std::int64_t>(
                      random() % (what == 9 && random() % 100 == 0 ? 3'000'000'000 : 500'000)));
      due.clear();
      wheel.expire(now, due);
      for (const std::uint32_t one : due) {
        ASSERT_EQ(model.count(one), 1U);
        ASSERT_LE(model[one], now);
        model.erase(one);
        ++fired;
      }
      for (const auto& [one, at] : model)
        ASSERT_GT(at + time::nanoseconds(TimerWheel::kGranuleNs), now) << one;
    }
    time::Uptime first = time::Uptime::max();
    for (const auto& [one, at] : model)
      first = std::min(first, at);
    const time::Uptime next = wheel.next();
    ASSERT_EQ(next == time::Uptime::max(), model.empty());
    if (!model.empty()) {
      ASSERT_LE(next, std::max(first, now) + time::nanoseconds(2 * TimerWheel::kGranuleNs));
    }
  }
  EXPECT_GT(fired, 10'000U);
}

TEST(RequestTable, BehavesLikeAMap) {
  std::mt19937_64 random(2);
  constexpr std::size_t kLimit = 100;
  RequestTable table(kLimit);
  std::map<std::uint64_t, std::uint32_t> model;
  for (std::uint32_t step = 0; step < 300'000; ++step) {
    const std::uint64_t id = (random() % 200) * 0x100 + random() % 4;  // many share a home
    if (random() % 2 == 0 && model.size() < kLimit) {
      const bool fresh = id != 0 && !model.contains(id);
      ASSERT_EQ(table.insert(id, step), fresh);
      if (fresh) model[id] = step;
    } else {
      table.erase(id);
      model.erase(id);
    }
    const std::uint64_t probe = (random() % 200) * 0x100 + random() % 4;
    const auto found = model.find(probe);
    ASSERT_EQ(table.find(probe), found == model.end() ? RequestTable::kNone : found->second);
  }
}

TEST(SecretNumbers, DependOnTheSecretAndDoNotRepeat) {
  SecretNumbers one({1});
  SecretNumbers same({1});
  SecretNumbers other({2});
  std::map<std::uint64_t, int> seen;
  for (int i = 0; i < 10'000; ++i) {
    const std::uint64_t number = one.next();
    EXPECT_EQ(number, same.next());
    EXPECT_NE(number, other.next());
    ++seen[number];
    EXPECT_LT(one.below(7), 7U);
    static_cast<void>(same.below(7));
    static_cast<void>(other.below(7));
  }
  EXPECT_EQ(seen.size(), 10'000U);
}

StreamOptions small() {
  return {.layout = id::kSnowflake, .min_batch = 8, .max_batch = 64, .max_age = time::milliseconds(100)};
}

TEST(Stock, OrdersBeforeItRunsOutAndOneAtATime) {
  Stock stock(small());
  EXPECT_TRUE(stock.is_low(kStart));
  EXPECT_EQ(stock.order(), 8U);
  EXPECT_FALSE(stock.is_low(kStart)) << "one order is out";
  stock.arrived(kStart, {{100}, 8, 2});
  stock.complete();
  for (std::uint64_t i = 0; i < 4; ++i) {
    EXPECT_FALSE(stock.is_low(kStart));
    EXPECT_EQ(stock.take(kStart)->value, 100 + 2 * i);
  }
  EXPECT_TRUE(stock.is_low(kStart)) << "half is left";
}

TEST(Stock, AWaitDoublesTheNextOrderUpToTheMaximum) {
  Stock stock(small());
  std::vector<std::uint32_t> orders;
  for (int i = 0; i < 6; ++i) {
    stock.waited();
    orders.push_back(stock.order());
    stock.arrived(kStart, {{1}, orders.back(), 1});
    stock.complete();
    while (stock.take(kStart)) {
    }
  }
  EXPECT_EQ(orders, (std::vector<std::uint32_t>{8, 16, 32, 64, 64, 64})) << "the first wait proves nothing";
}

TEST(Stock, WhatIsTooOldIsDroppedAndHalvesTheNextOrder) {
  Stock stock(small());
  for (int i = 0; i < 3; ++i) {
    stock.waited();
    stock.arrived(kStart, {{1}, stock.order(), 1});
    stock.complete();
    while (stock.take(kStart)) {
    }
  }
  EXPECT_EQ(stock.stats().batch, 32U);
  static_cast<void>(stock.order());
  stock.arrived(kStart, {{1}, 10, 1});
  stock.arrived(kStart + time::milliseconds(50), {{50}, 10, 1});
  stock.complete();
  EXPECT_EQ(stock.take(kStart + time::milliseconds(100))->value, 1U) << "just young enough";
  EXPECT_EQ(stock.take(kStart + time::milliseconds(101))->value, 50U);
  EXPECT_EQ(stock.stats().dropped_too_old, 9U);
  EXPECT_FALSE(stock.take(kStart + time::milliseconds(151)));
  EXPECT_EQ(stock.stats().dropped_too_old, 18U);
  EXPECT_EQ(stock.left(), 0U);
  stock.waited();
  EXPECT_EQ(stock.order(), 16U) << "it ran empty because it was too large, not too small";
}

TEST(Stock, AFailedOrderPausesOrderingAheadButLosesNothing) {
  Stock stock(small());
  static_cast<void>(stock.order());
  stock.arrived(kStart, {{1}, 3, 1});
  stock.failed(kStart, {ErrorKind::kTimeout, "gone", {}, {}});
  EXPECT_FALSE(stock.is_low(kStart));
  EXPECT_TRUE(stock.is_low(kStart + Stock::kPauseAfterFailure));
  EXPECT_TRUE(stock.take(kStart));
  EXPECT_EQ(stock.error()->text, "gone");
  static_cast<void>(stock.order());
  stock.complete();
  EXPECT_FALSE(stock.error());
  EXPECT_EQ(stock.stats().failed_refills, 1U);
}

TEST(Waiter, NoSignalIsLostWhoeverComesFirst) {
  for (int i = 0; i < 5'000; ++i) {
    Waiter waiter;
    int written = 0;
    std::thread other([&] {
      written = 1;
      waiter.signal();
    });
    if (i % 2 == 0) std::this_thread::yield();
    waiter.wait();
    EXPECT_EQ(written, 1);
    other.join();
  }
}

}  // namespace
}  // namespace gnomon::client
