// SPDX-License-Identifier: Apache-2.0
//
// Waiting for leases, and what has to be put right afterwards: waits that are given up, answers that are lost, and
// copies of requests that the server carries out long after their callers have gone.
#include <chrono>
#include <stop_token>
#include <thread>

#include "tests/client/lease/lease_fixture.hpp"

namespace gnomon::client {
namespace {

using std::chrono::milliseconds;
using support::eventually;

const grpc::Status kLost(grpc::StatusCode::UNAVAILABLE, "the answer was lost");

class LeaseWaitTest : public LeaseTest {
 protected:
  /// All releases arrive once more, however long after: the network had kept copies back.
  void deliver_again() {
    for (const v1::ReleaseRequest& request : server_.releases()) {
      v1::ReleaseResponse nobody_reads_it;
      table_.release(request, &nobody_reads_it);
    }
  }
};

TEST_F(LeaseWaitTest, WaitersAreServedInTheirOrder) {
  const auto client = connect();
  const auto first = open(*client);
  const auto second = open(*client);
  const auto third = open(*client);
  auto held = first->acquire("a");
  ASSERT_TRUE(held);
  const AcquireOptions patient{.wait_for = time::seconds(60)};
  auto by_second = later([&] { return second->acquire("a", patient); });
  ASSERT_TRUE(eventually([&] { return table_.waiters("a") == 1; }));
  auto by_third = later([&] { return third->acquire("a", patient); });
  ASSERT_TRUE(eventually([&] { return table_.waiters("a") == 2; }));
  EXPECT_TRUE(held->release());
  auto next = by_second.get();
  ASSERT_TRUE(next) << next.error().text;
  EXPECT_FALSE(is_ready(by_third));
  EXPECT_TRUE(next->release());
  const auto last = by_third.get();
  ASSERT_TRUE(last);
  EXPECT_GT(last->token(), next->token());
}

TEST_F(LeaseWaitTest, AWaitIsRepeatedWhenTheServerSaysThatItGoesOn) {
  table_.set_max_wait(time::milliseconds(20));
  const auto client = connect();
  const auto first = open(*client);
  const auto second = open(*client);
  auto held = first->acquire("a");
  auto waiting = later([&] { return second->acquire("a", {.wait_for = time::seconds(60)}); });
  ASSERT_TRUE(eventually([&] { return server_.served("Acquire") >= 6; }));
  EXPECT_FALSE(is_ready(waiting));
  EXPECT_TRUE(held->release());
  EXPECT_TRUE(waiting.get());
}

TEST_F(LeaseWaitTest, AWaitThatIsOverGivesItsPlaceUp) {
  const auto client = connect();
  const auto first = open(*client);
  const auto second = open(*client);
  const auto held = first->acquire("a");
  const auto refused = second->acquire("a", {.wait_for = time::milliseconds(60)});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, LeaseErrorKind::kHeld);
  EXPECT_EQ(server_.served("Release"), 1);
  EXPECT_EQ(table_.waiters("a"), 0U);
}

TEST_F(LeaseWaitTest, AWaitEndsWhenItsCallerSaysSoOrItsSessionEnds) {
  const auto client = connect();
  const auto first = open(*client);
  const auto second = open(*client);
  const auto third = open(*client);
  const auto held = first->acquire("a");
  std::stop_source stop;
  auto stopped =
      later([&] { return second->acquire("a", {.wait_for = time::seconds(600), .stop = stop.get_token()}); });
  auto closed = later([&] { return third->acquire("a", {.wait_for = time::seconds(600)}); });
  ASSERT_TRUE(eventually([&] { return table_.waiters("a") == 2; }));
  stop.request_stop();
  EXPECT_EQ(stopped.get().error().kind, LeaseErrorKind::kTimeout);
  EXPECT_EQ(table_.waiters("a"), 1U);
  EXPECT_TRUE(second->acquire("b")) << "the session itself goes on";
  EXPECT_TRUE(third->close());
  EXPECT_EQ(closed.get().error().kind, LeaseErrorKind::kClosed);
}

TEST_F(LeaseWaitTest, AQueuedGrantIsHandedOutOnlyAfterALaterRenewal) {
  const auto client = connect();
  const auto first = open(*client);
  const auto second = open(*client, time::seconds(6));
  auto held = first->acquire("a");
  server_.always("RenewSession", LeaseScript{.apply = false, .hold = true});
  auto waiting = later([&] { return second->acquire("a", {.wait_for = time::seconds(60)}); });
  ASSERT_TRUE(eventually([&] { return table_.waiters("a") == 1; }));
  const int before = server_.served("RenewSession");
  const std::uint64_t old = held->token();
  EXPECT_TRUE(held->release());
  ASSERT_TRUE(eventually([&] { return table_.holder_token("a") > old; })) << "granted in the store";
  ASSERT_TRUE(eventually([&] { return server_.served("RenewSession") > before; })) << "and the renewal is under way";
  std::this_thread::sleep_for(milliseconds(50));
  EXPECT_FALSE(is_ready(waiting));
  server_.always("RenewSession", std::nullopt);
  EXPECT_TRUE(waiting.get());
}

TEST_F(LeaseWaitTest, AQueuedGrantWithoutARenewalIsGivenBack) {
  const auto client = connect();
  const auto impatient = connect(time::milliseconds(300));
  const auto first = open(*client);
  const auto second = open(*impatient, time::seconds(60));
  auto held = first->acquire("a");
  server_.always("RenewSession", LeaseScript{.apply = false, .hold = true});
  auto waiting = later([&] { return second->acquire("a", {.wait_for = time::seconds(60)}); });
  ASSERT_TRUE(eventually([&] { return table_.waiters("a") == 1; }));
  EXPECT_TRUE(held->release());
  EXPECT_EQ(waiting.get().error().kind, LeaseErrorKind::kTimeout);
  EXPECT_TRUE(becomes_free("a"));
}

TEST_F(LeaseWaitTest, AnAcquisitionGivenUpIsReleasedAtOnceAndOnceMoreWhenItCameLate) {
  const auto client = connect(time::milliseconds(300));
  const auto session = open(*client, time::seconds(60));
  server_.next("Acquire", {.hold = true});  // granted, but nobody says so
  EXPECT_EQ(session->acquire("a").error().kind, LeaseErrorKind::kTimeout);
  EXPECT_TRUE(becomes_free("a"));
  server_.next("Acquire", {.hold = true, .late_by = milliseconds(900)});  // granted after it was given up
  EXPECT_EQ(session->acquire("b").error().kind, LeaseErrorKind::kTimeout);
  EXPECT_TRUE(is_free("b"));
  ASSERT_TRUE(becomes_held("b"));
  EXPECT_TRUE(becomes_free("b"));
  EXPECT_TRUE(session->acquire("b")) << "and it can be had";
}

TEST_F(LeaseWaitTest, AGivenUpPlaceInTheQueueIsCleanedUpEvenIfTheNameWasAskedForAgainInBetween) {
  const auto client = connect(time::milliseconds(300));
  const auto first = open(*client, time::seconds(60));
  const auto second = open(*client, time::seconds(60));
  auto held = first->acquire("a");
  server_.always("Release", LeaseScript{.apply = false, .status = kLost});
  EXPECT_FALSE(second->acquire("a", {.wait_for = time::milliseconds(30)}));
  EXPECT_EQ(table_.waiters("a"), 1U);
  server_.always("Release", std::nullopt);
  static_cast<void>(second->acquire("a"));  // refused, or not sent because the name rests
  EXPECT_TRUE(eventually([&] { return table_.waiters("a") == 0; }));
}

TEST_F(LeaseWaitTest, AReleaseThatGotNoAnswerIsRepeatedInTheBackground) {
  const auto client = connect(time::milliseconds(300));
  const auto session = open(*client, time::seconds(60));
  auto lease = session->acquire("a");
  server_.next("Release", {.apply = false, .hold = true});
  EXPECT_EQ(lease->release().error().kind, LeaseErrorKind::kTimeout);
  EXPECT_FALSE(lease->holds()) << "from the call on, whatever becomes of it";
  EXPECT_TRUE(becomes_free("a"));
  {
    const auto other = session->acquire("b");
    ASSERT_TRUE(other);
    server_.next("Release", {.apply = false, .hold = true});
  }
  EXPECT_TRUE(becomes_free("b")) << "also after a destructor";
}

// The first release is applied long after it was given up. Had the name been granted anew under the same token, or
// under "whatever is held", that copy would take it away from a holder who believes.
TEST_F(LeaseWaitTest, ALateReleaseTakesNoNewGrantAway) {
  const auto client = connect(time::milliseconds(300));
  const auto session = open(*client, time::seconds(60));
  auto lease = session->acquire("a");
  server_.next("Release", {.hold = true, .late_by = milliseconds(1'500)});
  EXPECT_FALSE(lease->release());
  const auto again = session->acquire("a", {.wait_for = time::seconds(60)});
  ASSERT_TRUE(again) << again.error().text;
  EXPECT_GT(again->token(), lease->token());
  std::this_thread::sleep_for(milliseconds(1'700));
  EXPECT_EQ(table_.holder_token("a"), again->token());
  EXPECT_TRUE(again->holds());
}

TEST_F(LeaseWaitTest, ALateWithdrawalTakesNoNewGrantAway) {
  const auto client = connect(time::milliseconds(300));
  const auto first = open(*client, time::seconds(60));
  const auto second = open(*client, time::seconds(60));
  auto held = first->acquire("a");
  server_.next("Release", {.hold = true, .late_by = milliseconds(1'500)});
  EXPECT_FALSE(second->acquire("a", {.wait_for = time::milliseconds(30)}));
  EXPECT_TRUE(held->release());
  const auto again = second->acquire("a", {.wait_for = time::seconds(60)});
  ASSERT_TRUE(again) << again.error().text;
  std::this_thread::sleep_for(milliseconds(1'700));
  EXPECT_EQ(table_.holder_token("a"), again->token());
}

TEST_F(LeaseWaitTest, AWithdrawalThatWasKeptBackForLongTakesNoNewGrantAway) {
  const auto client = connect();
  const auto first = open(*client, time::seconds(60));
  const auto second = open(*client, time::seconds(60));
  auto held = first->acquire("a");
  EXPECT_FALSE(second->acquire("a", {.wait_for = time::milliseconds(30)}));
  ASSERT_EQ(server_.releases().size(), 1U);
  EXPECT_TRUE(held->release());
  const auto again = second->acquire("a");
  ASSERT_TRUE(again) << again.error().text;
  deliver_again();
  EXPECT_EQ(table_.holder_token("a"), again->token());
  EXPECT_TRUE(again->holds());
}

TEST_F(LeaseWaitTest, AGrantThatNobodyToldOfIsGivenBackUnderItsTokenOnly) {
  const auto client = connect(time::milliseconds(300));
  const auto session = open(*client, time::seconds(60));
  const auto other = open(*client, time::seconds(60));
  server_.next("Acquire", {.hold = true});  // granted, but nobody says so
  EXPECT_EQ(session->acquire("a").error().kind, LeaseErrorKind::kTimeout);
  {
    const auto next = other->acquire("a", {.wait_for = time::seconds(4)});
    EXPECT_TRUE(next) << "before the first attempt is past all doubt: " << next.error().text;
  }
  const auto again = session->acquire("a", {.wait_for = time::seconds(4)});
  ASSERT_TRUE(again) << again.error().text;
  deliver_again();
  EXPECT_EQ(table_.holder_token("a"), again->token());
  // And when no copy of the attempt is at work any more, that is looked after without harm to who holds.
  std::this_thread::sleep_for(milliseconds(5'500));
  deliver_again();
  EXPECT_EQ(table_.holder_token("a"), again->token());
  EXPECT_TRUE(again->holds());
}

// The name is acquired anew before the look that was due for the acquisition given up.
TEST_F(LeaseWaitTest, WhatIsAcquiredAnewIsNotTakenForWhatWasGivenUp) {
  const auto client = connect(time::milliseconds(300));
  const auto session = open(*client, time::seconds(60));
  server_.always("GetLease", LeaseScript{.apply = false, .status = kLost});
  server_.next("Acquire", {.hold = true});  // granted, but nobody says so
  EXPECT_EQ(session->acquire("a").error().kind, LeaseErrorKind::kTimeout);
  const std::uint64_t granted = table_.holder_token("a");
  ASSERT_NE(granted, 0U);
  const auto again = session->acquire("a", {.wait_for = time::seconds(4)});
  ASSERT_TRUE(again) << again.error().text;
  EXPECT_EQ(again->token(), granted) << "the grant that was there";
  server_.always("GetLease", std::nullopt);
  std::this_thread::sleep_for(milliseconds(5'500));
  deliver_again();
  EXPECT_EQ(table_.holder_token("a"), again->token());
}

}  // namespace
}  // namespace gnomon::client
