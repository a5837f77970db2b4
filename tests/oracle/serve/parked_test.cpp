// SPDX-License-Identifier: Apache-2.0
//
// A full unit: requests wait for the next one, in order, within bounds, and come out whatever happens to the rights,
// the clock and the keys in the meantime.
#include <gtest/gtest.h>

#include <set>

#include "tests/oracle/serve/rig.hpp"

namespace gnomon::serve {
namespace {

using namespace testing;  // NOLINT(google-build-using-namespace)
using wire::Status;

const id::Layout kLayout = id::builtin_layouts()[0];

// The millisecond is used up; the next request parks.
void use_up_the_unit(Rig& rig) { ASSERT_EQ(rig.ask(next_id_request(999'999, 4096)).count, 4096U); }

TEST(Parked, ten_thousand_requests_in_one_millisecond_get_distinct_ordered_ids) {
  auto rig = granted_rig();
  std::vector<std::uint64_t> ids;
  std::vector<std::uint64_t> order;
  for (std::uint64_t i = 0; i < 10'000; ++i)
    for (const wire::Message& reply : rig->send({next_id_request(i)})) {
      ASSERT_EQ(status_of(reply), Status::kOk);
      ids.push_back(reply.a);
      order.push_back(reply.request_id);
    }
  EXPECT_EQ(ids.size(), 4096U);
  EXPECT_EQ(rig->server.parked(), 5904U);
  std::size_t units = 0;
  while (rig->server.parked() > 0) {
    ASSERT_LT(++units, 10U);
    EXPECT_EQ(rig->server.parked_wait(), time::milliseconds(1));
    rig->advance(rig->server.parked_wait());
    for (const wire::Message& reply : rig->collect()) {
      ASSERT_EQ(status_of(reply), Status::kOk);
      ids.push_back(reply.a);
      order.push_back(reply.request_id);
    }
  }
  ASSERT_EQ(ids.size(), 10'000U);
  for (std::size_t i = 1; i < ids.size(); ++i) {
    ASSERT_GT(ids[i], ids[i - 1]);
    ASSERT_EQ(order[i], i) << "who asked first is answered first";
  }
  EXPECT_EQ(units, 2U);
  EXPECT_EQ(rig->server.parked_wait(), Server::kNothingParked);
}

TEST(Parked, past_the_bound_is_busy_and_the_retry_time_holds) {
  auto rig = granted_rig();
  rig->advance(time::microseconds(300));
  use_up_the_unit(*rig);
  for (std::uint64_t i = 0; i < 8192; ++i)
    ASSERT_TRUE(rig->send({next_id_request(i)}).empty());
  const wire::Message busy = rig->ask(next_id_request(8192));
  ASSERT_EQ(status_of(busy), Status::kBusy);
  EXPECT_EQ(busy.request_id, 8192U);
  EXPECT_EQ(busy.count, 2'700U);  // 0.7 ms to the next unit, and two whole units for those that wait
  // The loop wakes for parked requests; the client comes back exactly when it was told to.
  const time::Uptime retry_at = rig->uptime + time::microseconds(busy.count);
  while (rig->server.parked() > 0) {
    rig->advance(rig->server.parked_wait());
    (void)rig->collect();
  }
  ASSERT_LE(rig->uptime, retry_at);
  rig->advance(retry_at - rig->uptime);
  EXPECT_EQ(status_of(rig->ask(next_id_request(8193))), Status::kOk);
}

TEST(Parked, the_retry_time_counts_ids_and_not_requests) {
  RigOptions options;
  options.park_limit = 8;
  auto rig = granted_rig(options);
  use_up_the_unit(*rig);
  for (std::uint64_t i = 0; i < 8; ++i)
    ASSERT_TRUE(rig->send({next_id_request(i, 4096)}).empty());  // a unit each
  const wire::Message busy = rig->ask(next_id_request(8));
  ASSERT_EQ(status_of(busy), Status::kBusy);
  EXPECT_EQ(busy.count, 9'000U);
  for (int ms = 0; ms < 9; ++ms) {
    rig->advance(time::milliseconds(1));
    (void)rig->collect();
  }
  EXPECT_EQ(rig->server.parked(), 0U);
  EXPECT_EQ(status_of(rig->ask(next_id_request(9))), Status::kOk);
}

TEST(Parked, who_would_wait_longer_than_the_bound_is_told_at_once) {
  RigOptions options;
  options.park_for = time::milliseconds(3);
  auto rig = granted_rig(options);
  use_up_the_unit(*rig);
  ASSERT_TRUE(rig->send({next_id_request(0, 4096)}).empty());
  ASSERT_TRUE(rig->send({next_id_request(1, 4096)}).empty());
  ASSERT_TRUE(rig->send({next_id_request(2, 4096)}).empty());  // served three milliseconds from now
  const wire::Message busy = rig->ask(next_id_request(3, 1));
  EXPECT_EQ(status_of(busy), Status::kBusy);
  EXPECT_EQ(busy.count, 4'000U);
}

TEST(Parked, a_layout_with_long_units_is_busy_rather_than_parked) {
  RigOptions options;
  options.layouts = {id::make_layout({16}, "slow", {0}, time::seconds(1), 33, 10, 4).value()};
  auto rig = granted_rig(options);
  ASSERT_EQ(rig->ask(next_id_request(1, 16, {16})).count, 16U);
  rig->advance(time::milliseconds(250));
  const wire::Message busy = rig->ask(next_id_request(2, 1, {16}));
  EXPECT_EQ(status_of(busy), Status::kBusy);
  EXPECT_EQ(busy.count, 750'000U);
  rig->advance(time::microseconds(busy.count));
  EXPECT_EQ(status_of(rig->ask(next_id_request(3, 1, {16}))), Status::kOk);
}

TEST(Parked, nobody_waits_longer_than_park_for) {
  auto rig = granted_rig();
  use_up_the_unit(*rig);
  ASSERT_TRUE(rig->send({next_id_request(1)}).empty());
  // The ordering timeline stands still (its source stepped back), uptime runs.
  rig->uptime = rig->uptime + time::milliseconds(20) - time::Duration{1};
  rig->burst();
  EXPECT_TRUE(rig->collect().empty());
  rig->uptime = rig->uptime + time::Duration{1};
  rig->burst();
  const auto replies = rig->collect();
  ASSERT_EQ(replies.size(), 1U);
  EXPECT_EQ(status_of(replies[0]), Status::kBusy);
  EXPECT_GT(replies[0].count, 0U);
}

TEST(Parked, who_came_earlier_goes_first) {
  auto rig = granted_rig();
  use_up_the_unit(*rig);
  ASSERT_TRUE(rig->send({next_id_request(1)}).empty());
  rig->advance(time::milliseconds(1));
  EXPECT_TRUE(rig->send({next_id_request(2)}).empty()) << "the unit is open, but somebody is waiting for it";
  const auto replies = rig->collect();
  ASSERT_EQ(replies.size(), 2U);
  EXPECT_EQ(replies[0].request_id, 1U);
  EXPECT_EQ(replies[1].request_id, 2U);
  EXPECT_LT(replies[0].a, replies[1].a);
}

TEST(Parked, a_datagram_may_be_half_answered_and_half_parked) {
  auto rig = granted_rig();
  const auto now = rig->send({next_id_request(1, 4000), next_id_request(2, 96), next_id_request(3), ping_request(4, 4),
                              next_id_request(5, 2)});
  ASSERT_EQ(now.size(), 3U);
  EXPECT_EQ(now[0].request_id, 1U);
  EXPECT_EQ(now[1].request_id, 2U);
  EXPECT_EQ(now[2].request_id, 4U);
  rig->advance(time::milliseconds(1));
  const auto later = rig->collect();
  ASSERT_EQ(later.size(), 2U);
  EXPECT_EQ(later[0].request_id, 3U);
  EXPECT_EQ(later[1].request_id, 5U);
}

TEST(Parked, replies_of_one_client_share_a_datagram_and_never_one_with_another) {
  auto rig = granted_rig();
  use_up_the_unit(*rig);
  for (std::uint64_t i = 0; i < 30; ++i)
    ASSERT_TRUE(rig->send({next_id_request(i)}, kLocal, 1).empty());
  for (std::uint64_t i = 30; i < 35; ++i)
    ASSERT_TRUE(rig->send({next_id_request(i)}, kLocal, 2).empty());
  rig->advance(time::milliseconds(1));
  expect_datagrams(*rig, {{1, 22}, {1, 8}, {2, 5}});
}

TEST(Parked, a_revocation_holds_for_parked_requests) {
  auto rig = granted_rig();
  use_up_the_unit(*rig);
  ASSERT_TRUE(rig->send({next_id_request(1)}).empty());
  rig->revoke();
  rig->advance(time::milliseconds(1));
  EXPECT_EQ(rig->page->acknowledged.load(), 2U);
  const time::SmearedUtc used = rig->published_use(0);
  const auto replies = rig->collect();
  ASSERT_EQ(replies.size(), 1U);
  EXPECT_EQ(status_of(replies[0]), Status::kNotLeased);
  EXPECT_EQ(rig->published_use(0), used) << "after the acknowledgement nothing is used any more";
}

TEST(Parked, requests_go_on_under_a_new_generation_after_the_old_unit) {
  auto rig = granted_rig();
  use_up_the_unit(*rig);
  ASSERT_TRUE(rig->send({next_id_request(1)}).empty());
  rig->grant({5});
  rig->burst();  // still the same millisecond
  const auto replies = rig->collect();
  ASSERT_EQ(replies.size(), 1U);
  ASSERT_EQ(status_of(replies[0]), Status::kOk);
  const auto fields = id::decode(kLayout, {replies[0].a}).value();
  EXPECT_EQ(fields.machine.value, 5U);
  EXPECT_EQ(fields.time, kStart + time::milliseconds(1)) << "within the lead budget, and larger than all before";
}

TEST(Parked, who_comes_under_a_new_generation_queues_behind_those_who_wait) {
  auto rig = granted_rig();
  use_up_the_unit(*rig);
  ASSERT_TRUE(rig->send({next_id_request(1)}).empty());
  rig->grant({5});
  rig->burst();
  EXPECT_TRUE(rig->send({next_id_request(2)}).empty()) << "parked, not sent away";
  const auto replies = rig->collect();
  ASSERT_EQ(replies.size(), 2U);
  EXPECT_EQ(status_of(replies[0]), Status::kOk);
  EXPECT_EQ(status_of(replies[1]), Status::kOk);
  EXPECT_LT(replies[0].a, replies[1].a);
}

TEST(Parked, past_the_ceiling_parked_requests_are_not_leased) {
  Rig rig;
  rig.grant({1}, time::milliseconds(1));
  rig.burst();
  use_up_the_unit(rig);
  ASSERT_TRUE(rig.send({next_id_request(1)}).empty());
  rig.advance(time::milliseconds(1));
  const auto replies = rig.collect();
  ASSERT_EQ(replies.size(), 1U);
  EXPECT_EQ(status_of(replies[0]), Status::kNotLeased);
}

TEST(Parked, a_clock_that_falls_behind_answers_at_once) {
  auto rig = granted_rig();
  use_up_the_unit(*rig);
  ASSERT_TRUE(rig->send({next_id_request(1)}).empty());
  rig->ordering = mint::OrderingState::kBehind;
  rig->behind_for = time::seconds(3600);
  rig->burst();
  EXPECT_EQ(rig->server.parked_wait(), time::Duration{0});
  const auto replies = rig->collect();
  ASSERT_EQ(replies.size(), 1U);
  EXPECT_EQ(status_of(replies[0]), Status::kClockBehind);
  EXPECT_EQ(replies[0].count, 3'600'000'000U);
}

TEST(Parked, several_machine_ids_multiply_what_a_unit_holds) {
  auto rig = granted_rig({}, {1, 2, 3});
  std::set<std::uint64_t> ids;
  for (int i = 0; i < 3; ++i) {
    const wire::Message reply = rig->ask(next_id_request(1, 4096));
    ASSERT_EQ(reply.count, 4096U);
    EXPECT_EQ(reply.machine_id, i + 1);
    EXPECT_EQ(reply.token_low, static_cast<std::uint32_t>(i + 1));
    EXPECT_TRUE(ids.insert(reply.a).second);
  }
  EXPECT_TRUE(rig->send({next_id_request(2)}).empty());
}

TEST(Parked, a_place_for_nobody_is_busy_at_once) {
  RigOptions options;
  options.park_limit = 0;
  auto rig = granted_rig(options);
  use_up_the_unit(*rig);
  EXPECT_EQ(status_of(rig->ask(next_id_request(1))), Status::kBusy);
}

}  // namespace
}  // namespace gnomon::serve
