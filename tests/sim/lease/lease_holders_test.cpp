// SPDX-License-Identifier: Apache-2.0
//
// More scenes, directed as those of lease_directed_test.cpp: what holders and those who wait owe to one another, in
// releases that come late or twice, in queues, and with clocks that stand still or are slewed.
#include <gtest/gtest.h>

#include <vector>

#include "oracle/canary.hpp"
#include "tests/sim/lease/scene.hpp"

namespace gnomon::sim::leases {
namespace {

using canary::Bug;
using lease::Refusal;

// ---- releases

// A's release arrives once more three seconds later, when A holds the name again under another token.
void late_duplicate(Scene& scene) {
  scene.open(0);
  scene.acquire(0);
  scene.open(1);
  scene.until_ms(1'000);
  scene.world.network().copy_next_request(0, time::seconds(3));
  scene.world.network().lose_replies(0, 1);
  scene.world.client(0).release(kName);
  scene.until_ms(2'000);  // it was sent again, and answered
  scene.acquire(0);
  scene.until_ms(4'500);
  scene.acquire(1);
}

TEST(DirectedHolders, a_late_duplicate_of_a_release_does_not_release_the_next_grant) {
  Scene scene;
  late_duplicate(scene);
  EXPECT_HARMLESS(scene);
  EXPECT_TRUE(scene.world.client(0).believes(kName));
  EXPECT_EQ(scene.refusal(1), Refusal::kHeld);
  EXPECT_FALLS(Bug::kReleaseIgnoresToken, late_duplicate);
}

// B gives up its wait, and that arrives once more three seconds later, when B holds the name after all.
void late_duplicate_of_a_withdrawal(Scene& scene) {
  scene.open(0);
  scene.acquire(0);
  scene.open(1);
  scene.acquire(1, time::seconds(8));
  scene.until_ms(1'000);
  scene.world.network().copy_next_request(1, time::seconds(3));
  scene.world.client(1).give_up(kName);
  scene.until_ms(1'500);
  scene.world.client(0).release(kName);
  scene.until_ms(2'000);
  scene.acquire(1);
  scene.until_ms(4'500);
  scene.acquire(0);
}

TEST(DirectedHolders, a_late_duplicate_of_a_withdrawal_releases_nothing) {
  Scene scene;
  late_duplicate_of_a_withdrawal(scene);
  EXPECT_HARMLESS(scene);
  EXPECT_TRUE(scene.world.client(1).believes(kName));
  EXPECT_EQ(scene.refusal(0), Refusal::kHeld);
  EXPECT_FALLS(Bug::kReleaseIgnoresToken, late_duplicate_of_a_withdrawal);
}

// B gives up when it has been granted the name and does not know: nothing of it is left for long.
TEST(DirectedHolders, what_was_granted_to_a_wait_that_was_given_up_is_given_back) {
  Scene scene;
  scene.open(0);
  scene.acquire(0);
  scene.open(1);
  scene.acquire(1, time::seconds(8));
  scene.until_ms(1'000);
  scene.world.network().delay_next_reply(1, time::seconds(2));
  scene.world.client(0).release(kName);
  scene.until_ms(1'200);
  scene.world.client(1).give_up(kName);
  scene.until_ms(1'500);
  EXPECT_TRUE(scene.world.client(1).may_ask(kName));
  scene.acquire(0);
  EXPECT_TRUE(scene.world.client(0).believes(kName));
  EXPECT_HARMLESS(scene);
}

// The answer to A's release takes a second; B, who waited, has the lease long before.
void slow_answer_to_a_release(Scene& scene) {
  scene.open(0);
  scene.acquire(0);
  scene.open(1);
  scene.acquire(1, time::seconds(8));
  scene.until_ms(1'000);
  scene.world.network().delay_next_reply(0, time::seconds(1));
  scene.world.client(0).release(kName);
  scene.until_ms(1'500);
}

TEST(DirectedHolders, who_has_sent_a_release_holds_nothing) {
  Scene scene;
  slow_answer_to_a_release(scene);
  EXPECT_HARMLESS(scene);
  EXPECT_FALSE(scene.world.client(0).believes(kName));
  EXPECT_TRUE(scene.world.client(1).believes(kName));
  EXPECT_FALLS(Bug::kHoldsAfterRelease, slow_answer_to_a_release);
}

// ---- queues

// B is granted what it waited for and does not hear of it for a second. Meanwhile an operator, who takes it for
// stopped, breaks the lease, and C acquires it.
void broken_before_it_was_heard_of(Scene& scene) {
  scene.world.environment().operator_breaks = true;
  scene.open(0);
  scene.acquire(0);
  scene.open(1);
  scene.open(2);
  scene.acquire(1, time::seconds(8));
  scene.until_ms(1'000);
  scene.world.network().delay_next_reply(1, time::seconds(1));
  scene.world.client(0).release(kName);
  scene.until_ms(1'200);
  scene.world.server(0).asked({.client = 2,
                               .life = 0,
                               .number = 0,
                               .session = {},
                               .command = control::command::Break{kName},
                               .patience = time::seconds(1),
                               .sent = scene.world.environment().now()});
  scene.until_ms(1'300);
  scene.acquire(2);
  scene.until_ms(2'500);
}

TEST(DirectedHolders, what_was_waited_for_is_believed_in_only_after_another_renewal) {
  Scene scene;
  broken_before_it_was_heard_of(scene);
  EXPECT_HARMLESS(scene);
  EXPECT_TRUE(scene.world.client(2).believes(kName));
  EXPECT_FALSE(scene.world.client(1).has_session());
  EXPECT_FALLS(Bug::kGrantWithoutConfirm, broken_before_it_was_heard_of);
}

// B has a place, and is on its way to ask again when A releases; C comes by at that moment.
void somebody_comes_by(Scene& scene) {
  scene.open(0);
  scene.acquire(0);
  scene.open(1);
  scene.open(2);
  scene.acquire(1, time::milliseconds(300));
  scene.until_ms(100);
  scene.world.network().cut(1, at_ms(2'000));
  scene.until_ms(1'000);
  scene.world.client(0).release(kName);
  scene.world.run_for({});
  scene.acquire(2);
}

TEST(DirectedHolders, a_free_name_is_not_free_for_who_comes_by_while_others_wait) {
  Scene scene;
  somebody_comes_by(scene);
  EXPECT_HARMLESS(scene);
  EXPECT_EQ(scene.refusal(2), Refusal::kQueued);
  EXPECT_FALLS(Bug::kQueueIgnored, somebody_comes_by);
}

TEST(DirectedHolders, those_who_wait_are_served_in_the_order_in_which_they_came) {
  Scene scene(2, 4);
  for (std::uint32_t i = 0; i < 4; ++i)
    scene.open(i);
  scene.acquire(0);
  for (const std::uint32_t next : {3U, 1U, 2U}) {
    scene.world.run_for(time::milliseconds(10));
    scene.acquire(next, time::seconds(20));
  }
  std::uint32_t holder = 0;
  for (const std::uint32_t next : {3U, 1U, 2U}) {
    scene.world.run_for(time::milliseconds(100));
    scene.world.client(holder).release(kName);
    scene.world.run_for(time::milliseconds(100));
    for (std::uint32_t i = 0; i < 4; ++i)
      EXPECT_EQ(scene.world.client(i).believes(kName), i == next) << i;
    holder = next;
  }
  EXPECT_HARMLESS(scene);
}

// ---- clocks

// The answer to A's opening takes two seconds, and then nothing reaches it any more.
void slow_answer_to_an_opening(Scene& scene) {
  scene.world.network().delay_next_reply(0, time::seconds(2));
  scene.world.client(0).open(time::seconds(10));
  scene.until_ms(1);
  scene.world.network().cut(0, at_ms(2'100));
  scene.until_ms(2'200);
  scene.acquire(0);
  scene.cut_off(0);
  scene.open(1);
  scene.until_ms(10'100);
  scene.acquire(1);
}

TEST(DirectedHolders, a_holder_counts_from_the_sending) {
  Scene scene;
  slow_answer_to_an_opening(scene);
  EXPECT_HARMLESS(scene);
  EXPECT_TRUE(scene.world.client(1).believes(kName));
  EXPECT_FALLS(Bug::kCountsFromAnswer, slow_answer_to_an_opening);
}

// Somebody slews CLOCK_BOOTTIME of A's host by as much as the kernel allows: it takes eleven seconds for ten.
void slewed(Scene& scene) {
  scene.open(0);
  scene.acquire(0);
  scene.open(1);
  scene.cut_off(0);
  scene.world.client(0).machine().slew(scene.world.environment().now(), -100'000);
  scene.until_ms(10'100);
  scene.acquire(1);
}

TEST(DirectedHolders, a_slewed_clock_prolongs_no_belief) {
  Scene scene;
  slewed(scene);
  EXPECT_HARMLESS(scene);
  EXPECT_TRUE(scene.world.client(1).believes(kName));
  EXPECT_FALLS(Bug::kSlewedClockOnly, slewed);
}

void suspended(Scene& scene) {
  scene.open(0);
  scene.acquire(0);
  scene.open(1);
  scene.until_ms(1'000);
  scene.world.client(0).machine().suspend(scene.world.environment().now(), time::seconds(20));
  scene.world.client(0).pause(at_ms(21'000));
  scene.until_ms(10'100);
  scene.acquire(1);
  scene.until_ms(21'000);
}

TEST(DirectedHolders, a_holder_that_was_asleep_knows_how_long) {
  Scene scene;
  suspended(scene);
  EXPECT_HARMLESS(scene);
  EXPECT_FALSE(scene.world.client(0).believes(kName));
  EXPECT_TRUE(scene.world.client(1).believes(kName));
  EXPECT_FALLS(Bug::kOneClockOnly, suspended);
}

// A writes just before it is stopped; what it wrote is under way for long. It is to write once more when it wakes.
TEST(DirectedHolders, a_holder_that_was_stopped_notices_before_it_acts_and_its_old_token_is_refused) {
  Scene scene;
  scene.open(0);
  scene.acquire(0);
  scene.open(1);
  std::vector<mint::Token> written_by_a;
  scene.world.client(0).on_write = [&](std::uint32_t, const std::string&, mint::Token token) {
    written_by_a.push_back(token);
  };
  scene.until_ms(1'000);
  scene.world.client(0).write(kName);
  ASSERT_EQ(written_by_a.size(), 1U);
  scene.world.client(0).pause(at_ms(15'000));
  scene.world.client(0).write(kName);  // as soon as it can
  scene.until_ms(10'100);
  scene.acquire(1);
  ASSERT_TRUE(scene.world.client(1).believes(kName));
  EXPECT_GT(scene.world.client(1).token(kName), written_by_a.front());
  scene.world.client(1).write(kName);
  scene.until_ms(15'100);
  EXPECT_EQ(written_by_a.size(), 1U);  // it woke, looked, and wrote nothing
  EXPECT_FALSE(scene.world.client(0).believes(kName));
  EXPECT_EQ(scene.world.stale_writes(), 0U);
  scene.world.written(kName, written_by_a.front());  // and now it arrives
  EXPECT_EQ(scene.world.stale_writes(), 1U);
  EXPECT_HARMLESS(scene);
}

}  // namespace
}  // namespace gnomon::sim::leases
