// SPDX-License-Identifier: Apache-2.0
//
// docs/protocol-vectors.json against the library, both ways: the bytes give the fields and the verdict, the fields give
// the bytes. The file is written by make_vectors.py, which shares no code with the library.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <iterator>
#include <set>

#include "oracle/wire/auth.hpp"
#include "oracle/wire/message.hpp"
#include "tests/oracle/wire/json.hpp"
#include "tests/support/source_tree.hpp"

namespace gnomon::wire {
namespace {

using gnomon::testing::Json;
using gnomon::testing::JsonReader;

const Json& vectors() {
  static const Json kDocument = [] {
    std::ifstream file(support::in_source_tree("docs/protocol-vectors.json"));
    const std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
    return JsonReader(text).document();
  }();
  return kDocument;
}

std::vector<std::byte> bytes_of_hex(const std::string& hex) {
  std::vector<std::byte> bytes;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2)
    bytes.push_back(static_cast<std::byte>(std::stoul(hex.substr(i, 2), nullptr, 16)));
  return bytes;
}

Message message_of(const Json& fields) {
  const auto number = [&]<typename T>(const char* name, T& field) { field = static_cast<T>(fields[name].number()); };
  Message m;
  number("magic", m.magic);
  number("version", m.version);
  number("op", m.op);
  number("flags", m.flags);
  number("status", m.status);
  number("request_id", m.request_id);
  number("a", m.a);
  number("b", m.b);
  number("count", m.count);
  number("stride", m.stride);
  number("epsilon_ns", m.epsilon_ns);
  number("machine_id", m.machine_id);
  number("format", m.format);
  number("token_low", m.token_low);
  number("remaining_ms", m.remaining_ms);
  number("key_id", m.key_id);
  number("tag", m.tag);
  return m;
}

// The names by which the document calls the reasons; its drop counters are "dropped_" and these.
std::string verdict_of(Invalid reason) {
  switch (reason) {
    case Invalid::kNone: return "valid";
    case Invalid::kLength: return "length";
    case Invalid::kBadMagic: return "magic";
    case Invalid::kBadVersion: return "version";
    case Invalid::kReply: return "reply";
    case Invalid::kFlags: return "flags";
    case Invalid::kOp: return "op";
    case Invalid::kStatus: return "status";
    case Invalid::kFieldNotZero: return "field_not_zero";
  }
  return "?";
}

Key file_key() {
  Key key{{static_cast<std::uint16_t>(vectors()["key"]["id"].number())}, {}};
  const auto bytes = bytes_of_hex(vectors()["key"]["hex"].text);
  std::transform(bytes.begin(), bytes.end(), key.bytes.begin(),
                 [](std::byte b) { return std::to_integer<std::uint8_t>(b); });
  return key;
}

TEST(ProtocolVectors, bytes_give_fields_and_verdict_and_fields_give_bytes) {
  std::set<std::string> verdicts;
  for (const Json& vector : vectors()["messages"].items) {
    SCOPED_TRACE(vector["name"].text);
    const auto bytes = bytes_of_hex(vector["hex"].text);
    ASSERT_EQ(bytes.size(), kMessageSize);
    const Message message = message_of(vector["fields"]);
    EXPECT_EQ(load(bytes.data()), message);
    std::array<std::byte, kMessageSize> written{};
    store(message, written.data());
    EXPECT_TRUE(std::equal(written.begin(), written.end(), bytes.begin()));
    const bool request = vector["kind"].text == "request";
    const std::string verdict = verdict_of(request ? check_request(bytes.data()) : check_reply(bytes.data()));
    EXPECT_EQ(verdict, vector["verdict"].text);
    verdicts.insert(verdict);
  }
  EXPECT_EQ(verdicts.size(), 8U) << "valid, and each reason but the length of a datagram";
}

TEST(ProtocolVectors, signed_messages_verify_and_can_be_signed_again) {
  const Key key = file_key();
  int seen = 0;
  for (const Json& vector : vectors()["messages"].items) {
    if (!vector["name"].text.starts_with("signed_")) continue;
    ++seen;
    const Message message = message_of(vector["fields"]);
    EXPECT_TRUE(verify(message, key)) << vector["name"].text;
    Message again = message;
    again.flags = static_cast<std::uint8_t>(again.flags & ~kFlagAuthenticated);
    again.key_id = 0;
    again.tag = 0;
    sign(again, key);
    EXPECT_EQ(again, message);
  }
  EXPECT_EQ(seen, 3);
}

// The library hashes 56 bytes; a message whose bytes are 0, 1, 2 ... is the vector of that length.
TEST(ProtocolVectors, siphash_of_56_bytes_is_the_reference) {
  for (const Json& hash : vectors()["siphash24"].items) {
    auto bytes = bytes_of_hex(hash["data"].text);
    if (bytes.size() != 56) continue;
    bytes.resize(kMessageSize);
    KeyBytes key{};
    const auto key_bytes = bytes_of_hex(hash["key"].text);
    std::transform(key_bytes.begin(), key_bytes.end(), key.begin(),
                   [](std::byte b) { return std::to_integer<std::uint8_t>(b); });
    EXPECT_EQ(tag_of(load(bytes.data()), key), hash["hash"].number());
    return;
  }
  FAIL() << "no vector of 56 bytes";
}

// The value printed in appendix A of the paper: key 00..0f, message 00..0e.
TEST(ProtocolVectors, the_file_holds_the_published_siphash_vector) {
  const auto& hashes = vectors()["siphash24"].items;
  EXPECT_EQ(std::count_if(hashes.begin(), hashes.end(),
                          [](const Json& hash) {
                            return hash["data"].text.size() == 30 && hash["hash"].number() == 0xa129ca6149be45e5ULL;
                          }),
            1);
}

}  // namespace
}  // namespace gnomon::wire
