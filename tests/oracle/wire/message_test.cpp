// SPDX-License-Identifier: Apache-2.0
//
// Which 64 bytes are a request, and why others are not. The expectation of every bit flip is written out here from
// docs/protocol.md, not taken from the code.
#include "oracle/wire/message.hpp"

#include <gtest/gtest.h>

#include <set>

#include "oracle/wire/auth.hpp"

namespace gnomon::wire {
namespace {

using Bytes = std::array<std::byte, kMessageSize>;

Bytes bytes_of(const Message& message) {
  Bytes bytes;
  store(message, bytes.data());
  return bytes;
}

Message request(Op op) {
  Message message;
  message.op = static_cast<std::uint8_t>(op);
  message.request_id = 0x0123456789abcdefULL;
  if (op == Op::kNextId) {
    message.count = 5;
    message.format = 1;
  }
  return message;
}

Message signed_request(Op op) {
  Message message = request(op);
  sign(message, Key{{3}, {1, 2, 3}});
  return message;
}

// --- single bit flips -----------------------------------------------------------------------------------------------

struct Region {
  std::size_t first;
  std::size_t last;
  Invalid when_flipped;
};

// docs/protocol.md, "Operations": what this version serves.
bool served(unsigned op) { return op == 1 || op == 2 || op == 4 || op == 6 || op == 7 || op == 8; }

// docs/protocol.md, "Operations": byte ranges and what a foreign bit there means. Bytes that are not listed are free.
const std::vector<Region> kOneValue{{0, 3, Invalid::kBadMagic},
                                    {4, 4, Invalid::kBadVersion},
                                    {7, 7, Invalid::kStatus},
                                    {24, 63, Invalid::kFieldNotZero}};
const std::vector<Region> kNextId{{0, 3, Invalid::kBadMagic},       {4, 4, Invalid::kBadVersion},
                                  {7, 7, Invalid::kStatus},         {16, 31, Invalid::kFieldNotZero},
                                  {36, 45, Invalid::kFieldNotZero}, {48, 63, Invalid::kFieldNotZero}};
const std::vector<Region> kNoValue{{0, 3, Invalid::kBadMagic},
                                   {4, 4, Invalid::kBadVersion},
                                   {7, 7, Invalid::kStatus},
                                   {16, 63, Invalid::kFieldNotZero}};
const std::vector<Region> kSignedNoValue{{0, 3, Invalid::kBadMagic},
                                         {4, 4, Invalid::kBadVersion},
                                         {7, 7, Invalid::kStatus},
                                         {16, 53, Invalid::kFieldNotZero}};
const std::vector<Region> kSignedOneValue{{0, 3, Invalid::kBadMagic},
                                          {4, 4, Invalid::kBadVersion},
                                          {7, 7, Invalid::kStatus},
                                          {24, 53, Invalid::kFieldNotZero}};
const std::vector<Region> kSignedNextId{{0, 3, Invalid::kBadMagic},       {4, 4, Invalid::kBadVersion},
                                        {7, 7, Invalid::kStatus},         {16, 31, Invalid::kFieldNotZero},
                                        {36, 45, Invalid::kFieldNotZero}, {48, 53, Invalid::kFieldNotZero}};

Invalid expected_flip(const Message& message, std::size_t byte, unsigned bit, const std::vector<Region>& regions) {
  if (byte == 5) {
    if (!served(message.op ^ (1U << bit))) return Invalid::kOp;        // whatever else the message holds
    return message.op == 2 ? Invalid::kFieldNotZero : Invalid::kNone;  // count and format are next_id's alone
  }
  if (byte == 6) {
    if (bit == 7) return Invalid::kReply;
    if (bit != 0) return Invalid::kFlags;
    const bool was_signed = (message.flags & kFlagAuthenticated) != 0;
    return was_signed ? Invalid::kFieldNotZero : Invalid::kNone;  // a tag that belongs to nothing; a tag of zero
  }
  for (const Region& region : regions)
    if (byte >= region.first && byte <= region.last) return region.when_flipped;
  return Invalid::kNone;
}

void check_all_flips(const Message& message, const std::vector<Region>& regions) {
  ASSERT_EQ(check_request(bytes_of(message).data()), Invalid::kNone);
  for (std::size_t byte = 0; byte < kMessageSize; ++byte)
    for (unsigned bit = 0; bit < 8; ++bit) {
      Bytes bytes = bytes_of(message);
      bytes[byte] ^= std::byte{static_cast<unsigned char>(1U << bit)};
      ASSERT_EQ(text_of(check_request(bytes.data())), text_of(expected_flip(message, byte, bit, regions)))
          << "byte " << byte << " bit " << bit;
      const bool valid = check_request(bytes.data()) == Invalid::kNone;
      ASSERT_EQ(is_request(bytes.data()), valid) << "byte " << byte << " bit " << bit;
      const Message flipped = load(bytes.data());
      ASSERT_EQ(is_plain_next_id(bytes.data()), valid && flipped.op == 2 && flipped.flags == 0)
          << "byte " << byte << " bit " << bit;
    }
}

TEST(CheckRequest, classifies_every_flipped_bit_as_documented) {
  check_all_flips(request(Op::kNextId), kNextId);
  check_all_flips(signed_request(Op::kNextId), kSignedNextId);
  check_all_flips(request(Op::kNow), kNoValue);
  check_all_flips(signed_request(Op::kNow), kSignedNoValue);
  for (const Op op : {Op::kPing, Op::kHlcUpdate, Op::kCommitWait, Op::kTimeSync}) {
    check_all_flips(request(op), kOneValue);
    check_all_flips(signed_request(op), kSignedOneValue);
  }
}

TEST(CheckRequest, refuses_operations_that_this_version_does_not_serve) {
  for (unsigned op = 0; op < 256; ++op) {
    Message message = request(Op::kPing);
    message.op = static_cast<std::uint8_t>(op);
    EXPECT_EQ(check_request(bytes_of(message).data()), served(op) ? Invalid::kNone : Invalid::kOp) << op;
  }
}

TEST(CheckRequest, used_fields_take_any_value) {
  for (const Op op : {Op::kPing, Op::kHlcUpdate, Op::kCommitWait, Op::kTimeSync}) {
    Message message = request(op);
    message.a = ~std::uint64_t{0};
    message.request_id = 0;
    EXPECT_EQ(check_request(bytes_of(message).data()), Invalid::kNone);
  }
  Message next_id = request(Op::kNextId);
  next_id.count = 0xffff'ffffU;
  next_id.format = 0xffff;
  EXPECT_EQ(check_request(bytes_of(next_id).data()), Invalid::kNone) << "what the values mean is for the server to say";
}

TEST(CheckRequest, reports_the_first_reason_in_the_order_of_the_fields) {
  Message message = request(Op::kNextId);
  message.a = 1;
  EXPECT_EQ(check_request(bytes_of(message).data()), Invalid::kFieldNotZero);
  message.status = 1;
  EXPECT_EQ(check_request(bytes_of(message).data()), Invalid::kStatus);
  message.op = 77;
  EXPECT_EQ(check_request(bytes_of(message).data()), Invalid::kOp);
  message.op = 5;
  EXPECT_EQ(check_request(bytes_of(message).data()), Invalid::kOp)
      << "a reserved operation is no better than an unknown one";
  message.flags = 0x02;
  EXPECT_EQ(check_request(bytes_of(message).data()), Invalid::kFlags);
  message.flags = 0x82;
  EXPECT_EQ(check_request(bytes_of(message).data()), Invalid::kReply);
  message.version = 0;
  EXPECT_EQ(check_request(bytes_of(message).data()), Invalid::kBadVersion);
  message.magic = 0;
  EXPECT_EQ(check_request(bytes_of(message).data()), Invalid::kBadMagic);
}

TEST(CheckRequest, a_message_lies_on_the_wire_as_documented) {
  Message message = request(Op::kNextId);
  message.count = 0x01020304;
  message.format = 0x0a0b;
  const Bytes bytes = bytes_of(message);
  EXPECT_EQ(std::memcmp(bytes.data(), "GNO1\x01\x02\x00\x00", 8), 0);
  EXPECT_EQ(std::memcmp(bytes.data() + 8, "\xef\xcd\xab\x89\x67\x45\x23\x01", 8), 0);
  EXPECT_EQ(std::memcmp(bytes.data() + 32, "\x04\x03\x02\x01", 4), 0);
  EXPECT_EQ(std::memcmp(bytes.data() + 46, "\x0b\x0a", 2), 0);
  EXPECT_EQ(load(bytes.data()), message);
}

// --- replies
// ----------------------------------------------------------------------------------------------------------

Message ok_reply() {
  Message reply = request(Op::kNextId);
  reply.flags = kFlagReply;
  reply.a = 42;
  reply.stride = 1;
  reply.machine_id = 3;
  reply.token_low = 9;
  reply.remaining_ms = 700;
  return reply;
}

TEST(CheckReply, takes_what_servers_send) {
  EXPECT_EQ(check_reply(bytes_of(ok_reply()).data()), Invalid::kNone);
  Message refused = request(Op::kNextId);
  refused.flags = kFlagReply;
  for (unsigned status = 1; status <= 9; ++status) {
    refused.status = static_cast<std::uint8_t>(status);
    EXPECT_EQ(check_reply(bytes_of(refused).data()), Invalid::kNone) << status;
  }
}

TEST(CheckReply, names_what_is_wrong) {
  const auto with = [](auto change) {
    Message reply = ok_reply();
    change(reply);
    return check_reply(bytes_of(reply).data());
  };
  EXPECT_EQ(with([](Message& m) { m.magic ^= 1; }), Invalid::kBadMagic);
  EXPECT_EQ(with([](Message& m) { m.version = 2; }), Invalid::kBadVersion);
  EXPECT_EQ(with([](Message& m) { m.flags = 0; }), Invalid::kReply);
  EXPECT_EQ(with([](Message& m) { m.flags |= 0x40; }), Invalid::kFlags);
  EXPECT_EQ(with([](Message& m) { m.op = 0; }), Invalid::kOp);
  EXPECT_EQ(with([](Message& m) { m.op = 9; }), Invalid::kOp);
  EXPECT_EQ(with([](Message& m) { m.status = 10; }), Invalid::kStatus);
  EXPECT_EQ(with([](Message& m) { m.tag = 1; }), Invalid::kFieldNotZero);
  EXPECT_EQ(with([](Message& m) { m.key_id = 1; }), Invalid::kFieldNotZero);
}

TEST(Texts, every_status_and_reason_has_one_of_its_own) {
  std::set<std::string_view> texts;
  for (unsigned s = 0; s <= 9; ++s)
    EXPECT_TRUE(texts.insert(text_of(static_cast<Status>(s))).second);
  for (unsigned r = 0; r <= static_cast<unsigned>(Invalid::kFieldNotZero); ++r)
    EXPECT_TRUE(texts.insert(text_of(static_cast<Invalid>(r))).second);
  EXPECT_FALSE(texts.contains("unknown status"));
  EXPECT_FALSE(texts.contains("unknown reason"));
}

TEST(ValidLength, is_one_to_22_messages) {
  for (std::size_t length = 0; length <= 3000; ++length)
    EXPECT_EQ(valid_length(length), length != 0 && length % 64 == 0 && length <= 1408) << length;
}

// --- authentication
// ---------------------------------------------------------------------------------------------------

TEST(Auth, every_bit_up_to_55_counts_and_so_does_the_tag) {
  const Key key{{3}, {1, 2, 3}};
  const Message message = signed_request(Op::kNextId);
  ASSERT_TRUE(verify(message, key));
  for (std::size_t byte = 0; byte < kMessageSize; ++byte)
    for (unsigned bit = 0; bit < 8; ++bit) {
      Bytes bytes = bytes_of(message);
      bytes[byte] ^= std::byte{static_cast<unsigned char>(1U << bit)};
      ASSERT_FALSE(verify(load(bytes.data()), key)) << "byte " << byte << " bit " << bit;
    }
  EXPECT_FALSE(verify(message, Key{{3}, {1, 2, 4}}));
}

TEST(KeyRing, keeps_the_first_of_each_id_and_at_most_64) {
  std::vector<Key> keys{{{1}, {1}}, {{1}, {2}}};
  for (std::uint16_t i = 2; i < 100; ++i)
    keys.push_back({{i}, {}});
  const KeyRing ring(keys);
  EXPECT_EQ(ring.size(), KeyRing::kMaxKeys);
  ASSERT_NE(ring.find({1}), nullptr);
  EXPECT_EQ(ring.find({1})->bytes[0], 1U);
  EXPECT_NE(ring.find({64}), nullptr);
  EXPECT_EQ(ring.find({65}), nullptr);
  EXPECT_EQ(KeyRing{}.find({0}), nullptr);
  EXPECT_TRUE(KeyRing{}.empty());
}

}  // namespace
}  // namespace gnomon::wire
