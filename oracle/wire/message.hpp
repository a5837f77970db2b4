// SPDX-License-Identifier: Apache-2.0
//
// The UDP message: 64 bytes, request and reply alike, little-endian. docs/protocol.md is the reference and
// docs/protocol-vectors.json holds its vectors. A datagram carries 1 to 22 messages.
//
// Request and reply have one size so that nobody can use the service to amplify a flood, and every field which an
// operation does not use is zero and checked, so that a later version can give it a meaning. An invalid message drops
// its whole datagram without an answer; `Invalid` says why and becomes a counter.
//
// A message is handled as eight 64-bit words: validating one is eight masks, not forty comparisons.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

namespace gnomon::wire {

static_assert(std::endian::native == std::endian::little,
              "messages are little-endian and are read in place: a big-endian port has to swap in load() and store()");

constexpr std::size_t kMessageSize = 64;
constexpr std::size_t kMaxMessages = 22;
constexpr std::size_t kMaxDatagram = kMessageSize * kMaxMessages;  // 1408: fits every path that carries 1500 bytes
constexpr std::uint32_t kMagic = 0x314f4e47;                       // "GNO1"
constexpr std::uint8_t kVersion = 1;
constexpr std::uint8_t kFlagReply = 0x80;
constexpr std::uint8_t kFlagAuthenticated = 0x01;

enum class Op : std::uint8_t {
  kPing = 1,
  kNextId = 2,
  kNextId128 = 3,
  kHlcUpdate = 4,
  kTso = 5,
  kNow = 6,
  kCommitWait = 7,
  kTimeSync = 8,
};
constexpr std::uint8_t kMaxOp = 8;

enum class Status : std::uint8_t {
  kOk = 0,
  kNotLeased = 1,
  kNotHolder = 2,
  kClockUnsynchronised = 3,
  kClockBehind = 4,
  kBusy = 5,
  kTooFar = 6,
  kBadFormat = 7,
  kBadCount = 8,
  kUnauthorised = 9,
};
[[nodiscard]] std::string_view text_of(Status status);

/// One message, as it lies on the wire.
struct Message {
  std::uint32_t magic = kMagic;
  std::uint8_t version = kVersion;
  std::uint8_t op = 0;
  std::uint8_t flags = 0;
  std::uint8_t status = 0;
  std::uint64_t request_id = 0;
  std::uint64_t a = 0;
  std::uint64_t b = 0;
  std::uint32_t count = 0;
  std::uint32_t stride = 0;
  std::uint32_t epsilon_ns = 0;
  std::uint16_t machine_id = 0;
  std::uint16_t format = 0;
  std::uint32_t token_low = 0;
  std::uint16_t remaining_ms = 0;
  std::uint16_t key_id = 0;
  std::uint64_t tag = 0;

  friend constexpr bool operator==(const Message&, const Message&) = default;
};
static_assert(sizeof(Message) == kMessageSize && alignof(Message) == 8);
static_assert(offsetof(Message, op) == 5 && offsetof(Message, status) == 7 && offsetof(Message, request_id) == 8);
static_assert(offsetof(Message, a) == 16 && offsetof(Message, b) == 24 && offsetof(Message, count) == 32);
static_assert(offsetof(Message, stride) == 36 && offsetof(Message, epsilon_ns) == 40);
static_assert(offsetof(Message, machine_id) == 44 && offsetof(Message, format) == 46);
static_assert(offsetof(Message, token_low) == 48 && offsetof(Message, remaining_ms) == 52);
static_assert(offsetof(Message, key_id) == 54 && offsetof(Message, tag) == 56);

/// Why a datagram is dropped. The order is that of the checks and of the drop counters.
enum class Invalid : std::uint8_t {
  kNone,
  kLength,        // not 1 to 22 messages of 64 bytes
  kBadMagic,      // does not begin with GNO1
  kBadVersion,    // a version that this program does not speak
  kReply,         // direction: a reply where a request belongs, or the reverse
  kFlags,         // unknown flags
  kOp,            // unknown operation
  kStatus,        // a request with a status, or a reply with an unknown one
  kFieldNotZero,  // a field that the operation does not use is set
};
[[nodiscard]] std::string_view text_of(Invalid reason);

[[nodiscard]] inline Message load(const std::byte* bytes) {
  Message message;
  std::memcpy(&message, bytes, kMessageSize);
  return message;
}
inline void store(const Message& message, std::byte* bytes) { std::memcpy(bytes, &message, kMessageSize); }

using Words = std::array<std::uint64_t, kMessageSize / 8>;

/// Bits that must be zero in a request, per operation and word, without and with authentication. In word 0 they are
/// bits that must not differ from kRequestHead; a row with bits in word 1, the request id, is an operation that this
/// version does not serve.
struct RequestRows {
  Words plain;
  Words authenticated;
};
extern const std::array<RequestRows, kMaxOp + 1> kRequestRows;
constexpr std::uint64_t kRequestHead = kMagic | (std::uint64_t{kVersion} << 32);

/// Why a request that `is_request` turned down is none: the first reason in the order of `Invalid`.
[[nodiscard]] Invalid why_no_request(const std::byte* bytes);

/// Whether these 64 bytes are a valid request of an operation that this version serves.
[[nodiscard]] inline bool is_request(const std::byte* bytes) {
  const auto word = [bytes](std::size_t i) {
    std::uint64_t value = 0;
    std::memcpy(&value, bytes + i * sizeof value, sizeof value);
    return value;
  };
  const std::uint64_t head = word(0);
  const auto op = static_cast<std::uint8_t>(head >> 40);
  if (op > kMaxOp) [[unlikely]]
    return false;
  const RequestRows& rows = kRequestRows.data()[op];
  const std::uint64_t* zero = (head >> 48 & kFlagAuthenticated) == 0 ? rows.plain.data() : rows.authenticated.data();
  return (((head ^ kRequestHead) & zero[0]) | zero[1] | (word(2) & zero[2]) | (word(3) & zero[3]) |
          (word(4) & zero[4]) | (word(5) & zero[5]) | (word(6) & zero[6]) | (word(7) & zero[7])) == 0;
}

/// The first reason why these 64 bytes are no valid request, or kNone.
[[nodiscard]] inline Invalid check_request(const std::byte* bytes) {
  return is_request(bytes) ? Invalid::kNone : why_no_request(bytes);
}

/// The first reason why these 64 bytes are no valid reply, or kNone. For clients.
[[nodiscard]] Invalid check_reply(const std::byte* bytes);

/// Whether a datagram has a length that messages can have.
[[nodiscard]] constexpr bool valid_length(std::size_t bytes) {
  return bytes >= kMessageSize && bytes <= kMaxDatagram && bytes % kMessageSize == 0;
}

}  // namespace gnomon::wire
