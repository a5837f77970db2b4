// SPDX-License-Identifier: Apache-2.0
//
// What the server answers to well-formed requests, status by status. Parking has a file of its own.
#include <gtest/gtest.h>

#include "tests/oracle/serve/rig.hpp"

namespace gnomon::serve {
namespace {

using namespace testing;  // NOLINT(google-build-using-namespace)
using page::Counter;
using wire::Status;

TEST(Server, answers_one_id_with_all_that_the_reply_promises) {
  auto rig = granted_rig();
  const wire::Message reply = rig->ask(next_id_request(77));
  EXPECT_EQ(status_of(reply), Status::kOk);
  EXPECT_EQ(reply.flags, wire::kFlagReply);
  EXPECT_EQ(reply.request_id, 77U);
  EXPECT_EQ(reply.count, 1U);
  EXPECT_EQ(reply.stride, 1U);
  EXPECT_EQ(reply.machine_id, 1U);
  EXPECT_EQ(reply.format, id::kSnowflake.value);
  EXPECT_EQ(reply.token_low, 1U);
  EXPECT_EQ(reply.remaining_ms, 10'000U);
  const auto fields = id::decode(id::builtin_layouts()[0], {reply.a}).value();
  EXPECT_EQ(fields, (id::Fields{.time = kStart, .machine = {1}, .sequence = 0}));
  EXPECT_EQ(wire::check_reply(std::as_bytes(std::span(&reply, 1)).data()), wire::Invalid::kNone);
}

TEST(Server, the_remaining_time_saturates_at_both_ends) {
  Rig rig;
  rig.grant({1}, time::seconds(600));
  rig.burst();
  EXPECT_EQ(rig.ask(next_id_request(1)).remaining_ms, 0xffffU);
  rig.advance(time::seconds(600) - time::Duration{1'000'000});
  EXPECT_EQ(rig.ask(next_id_request(2)).remaining_ms, 1U);
  rig.advance(time::Duration{500'000});  // the unit stays open, the window has half a millisecond left
  EXPECT_EQ(rig.ask(next_id_request(3)).remaining_ms, 0U);
}

TEST(Server, answers_ping_with_its_incarnation) {
  auto rig = granted_rig();
  const wire::Message reply = rig->ask(ping_request(5, 0xabcdef));
  EXPECT_EQ(status_of(reply), Status::kOk);
  EXPECT_EQ(reply.a, 0xabcdefU);
  EXPECT_EQ(reply.b, 0x1122334455667788ULL);
  EXPECT_EQ(reply.machine_id, 1U);
  EXPECT_EQ(reply.token_low, 1U);
}

TEST(Server, answers_ping_also_without_rights_or_time) {
  Rig rig;
  rig.ordering = mint::OrderingState::kNoTime;
  rig.burst();
  const wire::Message reply = rig.ask(ping_request(5, 9));
  EXPECT_EQ(status_of(reply), Status::kOk);
  EXPECT_EQ(reply.a, 9U);
  EXPECT_EQ(reply.token_low, 0U);
}

TEST(Server, answers_a_datagram_of_22_messages_in_order_and_in_place) {
  auto rig = granted_rig();
  std::vector<wire::Message> requests;
  requests.reserve(wire::kMaxMessages);
  for (std::uint64_t i = 0; i < wire::kMaxMessages; ++i)
    requests.push_back(i % 5 == 4 ? ping_request(i, i) : next_id_request(i, static_cast<std::uint32_t>(i + 1)));
  const auto replies = rig->send(requests);
  ASSERT_EQ(replies.size(), wire::kMaxMessages);
  std::uint64_t next = 0;
  for (std::uint64_t i = 0; i < replies.size(); ++i) {
    ASSERT_EQ(replies[i].request_id, i);
    if (i % 5 == 4) continue;
    ASSERT_GE(replies[i].a, next);
    ASSERT_EQ(replies[i].count, i + 1);
    next = replies[i].a + replies[i].count;
  }
}

TEST(Server, without_rights_is_not_leased) {
  Rig rig;
  rig.burst();
  EXPECT_EQ(status_of(rig.ask(next_id_request(1))), Status::kNotLeased);
  EXPECT_EQ(rig.count(Counter::kNotLeased), 1U);
}

TEST(Server, past_the_ceiling_is_not_leased_until_it_is_raised) {
  auto rig = granted_rig();
  rig->advance(time::seconds(10));
  EXPECT_EQ(status_of(rig->ask(next_id_request(1))), Status::kNotLeased);
  rig->raise_ceilings(time::seconds(10));
  rig->burst();
  EXPECT_EQ(status_of(rig->ask(next_id_request(2))), Status::kOk);
}

TEST(Server, after_a_revocation_is_not_leased_and_acknowledged) {
  auto rig = granted_rig();
  EXPECT_EQ(rig->page->acknowledged.load(), 1U);
  (void)rig->ask(next_id_request(1));
  rig->revoke();
  EXPECT_EQ(rig->page->acknowledged.load(), 1U) << "the worker has not seen it yet";
  EXPECT_EQ(status_of(rig->ask(next_id_request(2))), Status::kOk) << "rights change hands only between bursts";
  rig->burst();
  EXPECT_EQ(rig->page->acknowledged.load(), 2U);
  EXPECT_EQ(status_of(rig->ask(next_id_request(3))), Status::kNotLeased);
  EXPECT_EQ(rig->published_use(0), kStart + time::milliseconds(1)) << "what a release reads must outlive the right";
  EXPECT_EQ(rig->page->slots[0].token.load(), (std::uint64_t{7} << 48) | 1U);
}

TEST(Server, a_torn_rights_page_keeps_the_old_rights_unacknowledged) {
  auto rig = granted_rig();
  rig->revoke();
  // An agent that was killed in the middle of a write leaves an odd sequence, the first word of the record.
  auto* sequence = reinterpret_cast<std::atomic<std::uint64_t>*>(rig->rights_page.get());
  sequence->fetch_add(1);
  rig->burst();
  EXPECT_EQ(rig->page->acknowledged.load(), 1U);
  EXPECT_EQ(status_of(rig->ask(next_id_request(1))), Status::kOk);
  sequence->fetch_add(1);
  rig->burst();
  EXPECT_EQ(rig->page->acknowledged.load(), 2U);
}

TEST(Server, used_until_in_the_page_is_never_below_an_id_that_was_returned) {
  RigOptions options;
  options.layouts = {id::builtin_layouts()[0],
                     id::make_layout({16}, "slow", {0}, time::milliseconds(700), 33, 10, 12).value()};
  auto rig = granted_rig(options, {1, 2});
  for (int i = 0; i < 3000; ++i) {
    const id::Layout& layout = options.layouts[i % 3 == 0 ? 1 : 0];
    const wire::Message reply = rig->ask(next_id_request(1, 4000, layout.number));
    if (status_of(reply) == Status::kOk && reply.count > 0) {
      const auto fields = id::decode(layout, {reply.a}).value();
      const std::size_t slot = fields.machine.value - 1U;
      ASSERT_GE(rig->published_use(slot), fields.time + layout.unit);
    }
    rig->advance(time::microseconds(700));
    (void)rig->collect();
  }
  EXPECT_GT(rig->count(Counter::kIds), 1'000'000U);
}

TEST(Server, behind_the_lead_budget_says_when_to_come_back) {
  auto rig = granted_rig();
  rig->ordering = mint::OrderingState::kBehind;
  rig->behind_for = time::milliseconds(250);
  rig->burst();
  const wire::Message reply = rig->ask(next_id_request(1));
  EXPECT_EQ(status_of(reply), Status::kClockBehind);
  EXPECT_EQ(reply.count, 250'000U);
  EXPECT_EQ(rig->count(Counter::kClockBehind), 1U);
}

TEST(Server, a_floor_beyond_the_lead_budget_is_clock_behind_with_a_retry_time_that_holds) {
  Rig rig;
  rig.publish({{{1}, {1}, kStart + time::Duration{1'700'000'300}, kStart + time::seconds(10)}});
  rig.burst();
  const wire::Message reply = rig.ask(next_id_request(1));
  ASSERT_EQ(status_of(reply), Status::kClockBehind);
  EXPECT_EQ(reply.count, 701'000U);  // the first whole unit from the floor, less the budget of a second
  rig.advance(time::microseconds(reply.count) - time::Duration{1});
  EXPECT_EQ(status_of(rig.ask(next_id_request(2))), Status::kClockBehind);
  rig.advance(time::Duration{1});
  EXPECT_EQ(status_of(rig.ask(next_id_request(3))), Status::kOk);
}

TEST(Server, without_any_time_is_clock_unsynchronised) {
  auto rig = granted_rig();
  rig->ordering = mint::OrderingState::kNoTime;
  rig->burst();
  EXPECT_EQ(status_of(rig->ask(next_id_request(1))), Status::kClockUnsynchronised);
  EXPECT_EQ(rig->count(Counter::kClockUnsynchronised), 1U);
  EXPECT_EQ(rig->count(Counter::kIds), 0U);
}

TEST(Server, an_unconfirmed_forward_jump_does_not_stop_service) {
  auto rig = granted_rig();
  rig->ordering = mint::OrderingState::kUnconfirmed;
  rig->burst();
  EXPECT_EQ(status_of(rig->ask(next_id_request(1))), Status::kOk);
}

TEST(Server, an_unknown_layout_is_bad_format) {
  auto rig = granted_rig();
  for (const int format : {0, 2, 15, 255, 256, 0x0101, 0xffff})
    EXPECT_EQ(status_of(rig->ask(next_id_request(1, 1, {static_cast<std::uint16_t>(format)}))), Status::kBadFormat)
        << format;
  EXPECT_EQ(rig->count(Counter::kBadFormat), 7U);
}

TEST(Server, a_layout_that_fits_no_machine_id_or_is_exhausted_is_bad_format) {
  RigOptions options;
  options.layouts = {id::builtin_layouts()[2],
                     id::make_layout({16}, "over", {0}, time::milliseconds(1), 30, 10, 12).value()};
  auto rig = granted_rig(options, {32});  // js53 has 5 machine bits
  EXPECT_EQ(status_of(rig->ask(next_id_request(1, 1, id::kJs53))), Status::kBadFormat);
  EXPECT_EQ(status_of(rig->ask(next_id_request(1, 1, {16}))), Status::kBadFormat);
}

TEST(Server, a_count_of_zero_or_above_the_unit_is_bad_count_with_the_maximum) {
  auto rig = granted_rig();
  for (const std::uint32_t count : {0U, 4097U, 0xffff'ffffU}) {
    const wire::Message reply = rig->ask(next_id_request(1, count));
    EXPECT_EQ(status_of(reply), Status::kBadCount);
    EXPECT_EQ(reply.count, 4096U);
  }
  EXPECT_EQ(rig->ask(next_id_request(1, 4096)).count, 4096U);
}

TEST(Server, a_32_bit_sequence_may_be_asked_for_whole) {
  RigOptions options;
  options.layouts = {id::make_layout({16}, "huge", {0}, time::seconds(10), 28, 4, 32).value()};
  auto rig = granted_rig(options);
  rig->lead_left = time::seconds(10);
  rig->burst();
  const wire::Message reply = rig->ask(next_id_request(1, 0xffff'ffffU, {16}));
  EXPECT_EQ(status_of(reply), Status::kOk);
  EXPECT_EQ(reply.count, 0xffff'ffffU);
}

TEST(Server, two_layouts_have_separate_lanes) {
  RigOptions options;
  options.layouts = {id::builtin_layouts()[0], id::builtin_layouts()[2]};
  auto rig = granted_rig(options);
  EXPECT_EQ(rig->ask(next_id_request(1, 4096)).count, 4096U);
  EXPECT_EQ(rig->send({next_id_request(2, 1)}).size(), 0U) << "parked";
  const wire::Message other = rig->ask(next_id_request(3, 1, id::kJs53));
  EXPECT_EQ(status_of(other), Status::kOk) << "a full unit of one layout is none of the other's business";
  EXPECT_EQ(other.format, id::kJs53.value);
  EXPECT_LT(other.a, std::uint64_t{1} << 53);
}

RigOptions serving(std::vector<id::Layout> layouts) {
  RigOptions options;
  options.layouts = std::move(layouts);
  return options;
}

TEST(Server, too_many_layouts_or_one_number_twice_is_refused_at_start) {
  const id::Layout snowflake = id::builtin_layouts()[0];
  EXPECT_THROW(Rig(serving({snowflake, snowflake})), std::invalid_argument);
  id::Layout without_room = snowflake;
  without_room.number = {256};
  EXPECT_THROW(Rig(serving({without_room})), std::invalid_argument) << "a message has a byte for it";
  std::vector<id::Layout> many;
  many.reserve(Server::kMaxLayouts + 1);
  for (std::uint16_t i = 0; i < Server::kMaxLayouts + 1; ++i)
    many.push_back(
        id::make_layout({static_cast<std::uint16_t>(16 + i)}, "many", {0}, time::milliseconds(1), 41, 10, 12).value());
  EXPECT_THROW(Rig(serving(many)), std::invalid_argument);
  many.pop_back();
  EXPECT_NO_THROW(Rig(serving(many)));
}

// --- what is dropped ------------------------------------------------------------------------------------------------

TEST(Server, one_bad_message_drops_its_whole_datagram_once) {
  auto rig = granted_rig();
  for (std::size_t bad = 0; bad < wire::kMaxMessages; ++bad) {
    std::vector<wire::Message> requests(wire::kMaxMessages, next_id_request(1));
    requests[bad].stride = 1;
    EXPECT_TRUE(rig->send(requests).empty());
  }
  EXPECT_EQ(rig->count(Counter::kDropFieldNotZero), wire::kMaxMessages);
  EXPECT_EQ(rig->drops(), wire::kMaxMessages);
  EXPECT_EQ(rig->count(Counter::kMessages), 0U);
  EXPECT_EQ(rig->count(Counter::kIds), 0U);
}

TEST(Server, every_other_length_is_dropped) {
  auto rig = granted_rig();
  std::uint64_t dropped = 0;
  for (std::size_t length = 0; length <= 1500; ++length) {
    std::vector<std::byte> bytes(length);
    for (std::size_t at = 0; at + wire::kMessageSize <= length; at += wire::kMessageSize)
      wire::store(ping_request(1, 1), bytes.data() + at);
    const bool right_length = length % 64 == 0 && length > 0 && length <= 1408;
    ASSERT_EQ(rig->server.answer(bytes, kLocal, path_to(1)), right_length ? length : 0U) << length;
    dropped += right_length ? 0U : 1U;
  }
  EXPECT_EQ(rig->count(Counter::kDropLength), dropped);
}

TEST(Server, a_reply_sent_as_a_request_is_never_answered) {
  auto rig = granted_rig();
  const wire::Message reply = rig->ask(next_id_request(1));
  EXPECT_TRUE(rig->send({reply}).empty());
  EXPECT_EQ(rig->count(Counter::kDropReply), 1U);
}

TEST(Server, a_denied_source_costs_no_look_at_the_payload) {
  RigOptions options;
  options.policy.deny = {{Address::v4(10, 0, 0, 0), 104}};
  options.policy.auth = AuthRule::kNever;
  auto rig = granted_rig(options);
  EXPECT_TRUE(rig->send({next_id_request(1)}, kRemote).empty());
  EXPECT_EQ(rig->count(Counter::kDropSourceDenied), 1U);
  EXPECT_EQ(rig->send({next_id_request(1)}, kLocal).size(), 1U);
}

TEST(Server, a_source_above_its_rate_is_dropped_and_others_are_served) {
  RigOptions options;
  options.policy.rate = {.messages_per_second = 1000, .burst = 10};
  auto rig = granted_rig(options);
  int answered = 0;
  for (int i = 0; i < 50; ++i)
    answered += static_cast<int>(rig->send({next_id_request(1)}, kLocal).size());
  EXPECT_EQ(answered, 10);
  EXPECT_EQ(rig->count(Counter::kDropRateLimited), 40U);
  EXPECT_EQ(rig->send({next_id_request(1)}, Address::v4(127, 0, 0, 2)).size(), 1U);
  rig->advance(time::milliseconds(1));
  EXPECT_EQ(rig->send({next_id_request(1)}, kLocal).size(), 1U);
}

TEST(Server, counters_add_up_over_a_mix_of_everything) {
  RigOptions options;
  options.park_limit = 16;
  auto rig = granted_rig(options);
  std::uint64_t datagrams = 0;
  std::uint64_t accepted = 0;
  std::uint64_t messages = 0;
  std::uint64_t replies = 0;
  for (std::uint32_t i = 0; i < 500; ++i) {
    std::vector<wire::Message> requests;
    for (std::uint32_t k = 0; k <= i % 22; ++k)
      requests.push_back(next_id_request(k, 1 + (i * k) % 5000));
    const bool bad = i % 7 == 0;
    if (bad) requests.back().version = 9;
    replies += rig->send(requests).size();
    ++datagrams;
    accepted += bad ? 0U : 1U;
    messages += bad ? 0U : requests.size();
    if (i % 3 == 0) rig->advance(time::microseconds(400));
    if (i % 3 == 0) replies += rig->collect().size();
    ASSERT_EQ(rig->count(Counter::kMessages), rig->count(Counter::kReplies) + rig->server.parked());
  }
  EXPECT_EQ(rig->count(Counter::kDatagrams), datagrams);
  EXPECT_EQ(datagrams, accepted + rig->drops());
  EXPECT_EQ(rig->count(Counter::kMessages), messages);
  EXPECT_EQ(rig->count(Counter::kReplies), replies);
  EXPECT_GT(rig->count(Counter::kParked), 0U);
  EXPECT_GT(rig->count(Counter::kBusy), 0U);
}

}  // namespace
}  // namespace gnomon::serve
