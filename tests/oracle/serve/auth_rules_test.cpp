// SPDX-License-Identifier: Apache-2.0
//
// Who has to sign, what an unsigned or wrongly signed request gets, and what happens when keys change.
#include <gtest/gtest.h>

#include "tests/oracle/serve/rig.hpp"

namespace gnomon::serve {
namespace {

using namespace testing;  // NOLINT(google-build-using-namespace)
using page::Counter;
using wire::Status;

const wire::Key kKey{{7}, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}};
const wire::Key kOther{{8}, {9, 9, 9}};

RigOptions with_keys(AuthRule rule, std::vector<wire::Key> keys = {kKey}) {
  RigOptions options;
  options.policy.auth = rule;
  options.policy.keys = wire::KeyRing(std::move(keys));
  return options;
}

wire::Message signed_by(const wire::Key& key, wire::Message message) {
  wire::sign(message, key);
  return message;
}

void expect_plain_unauthorised(const wire::Message& reply) {
  EXPECT_EQ(status_of(reply), Status::kUnauthorised);
  EXPECT_EQ(reply.flags, wire::kFlagReply) << "the server has no key that both sides share";
  EXPECT_EQ(reply.a, 0U);
  EXPECT_EQ(reply.count, 0U);
  EXPECT_EQ(reply.key_id, 0U);
  EXPECT_EQ(reply.tag, 0U);
}

TEST(AuthRules, loopback_needs_no_key_by_default_and_others_do) {
  auto rig = granted_rig(with_keys(AuthRule::kExceptLoopback));
  EXPECT_EQ(status_of(rig->ask(next_id_request(1), kLocal)), Status::kOk);
  EXPECT_EQ(status_of(rig->ask(next_id_request(1), Address::v4(127, 9, 9, 9))), Status::kOk);
  Address v6_loopback;
  v6_loopback.bytes[15] = 1;
  EXPECT_EQ(status_of(rig->ask(next_id_request(1), v6_loopback)), Status::kOk);
  expect_plain_unauthorised(rig->ask(next_id_request(1), kRemote));
  EXPECT_EQ(rig->count(Counter::kUnauthorised), 1U);
}

TEST(AuthRules, always_and_never_mean_what_they_say) {
  EXPECT_EQ(status_of(granted_rig(with_keys(AuthRule::kAlways))->ask(next_id_request(1), kLocal)),
            Status::kUnauthorised);
  EXPECT_EQ(status_of(granted_rig(with_keys(AuthRule::kNever))->ask(next_id_request(1), kRemote)), Status::kOk);
}

TEST(AuthRules, a_signed_request_gets_a_signed_reply) {
  auto rig = granted_rig(with_keys(AuthRule::kAlways));
  const wire::Message reply = rig->ask(signed_by(kKey, next_id_request(1, 5)), kRemote);
  EXPECT_EQ(status_of(reply), Status::kOk);
  EXPECT_EQ(reply.flags, wire::kFlagReply | wire::kFlagAuthenticated);
  EXPECT_EQ(reply.key_id, 7U);
  EXPECT_TRUE(wire::verify(reply, kKey));
}

TEST(AuthRules, refusals_are_signed_too) {
  auto rig = granted_rig(with_keys(AuthRule::kAlways));
  const wire::Message reply = rig->ask(signed_by(kKey, next_id_request(1, 0)), kRemote);
  EXPECT_EQ(status_of(reply), Status::kBadCount);
  EXPECT_TRUE(wire::verify(reply, kKey));
}

TEST(AuthRules, a_wrong_tag_or_an_unknown_key_is_unauthorised_wherever_it_comes_from) {
  auto rig = granted_rig(with_keys(AuthRule::kNever));
  wire::Message wrong = signed_by(kKey, next_id_request(1));
  wrong.tag ^= 1;
  expect_plain_unauthorised(rig->ask(wrong, kLocal));
  expect_plain_unauthorised(rig->ask(signed_by(kOther, next_id_request(1)), kLocal));
  wire::Message moved = signed_by(kKey, next_id_request(1, 1));
  moved.count = 4096;
  expect_plain_unauthorised(rig->ask(moved, kLocal));
  EXPECT_EQ(rig->count(Counter::kIds), 0U);
}

TEST(AuthRules, in_one_datagram_each_message_stands_for_itself) {
  auto rig = granted_rig(with_keys(AuthRule::kAlways));
  const auto replies =
      rig->send({signed_by(kKey, next_id_request(1)), next_id_request(2), signed_by(kKey, ping_request(3, 3))});
  ASSERT_EQ(replies.size(), 3U);
  EXPECT_EQ(status_of(replies[0]), Status::kOk);
  EXPECT_EQ(status_of(replies[1]), Status::kUnauthorised);
  EXPECT_EQ(status_of(replies[2]), Status::kOk);
  EXPECT_TRUE(wire::verify(replies[2], kKey));
}

TEST(AuthRules, an_unauthorised_ping_learns_nothing) {
  auto rig = granted_rig(with_keys(AuthRule::kAlways));
  const wire::Message reply = rig->ask(ping_request(1, 5));
  expect_plain_unauthorised(reply);
  EXPECT_EQ(reply.b, 0U);
  EXPECT_EQ(reply.machine_id, 0U);
}

TEST(AuthRules, new_keys_count_from_the_next_datagram) {
  auto rig = granted_rig(with_keys(AuthRule::kAlways, {kKey}));
  AccessPolicy fresh;
  fresh.version = 2;
  fresh.auth = AuthRule::kAlways;
  fresh.keys = wire::KeyRing({kOther});
  rig->server.use_policy(fresh);
  EXPECT_EQ(rig->page->policy_seen.load(), 2U);
  EXPECT_EQ(status_of(rig->ask(signed_by(kKey, next_id_request(1)))), Status::kUnauthorised);
  EXPECT_EQ(status_of(rig->ask(signed_by(kOther, next_id_request(1)))), Status::kOk);
}

TEST(AuthRules, parked_replies_are_signed) {
  auto rig = granted_rig(with_keys(AuthRule::kAlways));
  ASSERT_EQ(rig->ask(signed_by(kKey, next_id_request(1, 4096))).count, 4096U);
  ASSERT_TRUE(rig->send({signed_by(kKey, next_id_request(2))}).empty());
  rig->advance(time::milliseconds(1));
  const auto replies = rig->collect();
  ASSERT_EQ(replies.size(), 1U);
  EXPECT_EQ(status_of(replies[0]), Status::kOk);
  EXPECT_TRUE(wire::verify(replies[0], kKey));
}

TEST(AuthRules, a_key_that_was_withdrawn_while_its_request_waited_gets_no_ids) {
  auto rig = granted_rig(with_keys(AuthRule::kAlways));
  ASSERT_EQ(rig->ask(signed_by(kKey, next_id_request(1, 4096))).count, 4096U);
  ASSERT_TRUE(rig->send({signed_by(kKey, next_id_request(2))}).empty());
  AccessPolicy fresh;
  fresh.version = 2;
  fresh.auth = AuthRule::kAlways;
  rig->server.use_policy(fresh);
  rig->advance(time::milliseconds(1));
  const auto replies = rig->collect();
  ASSERT_EQ(replies.size(), 1U);
  EXPECT_EQ(replies[0].request_id, 2U);
  expect_plain_unauthorised(replies[0]);
  EXPECT_EQ(rig->count(Counter::kIds), 4096U);
}

}  // namespace
}  // namespace gnomon::serve
