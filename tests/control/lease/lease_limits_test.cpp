// SPDX-License-Identifier: Apache-2.0
//
// The share of one client, in virtual time, and whose name a certificate may speak for.
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "control/service/lease_call_limits.hpp"
#include "control/service/lease_principal.hpp"
#include "oracle/lease/client_session.hpp"

namespace gnomon::control {
namespace {

constexpr time::Uptime kStart{1'000'000'000'000};

/// How many of `calls` at `now` are let in, each ending at once.
int admitted(LeaseCallLimiter& limiter, const std::string& who, const std::string& from, time::Uptime now, int calls) {
  int in = 0;
  for (int i = 0; i < calls; ++i)
    in += limiter.admit(who, from, now).has_value() ? 1 : 0;
  return in;
}

TEST(LeaseCallLimiter, ABurstIsLetInAndThenTheRate) {
  LeaseCallLimiter limiter({.calls_per_second = 10, .burst = 30, .calls_at_once = 100, .most_known = 10});
  EXPECT_EQ(admitted(limiter, "a", "1", kStart, 100), 30);
  EXPECT_EQ(admitted(limiter, "a", "1", kStart + time::milliseconds(99), 100), 0);
  EXPECT_EQ(admitted(limiter, "a", "1", kStart + time::milliseconds(100), 100), 1);
  EXPECT_EQ(admitted(limiter, "a", "1", kStart + time::milliseconds(1'100), 100), 10);
  EXPECT_EQ(admitted(limiter, "a", "1", kStart + time::seconds(3'600), 100), 30) << "never more than the burst";
  EXPECT_EQ(admitted(limiter, "a", "1", kStart, 100), 0) << "a clock that went back refills nothing";
}

TEST(LeaseCallLimiter, EachPrincipalAndAddressHasItsOwnRate) {
  LeaseCallLimiter limiter({.calls_per_second = 1, .burst = 3, .calls_at_once = 100, .most_known = 10});
  EXPECT_EQ(admitted(limiter, "a", "1", kStart, 10), 3);
  EXPECT_EQ(admitted(limiter, "a", "2", kStart, 10), 3);
  EXPECT_EQ(admitted(limiter, "b", "1", kStart, 10), 3);
  EXPECT_EQ(admitted(limiter, "a", "1", kStart, 10), 0);
}

TEST(LeaseCallLimiter, OpenCallsCountForThePrincipalWhereverTheyComeFrom) {
  LeaseCallLimiter limiter({.calls_per_second = 1'000, .burst = 1'000, .calls_at_once = 2, .most_known = 10});
  auto first = limiter.admit("a", "1", kStart);
  auto second = limiter.admit("a", "2", kStart);
  ASSERT_TRUE(first && second);
  const auto third = limiter.admit("a", "3", kStart);
  ASSERT_FALSE(third.has_value());
  EXPECT_NE(third.error().find("2 lease calls open"), std::string::npos) << third.error();
  EXPECT_TRUE(limiter.admit("b", "1", kStart).has_value());
  first->reset();
  EXPECT_TRUE(limiter.admit("a", "3", kStart).has_value());
}

TEST(LeaseCallLimiter, WatchesHaveALimitOfTheirOwn) {
  LeaseCallLimiter limiter({.calls_per_second = 1'000, .burst = 1'000, .watches_at_once = 2});
  auto first = limiter.admit("a", "1", kStart, true);
  auto second = limiter.admit("a", "2", kStart, true);
  ASSERT_TRUE(first && second);
  const auto third = limiter.admit("a", "3", kStart, true);
  ASSERT_FALSE(third.has_value());
  EXPECT_NE(third.error().find("2 watches of leases open"), std::string::npos) << third.error();
  EXPECT_TRUE(limiter.admit("a", "3", kStart).has_value()) << "other calls go on";
  EXPECT_TRUE(limiter.admit("b", "1", kStart, true).has_value());
  first->reset();
  EXPECT_TRUE(limiter.admit("a", "3", kStart, true).has_value());
}

TEST(LeaseCallLimiter, TheTableIsBoundedAndTheLeastRecentlyUsedGoes) {
  LeaseCallLimiter limiter({.calls_per_second = 1, .burst = 1, .calls_at_once = 100, .most_known = 4});
  for (int i = 0; i < 1'000; ++i) {
    EXPECT_EQ(admitted(limiter, "kept", "1", kStart, 1), i == 0 ? 1 : 0) << "used again and again, it stays known";
    EXPECT_EQ(admitted(limiter, "other" + std::to_string(i), "1", kStart, 1), 1);
    EXPECT_LE(limiter.known(), 4U);
  }
}

TEST(LeasePrincipal, OfACertificateIsAPrintableNameOfBoundedSizeAndNobodyElses) {
  for (const char* good : {"gnomon", "127.0.0.1", "spiffe://rack/host-7", "a"})
    EXPECT_EQ(certified_principal(good).value_or(""), good);
  EXPECT_TRUE(certified_principal(std::string(lease::kMaxPrincipal, 'n')).has_value());
  for (const std::string& bad :
       {std::string(), std::string(lease::kMaxPrincipal + 1, 'n'), std::string("two words"), std::string("tab\t"),
        std::string("nul\0x", 5), std::string("\xc3\xa4"), std::string("local"), std::string("insecure")}) {
    const auto refused = certified_principal(bad);
    ASSERT_FALSE(refused.has_value()) << bad;
    EXPECT_NE(refused.error().find("issue one"), std::string::npos) << "says what to do";
  }
}

TEST(LeasePrincipal, AddressesAreToldWithoutTheirPorts) {
  EXPECT_EQ(address_of_peer("ipv4:127.0.0.1:4711"), "127.0.0.1");
  EXPECT_EQ(address_of_peer("ipv6:%5B::1%5D:4711"), "::1");
  EXPECT_EQ(address_of_peer("ipv6:[fe80::1]:1"), "fe80::1");
  for (const char* none : {"", "unix:", "unix:/run/x.sock", "ipv4:", "fd:7"})
    EXPECT_EQ(address_of_peer(none), "") << none;
}

}  // namespace
}  // namespace gnomon::control
