// SPDX-License-Identifier: Apache-2.0
#include "tests/fuzz/request_judge.hpp"

#include <sodium.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "tests/fuzz/request_input.hpp"

namespace gnomon::fuzz {
namespace {

enum : std::uint8_t { kPing = 1, kNextId = 2, kHlcUpdate = 4, kNow = 6, kCommitWait = 7, kTimeSync = 8 };
enum : std::uint8_t {
  kOk = 0,
  kNotLeased = 1,
  kUnsynchronised = 3,
  kBehind = 4,
  kBusy = 5,
  kTooFar = 6,
  kBadFormat = 7,
  kBadCount = 8,
  kUnauthorised = 9,
};

constexpr std::uint64_t kFirstNoTime = std::uint64_t{1} << 63;
constexpr std::int64_t kMsNs = 1'000'000;

bool is_served(std::uint8_t op) {
  return op == kPing || op == kNextId || op == kHlcUpdate || op == kNow || op == kCommitWait || op == kTimeSync;
}

std::string_view reason_to_drop(const Fields& m) {
  if (m.magic() != 0x314f4e47) return "dropped_magic";
  if (m.version() != 1) return "dropped_version";
  if ((m.flags() & 0x80U) != 0) return "dropped_reply";
  if ((m.flags() & 0x7eU) != 0) return "dropped_flags";
  if (!is_served(m.op())) return "dropped_op";
  if (m.status() != 0) return "dropped_status";
  const bool is_next_id = m.op() == kNextId;
  const bool uses_a = !is_next_id && m.op() != kNow;
  const bool unused = (!uses_a && m.a() != 0) || (!is_next_id && (m.count() != 0 || m.format() != 0)) || m.b() != 0 ||
                      m.stride() != 0 || m.epsilon_ns() != 0 || m.machine_id() != 0 || m.token_low() != 0 ||
                      m.remaining_ms() != 0 || (!m.is_signed() && (m.key_id() != 0 || m.tag() != 0));
  return unused ? "dropped_field_not_zero" : "";
}

/// IDs that one unit of a served layout holds; 0: it isn't served. Those of the fuzzer's server.
std::uint32_t sequences_of(std::uint16_t format) { return format == 1 ? 4096 : format == 16 ? 8 : 0; }

bool names_no_right(const Fields& m) { return m.machine_id() == 0 && m.token_low() == 0 && m.remaining_ms() == 0; }
bool has_no_value(const Fields& m) { return m.a() == 0 && m.b() == 0 && m.stride() == 0 && m.epsilon_ns() == 0; }

bool is_interval(const Fields& m) {
  if (m.a() > m.b() || m.b() >= kFirstNoTime) return false;
  const std::uint64_t width = m.b() - m.a();
  const std::uint64_t half = width / 2 + width % 2;
  return m.epsilon_ns() == std::min<std::uint64_t>(half, 0xffff'ffff);
}
bool is_interval_of(const Fields& m, const std::optional<time::Interval>& truth) {
  return truth && is_interval(m) && m.a() == static_cast<std::uint64_t>(truth->earliest.ns) &&
         m.b() == static_cast<std::uint64_t>(truth->latest.ns);
}

bool one_of(std::uint8_t status, std::initializer_list<std::uint8_t> some) {
  return std::find(some.begin(), some.end(), status) != some.end();
}

std::string_view fault_of_next_id_status(const Fields& request, const Fields& reply, const Circumstances& world,
                                         bool at_once) {
  const std::uint32_t most = sequences_of(request.format());
  if (most == 0) return reply.status() == kBadFormat ? "" : "a layout that isn't served is not refused as such";
  if (request.count() == 0 || request.count() > most)
    return reply.status() == kBadCount && reply.count() == most ? "" : "a wrong count is not refused as such";
  const std::uint8_t status = reply.status();
  if (!one_of(status, {kOk, kNotLeased, kUnsynchronised, kBehind, kBusy})) return "next_id has no such answer";
  if (!at_once) return "";
  if (world.order == Order::kNoTime) return status == kUnsynchronised ? "" : "served without a time";
  if (world.order == Order::kBehind) return status == kBehind ? "" : "served although the clock is behind";
  if (!world.has_rights) return status == kNotLeased ? "" : "served without a right";
  return status == kOk || status == kBusy ? "" : "not served for no reason";
}

std::string_view fault_of_commit_wait_status(const Fields& request, const Fields& reply, const Circumstances& world,
                                             bool at_once) {
  const std::uint8_t status = reply.status();
  if (!one_of(status, {kOk, kUnsynchronised, kBusy, kTooFar})) return "commit_wait has no such answer";
  if (!at_once) return status == kOk || status == kUnsynchronised ? "" : "refused after it waited";
  if (!world.truth) return status == kUnsynchronised ? "" : "commit_wait is answered without an interval";
  if (request.a() >= kFirstNoTime) return status == kTooFar ? "" : "what is no time is not too far";
  const auto t = static_cast<std::int64_t>(request.a());
  if (t < world.truth->earliest.ns) return status == kOk ? "" : "what has passed is not answered";
  return status == kBusy || status == kTooFar ? "" : "released before its time";
}

std::string_view fault_of_hlc_status(const Fields& request, const Fields& reply, const Circumstances& world) {
  const std::uint8_t status = reply.status();
  if (!one_of(status, {kOk, kUnsynchronised, kBehind, kBusy, kTooFar})) return "hlc_update has no such answer";
  if (!world.truth && world.order == Order::kNoTime)
    return status == kUnsynchronised ? "" : "a hybrid timestamp out of nothing";
  if (!world.truth && world.order == Order::kBehind)
    return status == kBehind ? "" : "a hybrid timestamp of a clock that is known to be wrong";
  if (!world.truth) return "";
  const std::int64_t physical_ms = world.truth->midpoint().ns / kMsNs;
  const auto remote_ms = static_cast<std::int64_t>(request.a() >> 18);
  if (remote_ms <= physical_ms + 499) return status == kTooFar ? "a value is refused that is near enough" : "";
  if (remote_ms >= physical_ms + 502) return status == kOk ? "a value is taken that is too far ahead" : "";
  return "";
}

std::string_view fault_of_status(const Fields& request, const Fields& reply, const Circumstances& world, bool at_once) {
  const std::uint8_t status = reply.status();
  switch (request.op()) {
    case kPing: return status == kOk ? "" : "ping is refused";
    case kNextId: return fault_of_next_id_status(request, reply, world, at_once);
    case kCommitWait: return fault_of_commit_wait_status(request, reply, world, at_once);
    case kHlcUpdate: return fault_of_hlc_status(request, reply, world);
    default: break;
  }
  const bool knows = world.truth.has_value();
  const bool too_wide = knows && (world.truth->latest - world.truth->earliest).ns / 2 >= 0xffff'ffff;
  if (request.op() == kTimeSync && too_wide)
    return status == kUnsynchronised ? "" : "time_sync tells a width that is no width";
  return status == (knows ? kOk : kUnsynchronised) ? "" : "the time is told where there is none, or not where it is";
}

std::string_view fault_of_ok(const Fields& request, const Fields& reply, const Circumstances& world) {
  switch (request.op()) {
    case kPing:
      if (reply.a() != request.a() || reply.b() != world.incarnation) return "ping is not what was sent";
      return reply.count() == 0 && reply.stride() == 0 && reply.epsilon_ns() == 0 ? "" : "ping sets other fields";
    case kNextId:
      if (reply.count() == 0 || reply.count() > request.count() || reply.stride() != 1) return "not the IDs asked for";
      return reply.b() == 0 && reply.epsilon_ns() == 0 ? "" : "next_id sets other fields";
    case kHlcUpdate:
      if (reply.a() <= request.a()) return "a hybrid timestamp that is not larger";
      return reply.b() == 0 && reply.count() == 0 && reply.epsilon_ns() == 0 && names_no_right(reply)
                 ? ""
                 : "hlc_update sets other fields";
    case kCommitWait:
      if (!is_interval(reply) || reply.a() <= request.a()) return "released in an interval in which t may be now";
      break;
    default:
      if (!is_interval_of(reply, world.truth)) return "not the interval of the burst";
      break;
  }
  return reply.count() == 0 && reply.stride() == 0 && names_no_right(reply) ? "" : "a time sets other fields";
}

std::string_view fault_of_refusal(const Fields& request, const Fields& reply) {
  if (!has_no_value(reply) || !names_no_right(reply)) return "a refusal carries a value";
  if (reply.format() != request.format()) return "a refusal is of another format";
  switch (reply.status()) {
    case kBehind:
    case kBusy: return reply.count() != 0 ? "" : "a refusal does not say when to come back";
    case kBadCount: return "";
    default: return reply.count() == 0 ? "" : "a refusal has a count";
  }
}

}  // namespace

bool Fields::tag_holds() const {
  std::array<unsigned char, crypto_shorthash_BYTES> expected{};
  crypto_shorthash(expected.data(), reinterpret_cast<const unsigned char*>(at_), 56, kRequestKey.bytes.data());
  return key_id() == kRequestKey.id.value && std::memcmp(expected.data(), at_ + 56, expected.size()) == 0;
}

std::string_view reason_to_drop(std::span<const std::byte> datagram) {
  if (datagram.empty() || datagram.size() % 64 != 0 || datagram.size() > std::size_t{22} * 64) return "dropped_length";
  for (std::size_t at = 0; at < datagram.size(); at += 64)
    if (const auto reason = reason_to_drop(Fields(datagram.data() + at)); !reason.empty()) return reason;
  return "";
}

std::string_view fault_of_reply(const Fields& request, const Fields& reply, const Circumstances& world, bool at_once) {
  if (reply.magic() != request.magic() || reply.version() != 1 || reply.op() != request.op() ||
      reply.request_id() != request.request_id())
    return "not a reply to that request";
  if ((reply.flags() & 0xfeU) != 0x80U) return "not flagged as a reply";
  const bool verified = request.is_signed() && world.key_known && request.tag_holds();
  if ((request.is_signed() && !verified) || (!request.is_signed() && world.auth_required)) {
    if (reply.status() != kUnauthorised) return "an unauthorised request is served";
    return reply.is_signed() || reply.key_id() != 0 || reply.tag() != 0 ? "signed without a key"
                                                                        : fault_of_refusal(request, reply);
  }
  if (reply.is_signed() != verified) return "signed where the request isn't, or the reverse";
  if (verified ? !reply.tag_holds() : reply.key_id() != 0 || reply.tag() != 0) return "the tag is not right";
  if (reply.status() == kUnauthorised) return "an authorised request is refused as another";
  if (const auto fault = fault_of_status(request, reply, world, at_once); !fault.empty()) return fault;
  return reply.status() == kOk ? fault_of_ok(request, reply, world) : fault_of_refusal(request, reply);
}

}  // namespace gnomon::fuzz
