// SPDX-License-Identifier: Apache-2.0
#include "oracle/lease/moment.hpp"

#include <gtest/gtest.h>

#include <random>

namespace gnomon::lease {
namespace {

using time::Duration;
using time::Interval;
using time::milliseconds;
using time::nanoseconds;
using time::seconds;
using time::Tai;

constexpr Tai kNow{1'800'000'000'000'000'000};
constexpr Boot kFirst{1};
constexpr Boot kSecond{2};

Moment truth(Tai at, Duration epsilon = {}) { return {{}, Interval{at, at}.widened(epsilon)}; }
Moment on_boot(const Boot& boot, Duration up, Duration since = {}) {
  return {boot, {Tai{up.ns}, Tai{up.ns}}, Tai{since.ns}};
}

TEST(Moment, expiry_counts_from_the_latest_that_it_may_be) {
  EXPECT_EQ(expiry_after(truth(kNow, milliseconds(7)), seconds(10)),
            (Expiry{{}, kNow + seconds(10) + milliseconds(7)}));
  EXPECT_EQ(expiry_after(on_boot(kFirst, seconds(50)), seconds(10)), (Expiry{kFirst, Tai{} + seconds(60)}));
  EXPECT_EQ(expiry_after(truth(Tai::max() - seconds(1)), seconds(10)).at, Tai::max()) << "it does not wrap";
}

TEST(Moment, past_only_once_its_earliest_is_past_by_more_than_the_delay) {
  const Expiry expiry{{}, kNow};
  EXPECT_FALSE(surely_past(expiry, seconds(10), {}, truth(kNow)));
  EXPECT_TRUE(surely_past(expiry, seconds(10), {}, truth(kNow + nanoseconds(1))));
  EXPECT_FALSE(surely_past(expiry, seconds(10), {}, truth(kNow + milliseconds(7), milliseconds(7))));
  EXPECT_TRUE(surely_past(expiry, seconds(10), {}, truth(kNow + milliseconds(7) + nanoseconds(1), milliseconds(7))));
  EXPECT_FALSE(surely_past(expiry, seconds(10), seconds(3), truth(kNow + seconds(3))));
  EXPECT_TRUE(surely_past(expiry, seconds(10), seconds(3), truth(kNow + seconds(3) + nanoseconds(1))));
  EXPECT_FALSE(surely_past({{}, Tai::max()}, seconds(10), seconds(3), truth(Tai::max()))) << "it does not wrap";
}

TEST(Moment, certainly_goes_on_only_while_its_latest_is_not_there) {
  const Expiry expiry{{}, kNow};
  EXPECT_EQ(remaining(expiry, seconds(10), truth(kNow - seconds(2))), seconds(2));
  EXPECT_EQ(remaining(expiry, seconds(10), truth(kNow - seconds(2), milliseconds(7))), seconds(2) - milliseconds(7));
  EXPECT_EQ(remaining(expiry, seconds(10), truth(kNow - milliseconds(7), milliseconds(7))), Duration{});
  EXPECT_EQ(remaining(expiry, seconds(10), truth(kNow + seconds(9))), Duration{});
}

TEST(Moment, after_another_boot_its_ttl_on_the_new_clock_is_the_end) {
  const Expiry expiry{kFirst, Tai{} + seconds(5'000)};
  EXPECT_EQ(remaining(expiry, seconds(10), on_boot(kSecond, seconds(1))), Duration{})
      << "it may have been off for long";
  EXPECT_FALSE(surely_past(expiry, seconds(10), {}, on_boot(kSecond, seconds(10)))) << "or for no time at all";
  EXPECT_TRUE(surely_past(expiry, seconds(10), {}, on_boot(kSecond, seconds(10) + nanoseconds(1))));
  EXPECT_FALSE(surely_past(expiry, seconds(10), seconds(4), on_boot(kSecond, seconds(14))));
  EXPECT_TRUE(surely_past(expiry, seconds(10), seconds(4), on_boot(kSecond, seconds(14) + nanoseconds(1))));
  EXPECT_EQ(until_surely_past(expiry, seconds(10), seconds(4), on_boot(kSecond, seconds(3))),
            seconds(11) + nanoseconds(1));
  EXPECT_EQ(latest_end(expiry, seconds(10), on_boot(kSecond, seconds(3))), (Expiry{kSecond, Tai{} + seconds(10)}));
  EXPECT_EQ(latest_end(expiry, seconds(10), on_boot(kFirst, seconds(3))), expiry);
}

// The store came from a machine that was up for less, or for longer: its uptime says nothing about this one's.
TEST(Moment, of_another_boot_the_ttl_counts_from_when_the_asker_began_on_the_store) {
  constexpr Duration kBegan = seconds(1'000'000);
  for (const Expiry& expiry : {Expiry{kFirst, Tai{} + seconds(60)}, Expiry{kFirst, Tai{} + seconds(5'000'000)}}) {
    const auto at = [&](Duration since_then) { return on_boot(kSecond, kBegan + since_then, kBegan); };
    EXPECT_EQ(latest_end(expiry, seconds(10), at({})), (Expiry{kSecond, Tai{} + kBegan + seconds(10)}));
    EXPECT_FALSE(surely_past(expiry, seconds(10), {}, at({})));
    EXPECT_FALSE(surely_past(expiry, seconds(10), {}, at(seconds(10))));
    EXPECT_TRUE(surely_past(expiry, seconds(10), {}, at(seconds(10) + nanoseconds(1))));
    EXPECT_FALSE(surely_past(expiry, seconds(10), seconds(4), at(seconds(14))));
    EXPECT_TRUE(surely_past(expiry, seconds(10), seconds(4), at(seconds(14) + nanoseconds(1))));
    EXPECT_EQ(until_surely_past(expiry, seconds(10), seconds(4), at(seconds(3))), seconds(11) + nanoseconds(1));
    EXPECT_EQ(remaining(expiry, seconds(10), at(seconds(1))), Duration{}) << "nor does anybody know that it goes on";
  }
  const Expiry of_this_boot{kSecond, Tai{} + seconds(60)};
  EXPECT_EQ(latest_end(of_this_boot, seconds(10), on_boot(kSecond, seconds(70), seconds(65))), of_this_boot)
      << "of its own boot it is an instant, whoever began when";
}

TEST(Moment, an_expiry_on_another_kind_of_clock_is_never_past) {
  const Expiry of_a_boot{kFirst, Tai{} + seconds(60)};
  const Expiry of_truth{{}, kNow};
  EXPECT_FALSE(surely_past(of_a_boot, seconds(10), {}, truth(kNow + seconds(1'000'000'000))));
  EXPECT_FALSE(surely_past(of_truth, seconds(10), {}, on_boot(kFirst, seconds(1'000'000'000))));
  EXPECT_EQ(remaining(of_a_boot, seconds(10), truth(kNow)), Duration{}) << "nor does anybody know that it goes on";
  EXPECT_EQ(remaining(of_truth, seconds(10), on_boot(kFirst, seconds(1))), Duration{});
  EXPECT_GT(until_surely_past(of_a_boot, seconds(10), {}, truth(kNow)), seconds(10));
  EXPECT_FALSE(is_comparable(of_a_boot, truth(kNow)));
  EXPECT_FALSE(is_comparable(of_truth, on_boot(kFirst, seconds(1))));
  EXPECT_TRUE(is_comparable(of_truth, truth(kNow)));
  EXPECT_TRUE(is_comparable(of_a_boot, on_boot(kSecond, seconds(1))));
}

// The four questions about one expiry never contradict each other, whatever the numbers.
TEST(Moment, the_answers_agree_with_each_other) {
  std::mt19937_64 random(20261129);
  const auto some = [&](std::int64_t most) {
    return Duration{static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(most + 1))};
  };
  const Boot boots[] = {{}, kFirst, kSecond};
  int past = 0;
  int going = 0;
  for (int round = 0; round < 100'000; ++round) {
    const bool wild = random() % 10 == 0;
    const Tai base = wild ? Tai{static_cast<std::int64_t>(random())} : Tai{} + seconds(100);
    const Expiry expiry{boots[random() % 3], time::saturating_add(base, some(20'000'000'000))};
    const Tai earliest = time::saturating_add(Tai{} + seconds(90), some(40'000'000'000));
    const Moment moment{boots[random() % 3],
                        {earliest, time::saturating_add(earliest, some(2'000'000'000))},
                        random() % 2 == 0 ? Tai{} : earliest - some(90'000'000'000)};
    const Duration ttl = some(120'000'000'000) + nanoseconds(1);
    const Duration delay = some(5'000'000'000);
    const bool over = surely_past(expiry, ttl, delay, moment);
    const Duration left = remaining(expiry, ttl, moment);
    const Duration wait = until_surely_past(expiry, ttl, delay, moment);
    past += over ? 1 : 0;
    going += left.ns > 0 ? 1 : 0;
    ASSERT_FALSE(over && left.ns > 0);
    ASSERT_EQ(over, wait.ns == 0);
    ASSERT_GE(wait, left) << "what certainly goes on is not free before";
    if (over || !is_comparable(expiry, moment) || wait.ns == INT64_MAX) continue;
    const auto later = [&](Duration by) {
      return Moment{moment.boot,
                    {time::saturating_add(moment.now.earliest, by), time::saturating_add(moment.now.latest, by)},
                    moment.since};
    };
    if (expiry.at > Tai::max() - seconds(1'000)) continue;  // there the sums saturate
    ASSERT_TRUE(surely_past(expiry, ttl, delay, later(wait)));
    ASSERT_FALSE(surely_past(expiry, ttl, delay, later(wait - nanoseconds(1))));
  }
  EXPECT_GT(past, 10'000);
  EXPECT_GT(going, 10'000);
}

// Whoever counts a TTL from before the request arrived believes no longer than the server's expiry, and nobody else
// sees it past before.
TEST(Moment, a_belief_ends_before_anybody_sees_the_expiry_past) {
  std::mt19937_64 random(7);
  const auto some = [&](std::int64_t most) {
    return Duration{static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(most))};
  };
  const auto around = [&](Tai at) { return Moment{{}, {at - some(500'000'000), at + some(500'000'000)}}; };
  for (int round = 0; round < 100'000; ++round) {
    const Tai sent = kNow;
    const Duration ttl = some(2'000'000'000) + nanoseconds(1);
    const Expiry expiry = expiry_after(around(sent + some(300'000'000)), ttl);
    const Tai looked = sent + some(3'500'000'000);
    if (surely_past(expiry, ttl, {}, around(looked))) {
      ASSERT_GT(looked, sent + ttl);
    }
    if (remaining(expiry, ttl, around(looked)).ns > 0) {
      ASSERT_LT(looked, expiry.at);
    }
  }
}

}  // namespace
}  // namespace gnomon::lease
