// SPDX-License-Identifier: Apache-2.0
//
// Who may ask, over real sockets, and changing it while the workers run.
#include <gtest/gtest.h>

#include <memory>
#include <optional>

#include "oracle/wire/auth.hpp"
#include "tests/dataplane/serving.hpp"
#include "tests/dataplane/udp_client.hpp"

namespace gnomon::test {
namespace {

using page::Counter;
using wire::Message;
using wire::Status;

constexpr int kSilenceMs = 100;  // how long is waited for an answer that must not come

const wire::Key kKey{{7}, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}};
const wire::Key kOtherKey{{8}, {9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9}};

std::uint8_t status(Status s) { return static_cast<std::uint8_t>(s); }

std::shared_ptr<serve::AccessPolicy> policy() { return std::make_shared<serve::AccessPolicy>(); }

serve::AccessPolicy with_keys(std::vector<wire::Key> keys) {
  serve::AccessPolicy p;
  p.auth = serve::AuthRule::kAlways;
  p.keys = wire::KeyRing(std::move(keys));
  return p;
}

serve::Cidr loopback(std::uint8_t last, std::uint8_t bits) {
  return {serve::Address::v4(127, 0, 0, last), static_cast<std::uint8_t>(96 + bits)};
}

std::optional<Message> try_ask(UdpClient& client, const Message& request) {
  client.send(request);
  const auto received = client.receive(kSilenceMs);
  if (!received) return std::nullopt;
  return received->messages().at(0);
}

Message signed_by(Message message, const wire::Key& key) {
  wire::sign(message, key);
  return message;
}

TEST(Policy, AsksForAKeyAndSignsItsReplies) {
  Serving serving(pool_options(), with_keys({kKey}));
  UdpClient client(serving.address());
  const Message bare = client.ask(next_id(1));
  EXPECT_EQ(bare.status, status(Status::kUnauthorised));
  EXPECT_EQ(bare.flags, wire::kFlagReply) << "nothing to sign it with";
  EXPECT_EQ(bare.a, 0U);
  EXPECT_EQ(client.ask(signed_by(next_id(2), kOtherKey)).status, status(Status::kUnauthorised));
  Message forged = signed_by(next_id(3), kKey);
  forged.count = 100;
  EXPECT_EQ(client.ask(forged).status, status(Status::kUnauthorised));
  EXPECT_EQ(serving.count(Counter::kIds), 0U);
  EXPECT_EQ(serving.count(Counter::kUnauthorised), 3U);

  const Message reply = client.ask(signed_by(next_id(4), kKey));
  EXPECT_EQ(reply.status, status(Status::kOk));
  EXPECT_EQ(reply.flags, wire::kFlagReply | wire::kFlagAuthenticated);
  EXPECT_EQ(reply.key_id, kKey.id.value);
  EXPECT_TRUE(wire::verify(reply, kKey));
  Message altered = reply;
  altered.a ^= 1;
  EXPECT_FALSE(wire::verify(altered, kKey));
}

TEST(Policy, AsksNobodyOnLoopbackUnlessTold) {
  serve::AccessPolicy p = with_keys({kKey});
  p.auth = serve::AuthRule::kExceptLoopback;
  Serving serving(pool_options(), p);
  UdpClient client(serving.address());
  EXPECT_EQ(client.ask(next_id(1)).status, status(Status::kOk));
  EXPECT_TRUE(wire::verify(client.ask(signed_by(next_id(2), kKey)), kKey));
}

TEST(Policy, ChangesKeysWhileWorkersRun) {
  Serving serving(pool_options("127.0.0.1:0", 2), with_keys({kKey}));
  UdpClient client(serving.address());
  EXPECT_EQ(client.ask(signed_by(next_id(1), kKey)).status, status(Status::kOk));
  EXPECT_EQ(client.ask(signed_by(next_id(2), kOtherKey)).status, status(Status::kUnauthorised));

  serving.pool().use_policy(std::make_shared<serve::AccessPolicy>(with_keys({kKey, kOtherKey})));
  EXPECT_EQ(client.ask(signed_by(next_id(3), kKey)).status, status(Status::kOk));
  EXPECT_EQ(client.ask(signed_by(next_id(4), kOtherKey)).status, status(Status::kOk));

  serving.pool().use_policy(std::make_shared<serve::AccessPolicy>(with_keys({kOtherKey})));
  EXPECT_EQ(client.ask(signed_by(next_id(5), kKey)).status, status(Status::kUnauthorised));
  EXPECT_EQ(client.ask(signed_by(next_id(6), kOtherKey)).status, status(Status::kOk));
}

TEST(Policy, ChangesListsWhileWorkersRun) {
  Serving serving;
  UdpClient one(serving.address(), endpoint("127.0.0.1:0"));
  UdpClient two(serving.address(), endpoint("127.0.0.2:0"));
  EXPECT_TRUE(try_ask(one, next_id(1)));
  EXPECT_TRUE(try_ask(two, next_id(1)));

  auto denied = policy();
  denied->deny = {loopback(2, 32)};
  serving.pool().use_policy(denied);
  EXPECT_TRUE(try_ask(one, next_id(2)));
  EXPECT_FALSE(try_ask(two, next_id(2)));
  EXPECT_EQ(serving.count(Counter::kDropSourceDenied), 1U);

  auto allowed = policy();
  allowed->allow = {loopback(2, 31)};
  serving.pool().use_policy(allowed);
  EXPECT_FALSE(try_ask(one, next_id(3)));
  EXPECT_TRUE(try_ask(two, next_id(3)));
  EXPECT_EQ(serving.count(Counter::kDropSourceDenied), 2U);

  serving.pool().use_policy(policy());
  EXPECT_TRUE(try_ask(one, next_id(4)));
  EXPECT_TRUE(try_ask(two, next_id(4)));
}

TEST(Policy, ChangesRatesWhileWorkersRun) {
  Serving serving;
  UdpClient client(serving.address());
  const auto served_of = [&](std::size_t n) {
    std::size_t served = 0;
    for (std::size_t i = 0; i < n; ++i)
      client.send(next_id(i));
    while (client.receive(kSilenceMs))
      ++served;
    return served;
  };
  EXPECT_EQ(served_of(200), 200U);
  auto slow = policy();
  slow->rate = {.messages_per_second = 1, .burst = 5};
  serving.pool().use_policy(slow);
  const std::size_t served = served_of(200);
  EXPECT_GE(served, 5U);
  EXPECT_LT(served, 100U);
  EXPECT_EQ(serving.count(Counter::kDropRateLimited), 200 - served);
  serving.pool().use_policy(policy());
  EXPECT_EQ(served_of(200), 200U);
}

TEST(Policy, IsFreedOnceNoWorkerReadsItAndNotBefore) {
  Serving serving(pool_options("127.0.0.1:0", 3));
  std::weak_ptr<const serve::AccessPolicy> last;
  std::uint64_t seen = serving.worker_page(0).policy_seen;
  for (int i = 0; i < 20; ++i) {
    auto next = policy();
    next->version = seen + 1;
    const std::weak_ptr<const serve::AccessPolicy> present = next;
    serving.pool().use_policy(std::move(next));
    EXPECT_FALSE(present.expired());
    ASSERT_TRUE(eventually([&] {
      for (unsigned w = 0; w < 3; ++w)
        if (serving.worker_page(w).policy_seen != seen + 1) return false;
      return true;
    }));
    last = present;
    ++seen;
  }
  serving.pool().use_policy(policy());  // a version that was used before gets one of its own
  serving.pool().use_policy(policy());  // frees at the latest what the workers had not let go of in time
  EXPECT_TRUE(last.expired());
  EXPECT_GT(serving.worker_page(0).policy_seen, seen);
}

TEST(Policy, IsNotFreedWhileNoWorkerRuns) {
  Serving serving;
  serving.pool().drain_and_stop(time::Duration{0});
  auto first = policy();
  first->version = 5;
  const std::weak_ptr<const serve::AccessPolicy> watched = first;
  serving.pool().use_policy(std::move(first));
  serving.pool().use_policy(policy());
  EXPECT_FALSE(watched.expired()) << "no worker ever said that it has the newer one";
}

}  // namespace
}  // namespace gnomon::test
