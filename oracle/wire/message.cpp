// SPDX-License-Identifier: Apache-2.0
#include "oracle/wire/message.hpp"

namespace gnomon::wire {
namespace {

constexpr std::uint64_t kAll = ~std::uint64_t{0};
constexpr std::uint64_t kKeyIdField = 0xffff'0000'0000'0000ULL;  // word 6

/// Bits that must be zero in a request of one operation, per word. Word 0, the head, is checked field by field; bits in
/// word 1, the request id, mean an operation that this version does not serve.
struct Row {
  Words plain;
  Words authenticated;

  constexpr explicit Row(const Words& zero) : plain(zero), authenticated(zero) {
    authenticated[6] &= ~kKeyIdField;  // it uses the key id and the tag besides
    authenticated[7] = 0;
  }
  [[nodiscard]] constexpr bool served() const { return plain[1] == 0; }
};

constexpr Row kNotServed{{0, kAll, kAll, kAll, kAll, kAll, kAll, kAll}};
constexpr Row kPing{{0, 0, 0, kAll, kAll, kAll, kAll, kAll}};  // a: echoed
constexpr Row kNextId{kPlainNextIdZero};
constexpr Row kNow{{0, 0, kAll, kAll, kAll, kAll, kAll, kAll}};
constexpr Row kOneValue{{0, 0, 0, kAll, kAll, kAll, kAll, kAll}};  // a: a timestamp

constexpr std::array<Row, kMaxOp + 1> kRows{
    kNotServed,  // 0: no operation
    kPing,       // 1: ping
    kNextId,     // 2: next_id
    kNotServed,  // 3: next_id128
    kOneValue,   // 4: hlc_update
    kNotServed,  // 5: tso
    kNow,        // 6: now
    kOneValue,   // 7: commit_wait
    kOneValue,   // 8: time_sync
};

}  // namespace

Invalid check_request(const std::byte* bytes) {
  const Message m = load(bytes);
  if (m.magic != kMagic) return Invalid::kBadMagic;
  if (m.version != kVersion) return Invalid::kBadVersion;
  if ((m.flags & kFlagReply) != 0) return Invalid::kReply;
  if ((m.flags & ~kFlagAuthenticated) != 0) return Invalid::kFlags;
  if (m.op > kMaxOp || !kRows[m.op].served()) return Invalid::kOp;
  if (m.status != 0) return Invalid::kStatus;
  const bool authenticated = (m.flags & kFlagAuthenticated) != 0;
  const Words& zero = authenticated ? kRows[m.op].authenticated : kRows[m.op].plain;
  return set_of(bytes, zero) == 0 ? Invalid::kNone : Invalid::kFieldNotZero;
}

std::string_view text_of(Status status) {
  switch (status) {
    case Status::kOk: return "ok";
    case Status::kNotLeased: return "not_leased";
    case Status::kNotHolder: return "not_holder";
    case Status::kClockUnsynchronised: return "clock_unsynchronised";
    case Status::kClockBehind: return "clock_behind";
    case Status::kBusy: return "busy";
    case Status::kTooFar: return "too_far";
    case Status::kBadFormat: return "bad_format";
    case Status::kBadCount: return "bad_count";
    case Status::kUnauthorised: return "unauthorised";
  }
  return "unknown status";
}

std::string_view text_of(Invalid reason) {
  switch (reason) {
    case Invalid::kNone: return "valid";
    case Invalid::kLength: return "length: a datagram is 1 to 22 messages of 64 bytes";
    case Invalid::kBadMagic: return "magic: a message begins with GNO1";
    case Invalid::kBadVersion: return "version: not spoken here";
    case Invalid::kReply: return "direction: a reply where a request belongs, or the reverse";
    case Invalid::kFlags: return "flags: unknown bits are set";
    case Invalid::kOp: return "operation: unknown or not served";
    case Invalid::kStatus: return "status: not zero in a request, or unknown in a reply";
    case Invalid::kFieldNotZero: return "field: one that the operation does not use is set";
  }
  return "unknown reason";
}

Invalid check_reply(const std::byte* bytes) {
  const Message m = load(bytes);
  if (m.magic != kMagic) return Invalid::kBadMagic;
  if (m.version != kVersion) return Invalid::kBadVersion;
  if ((m.flags & kFlagReply) == 0) return Invalid::kReply;
  if ((m.flags & ~(kFlagReply | kFlagAuthenticated)) != 0) return Invalid::kFlags;
  if (m.op == 0 || m.op > kMaxOp) return Invalid::kOp;
  if (m.status > static_cast<std::uint8_t>(Status::kUnauthorised)) return Invalid::kStatus;
  if ((m.flags & kFlagAuthenticated) == 0 && (m.key_id != 0 || m.tag != 0)) return Invalid::kFieldNotZero;
  return Invalid::kNone;
}

}  // namespace gnomon::wire
