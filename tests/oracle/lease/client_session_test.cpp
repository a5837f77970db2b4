// SPDX-License-Identifier: Apache-2.0
#include "oracle/lease/client_session.hpp"

#include <gtest/gtest.h>

#include <optional>
#include <random>
#include <string>

#include "tests/oracle/lease/text_mutations.hpp"

namespace gnomon::lease {
namespace {

ClientSession on_true_time() {
  return {nonce_of(1),       SessionState::kOpen,  {{}, {1'800'000'000'000'000'007}},
          time::seconds(10), "spiffe://host-7/db", "host-7 pid 4711"};
}

ClientSession on_a_boot() {
  return {nonce_of(0xf8), SessionState::kKilled, {nonce_of(0x20), {60'000'000'000}}, time::nanoseconds(1), "local", ""};
}

TEST(ClientSession, text_is_golden) {
  EXPECT_EQ(encode(on_true_time()),
            "client 1 nonce=0102030405060708090a0b0c0d0e0f10 state=open boot=00000000000000000000000000000000 "
            "expiry=1800000000000000007 ttl=10000000000 principal=spiffe://host-7/db label=host-7 pid 4711");
  EXPECT_EQ(encode(on_a_boot()),
            "client 1 nonce=f8f9fafbfcfdfeff0001020304050607 state=killed boot=202122232425262728292a2b2c2d2e2f "
            "expiry=60000000000 ttl=1 principal=local label=");
}

TEST(ClientSession, reads_back_what_it_wrote) {
  std::mt19937_64 random(20261129);
  const auto text = [&](std::size_t least, std::size_t most, char first) {
    std::string out(least + random() % (most - least + 1), ' ');
    for (char& c : out)
      c = static_cast<char>(first + static_cast<char>(random() % static_cast<std::uint64_t>(0x7f - first)));
    return out;
  };
  for (int round = 0; round < 20'000; ++round) {
    ClientSession session;
    session.nonce = nonce_of(static_cast<std::uint8_t>(random()));
    session.state = static_cast<SessionState>(random() % 3);
    session.expiry.boot = random() % 2 == 0 ? Boot{} : nonce_of(static_cast<std::uint8_t>(random()));
    session.expiry.at = {static_cast<std::int64_t>(random())};
    session.ttl = {static_cast<std::int64_t>(random() >> 1 | 1)};
    session.principal = text(1, kMaxPrincipal, 0x21);
    session.label = text(0, kMaxLabel, 0x20);
    ASSERT_EQ(parse_client_session(encode(session)), session);
  }
}

// What is stored outlives a version, and clients cut their labels to the same.
TEST(ClientSession, the_longest_names_are_of_128_bytes) {
  for (const std::string& field : {std::string("spiffe://host-7/db"), std::string("host-7 pid 4711")}) {
    const auto of_length = [&](std::size_t size) {
      std::string text = encode(on_true_time());
      return parse_client_session(text.replace(text.find(field), field.size(), std::string(size, 'x')));
    };
    EXPECT_TRUE(of_length(128)) << field;
    EXPECT_FALSE(of_length(129)) << field;
  }
}

TEST(ClientSession, a_label_may_look_like_a_field) {
  ClientSession session = on_true_time();
  session.label = "x label=y principal=root";
  EXPECT_EQ(parse_client_session(encode(session)), session);
  session.principal = "label=principal=";
  EXPECT_EQ(parse_client_session(encode(session)), session);
}

TEST(ClientSession, each_fault_has_its_type) {
  const auto with = [](const std::string& from, const std::string& to) {
    return fault_with(encode(on_true_time()), from, to, parse_client_session);
  };
  EXPECT_EQ(with("client 1", "session 1"), ValueFault::kOtherKind);
  EXPECT_EQ(with("client 1", "client 2"), ValueFault::kOtherVersion);
  EXPECT_EQ(with("state=open", "state=asleep"), ValueFault::kMalformed);
  EXPECT_EQ(with(" ttl=10000000000", ""), ValueFault::kFieldMissing);
  EXPECT_EQ(with("ttl=10000000000", "ttl=0"), ValueFault::kOutOfRange);
  EXPECT_EQ(with("ttl=10000000000", "ttl=-1"), ValueFault::kOutOfRange);
  EXPECT_EQ(with("ttl=10000000000", "ttl=010"), ValueFault::kMalformed);
  EXPECT_EQ(with("expiry=1800", "expiry=18009999"), ValueFault::kOutOfRange);
  EXPECT_EQ(with("principal=spiffe://host-7/db", "principal="), ValueFault::kMalformed);
  EXPECT_EQ(with("host-7/db", "host-7/the db"), ValueFault::kMalformed) << "a principal has no spaces";
  EXPECT_EQ(with("host-7/db", std::string(kMaxPrincipal, 'x')), ValueFault::kMalformed);
  EXPECT_EQ(with(" label=host-7 pid 4711", ""), ValueFault::kFieldMissing);
  EXPECT_EQ(with("host-7 pid 4711", std::string(kMaxLabel + 1, 'x')), ValueFault::kMalformed);
  EXPECT_EQ(with("pid", "p\nd"), ValueFault::kMalformed);
  EXPECT_FALSE(parse_client_session(""));
}

TEST(ClientSession, every_truncation_and_bit_flip_is_rejected_or_another_canonical_text) {
  for (const ClientSession& session : {on_true_time(), on_a_boot()})
    expect_canonical_or_rejected(encode(session), parse_client_session);
}

TEST(ClientSession, garbage_is_never_guessed_at) {
  expect_no_guesses({encode(on_true_time()), encode(on_a_boot())}, parse_client_session);
}

TEST(ClientKey, names_one_session_and_nothing_else_does) {
  const std::string key = client_key(nonce_of(0xf8));
  EXPECT_EQ(key, "client/f8f9fafbfcfdfeff0001020304050607");
  EXPECT_EQ(session_of_key(key), nonce_of(0xf8));
  for (const std::string& other : {std::string("client/"), key + "0", key.substr(0, key.size() - 1), key + "/x",
                                   "session" + key.substr(6), std::string("client/F8F9FAFBFCFDFEFF0001020304050607"),
                                   std::string("client/f8f9fafbfcfdfeff000102030405060g"), std::string()})
    EXPECT_EQ(session_of_key(other), std::nullopt) << other;
}

TEST(ClientSession, principals_and_labels_have_bounds) {
  EXPECT_TRUE(is_principal("local"));
  EXPECT_TRUE(is_principal(std::string(kMaxPrincipal, 'x')));
  for (const std::string& text : {std::string(), std::string(kMaxPrincipal + 1, 'x'), std::string("a b"),
                                  std::string("a\x7f"), std::string("a\xc3\xa4"), std::string("a\0b", 3)})
    EXPECT_FALSE(is_principal(text)) << text;
  EXPECT_TRUE(is_label(""));
  EXPECT_TRUE(is_label("host-7 pid 4711"));
  EXPECT_TRUE(is_label(std::string(kMaxLabel, ' ')));
  for (const std::string& text : {std::string(kMaxLabel + 1, 'x'), std::string("a\nb"), std::string("\xc3\xa4")})
    EXPECT_FALSE(is_label(text)) << text;
}

}  // namespace
}  // namespace gnomon::lease
