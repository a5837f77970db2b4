// SPDX-License-Identifier: Apache-2.0
//
// Commit-waits on the wire, case by case; commit_wait_property_test.cpp has random clocks.
#include <gtest/gtest.h>

#include "oracle/serve/commit_waits.hpp"
#include "tests/oracle/serve/rig.hpp"

namespace gnomon::serve {
namespace {

using namespace testing;  // NOLINT(google-build-using-namespace)
using page::Counter;
using wire::Op;
using wire::Status;

constexpr time::Duration kEpsilon = time::microseconds(50);
constexpr time::Duration kGranule{8192};

std::unique_ptr<Rig> knowing_rig(const RigOptions& options = {}) {
  auto rig = granted_rig(options);
  rig->know(kStartTai - kEpsilon, kStartTai + kEpsilon);
  return rig;
}

// t, so long after the earliest that the time may be now.
time::Tai ahead(const Rig& rig, time::Duration by) { return rig.truth->earliest + by; }

bool parks(Rig& rig, std::uint64_t request_id, time::Tai t, std::uint8_t client = 1) {
  return rig.send({commit_wait_request(request_id, t)}, kLocal, client).empty();
}

void expect_released(const wire::Message& reply, const Rig& rig, std::uint64_t request_id) {
  wire::Message expected = commit_wait_request(request_id, rig.truth->earliest);
  expected.flags = wire::kFlagReply;
  expected.b = static_cast<std::uint64_t>(rig.truth->latest.ns);
  expected.epsilon_ns = static_cast<std::uint32_t>(kEpsilon.ns);
  EXPECT_EQ(reply, expected);
}

void expect_refused(const wire::Message& reply, std::uint64_t request_id, Status status, std::uint32_t count = 0) {
  wire::Message expected = request_of(Op::kCommitWait, request_id);
  expected.flags = wire::kFlagReply;
  expected.status = static_cast<std::uint8_t>(status);
  expected.count = count;
  EXPECT_EQ(wire::text_of(status_of(reply)), wire::text_of(status));
  EXPECT_EQ(reply, expected);
}

TEST(CommitWait, what_has_passed_is_answered_at_once) {
  auto rig = knowing_rig();
  expect_released(rig->ask(commit_wait_request(1, ahead(*rig, time::Duration{-1}))), *rig, 1);
  expect_released(rig->ask(commit_wait_request(2, {0})), *rig, 2);
  EXPECT_EQ(rig->count(Counter::kCommitWaits), 2U);
  EXPECT_EQ(rig->count(Counter::kCommitWaitsParked), 0U);
}

TEST(CommitWait, equality_is_not_passed) {
  auto rig = knowing_rig();
  EXPECT_TRUE(parks(*rig, 1, ahead(*rig, {})));
  EXPECT_EQ(rig->server.parked(), 1U);
}

// The commit timestamp is TT.now().latest: the whole interval has to go by.
TEST(CommitWait, on_latest_takes_twice_epsilon) {
  auto rig = knowing_rig();
  const time::Tai t = rig->truth->latest;
  ASSERT_TRUE(parks(*rig, 1, t));
  EXPECT_EQ(rig->count(Counter::kCommitWaitsParked), 1U);
  rig->advance(kEpsilon * 2);
  EXPECT_EQ(rig->truth->earliest, t);
  EXPECT_TRUE(rig->collect().empty());
  rig->advance(kGranule);
  const auto replies = rig->collect();
  ASSERT_EQ(replies.size(), 1U);
  expect_released(replies[0], *rig, 1);
  EXPECT_EQ(rig->server.parked(), 0U);
  EXPECT_EQ(rig->count(Counter::kCommitWaits), 1U);
}

TEST(CommitWait, the_loop_is_told_when_to_come_back) {
  auto rig = knowing_rig();
  EXPECT_EQ(rig->server.parked_wait(), Server::kNothingParked);
  ASSERT_TRUE(parks(*rig, 1, ahead(*rig, time::milliseconds(700))));
  ASSERT_TRUE(parks(*rig, 2, ahead(*rig, time::milliseconds(3))));
  const time::Duration wait = rig->server.parked_wait();
  EXPECT_GT(wait, time::milliseconds(3));
  EXPECT_LE(wait, time::milliseconds(3) + kGranule);
  rig->advance(wait - time::Duration{1});
  EXPECT_TRUE(rig->collect().empty());
  EXPECT_EQ(rig->server.parked_wait(), time::Duration{1});
  rig->advance(rig->server.parked_wait());
  const auto replies = rig->collect();
  ASSERT_EQ(replies.size(), 1U);
  EXPECT_EQ(replies[0].request_id, 2U);
  rig->advance(rig->server.parked_wait());
  EXPECT_EQ(rig->collect().size(), 1U);
  EXPECT_EQ(rig->server.parked_wait(), Server::kNothingParked);
}

// A worker may have had no commit-wait for hours; its wheel must not think that it is still then.
TEST(CommitWait, the_loop_is_told_right_after_an_idle_hour) {
  auto rig = knowing_rig();
  ASSERT_TRUE(parks(*rig, 1, ahead(*rig, time::milliseconds(1))));
  rig->advance(time::milliseconds(2));
  ASSERT_EQ(rig->collect().size(), 1U);
  for (int hour = 0; hour < 100; ++hour) {
    rig->advance(time::seconds(3600) + time::microseconds(hour * 7919));
    ASSERT_TRUE(parks(*rig, 2, ahead(*rig, time::milliseconds(900))));
    EXPECT_GT(rig->server.parked_wait(), time::milliseconds(900));
    rig->advance(rig->server.parked_wait());
    ASSERT_EQ(rig->collect().size(), 1U);
  }
}

TEST(CommitWait, a_parked_id_and_a_commit_wait_wake_the_loop_each_in_its_time) {
  auto rig = knowing_rig();
  ASSERT_TRUE(parks(*rig, 1, ahead(*rig, time::milliseconds(5))));
  ASSERT_EQ(rig->ask(next_id_request(2, 4096)).count, 4096U);
  ASSERT_TRUE(rig->send({next_id_request(3)}).empty());
  EXPECT_EQ(rig->server.parked(), 2U);
  EXPECT_EQ(rig->server.parked_wait(), time::milliseconds(1));
  rig->advance(time::milliseconds(1));
  ASSERT_EQ(rig->collect().size(), 1U);
  EXPECT_GT(rig->server.parked_wait(), time::milliseconds(4));
}

TEST(CommitWait, too_far_ahead_is_refused_at_once) {
  RigOptions options;
  options.max_commit_wait = time::milliseconds(10);
  auto rig = knowing_rig(options);
  const time::Tai latest = rig->truth->latest;
  EXPECT_TRUE(parks(*rig, 1, latest + time::milliseconds(10)));
  expect_refused(rig->ask(commit_wait_request(2, latest + time::milliseconds(10) + time::Duration{1})), 2,
                 Status::kTooFar);
  expect_refused(rig->ask(commit_wait_request(3, time::Tai::max())), 3, Status::kTooFar);
  for (const std::uint64_t t : {std::uint64_t{1} << 63, ~std::uint64_t{0}})
    expect_refused(rig->ask(request_of(Op::kCommitWait, 4, t)), 4, Status::kTooFar);
  EXPECT_EQ(rig->count(Counter::kTooFar), 4U);
  EXPECT_EQ(rig->server.parked(), 1U);
}

TEST(CommitWait, on_the_latest_that_it_can_be_is_never_too_far) {
  auto rig = granted_rig();
  rig->know(kStartTai, kStartTai + time::seconds(4));
  EXPECT_TRUE(parks(*rig, 1, rig->truth->latest)) << "a wide interval makes the wait long, not wrong";
  rig->know(kStartTai, time::Tai::max());
  EXPECT_EQ(status_of(rig->ask(commit_wait_request(2, time::Tai::max()))), Status::kTooFar) << "but not endless";
}

TEST(CommitWait, without_an_interval_is_unsynchronised) {
  auto rig = granted_rig();
  expect_refused(rig->ask(commit_wait_request(1, {0})), 1, Status::kClockUnsynchronised);
  EXPECT_EQ(rig->count(Counter::kClockUnsynchronised), 1U);
}

TEST(CommitWait, when_the_clock_is_lost_everybody_who_waits_is_told) {
  auto rig = knowing_rig();
  for (std::uint64_t i = 0; i < 100; ++i)
    ASSERT_TRUE(parks(*rig, i, ahead(*rig, time::milliseconds(static_cast<std::int64_t>(9 * i)))));
  rig->lose_clock();
  EXPECT_EQ(rig->server.parked_wait(), time::Duration{0});
  const auto replies = rig->collect();
  ASSERT_EQ(replies.size(), 100U);
  std::uint64_t ids = 0;
  for (const wire::Message& reply : replies) {
    expect_refused(reply, reply.request_id, Status::kClockUnsynchronised);
    ids += reply.request_id;
  }
  EXPECT_EQ(ids, 99U * 100 / 2) << "each once";
  EXPECT_EQ(rig->server.parked(), 0U);
  EXPECT_EQ(rig->count(Counter::kCommitWaits), 0U);
}

TEST(CommitWait, no_more_than_its_bound_is_looked_at_in_one_burst) {
  RigOptions options;
  options.commit_wait_limit = 5000;
  for (const bool lost : {false, true}) {
    auto rig = knowing_rig(options);
    for (std::uint64_t i = 0; i < 5000; ++i)
      ASSERT_TRUE(parks(*rig, i, ahead(*rig, time::milliseconds(1)), static_cast<std::uint8_t>(i)));
    rig->advance(time::seconds(1));
    if (lost) rig->lose_clock();
    std::size_t answered = 0;
    for (int burst = 0; burst < 4; ++burst, rig->burst()) {
      EXPECT_EQ(rig->collect().size(), CommitWaits::kMaxLooksPerBurst);
      answered += CommitWaits::kMaxLooksPerBurst;
      EXPECT_TRUE(rig->collect().empty()) << "the bound is that of the burst, not of the call";
      EXPECT_EQ(rig->server.parked(), 5000 - answered);
      EXPECT_EQ(rig->server.parked_wait(), time::Duration{0}) << "the rest must not wait for a nap";
    }
    EXPECT_EQ(rig->collect().size(), 5000 - answered);
    EXPECT_EQ(rig->server.parked(), 0U);
  }
}

TEST(CommitWait, a_full_wheel_is_busy_and_the_retry_time_holds) {
  RigOptions options;
  options.commit_wait_limit = 10;
  auto rig = knowing_rig(options);
  for (std::uint64_t i = 0; i < 10; ++i)
    ASSERT_TRUE(parks(*rig, i, ahead(*rig, time::milliseconds(900))));
  const time::Tai t = ahead(*rig, time::microseconds(2500));
  expect_refused(rig->ask(commit_wait_request(10, t)), 10, Status::kBusy, 2503);
  EXPECT_EQ(rig->count(Counter::kBusy), 1U);
  EXPECT_EQ(status_of(rig->ask(commit_wait_request(11, ahead(*rig, time::Duration{-1})))), Status::kOk)
      << "who has nothing to wait for needs no place";
  rig->advance(time::microseconds(2503));
  EXPECT_EQ(status_of(rig->ask(commit_wait_request(12, t))), Status::kOk) << "although the place is still full";
  EXPECT_EQ(rig->server.parked(), 10U);
}

TEST(CommitWait, replies_to_one_client_share_a_datagram_and_never_one_with_another) {
  auto rig = knowing_rig();
  const time::Tai t = ahead(*rig, time::milliseconds(1));
  for (std::uint64_t i = 0; i < 30; ++i)
    ASSERT_TRUE(parks(*rig, i, t, 1));
  for (std::uint64_t i = 30; i < 35; ++i)
    ASSERT_TRUE(parks(*rig, i, t, 2));
  rig->advance(time::milliseconds(2));
  expect_datagrams(*rig, {{1, 22}, {1, 8}, {2, 5}});
}

// The network may have no room left in this turn; what was released is still released in the next one.
TEST(CommitWait, who_was_released_stays_so_when_there_was_no_room_for_the_reply) {
  auto rig = knowing_rig();
  const time::Tai t = ahead(*rig, time::milliseconds(1));
  for (std::uint64_t i = 0; i < 3; ++i)
    ASSERT_TRUE(parks(*rig, i, t));
  ASSERT_TRUE(parks(*rig, 3, t + time::milliseconds(900)));
  rig->advance(time::milliseconds(2));
  const time::Interval released_in = *rig->truth;
  std::array<std::byte, wire::kMaxDatagram> out{};
  ReturnPath path;
  EXPECT_EQ(rig->server.next_parked(std::span(out).first(100), path), wire::kMessageSize);
  EXPECT_EQ(rig->server.next_parked({}, path), 0U);
  EXPECT_EQ(rig->server.parked(), 3U);
  rig->know(t - time::milliseconds(5), t + time::milliseconds(5));  // the clock is less sure of itself now
  EXPECT_EQ(rig->server.parked_wait(), time::Duration{0});
  EXPECT_EQ(rig->server.next_parked(std::span(out).first(100), path), wire::kMessageSize);
  EXPECT_EQ(wire::load(out.data()).a, static_cast<std::uint64_t>(released_in.earliest.ns));
  rig->lose_clock();
  const auto replies = rig->collect();
  ASSERT_EQ(replies.size(), 2U);
  EXPECT_EQ(status_of(replies[0]), Status::kOk);
  EXPECT_GT(replies[0].a, static_cast<std::uint64_t>(t.ns));
  expect_refused(replies[1], 3, Status::kClockUnsynchronised);
}

TEST(CommitWait, a_clock_that_goes_back_releases_nobody) {
  auto rig = knowing_rig();
  const time::Tai t = ahead(*rig, time::milliseconds(3));
  ASSERT_TRUE(parks(*rig, 1, t));
  rig->know(t - time::seconds(30), t + time::seconds(30));
  EXPECT_TRUE(rig->collect().empty());
  ASSERT_TRUE(parks(*rig, 2, t - time::seconds(29) - time::milliseconds(500)));
  rig->know(t, t + time::seconds(1));
  auto replies = rig->collect();
  ASSERT_EQ(replies.size(), 1U);
  EXPECT_EQ(replies[0].request_id, 2U);
  rig->know(t + kGranule, t + time::seconds(1));
  replies = rig->collect();
  ASSERT_EQ(replies.size(), 1U);
  EXPECT_EQ(replies[0].request_id, 1U);
}

TEST(CommitWait, a_revocation_of_rights_is_none_of_its_business) {
  auto rig = knowing_rig();
  ASSERT_TRUE(parks(*rig, 1, ahead(*rig, time::milliseconds(1))));
  rig->revoke();
  rig->advance(time::milliseconds(2));
  EXPECT_EQ(rig->page->acknowledged.load(), 2U);
  const auto replies = rig->collect();
  ASSERT_EQ(replies.size(), 1U);
  EXPECT_EQ(status_of(replies[0]), Status::kOk);
}

TEST(CommitWait, parked_replies_are_signed_and_a_withdrawn_key_gets_none) {
  const wire::Key key{{7}, {1, 2, 3}};
  RigOptions options;
  options.policy.auth = AuthRule::kAlways;
  options.policy.keys = wire::KeyRing({key});
  auto rig = knowing_rig(options);
  AccessPolicy without;
  without.version = 2;
  without.auth = AuthRule::kAlways;
  for (const bool withdrawn : {false, true}) {
    wire::Message request = commit_wait_request(1, ahead(*rig, time::milliseconds(1)));
    wire::sign(request, key);
    ASSERT_TRUE(rig->send({request}, kRemote).empty());
    rig->advance(time::milliseconds(2));
    if (withdrawn) rig->server.use_policy(without);
    const auto replies = rig->collect();
    ASSERT_EQ(replies.size(), 1U);
    EXPECT_EQ(wire::verify(replies[0], key), !withdrawn);
    if (withdrawn) expect_refused(replies[0], 1, Status::kUnauthorised);
    EXPECT_EQ(status_of(replies[0]), withdrawn ? Status::kUnauthorised : Status::kOk);
  }
}

TEST(CommitWait, options_outside_their_range_are_refused_at_start) {
  const auto rig_with = [](std::uint32_t limit, time::Duration max_wait) {
    RigOptions options;
    options.commit_wait_limit = limit;
    options.max_commit_wait = max_wait;
    Rig{options};
  };
  EXPECT_THROW(rig_with(0, time::seconds(1)), std::invalid_argument);
  EXPECT_THROW(rig_with(0xffff'ffffU, time::seconds(1)), std::invalid_argument);
  EXPECT_THROW(rig_with(1, time::Duration{-1}), std::invalid_argument);
  EXPECT_THROW(rig_with(1, time::seconds(3601)), std::invalid_argument);
  EXPECT_NO_THROW(rig_with(1, {}));
  EXPECT_NO_THROW(rig_with(1, time::seconds(3600)));
}

}  // namespace
}  // namespace gnomon::serve
