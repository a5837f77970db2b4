// SPDX-License-Identifier: Apache-2.0
//
// now, time_sync and hlc_update: what each answers with an interval, without one, and at the ends of its ranges. A
// commit-wait has a file of its own.
#include "oracle/serve/time_ops.hpp"

#include <gtest/gtest.h>

#include "tests/oracle/serve/rig.hpp"

namespace gnomon::serve {
namespace {

using namespace testing;  // NOLINT(google-build-using-namespace)
using page::Counter;
using wire::Op;
using wire::Status;

const std::vector<time::ClockFault> kFaults{
    time::ClockFault::kNotProven, time::ClockFault::kNoSource,         time::ClockFault::kDisagreement,
    time::ClockFault::kVoid,      time::ClockFault::kCounterUntrusted,
};

std::unique_ptr<Rig> knowing_rig(time::Duration epsilon = time::microseconds(5), const RigOptions& options = {}) {
  auto rig = granted_rig(options);
  rig->know(kStartTai - epsilon, kStartTai + epsilon);
  return rig;
}

std::uint64_t hlc_of(std::int64_t ms, std::uint64_t counter = 0) {
  return (static_cast<std::uint64_t>(ms) << clock::kHlcCounterBits) | counter;
}

// All that a refusal may hold besides the head and the request id.
void expect_refused(const wire::Message& reply, Op op, Status status, std::uint32_t count = 0) {
  wire::Message expected = request_of(op, reply.request_id);
  expected.flags = wire::kFlagReply;
  expected.status = static_cast<std::uint8_t>(status);
  expected.count = count;
  EXPECT_EQ(wire::text_of(status_of(reply)), wire::text_of(status));
  EXPECT_EQ(reply, expected);
}

// --- now and time_sync
// ------------------------------------------------------------------------------------------------

class Times : public ::testing::TestWithParam<Op> {};
INSTANTIATE_TEST_SUITE_P(Operations, Times, ::testing::Values(Op::kNow, Op::kTimeSync),
                         [](const auto& op) { return std::string(op.param == Op::kNow ? "now" : "time_sync"); });

TEST_P(Times, answer_with_the_interval_of_the_burst_and_nothing_else) {
  auto rig = granted_rig();
  rig->know(kStartTai - time::Duration{7}, kStartTai + time::Duration{4});
  wire::Message expected = request_of(GetParam(), 12);
  expected.flags = wire::kFlagReply;
  expected.a = static_cast<std::uint64_t>(kStartTai.ns - 7);
  expected.b = static_cast<std::uint64_t>(kStartTai.ns + 4);
  expected.epsilon_ns = 6;  // half of 11, rounded up
  EXPECT_EQ(rig->ask(request_of(GetParam(), 12)), expected);
  EXPECT_EQ(rig->count(Counter::kTimes), 1U);
}

TEST_P(Times, need_neither_rights_nor_an_ordering_timeline) {
  Rig rig;
  rig.ordering = mint::OrderingState::kNoTime;
  rig.know(kStartTai, kStartTai);
  const wire::Message reply = rig.ask(request_of(GetParam(), 1));
  EXPECT_EQ(status_of(reply), Status::kOk);
  EXPECT_EQ(reply.epsilon_ns, 0U);
}

TEST_P(Times, without_an_interval_are_unsynchronised_whatever_the_reason) {
  auto rig = knowing_rig();
  for (const time::ClockFault fault : kFaults) {
    rig->lose_clock(fault);
    expect_refused(rig->ask(request_of(GetParam(), 1)), GetParam(), Status::kClockUnsynchronised);
  }
  EXPECT_EQ(rig->count(Counter::kClockUnsynchronised), kFaults.size());
  EXPECT_EQ(rig->count(Counter::kTimes), 0U);
}

TEST_P(Times, a_clock_that_may_stand_before_1970_was_never_set) {
  auto rig = granted_rig();
  rig->know({-1}, {1});
  expect_refused(rig->ask(request_of(GetParam(), 1)), GetParam(), Status::kClockUnsynchronised);
  rig->know({0}, {1});
  EXPECT_EQ(status_of(rig->ask(request_of(GetParam(), 1))), Status::kOk);
}

TEST(Now, says_a_saturated_width_and_time_sync_does_not) {
  auto rig = granted_rig();
  const std::int64_t width = 2 * 0xffff'fffeLL;
  rig->know(kStartTai, kStartTai + time::Duration{width});
  EXPECT_EQ(rig->ask(request_of(Op::kNow, 1)).epsilon_ns, 0xffff'fffeU);
  EXPECT_EQ(rig->ask(request_of(Op::kTimeSync, 1)).epsilon_ns, 0xffff'fffeU);
  rig->know(kStartTai, kStartTai + time::Duration{width + 1});
  const wire::Message wide = rig->ask(request_of(Op::kNow, 2));
  EXPECT_EQ(status_of(wide), Status::kOk);
  EXPECT_EQ(wide.epsilon_ns, 0xffff'ffffU);
  EXPECT_EQ(wide.b - wide.a, static_cast<std::uint64_t>(width + 1)) << "the interval itself is not cut off";
  expect_refused(rig->ask(request_of(Op::kTimeSync, 3)), Op::kTimeSync, Status::kClockUnsynchronised);
}

TEST(Epsilon, is_half_the_width_rounded_up_and_saturates) {
  const auto of = [](std::int64_t earliest, std::int64_t latest) {
    return epsilon_ns_of(time::Interval{{earliest}, {latest}});
  };
  EXPECT_EQ(of(5, 5), 0U);
  EXPECT_EQ(of(5, 6), 1U);
  EXPECT_EQ(of(5, 7), 1U);
  EXPECT_EQ(of(0, 0x1'ffff'fffcLL), 0xffff'fffeU);
  EXPECT_EQ(of(0, 0x1'ffff'fffdLL), 0xffff'ffffU);
  EXPECT_EQ(of(0, time::Tai::max().ns), 0xffff'ffffU);
  EXPECT_EQ(of(time::Tai::min().ns, time::Tai::max().ns), 0xffff'ffffU);
  EXPECT_EQ(of(9, 5), 0U) << "a reversed interval comes from nowhere; it must not become a huge width";
}

TEST(TimeSync, takes_any_argument_and_returns_none_of_it) {
  auto rig = knowing_rig();
  const wire::Message reply = rig->ask(request_of(Op::kTimeSync, 1, ~std::uint64_t{0}));
  EXPECT_EQ(reply.a, static_cast<std::uint64_t>((kStartTai - time::microseconds(5)).ns));
}

TEST(Times, share_a_datagram_with_every_other_operation) {
  auto rig = knowing_rig();
  const auto replies = rig->send({next_id_request(1), request_of(Op::kNow, 2), request_of(Op::kHlcUpdate, 3, 0),
                                  commit_wait_request(4, {0}), request_of(Op::kTimeSync, 5), ping_request(6, 6)});
  ASSERT_EQ(replies.size(), 6U);
  for (std::size_t i = 0; i < replies.size(); ++i) {
    EXPECT_EQ(replies[i].request_id, i + 1);
    EXPECT_EQ(status_of(replies[i]), Status::kOk);
  }
}

TEST(Times, reserved_operations_are_dropped) {
  auto rig = knowing_rig();
  for (const Op op : {Op::kNextId128, Op::kTso})
    EXPECT_TRUE(rig->send({request_of(op, 1)}).empty());
  EXPECT_EQ(rig->count(Counter::kDropOp), 2U);
  EXPECT_EQ(rig->drops(), 2U);
}

TEST(Times, are_refused_and_signed_as_everything_else_is) {
  const wire::Key key{{7}, {1, 2, 3}};
  RigOptions options;
  options.policy.auth = AuthRule::kAlways;
  options.policy.keys = wire::KeyRing({key});
  auto rig = knowing_rig(time::microseconds(5), options);
  for (const Op op : {Op::kNow, Op::kTimeSync, Op::kHlcUpdate, Op::kCommitWait}) {
    expect_refused(rig->ask(request_of(op, 1)), op, Status::kUnauthorised);
    wire::Message request = request_of(op, 2);
    wire::sign(request, key);
    const wire::Message reply = rig->ask(request);
    EXPECT_EQ(status_of(reply), Status::kOk);
    EXPECT_TRUE(wire::verify(reply, key));
  }
}

// --- hlc_update
// -------------------------------------------------------------------------------------------------------

constexpr std::int64_t kStartMs = (1'767'225'600'000'000'000 + 37'000'000'000) / 1'000'000;

TEST(HlcUpdate, starts_at_the_millisecond_of_the_midpoint_and_counts_on) {
  auto rig = granted_rig();
  rig->know(kStartTai - time::milliseconds(3), kStartTai + time::milliseconds(5));
  wire::Message expected = request_of(Op::kHlcUpdate, 1);
  expected.flags = wire::kFlagReply;
  expected.a = hlc_of(kStartMs + 1);
  EXPECT_EQ(rig->ask(request_of(Op::kHlcUpdate, 1)), expected);
  EXPECT_EQ(rig->ask(request_of(Op::kHlcUpdate, 2)).a, hlc_of(kStartMs + 1, 1));
  EXPECT_EQ(rig->count(Counter::kHlcUpdates), 2U);
}

TEST(HlcUpdate, is_larger_than_the_argument_and_than_all_before) {
  auto rig = knowing_rig();
  const std::uint64_t remote = hlc_of(kStartMs + 400, 77);
  EXPECT_EQ(rig->ask(request_of(Op::kHlcUpdate, 1, remote)).a, remote + 1);
  EXPECT_EQ(rig->ask(request_of(Op::kHlcUpdate, 2, 1)).a, remote + 2);
  rig->advance(time::milliseconds(600));
  EXPECT_EQ(rig->ask(request_of(Op::kHlcUpdate, 3, remote)).a, hlc_of(kStartMs + 600));
}

TEST(HlcUpdate, without_an_interval_follows_the_ordering_timeline) {
  auto rig = granted_rig();
  EXPECT_EQ(rig->ask(request_of(Op::kHlcUpdate, 1)).a, hlc_of(kStartMs)) << "smeared UTC and 37 s";
  rig->ordering = mint::OrderingState::kBehind;
  rig->burst();
  EXPECT_EQ(status_of(rig->ask(request_of(Op::kHlcUpdate, 2))), Status::kClockBehind)
      << "a false future is passed on to nobody";
}

TEST(HlcUpdate, never_goes_back_when_the_interval_comes_and_goes) {
  auto rig = granted_rig();
  std::uint64_t last = 0;
  for (int i = 0; i < 200; ++i) {
    if (i % 3 == 0) rig->know(kStartTai + time::milliseconds(i * 7 % 100), kStartTai + time::milliseconds(110));
    if (i % 3 == 1) rig->lose_clock();
    const wire::Message reply = rig->ask(request_of(Op::kHlcUpdate, 1));
    ASSERT_EQ(status_of(reply), Status::kOk);
    ASSERT_GT(reply.a, last);
    last = reply.a;
  }
}

TEST(HlcUpdate, a_value_too_far_ahead_is_refused_and_changes_nothing) {
  auto rig = knowing_rig();
  const std::uint64_t most = hlc_of(kStartMs + 500, clock::kHlcMaxCounter);
  for (const std::uint64_t remote : {most, most + 1, ~std::uint64_t{0}})
    expect_refused(rig->ask(request_of(Op::kHlcUpdate, 1, remote)), Op::kHlcUpdate, Status::kTooFar);
  EXPECT_EQ(rig->count(Counter::kTooFar), 3U);
  EXPECT_EQ(rig->ask(request_of(Op::kHlcUpdate, 2)).a, hlc_of(kStartMs)) << "as if nobody had asked";
  EXPECT_EQ(rig->ask(request_of(Op::kHlcUpdate, 3, most - 1)).a, most);
}

TEST(HlcUpdate, a_clock_at_its_bound_is_busy_with_a_retry_time_that_holds) {
  auto rig = granted_rig();
  rig->know(kStartTai + time::microseconds(250), kStartTai + time::microseconds(250));
  const std::uint64_t most = hlc_of(kStartMs + 500, clock::kHlcMaxCounter);
  ASSERT_EQ(rig->ask(request_of(Op::kHlcUpdate, 1, most - 1)).a, most);
  expect_refused(rig->ask(request_of(Op::kHlcUpdate, 2)), Op::kHlcUpdate, Status::kBusy, 750);
  EXPECT_EQ(rig->count(Counter::kBusy), 1U);
  rig->advance(time::microseconds(750) - time::Duration{1});
  EXPECT_EQ(status_of(rig->ask(request_of(Op::kHlcUpdate, 3))), Status::kBusy);
  rig->advance(time::Duration{1});
  EXPECT_EQ(rig->ask(request_of(Op::kHlcUpdate, 4)).a, most + 1);
}

TEST(HlcUpdate, a_clock_that_was_set_back_beyond_the_bound_is_busy_until_it_catches_up) {
  auto rig = knowing_rig();
  ASSERT_EQ(rig->ask(request_of(Op::kHlcUpdate, 1)).a, hlc_of(kStartMs));
  rig->know(kStartTai - time::seconds(3), kStartTai - time::seconds(3));
  const wire::Message busy = rig->ask(request_of(Op::kHlcUpdate, 2));
  expect_refused(busy, Op::kHlcUpdate, Status::kBusy, 2'500'000);
  rig->advance(time::microseconds(busy.count));
  EXPECT_EQ(rig->ask(request_of(Op::kHlcUpdate, 3)).a, hlc_of(kStartMs, 1));
}

TEST(HlcUpdate, without_any_time_or_before_1970_is_unsynchronised) {
  Rig rig;
  rig.ordering = mint::OrderingState::kNoTime;
  rig.burst();
  expect_refused(rig.ask(request_of(Op::kHlcUpdate, 1)), Op::kHlcUpdate, Status::kClockUnsynchronised);
  rig.ordering = mint::OrderingState::kFollowing;
  rig.now = {-time::seconds(38).ns};
  rig.burst();
  expect_refused(rig.ask(request_of(Op::kHlcUpdate, 2)), Op::kHlcUpdate, Status::kClockUnsynchronised);
  rig.now = {-time::seconds(37).ns};
  rig.burst();
  EXPECT_EQ(status_of(rig.ask(request_of(Op::kHlcUpdate, 3))), Status::kOk);
  rig.now = time::SmearedUtc::max();
  rig.burst();
  EXPECT_EQ(status_of(rig.ask(request_of(Op::kHlcUpdate, 4))), Status::kOk) << "saturated, not wrapped";
}

TEST(HlcUpdate, the_bound_is_an_option) {
  RigOptions options;
  options.hlc_max_ahead = time::seconds(2);
  auto rig = knowing_rig(time::microseconds(5), options);
  EXPECT_EQ(status_of(rig->ask(request_of(Op::kHlcUpdate, 1, hlc_of(kStartMs + 2000)))), Status::kOk);
  for (const time::Duration wrong : {time::Duration{-1}, time::seconds(3601)}) {
    options.hlc_max_ahead = wrong;
    EXPECT_THROW(Rig{options}, std::invalid_argument);
  }
}

}  // namespace
}  // namespace gnomon::serve
