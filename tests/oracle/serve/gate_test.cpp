// SPDX-License-Identifier: Apache-2.0
#include "oracle/serve/gate.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

namespace gnomon::serve {
namespace {

constexpr time::Uptime kNow{time::seconds(5000).ns};

Address v6(std::uint16_t first, std::uint16_t fourth, std::uint16_t last) {
  Address address;
  const auto put = [&](std::size_t group, std::uint16_t value) {
    address.bytes[group * 2] = static_cast<std::uint8_t>(value >> 8);
    address.bytes[group * 2 + 1] = static_cast<std::uint8_t>(value);
  };
  put(0, first);
  put(3, fourth);
  put(7, last);
  return address;
}

Cidr v4_cidr(Address network, unsigned bits) { return {network, static_cast<std::uint8_t>(96 + bits)}; }

// --- addresses and prefixes -----------------------------------------------------------------------------------------

TEST(Address, knows_v4_and_loopback) {
  EXPECT_TRUE(Address::v4(1, 2, 3, 4).is_v4());
  EXPECT_FALSE(v6(0x2001, 0, 1).is_v4());
  EXPECT_FALSE(Address{}.is_v4());
  EXPECT_TRUE(Address::v4(127, 0, 0, 1).is_loopback());
  EXPECT_TRUE(Address::v4(127, 255, 255, 255).is_loopback());
  EXPECT_FALSE(Address::v4(128, 0, 0, 1).is_loopback());
  EXPECT_TRUE(v6(0, 0, 1).is_loopback());
  EXPECT_FALSE(v6(0, 0, 2).is_loopback());
  EXPECT_FALSE(Address{}.is_loopback());
  Address odd = Address::v4(127, 0, 0, 1);
  odd.bytes[9] = 1;  // no v4-mapped address, though it ends like one
  EXPECT_FALSE(odd.is_v4());
  EXPECT_FALSE(odd.is_loopback());
}

TEST(Cidr, v4_prefixes_at_their_edges) {
  const Address a = Address::v4(10, 1, 2, 3);
  EXPECT_TRUE(v4_cidr(Address::v4(0, 0, 0, 0), 0).contains(a));
  EXPECT_TRUE(v4_cidr(Address::v4(10, 255, 255, 255), 8).contains(a)) << "bits beyond the prefix don't count";
  EXPECT_FALSE(v4_cidr(Address::v4(11, 0, 0, 0), 8).contains(a));
  EXPECT_TRUE(v4_cidr(a, 32).contains(a));
  EXPECT_FALSE(v4_cidr(Address::v4(10, 1, 2, 2), 32).contains(a));
  EXPECT_TRUE(v4_cidr(Address::v4(10, 1, 2, 2), 31).contains(a));
  EXPECT_FALSE(v4_cidr(Address::v4(10, 1, 2, 4), 31).contains(a));
  EXPECT_TRUE(v4_cidr(Address::v4(8, 0, 0, 0), 5).contains(a));
  EXPECT_FALSE(v4_cidr(Address::v4(16, 0, 0, 0), 5).contains(a));
}

TEST(Cidr, v6_prefixes_at_their_edges) {
  const Address a = v6(0x2001, 7, 1);
  EXPECT_TRUE((Cidr{Address{}, 0}).contains(a));
  EXPECT_TRUE((Cidr{a, 128}).contains(a));
  EXPECT_FALSE((Cidr{v6(0x2001, 7, 0), 128}).contains(a));
  EXPECT_TRUE((Cidr{v6(0x2001, 7, 0), 127}).contains(a));
  EXPECT_TRUE((Cidr{v6(0x2001, 7, 99), 64}).contains(a));
  EXPECT_FALSE((Cidr{v6(0x2001, 6, 1), 64}).contains(a));
  EXPECT_TRUE((Cidr{v6(0x2001, 6, 1), 63}).contains(a));
}

TEST(Cidr, every_prefix_length_agrees_with_a_bit_by_bit_comparison) {
  constexpr std::uint64_t kSeed = 3;
  SCOPED_TRACE(::testing::Message() << "seed " << kSeed);
  std::mt19937_64 random(kSeed);
  for (int i = 0; i < 20'000; ++i) {
    Address network;
    for (auto& byte : network.bytes)
      byte = static_cast<std::uint8_t>(random());
    Address address = network;
    const std::size_t flipped = random() % 128;
    address.bytes[flipped / 8] = static_cast<std::uint8_t>(address.bytes[flipped / 8] ^ (0x80U >> (flipped % 8)));
    const auto bits = static_cast<std::uint8_t>(random() % 129);
    ASSERT_EQ((Cidr{network, bits}).contains(address), flipped >= bits)
        << "bit " << flipped << ", prefix " << int{bits};
  }
}

TEST(Cidr, a_v6_prefix_never_covers_a_v4_source) {
  const Address v4 = Address::v4(10, 1, 2, 3);
  EXPECT_FALSE((Cidr{Address{}, 0}).contains(v4)) << "::/0 is all of IPv6 and nothing of IPv4";
  EXPECT_FALSE((Cidr{Address{}, 80}).contains(v4));
  EXPECT_TRUE((Cidr{Address::v4(0, 0, 0, 0), 96}).contains(v4)) << "0.0.0.0/0 is all of IPv4";
  EXPECT_FALSE((Cidr{Address::v4(0, 0, 0, 0), 96}).contains(v6(0x2001, 0, 1)));
}

TEST(AccessPolicy, deny_wins_over_allow_and_an_empty_allow_list_admits_everybody) {
  AccessPolicy policy;
  EXPECT_TRUE(policy.admits(Address::v4(8, 8, 8, 8)));
  policy.deny = {v4_cidr(Address::v4(10, 1, 0, 0), 16)};
  EXPECT_FALSE(policy.admits(Address::v4(10, 1, 2, 3)));
  EXPECT_TRUE(policy.admits(Address::v4(10, 2, 2, 3)));
  policy.allow = {v4_cidr(Address::v4(10, 0, 0, 0), 8), {v6(0x2001, 0, 0), 16}};
  EXPECT_FALSE(policy.admits(Address::v4(10, 1, 2, 3)));
  EXPECT_TRUE(policy.admits(Address::v4(10, 2, 2, 3)));
  EXPECT_TRUE(policy.admits(v6(0x2001, 9, 9)));
  EXPECT_FALSE(policy.admits(v6(0x2002, 9, 9)));
  EXPECT_FALSE(policy.admits(Address::v4(8, 8, 8, 8)));
}

// --- rates
// ------------------------------------------------------------------------------------------------------------

TEST(RateLimiter, without_a_limit_admits_everything) {
  RateLimiter limiter(1);
  for (int i = 0; i < 10'000; ++i)
    ASSERT_TRUE(limiter.admit(Address::v4(1, 1, 1, 1), 22, {}, kNow));
}

std::uint64_t admitted_over(RateLimiter& limiter, const RateLimit& limit, std::uint32_t messages, time::Duration span,
                            time::Duration every, time::Uptime from = kNow) {
  std::uint64_t admitted = 0;
  for (time::Duration passed{0}; passed < span; passed = passed + every)
    if (limiter.admit(Address::v4(1, 1, 1, 1), messages, limit, from + passed)) admitted += messages;
  return admitted;
}

TEST(RateLimiter, is_exact_at_every_rate) {
  for (const std::uint32_t rate : {1U, 3U, 7U, 1000U, 99'999U, 333'333U}) {
    RateLimiter limiter(1);
    const RateLimit limit{.messages_per_second = rate, .burst = 10};
    const std::uint64_t admitted = admitted_over(limiter, limit, 1, time::seconds(2), time::microseconds(1));
    EXPECT_LE(admitted, std::uint64_t{rate} * 2 + 10) << rate;
    EXPECT_GE(admitted, std::uint64_t{rate} * 2 * 999 / 1000 + 9)
        << rate << ": a message may cost a nanosecond too much";
  }
}

TEST(RateLimiter, high_rates_are_neither_rounded_away_nor_up) {
  for (const std::uint32_t rate : {3'000'000U, 30'000'000U, 700'000'000U, 0xffff'ffffU}) {
    RateLimiter limiter(1);
    const RateLimit limit{.messages_per_second = rate, .burst = 220};
    const std::uint64_t admitted = admitted_over(limiter, limit, 22, time::milliseconds(2), time::Duration{10});
    const double allowed = std::min(rate * 0.002 + 220, 22.0 * 200'000);
    EXPECT_LE(static_cast<double>(admitted), allowed) << rate;
    EXPECT_GE(static_cast<double>(admitted), allowed * 0.95) << rate;
  }
}

TEST(RateLimiter, a_burst_may_come_at_once_and_refills_at_the_rate) {
  RateLimiter limiter(1);
  const RateLimit limit{.messages_per_second = 100, .burst = 5};
  const Address source = Address::v4(1, 1, 1, 1);
  for (int i = 0; i < 5; ++i)
    EXPECT_TRUE(limiter.admit(source, 1, limit, kNow));
  EXPECT_FALSE(limiter.admit(source, 1, limit, kNow));
  EXPECT_FALSE(limiter.admit(source, 1, limit, kNow + time::Duration{9'999'999}));
  EXPECT_TRUE(limiter.admit(source, 1, limit, kNow + time::milliseconds(10)));
  EXPECT_FALSE(limiter.admit(source, 1, limit, kNow + time::milliseconds(10)));
  EXPECT_TRUE(limiter.admit(source, 5, limit, kNow + time::milliseconds(60)));
}

TEST(RateLimiter, a_full_datagram_passes_a_small_burst_but_pays_for_all_its_messages) {
  RateLimiter limiter(1);
  const RateLimit limit{.messages_per_second = 1000, .burst = 1};
  const Address source = Address::v4(1, 1, 1, 1);
  EXPECT_TRUE(limiter.admit(source, 22, limit, kNow));
  EXPECT_FALSE(limiter.admit(source, 1, limit, kNow + time::milliseconds(21)));
  EXPECT_TRUE(limiter.admit(source, 1, limit, kNow + time::milliseconds(22)));
}

TEST(RateLimiter, a_refused_datagram_costs_nothing) {
  RateLimiter limiter(1);
  const RateLimit limit{.messages_per_second = 1000, .burst = 1};
  const Address source = Address::v4(1, 1, 1, 1);
  ASSERT_TRUE(limiter.admit(source, 1, limit, kNow));
  for (int i = 0; i < 1000; ++i)
    ASSERT_FALSE(limiter.admit(source, 1, limit, kNow));
  EXPECT_TRUE(limiter.admit(source, 1, limit, kNow + time::milliseconds(1)));
}

TEST(RateLimiter, v6_sources_share_the_rate_of_their_64_and_v4_sources_do_not) {
  RateLimiter limiter(1);
  const RateLimit limit{.messages_per_second = 10, .burst = 1};
  EXPECT_TRUE(limiter.admit(v6(0x2001, 7, 1), 1, limit, kNow));
  EXPECT_FALSE(limiter.admit(v6(0x2001, 7, 2), 1, limit, kNow));
  EXPECT_TRUE(limiter.admit(v6(0x2001, 8, 1), 1, limit, kNow));
  EXPECT_TRUE(limiter.admit(Address::v4(10, 0, 0, 1), 1, limit, kNow));
  EXPECT_TRUE(limiter.admit(Address::v4(10, 0, 0, 2), 1, limit, kNow));
}

TEST(RateLimiter, a_flood_of_forged_sources_does_not_reset_a_source_that_is_over_its_rate) {
  RateLimiter limiter(77);
  const RateLimit limit{.messages_per_second = 10, .burst = 10};
  const Address greedy = Address::v4(9, 9, 9, 9);
  ASSERT_TRUE(limiter.admit(greedy, 10, limit, kNow));
  std::mt19937 random(5);
  std::uint64_t admitted = 0;
  for (int i = 0; i < 100'000; ++i) {
    const auto forged = static_cast<std::uint32_t>(random());
    (void)limiter.admit(Address::v4(static_cast<std::uint8_t>(forged >> 24), static_cast<std::uint8_t>(forged >> 16),
                                    static_cast<std::uint8_t>(forged >> 8), static_cast<std::uint8_t>(forged)),
                        1, limit, kNow);
    admitted += limiter.admit(greedy, 1, limit, kNow) ? 1U : 0U;
  }
  EXPECT_EQ(admitted, 0U) << "its place goes to nobody who is more idle";
}

TEST(RateLimiter, a_new_source_is_served_though_the_table_is_full) {
  RateLimiter limiter(77);
  const RateLimit limit{.messages_per_second = 10, .burst = 10};
  std::mt19937 random(6);
  const auto some = [&] {
    return Address::v4(static_cast<std::uint8_t>(random()), static_cast<std::uint8_t>(random()), 1, 1);
  };
  for (int i = 0; i < 50'000; ++i)
    (void)limiter.admit(some(), 10, limit, kNow);
  EXPECT_TRUE(limiter.admit(Address::v4(200, 1, 7, 7), 10, limit, kNow));
}

}  // namespace
}  // namespace gnomon::serve
