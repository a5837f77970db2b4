// SPDX-License-Identifier: Apache-2.0
//
// The moment by which a daemon decides on leases: of which clock, and when there is none.
#include "cmd/gnomond/lease_clock.hpp"

#include <gtest/gtest.h>

#include <optional>
#include <string>

#include "oracle/time/true_time.hpp"

namespace gnomon::cmd {
namespace {

using control::DeskFault;
using time::milliseconds;
using time::seconds;

constexpr const char* kBootText = "01234567-89ab-cdef-0123-456789abcdef\n";

LeaseLook good_look() {
  LeaseLook look;
  look.time.ordering = mint::OrderingState::kFollowing;
  look.time.mint.now = {1'000'000'000'000'000'000};
  look.time.truth = time::Interval{{100}, {200}};
  look.uptime = {42};
  look.standing = lease::Standing::kMember;
  return look;
}

LeaseClockRules shared_store() {
  LeaseClockRules rules;
  rules.store.epoch = 1;
  rules.max_ttl = seconds(600);
  return rules;
}

LeaseClockRules own_store() {
  LeaseClockRules rules = shared_store();
  rules.boot = parse_boot_id(kBootText);
  rules.since = {7};
  return rules;
}

TEST(LeaseClock, ABootIdIsReadWhole) {
  const auto boot = parse_boot_id(kBootText);
  ASSERT_TRUE(boot);
  EXPECT_EQ(boot->front(), 0x01);
  EXPECT_EQ(boot->back(), 0xef);
  for (const char* text : {"", "0123", "01234567-89ab-cdef-0123-456789abcde", "01234567-89ab-cdef-0123-456789abcdef0",
                           "0123456g-89ab-cdef-0123-456789abcdef", "00000000-0000-0000-0000-000000000000"})
    EXPECT_FALSE(parse_boot_id(text)) << text;
}

TEST(LeaseClock, OnSqliteItIsTheBootsAndNeedsNoOther) {
  LeaseLook look = good_look();
  look.time.truth = tl::make_unexpected(time::ClockFault::kNoSource);
  look.time.ordering = mint::OrderingState::kNoTime;
  look.standing = lease::Standing::kOutvoted;
  const auto moment = lease_moment(own_store(), look);
  ASSERT_TRUE(moment) << moment.error().text;
  EXPECT_EQ(moment->boot, *parse_boot_id(kBootText));
  EXPECT_EQ(moment->now.earliest, time::Tai{42});
  EXPECT_EQ(moment->now.latest, time::Tai{42});
  EXPECT_EQ(moment->since, time::Tai{7});
}

TEST(LeaseClock, OnASharedStoreItIsTheTrueTime) {
  const auto moment = lease_moment(shared_store(), good_look());
  ASSERT_TRUE(moment) << moment.error().text;
  EXPECT_EQ(moment->boot, lease::Boot{});
  EXPECT_EQ(moment->now, (time::Interval{{100}, {200}}));
}

TEST(LeaseClock, WithoutTrueTimeOrVoteThereIsNone) {
  LeaseLook look = good_look();
  look.time.truth = tl::make_unexpected(time::ClockFault::kDisagreement);
  auto moment = lease_moment(shared_store(), look);
  ASSERT_FALSE(moment);
  EXPECT_EQ(moment.error().fault, DeskFault::kClockUnsynchronised);
  EXPECT_NE(moment.error().text.find(time::text_of(time::ClockFault::kDisagreement)), std::string::npos);
  for (const auto standing : {lease::Standing::kJoining, lease::Standing::kTied, lease::Standing::kOutvoted}) {
    look = good_look();
    look.standing = standing;
    moment = lease_moment(shared_store(), look);
    ASSERT_FALSE(moment);
    EXPECT_EQ(moment.error().fault, DeskFault::kNotAMember);
    EXPECT_NE(moment.error().text.find(lease::text_of(standing)), std::string::npos) << moment.error().text;
  }
}

TEST(LeaseClock, ARecoveredStoreGrantsNothingWhileOldGrantsMayBeHeld) {
  for (LeaseClockRules rules : {shared_store(), own_store()}) {
    rules.store.epoch = 2;
    const LeaseLook look = good_look();
    const time::SmearedUtc now = look.time.mint.now;
    rules.store.floor = now - rules.max_ttl - seconds(2) + milliseconds(1);
    auto moment = lease_moment(rules, look);
    ASSERT_FALSE(moment);
    EXPECT_EQ(moment.error().fault, DeskFault::kRecovering);
    EXPECT_EQ(moment.error().retry_after, milliseconds(1));
    rules.store.floor = now - rules.max_ttl - seconds(2);
    EXPECT_TRUE(lease_moment(rules, look));
    rules.store.floor = now + seconds(3'600);
    moment = lease_moment(rules, look);
    ASSERT_FALSE(moment);
    EXPECT_EQ(moment.error().retry_after, seconds(3'600 + 600 + 2));
    rules.store.epoch = 1;
    EXPECT_TRUE(lease_moment(rules, look)) << "never recovered: the floor has another reason";
  }
}

TEST(LeaseClock, ARecoveredStoreWithoutTimeGrantsNothing) {
  LeaseClockRules rules = own_store();
  rules.store.epoch = 2;
  LeaseLook look = good_look();
  look.time.ordering = mint::OrderingState::kNoTime;
  const auto moment = lease_moment(rules, look);
  ASSERT_FALSE(moment);
  EXPECT_EQ(moment.error().fault, DeskFault::kRecovering);
}

}  // namespace
}  // namespace gnomon::cmd
