// SPDX-License-Identifier: Apache-2.0
//
// What a client concludes from its exchanges, against a ground truth in virtual time: hosts whose oscillators are at
// the edges of what is allowed, whose system clock is slewed, that sleep; servers whose intervals are as one-sided as
// they may be; paths as uneven as they can be.
#include "client/local_time.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <random>

namespace gnomon::client {
namespace {

constexpr std::int64_t kPpb = 200'000;
constexpr time::Tai kStart{1'800'000'000'000'000'000};

/// A host: what its two clocks show while the true time goes on.
class Host {
 public:
  explicit Host(std::uint64_t seed) : random_(seed) { change_rates(); }

  void run(std::int64_t ns) {
    true_ns_ += ns;
    raw_ += static_cast<double>(ns) * (1 + raw_rate_);
    boot_ += static_cast<double>(ns) * (1 + raw_rate_) * (1 + slew_);
  }
  void sleep(std::int64_t ns) { sleep(ns, ns); }
  void sleep(std::int64_t ns, std::int64_t counted) {
    true_ns_ += ns;
    boot_ += static_cast<double>(counted);
  }
  void change_rates() {
    raw_rate_ = static_cast<double>(pick(-kPpb, kPpb)) * 0.9999e-9;
    if (pick(0, 2) == 0) raw_rate_ = pick(0, 1) == 0 ? -0.19999e-3 : 0.19999e-3;
    slew_ = static_cast<double>(pick(-500, 500)) * 1e-6;
  }
  std::int64_t pick(std::int64_t low, std::int64_t high) {
    return std::uniform_int_distribution<std::int64_t>(low, high)(random_);
  }

  [[nodiscard]] LocalStamp stamp() const {
    return {{static_cast<std::int64_t>(raw_)}, {static_cast<std::int64_t>(boot_)}};
  }
  [[nodiscard]] time::Tai now() const { return kStart + time::nanoseconds(true_ns_); }

 private:
  std::mt19937_64 random_;
  std::int64_t true_ns_ = 0;
  double raw_ = 1e12;
  double boot_ = 3e12;
  double raw_rate_ = 0;
  double slew_ = 0;
};

/// One exchange over a path that takes `there` and `back`; the server errs by up to `bound`.
bool exchange(LocalTime& local, Host& host, std::int64_t there, std::int64_t back, std::int64_t bound) {
  const LocalStamp t1 = host.stamp();
  host.run(there);
  const std::int64_t early = host.pick(0, 1) == 0 ? 0 : host.pick(0, bound);
  const std::int64_t late = host.pick(0, 1) == 0 ? 0 : host.pick(0, bound);
  const time::Interval said{host.now() - time::nanoseconds(early), host.now() + time::nanoseconds(late)};
  host.run(back);
  return !local.learn(t1, host.stamp(), said).has_value();
}

TEST(LocalTime, SaysNothingBeforeTheFirstExchange) {
  const LocalTime local({});
  const auto now = local.known().carried_to({{5}, {5}});
  ASSERT_FALSE(now);
  EXPECT_EQ(now.error(), LocalFault::kNothingKnown);
}

TEST(LocalTime, ContainsTheTrueTimeWhateverThePathDoes) {
  std::uint64_t answered = 0;
  double widest = 0;
  for (std::uint64_t seed = 1; seed <= 400; ++seed) {
    Host host(seed);
    LocalTime local({.oscillator_ppb = kPpb, .max_age = time::seconds(60)});
    for (int step = 0; step < 200; ++step) {
      if (host.pick(0, 9) == 0) host.change_rates();
      const std::int64_t there = host.pick(0, 3) == 0 ? host.pick(0, 50'000'000) : host.pick(5'000, 50'000);
      const std::int64_t back = host.pick(0, 3) == 0 ? host.pick(0, 50'000'000) : host.pick(5'000, 50'000);
      ASSERT_TRUE(exchange(local, host, there, back, 100'000));
      for (int look = 0; look < 5; ++look) {
        host.run(host.pick(1, 40'000'000));
        const auto now = local.known().carried_to(host.stamp());
        ASSERT_TRUE(now) << text_of(now.error());
        ASSERT_TRUE(now->contains(host.now()))
            << "seed " << seed << " step " << step << ": " << (host.now() - now->earliest).ns << ", "
            << (now->latest - host.now()).ns;
        widest = std::max(widest, static_cast<double>(now->width().ns));
        ++answered;
      }
    }
    ASSERT_EQ(local.contradictions(), 0U) << "honest servers never contradict each other";
  }
  EXPECT_EQ(answered, 400U * 200U * 5U);
  EXPECT_LT(widest, 101e6) << "no wider than the worst round trip, and what the oscillator adds";
}

TEST(LocalTime, OfManyExchangesTheNarrowestCounts) {
  Host host(7);
  LocalTime local({.oscillator_ppb = kPpb});
  ASSERT_TRUE(exchange(local, host, 10'000, 10'000, 0));
  ASSERT_TRUE(exchange(local, host, 40'000'000, 40'000'000, 0));
  const auto now = local.known().carried_to(host.stamp());
  ASSERT_TRUE(now);
  EXPECT_LT(now->width(), time::microseconds(100)) << "20 us, carried for 80 ms, and not the 80 ms of the last one";
}

TEST(LocalTime, GrowsByTheOscillatorsBoundOnBothSides) {
  LocalTime local({.oscillator_ppb = kPpb, .max_age = time::seconds(10)});
  const LocalStamp at{{1'000'000'000}, {1'000'000'000}};
  ASSERT_FALSE(local.learn(at, at, {kStart, kStart}));
  const LocalStamp later{{at.raw.ns + 5'000'000'000}, {at.boot.ns + 5'000'000'000}};
  const auto now = local.known().carried_to(later);
  ASSERT_TRUE(now);
  EXPECT_LE(now->earliest, kStart + time::nanoseconds(4'999'000'200));
  EXPECT_GE(now->latest, kStart + time::nanoseconds(5'001'000'200));
  EXPECT_LT(now->width(), time::microseconds(2'001));
}

TEST(LocalTime, FollowsTheSlowerClockEarliestAndTheFasterOneLatest) {
  LocalTime local({.oscillator_ppb = 0, .max_age = time::seconds(10)});
  const LocalStamp at{{0}, {0}};
  ASSERT_FALSE(local.learn(at, at, {kStart, kStart}));
  for (const auto& [raw, boot] :
       {std::pair<std::int64_t, std::int64_t>{1'000'000, 1'003'000}, {1'003'000, 1'000'000}}) {
    const auto now = local.known().carried_to({{raw}, {boot}});
    ASSERT_TRUE(now);
    EXPECT_TRUE(now->contains({kStart + time::nanoseconds(1'000'000), kStart + time::nanoseconds(1'003'000)}));
  }
}

TEST(LocalTime, ASleepIsNoticedAndAShortOneIsInsideTheInterval) {
  for (const std::int64_t slept : {1'000LL, 100'000LL, 4'000'000LL, 50'000'000LL, 2'000'000'000LL, 30'000'000'000LL}) {
    Host host(11);
    LocalTime local({.oscillator_ppb = kPpb, .max_age = time::seconds(60)});
    ASSERT_TRUE(exchange(local, host, 10'000, 10'000, 0));
    host.run(20'000'000);
    host.sleep(slept);
    host.run(1'000);
    const auto now = local.known().carried_to(host.stamp());
    if (now) {
      EXPECT_TRUE(now->contains(host.now())) << slept;
    } else {
      EXPECT_EQ(now.error(), LocalFault::kSlept) << slept;
    }
    if (slept >= 50'000'000) {
      EXPECT_FALSE(now) << slept << ": longer than slewing explains";
    }
    // The next exchange proves anew, and what was known before the sleep denies nothing.
    ASSERT_TRUE(exchange(local, host, 10'000, 10'000, 0));
    const auto after = local.known().carried_to(host.stamp());
    ASSERT_TRUE(after);
    EXPECT_TRUE(after->contains(host.now()));
    EXPECT_EQ(local.contradictions(), 0U);
  }
}

// Awake for a while on a slewed clock, then asleep for a time that the kernel counts in whole seconds, rounded down.
TEST(LocalTime, ASleepDoesNotHideBehindASlewedClock) {
  std::uint64_t noticed = 0;
  for (std::uint64_t seed = 1; seed <= 3'000; ++seed) {
    Host host(seed);
    LocalTime local({.oscillator_ppb = kPpb, .max_age = time::seconds(10)});
    ASSERT_TRUE(exchange(local, host, 10'000, 10'000, 0));
    host.run(host.pick(1'000'000, 9'000'000'000));
    const std::int64_t slept = host.pick(1'000'000'000, 8'000'000'000);
    host.sleep(slept, slept / 1'000'000'000 * 1'000'000'000);
    host.run(1'000);
    const auto now = local.known().carried_to(host.stamp());
    EXPECT_FALSE(now) << "seed " << seed << ": slept " << slept;
    if (!now) ++noticed;
  }
  EXPECT_EQ(noticed, 3'000U);
}

TEST(LocalTime, WhatNobodyNoticedIsOverAfterTheLargestAge) {
  Host host(5);
  LocalTime local({.oscillator_ppb = kPpb, .max_age = time::seconds(1)});
  const auto say = [&] {  // a wide interval whose latest end is the truth
    const time::Interval said{host.now() - time::milliseconds(10), host.now()};
    ASSERT_FALSE(local.learn(host.stamp(), host.stamp(), said));
  };
  for (int i = 0; i < 20; ++i) {
    say();
    host.run(100'000'000);
  }
  host.sleep(5'000'000, 0);  // paused from outside
  say();
  for (int i = 0; i < 12; ++i) {
    host.run(100'000'000);
    say();
  }
  const auto now = local.known().carried_to(host.stamp());
  ASSERT_TRUE(now);
  EXPECT_TRUE(now->contains(host.now())) << (host.now() - now->latest).ns;
  EXPECT_EQ(local.contradictions(), 0U) << "the pause was shorter than the interval is wide";
}

TEST(LocalTime, ForgetsAfterItsLargestAge) {
  LocalTime local({.max_age = time::seconds(1)});
  const LocalStamp at{{0}, {0}};
  ASSERT_FALSE(local.learn(at, at, {kStart, kStart}));
  EXPECT_TRUE(local.known().carried_to({{1'000'000'000}, {1'000'000'000}}));
  const auto late = local.known().carried_to({{1'000'000'001}, {1'000'000'001}});
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error(), LocalFault::kNothingKnown);
}

TEST(LocalTime, AContradictionIsBelievedOnlyAfterEnoughExchangesAgree) {
  LocalTime local({.max_age = time::seconds(10)});
  const auto at = [](std::int64_t ms) { return LocalStamp{{ms * 1'000'000}, {ms * 1'000'000}}; };
  const auto said = [](std::int64_t ms, std::int64_t lie) {
    const time::Tai t = kStart + time::nanoseconds(ms * 1'000'000 + lie);
    return time::Interval{t, t + time::microseconds(10)};
  };
  ASSERT_FALSE(local.learn(at(0), at(0), said(0, 0)));
  ASSERT_FALSE(local.learn(at(10), at(10), said(10, 1'000'000)));
  EXPECT_EQ(local.contradictions(), 1U);
  auto now = local.known().carried_to(at(11));
  ASSERT_FALSE(now);
  EXPECT_EQ(now.error(), LocalFault::kContradiction);

  for (std::int64_t i = 1; i < LocalTime::kAgreeing; ++i) {
    ASSERT_FALSE(local.learn(at(10 + i), at(10 + i), said(10 + i, 1'000'000)));
    EXPECT_FALSE(local.known().carried_to(at(10 + i))) << i << " agree: too few";
  }
  ASSERT_FALSE(local.learn(at(20), at(20), said(20, 1'000'000)));
  now = local.known().carried_to(at(20));
  ASSERT_TRUE(now);
  EXPECT_TRUE(now->contains(said(20, 1'000'000).earliest));

  // One that swings never gets so far.
  for (std::int64_t i = 0; i < 20; ++i)
    ASSERT_FALSE(local.learn(at(30 + i), at(30 + i), said(30 + i, i % 2 == 0 ? 0 : 5'000'000)));
  EXPECT_FALSE(local.known().carried_to(at(50)));
}

TEST(LocalTime, StampsThatProveNothingAreRefusedAndChangeNothing) {
  LocalTime local({.max_age = time::seconds(10), .max_round_trip = time::milliseconds(100)});
  const LocalStamp first{{1'000'000'000}, {1'000'000'000}};
  const LocalStamp second{{1'050'000'000}, {1'050'000'000}};
  ASSERT_FALSE(local.learn(first, second, {kStart, kStart}));
  const Known before = local.known();
  EXPECT_EQ(local.learn(second, first, {kStart, kStart}), time::ExchangeFault::kReplyBeforeRequest);
  EXPECT_EQ(local.learn(first, {{1'200'000'000}, {1'200'000'000}}, {kStart, kStart}),
            time::ExchangeFault::kRoundTripTooLong);
  EXPECT_EQ(local.learn(first, {second.raw, {1'200'000'000}}, {kStart, kStart}), time::ExchangeFault::kRoundTripTooLong)
      << "the machine slept on the way";
  EXPECT_EQ(local.learn(first, second, {kStart, kStart - time::nanoseconds(1)}), time::ExchangeFault::kReversed);
  EXPECT_EQ(local.learn(first, second, {time::Tai::max(), time::Tai::max()}), time::ExchangeFault::kOutOfRange);
  EXPECT_EQ(local.known().interval, before.interval);
  EXPECT_TRUE(local.known().carried_to(second));
}

// The checks above would notice each of these bugs: the same exchanges, with one term dropped.
TEST(LocalTime, EveryTermIsNeeded) {
  const LocalStamp t1{{0}, {0}};
  const LocalStamp t4{{20'000'000}, {20'000'000}};
  // The server answered at once and the way back took everything: without the round trip the latest end is too early.
  const time::Interval said{kStart, kStart};
  const time::Tai truth = kStart + time::nanoseconds(20'000'000);
  EXPECT_FALSE(said.contains(truth));
  const auto bound = bound_at_receipt(t1, t4, said, {});
  ASSERT_TRUE(bound);
  EXPECT_TRUE(bound->contains(truth));
  // Half of the round trip, as an estimate would take it, is not enough either.
  EXPECT_GT(truth, said.latest + time::nanoseconds(10'000'000));
  // An oscillator that is slow by all that it may be: 20 ms of it are longer.
  const auto slow = bound_at_receipt(t1, t4, said, {.oscillator_ppb = kPpb});
  ASSERT_TRUE(slow);
  EXPECT_GE(slow->latest, kStart + time::nanoseconds(20'004'000));
}

}  // namespace
}  // namespace gnomon::client
