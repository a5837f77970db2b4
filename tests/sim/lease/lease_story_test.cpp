// SPDX-License-Identifier: Apache-2.0
//
// The source document's transcripts of leases (sections 3.1 to 3.3), played end to end by real desks and real keepers
// on virtual time, to the millisecond. Where the document rounds, the moments on either side of it are tried as well:
// at its expiry a lease may still be held, a millisecond later it is not.
#include <gtest/gtest.h>

#include "oracle/lease/stored_right.hpp"
#include "tests/sim/lease/scene.hpp"

namespace gnomon::sim::leases {
namespace {

using lease::Refusal;

/// B asks until it is granted the name, once every millisecond from `from_ms` on. When that was.
std::int64_t first_granted_ms(Scene& scene, std::uint32_t who, std::int64_t from_ms) {
  for (std::int64_t ms = from_ms; ms < from_ms + 20'000; ++ms) {
    scene.until_ms(ms);
    scene.acquire(who);
    if (scene.world.client(who).believes(kName)) return ms;
  }
  return -1;
}

// 3.1: granted at 0 for 10 s, used at 5, asked for by another at 7, over at 10, granted to the other at 11.
TEST(LeaseStory, a_lease_is_exclusive_for_a_time) {
  Scene scene;
  scene.open(0).stop_renewing();
  scene.open(1);
  scene.acquire(0);
  ASSERT_TRUE(scene.world.client(0).believes(kName));
  const mint::Token first = scene.world.client(0).token(kName);

  scene.until_ms(5'000);
  EXPECT_TRUE(scene.world.client(0).believes(kName));  // uses it

  scene.until_ms(7'000);
  scene.acquire(1);
  const auto* denied = scene.answer<lease::answer::Refused>(1);
  ASSERT_NE(denied, nullptr);
  EXPECT_EQ(denied->why, Refusal::kHeld);
  EXPECT_EQ(denied->token, first);
  EXPECT_GE(denied->retry_after, time::seconds(3));
  EXPECT_LE(denied->retry_after, time::milliseconds(3'001));

  scene.until_ms(9'795);  // 10 s less a fiftieth, less 500 ppm
  EXPECT_TRUE(scene.world.client(0).believes(kName));
  scene.until_ms(9'796);
  EXPECT_FALSE(scene.world.client(0).believes(kName));  // the holder stops before anybody else may begin

  scene.until_ms(11'000);
  scene.acquire(1);
  EXPECT_TRUE(scene.world.client(1).believes(kName));
  const auto* held = scene.answer<lease::answer::Held>(1);
  ASSERT_NE(held, nullptr);
  EXPECT_TRUE(held->taken_over);
  EXPECT_GT(held->token, first);
  EXPECT_FALSE(scene.violation());
}

// 3.1, the crash: the holder dies at 5, and the lease ends when it would have anyway, not earlier and not later.
TEST(LeaseStory, a_crashed_holder_blocks_nobody_for_longer_than_its_time) {
  Scene scene;
  scene.open(0).stop_renewing();
  scene.open(1);
  scene.acquire(0);
  scene.until_ms(5'000);
  scene.world.client(0).kill();
  EXPECT_EQ(first_granted_ms(scene, 1, 9'990), 10'001);
  EXPECT_FALSE(scene.violation());
}

// Who waits need not ask again and again: it has the lease in the very millisecond in which it is free.
TEST(LeaseStory, who_waits_for_a_crashed_holder_is_served_as_soon_as_the_time_is_over) {
  Scene scene;
  scene.open(0).stop_renewing();
  scene.open(1);
  scene.acquire(0);
  scene.until_ms(7'000);
  scene.acquire(1, time::seconds(20));
  scene.until_ms(10'000);
  EXPECT_FALSE(scene.world.client(1).believes(kName));
  scene.until_ms(10'030);  // a desk looks at what time alone sets free every 20 ms
  EXPECT_TRUE(scene.world.client(1).believes(kName));
  EXPECT_FALSE(scene.violation());
}

// 3.2: acquire, denied, renew, release, acquire.
TEST(LeaseStory, the_manager_of_the_document) {
  Scene scene;
  scene.open(0);
  scene.open(1);
  scene.acquire(0);
  EXPECT_TRUE(scene.world.client(0).believes(kName));  // True, "Granted until ..."
  const mint::Token first = scene.world.client(0).token(kName);

  scene.until_ms(1);
  scene.acquire(1);
  EXPECT_EQ(scene.refusal(1), Refusal::kHeld);  // False, "Held by client-A until ..."

  scene.until_ms(2);
  scene.world.client(0).renew_now();
  scene.world.run_for({});
  const auto session = session_in(scene.world.environment().store, scene.world.client(0).session());
  ASSERT_TRUE(session);
  EXPECT_EQ(session->value.expiry.at, true_time(at_ms(10'002)));  // True, "Renewed until ..."

  scene.until_ms(3);
  scene.world.client(0).release(kName);
  EXPECT_FALSE(scene.world.client(0).believes(kName));
  scene.world.run_for({});
  EXPECT_NE(scene.answer<lease::answer::Released>(0), nullptr);  // True, "Released"

  scene.acquire(1);
  EXPECT_TRUE(scene.world.client(1).believes(kName));  // True, and at once: no lock-delay after a release
  EXPECT_GT(scene.world.client(1).token(kName), first);
  scene.world.client(0).release(kName);
  scene.world.run_for({});
  EXPECT_TRUE(scene.world.client(1).believes(kName));
  EXPECT_FALSE(scene.violation());
}

// 3.3: acquired at 0, renewed at 5 (until 15) and at 10 (until 20), released at 15.
TEST(LeaseStory, a_heartbeat_keeps_a_lease_for_as_long_as_the_work_takes) {
  Scene scene;
  scene.open(0).stop_renewing();  // it renews when the document says so
  scene.open(1);
  scene.acquire(0);
  const mint::Token token = scene.world.client(0).token(kName);
  for (const std::int64_t ms : {5'000, 10'000}) {
    scene.until_ms(ms);
    scene.world.client(0).renew_now();
    scene.world.run_for({});
    const auto session = session_in(scene.world.environment().store, scene.world.client(0).session());
    ASSERT_TRUE(session);
    EXPECT_EQ(session->value.expiry.at, true_time(at_ms(ms + 10'000)));
    scene.until_ms(ms + 1);
    scene.acquire(1);
    EXPECT_EQ(scene.refusal(1), Refusal::kHeld);
  }
  scene.until_ms(15'000);
  EXPECT_TRUE(scene.world.client(0).believes(kName));
  EXPECT_EQ(scene.world.client(0).token(kName), token);  // a renewal is no grant
  scene.world.client(0).release(kName);
  scene.world.run_for({});
  scene.acquire(1);
  EXPECT_TRUE(scene.world.client(1).believes(kName));
  EXPECT_FALSE(scene.violation());
}

// 3.3, the crash at 7, after the renewal at 5. The document says that the lease ends at 10; what was renewed at 5 for
// ten seconds ends at 15, and not a millisecond earlier.
TEST(LeaseStory, a_crash_after_a_renewal_is_waited_out_from_the_renewal) {
  Scene scene;
  scene.open(0).stop_renewing();
  scene.open(1);
  scene.acquire(0);
  scene.until_ms(5'000);
  scene.world.client(0).renew_now();
  scene.until_ms(7'000);
  scene.world.client(0).kill();
  EXPECT_EQ(first_granted_ms(scene, 1, 9'990), 15'001);
  EXPECT_FALSE(scene.violation());
}

// And by itself, with nobody who tells it when: twenty seconds of work under ten seconds of TTL.
TEST(LeaseStory, the_keeper_renews_by_itself) {
  Scene scene;
  scene.open(0);
  scene.open(1);
  scene.acquire(0);
  for (std::int64_t ms = 100; ms <= 20'000; ms += 100) {
    scene.until_ms(ms);
    ASSERT_TRUE(scene.world.client(0).believes(kName)) << ms;
  }
  EXPECT_GE(scene.world.environment().counts.renewals, 2U * 6);  // of both, every third of the TTL
  EXPECT_FALSE(scene.violation());
}

}  // namespace
}  // namespace gnomon::sim::leases
