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

/// A message where it lies in a datagram, at any alignment: its fields are read and written there, one by one, because
/// copying 64 bytes out and in again costs more than answering.
class MessageRef {
 public:
  /// `at` has room for kMessageSize bytes that outlive the reference.
  explicit MessageRef(std::byte* at) : at_(at) {}

  [[nodiscard]] std::uint8_t op() const { return get<std::uint8_t>(offsetof(Message, op)); }
  [[nodiscard]] std::uint8_t flags() const { return get<std::uint8_t>(offsetof(Message, flags)); }
  [[nodiscard]] std::uint64_t a() const { return get<std::uint64_t>(offsetof(Message, a)); }
  [[nodiscard]] std::uint32_t count() const { return get<std::uint32_t>(offsetof(Message, count)); }
  [[nodiscard]] std::uint16_t format() const { return get<std::uint16_t>(offsetof(Message, format)); }
  [[nodiscard]] std::uint16_t key_id() const { return get<std::uint16_t>(offsetof(Message, key_id)); }
  [[nodiscard]] Message copy() const { return load(at_); }

  void set_flags(std::uint8_t value) const { set(offsetof(Message, flags), value); }
  void set_status(Status value) const { set(offsetof(Message, status), static_cast<std::uint8_t>(value)); }
  void set_a(std::uint64_t value) const { set(offsetof(Message, a), value); }
  void set_b(std::uint64_t value) const { set(offsetof(Message, b), value); }
  void set_count(std::uint32_t value) const { set(offsetof(Message, count), value); }
  void set_stride(std::uint32_t value) const { set(offsetof(Message, stride), value); }
  void set_epsilon_ns(std::uint32_t value) const { set(offsetof(Message, epsilon_ns), value); }
  void set_machine_id(std::uint16_t value) const { set(offsetof(Message, machine_id), value); }
  void set_token_low(std::uint32_t value) const { set(offsetof(Message, token_low), value); }
  void set_remaining_ms(std::uint16_t value) const { set(offsetof(Message, remaining_ms), value); }
  void set_key_id(std::uint16_t value) const { set(offsetof(Message, key_id), value); }
  void set_tag(std::uint64_t value) const { set(offsetof(Message, tag), value); }

 private:
  template <typename T>
  [[nodiscard]] T get(std::size_t offset) const {
    T value{};
    std::memcpy(&value, at_ + offset, sizeof value);
    return value;
  }
  template <typename T>
  void set(std::size_t offset, T value) const {
    std::memcpy(at_ + offset, &value, sizeof value);
  }

  std::byte* at_;
};

using Words = std::array<std::uint64_t, kMessageSize / 8>;

/// Words 0 and 1 of a plain (unauthenticated) next_id request are its head and its id; this is the head.
constexpr std::uint64_t kPlainNextIdHead =
    kMagic | (std::uint64_t{kVersion} << 32) | (std::uint64_t{static_cast<std::uint8_t>(Op::kNextId)} << 40);
/// Bits that must be zero in it, per word: next_id uses count (word 4) and format (word 5).
constexpr Words kPlainNextIdZero{0, 0, ~0ULL, ~0ULL, 0xffff'ffff'0000'0000ULL, 0x0000'ffff'ffff'ffffULL, ~0ULL, ~0ULL};

[[nodiscard]] inline std::uint64_t word_of(const std::byte* message, std::size_t index) {
  std::uint64_t word = 0;
  std::memcpy(&word, message + index * sizeof word, sizeof word);
  return word;
}

/// Bits of `zero` that are set, in the words after the request id. Written out, so that a constant `zero` folds away.
[[nodiscard]] inline std::uint64_t set_of(const std::byte* message, const Words& zero) {
  return (word_of(message, 2) & zero[2]) | (word_of(message, 3) & zero[3]) | (word_of(message, 4) & zero[4]) |
         (word_of(message, 5) & zero[5]) | (word_of(message, 6) & zero[6]) | (word_of(message, 7) & zero[7]);
}

/// The first reason why these 64 bytes are no valid request, or kNone.
[[nodiscard]] Invalid check_request(const std::byte* bytes);

/// Whether these 64 bytes are a valid next_id request without authentication, as nearly all are: known by one
/// comparison and a handful of constants.
[[nodiscard]] inline bool is_plain_next_id(const std::byte* bytes) {
  return word_of(bytes, 0) == kPlainNextIdHead && set_of(bytes, kPlainNextIdZero) == 0;
}

/// Whether these 64 bytes are a valid request of an operation that this version serves.
[[nodiscard]] inline bool is_request(const std::byte* bytes) {
  return is_plain_next_id(bytes) || check_request(bytes) == Invalid::kNone;
}

/// The first reason why these 64 bytes are no valid reply, or kNone. For clients.
[[nodiscard]] Invalid check_reply(const std::byte* bytes);

/// Whether a datagram has a length that messages can have.
[[nodiscard]] constexpr bool valid_length(std::size_t bytes) {
  return bytes >= kMessageSize && bytes <= kMaxDatagram && bytes % kMessageSize == 0;
}

}  // namespace gnomon::wire
