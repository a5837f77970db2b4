// SPDX-License-Identifier: Apache-2.0
//
// The interleavings on which named leases stand or fall, one by one, directed to the millisecond. Each scene is played
// twice: as the code is, when no promise may be broken, and with the bug planted that it is there to show. What a scene
// asserts besides is what the holder and the one who comes after have to see.
#include <gtest/gtest.h>

#include "oracle/canary.hpp"
#include "tests/sim/lease/scene.hpp"

namespace gnomon::sim::leases {
namespace {

using canary::Bug;
using lease::Refusal;

// ---- the two keys of a takeover

// A renews at 9.5 s. B's server has not heard of it, and takes the lease over at 10.02 s: by what it remembers the
// session has expired. Only the compare of the session stops it.
void renewal_unheard_of(Scene& scene) {
  scene.open(0).stop_renewing();
  scene.acquire(0);
  scene.open(1);
  scene.until_ms(9'400);
  scene.world.server(1).way().stall_watch(at_ms(60'000));
  scene.until_ms(9'500);
  scene.world.client(0).renew_now();
  scene.until_ms(10'020);
  scene.acquire(1);
}

TEST(DirectedLeases, a_takeover_that_has_not_heard_of_a_renewal_conflicts) {
  Scene scene;
  renewal_unheard_of(scene);
  EXPECT_HARMLESS(scene);
  EXPECT_TRUE(scene.world.client(0).believes(kName));
  EXPECT_FALSE(scene.world.client(1).believes(kName));
  EXPECT_EQ(scene.refusal(1), Refusal::kHeld);
  EXPECT_FALLS(Bug::kTakeoverIgnoresSession, renewal_unheard_of);
}

// The other order: a renewal that was under way when the lease was taken over finds its session killed.
void renewal_after_takeover(Scene& scene) {
  scene.open(0).stop_renewing();
  scene.acquire(0);
  scene.open(1);
  scene.until_ms(1'000);
  scene.world.network().copy_next_request(0, time::milliseconds(9'200));  // it arrives once more at 10.2 s
  scene.world.network().lose_replies(0, 1);
  scene.world.network().cut(0, at_ms(1'001));  // and not before
  scene.world.client(0).renew_now();
  scene.until_ms(10'100);
  scene.acquire(1);
  scene.until_ms(11'000);
}

TEST(DirectedLeases, a_renewal_that_comes_after_the_takeover_revives_nothing) {
  Scene scene;
  renewal_after_takeover(scene);
  EXPECT_HARMLESS(scene);
  EXPECT_TRUE(scene.world.client(1).believes(kName));
  EXPECT_FALSE(scene.world.client(0).believes(kName));
  const auto held = lease_in(scene.world.environment().store, kName);
  ASSERT_TRUE(held);
  EXPECT_EQ(held->value.session, scene.world.client(1).session());
  EXPECT_FALLS(Bug::kTakeoverIgnoresSession, renewal_after_takeover);
  EXPECT_FALLS(Bug::kRenewsTheDead, renewal_after_takeover);
}

TEST(DirectedLeases, a_session_that_is_over_is_not_renewed_though_nobody_took_anything) {
  const auto play = [](Scene& scene) {
    scene.open(0).stop_renewing();
    scene.until_ms(1'000);
    scene.world.network().copy_next_request(0, time::seconds(20));
    scene.world.network().cut(0, at_ms(1'001));
    scene.world.client(0).renew_now();
    scene.until_ms(22'000);
  };
  Scene scene;
  play(scene);
  EXPECT_HARMLESS(scene);
  EXPECT_FALLS(Bug::kRenewsTheDead, play);
}

// ---- what was promised

// A has ten seconds, asks for two, and never hears the answer: it goes on counting the ten.
void shortened(Scene& scene) {
  scene.open(0);
  scene.acquire(0);
  scene.open(1);
  scene.until_ms(1'000);
  scene.world.client(0).set_ttl(time::seconds(2));
  scene.world.network().lose_replies(0, 1);
  scene.world.client(0).renew_now();
  scene.world.run_for({});
  scene.cut_off(0);
  scene.until_ms(4'000);
  scene.acquire(1);
}

TEST(DirectedLeases, a_shorter_ttl_takes_nothing_back) {
  Scene scene;
  shortened(scene);
  EXPECT_HARMLESS(scene);
  EXPECT_TRUE(scene.world.client(0).believes(kName));
  EXPECT_EQ(scene.refusal(1), Refusal::kHeld);
  scene.until_ms(10'001);
  scene.acquire(1);
  EXPECT_TRUE(scene.world.client(1).believes(kName));
  EXPECT_HARMLESS(scene);
  EXPECT_FALLS(Bug::kShortenedTtl, shortened);
}

// The server's clock may be fast: its earliest lies 400 ms before the truth when A is granted its ten seconds.
void granted_by_a_wide_clock(Scene& scene) {
  scene.world.server(0).clock().fix(time::milliseconds(400), time::milliseconds(100));
  scene.open(0).stop_renewing();
  scene.acquire(0);
  scene.open(1);
  scene.until_ms(9'700);
  scene.acquire(1);
}

TEST(DirectedLeases, an_expiry_counts_from_the_latest_that_it_may_be) {
  Scene scene;
  granted_by_a_wide_clock(scene);
  EXPECT_HARMLESS(scene);
  EXPECT_TRUE(scene.world.client(0).believes(kName));
  scene.until_ms(10'100);  // the latest was 100 ms ahead
  scene.acquire(1);
  EXPECT_EQ(scene.refusal(1), Refusal::kHeld);
  scene.until_ms(10'101);
  scene.acquire(1);
  EXPECT_TRUE(scene.world.client(1).believes(kName));
  EXPECT_HARMLESS(scene);
  EXPECT_FALLS(Bug::kExpiryFromEarliest, granted_by_a_wide_clock);
}

// B's server may be slow: at 9.7 s its latest is past A's expiry, and its earliest is not.
void taken_by_a_wide_clock(Scene& scene) {
  scene.open(0).stop_renewing();
  scene.acquire(0);
  scene.open(1);
  scene.world.server(1).clock().fix(time::milliseconds(100), time::milliseconds(400));
  scene.until_ms(9'700);
  scene.acquire(1);
}

TEST(DirectedLeases, a_takeover_waits_until_the_earliest_is_past) {
  Scene scene;
  taken_by_a_wide_clock(scene);
  EXPECT_HARMLESS(scene);
  EXPECT_EQ(scene.refusal(1), Refusal::kHeld);
  scene.until_ms(10'100);
  scene.acquire(1);
  EXPECT_EQ(scene.refusal(1), Refusal::kHeld);
  scene.until_ms(10'101);
  scene.acquire(1);
  EXPECT_TRUE(scene.world.client(1).believes(kName));
  EXPECT_HARMLESS(scene);
  EXPECT_FALLS(Bug::kTakeoverAtLatest, taken_by_a_wide_clock);
}

TEST(DirectedLeases, a_lock_delay_holds_off_whoever_comes_after_a_silent_end_and_nobody_after_a_release) {
  Scene scene;
  scene.open(0).stop_renewing();
  scene.acquire(0, {}, time::seconds(3));
  scene.open(1);
  scene.until_ms(13'000);
  scene.acquire(1);
  EXPECT_EQ(scene.refusal(1), Refusal::kHeld);
  scene.until_ms(13'001);
  scene.acquire(1, {}, time::seconds(3));
  EXPECT_TRUE(scene.world.client(1).believes(kName));
  scene.world.client(1).release(kName);
  scene.world.run_for({});
  scene.open(2);
  scene.acquire(2);
  EXPECT_TRUE(scene.world.client(2).believes(kName));
  EXPECT_HARMLESS(scene);
}

}  // namespace
}  // namespace gnomon::sim::leases
