// SPDX-License-Identifier: Apache-2.0
#include "ptp/chrony.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "oracle/time/int128.hpp"
#include "ptp/cursor.hpp"

namespace gnomon::ptp {
namespace {

constexpr std::uint8_t kVersion = 6;
constexpr std::uint8_t kRequestPacket = 1;
constexpr std::uint8_t kReplyPacket = 2;
constexpr std::uint16_t kTrackingCommand = 33;
constexpr std::uint16_t kTrackingReply = 5;
constexpr std::uint16_t kMaxStratum = 16;
constexpr std::uint32_t kNoHighSeconds = 0x7fffffff;  // from a chronyd with a time_t of 32 bits
constexpr std::int64_t kNsPerSecond = 1'000'000'000;
constexpr std::int64_t kPpbPerPpm = 1'000;

enum Status : std::uint16_t { kSuccess = 0, kUnauth = 2, kBadPacketVersion = 18, kBadPacketLength = 19 };

template <typename T>
using Decoded = tl::expected<T, ChronyFault>;
using tl::make_unexpected;

Decoded<void> fault_of(std::uint16_t status) {
  switch (status) {
    case kSuccess: return {};
    case kUnauth: return make_unexpected(ChronyFault::kUnauthorised);
    case kBadPacketVersion: return make_unexpected(ChronyFault::kVersionRefused);
    case kBadPacketLength: return make_unexpected(ChronyFault::kLengthRefused);
    default: return make_unexpected(ChronyFault::kRefused);
  }
}

// A refusal is shorter than the reply: so the length comes last.
Decoded<void> check_head(Cursor& from, std::size_t size, ChronySequence sequence) {
  const auto version = from.take<std::uint8_t>();
  const auto packet = from.take<std::uint8_t>();
  from.skip(2);
  const auto command = from.take<std::uint16_t>();
  const auto reply = from.take<std::uint16_t>();
  const auto status = from.take<std::uint16_t>();
  from.skip(6);
  const auto answered = from.take<std::uint32_t>();
  from.skip(8);
  if (!from.ok()) return make_unexpected(ChronyFault::kTruncated);
  if (version != kVersion) return make_unexpected(ChronyFault::kVersion);
  if (packet != kReplyPacket) return make_unexpected(ChronyFault::kPacketType);
  if (command != kTrackingCommand) return make_unexpected(ChronyFault::kCommand);
  if (answered != sequence.value) return make_unexpected(ChronyFault::kSequence);
  if (const auto accepted = fault_of(status); !accepted) return accepted;
  if (reply != kTrackingReply) return make_unexpected(ChronyFault::kReplyCode);
  if (size != kTrackingSize) return make_unexpected(ChronyFault::kLength);
  return {};
}

constexpr std::size_t address_size(ReferenceFamily family) {
  switch (family) {
    case ReferenceFamily::kNone: return 0;
    case ReferenceFamily::kIpv4:
    case ReferenceFamily::kId: return 4;
    case ReferenceFamily::kIpv6: return 16;
  }
  return 0;
}

Decoded<ReferenceAddress> take_address(Cursor& from) {
  ReferenceAddress address;
  address.bytes = from.take_array<16>();
  address.family = static_cast<ReferenceFamily>(from.take<std::uint16_t>());
  from.skip(2);
  if (address.family > ReferenceFamily::kId) return make_unexpected(ChronyFault::kAddressFamily);
  std::fill(address.bytes.begin() + static_cast<std::ptrdiff_t>(address_size(address.family)), address.bytes.end(),
            std::uint8_t{0});
  return address;
}

Decoded<std::optional<ChronyTime>> take_time(Cursor& from) {
  const auto high = from.take<std::uint32_t>();
  const auto low = from.take<std::uint32_t>();
  const auto ns = from.take<std::uint32_t>();
  const std::uint64_t seconds = std::uint64_t{high == kNoHighSeconds ? 0 : high} << 32 | low;
  constexpr auto kMaxSeconds = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max() / kNsPerSecond);
  if (ns >= kNsPerSecond || seconds >= kMaxSeconds) return make_unexpected(ChronyFault::kReferenceTime);
  if (seconds == 0 && ns == 0) return std::optional<ChronyTime>{};
  return ChronyTime{static_cast<std::int64_t>(seconds) * kNsPerSecond + ns};
}

/// Reads floats one after the other; the first fault stays.
class Floats {
 public:
  explicit Floats(Cursor& from) : from_(from) {}

  std::int64_t take(std::int64_t units) {
    const auto value = from_.take<std::uint32_t>();
    const std::optional<std::int64_t> number = from_chrony_float(value, units);
    if (!number) note(ChronyFault::kOutOfRange);
    return number.value_or(0);
  }
  std::int64_t take_positive(std::int64_t units) {
    const std::int64_t number = take(units);
    if (number < 0) note(ChronyFault::kNegative);
    return number;
  }
  time::Duration take_seconds() { return time::nanoseconds(take(kNsPerSecond)); }
  time::Duration take_positive_seconds() { return time::nanoseconds(take_positive(kNsPerSecond)); }

  [[nodiscard]] std::optional<ChronyFault> fault() const { return fault_; }

 private:
  void note(ChronyFault fault) {
    if (!fault_) fault_ = fault;
  }

  Cursor& from_;
  std::optional<ChronyFault> fault_;
};

Decoded<void> take_numbers(Cursor& from, Tracking& tracking) {
  Floats floats(from);
  tracking.current_correction = floats.take_seconds();
  tracking.last_offset = floats.take_seconds();
  tracking.rms_offset = floats.take_positive_seconds();
  tracking.frequency_ppb = floats.take(kPpbPerPpm);
  tracking.residual_frequency_ppb = floats.take(kPpbPerPpm);
  tracking.skew_ppb = floats.take_positive(kPpbPerPpm);
  tracking.root_delay = floats.take_positive_seconds();
  tracking.root_dispersion = floats.take_positive_seconds();
  tracking.last_update_interval = floats.take_positive_seconds();
  if (const auto fault = floats.fault()) return make_unexpected(*fault);
  return {};
}

}  // namespace

std::optional<std::int64_t> from_chrony_float(std::uint32_t bits, std::int64_t units) {
  constexpr int kCoefficientBits = 25;
  const auto number = static_cast<std::int32_t>(bits);
  const int exponent = (number >> kCoefficientBits) - kCoefficientBits;  // -89 to 38; the shift keeps the sign
  const std::int64_t coefficient = static_cast<std::int32_t>(bits << 7U) >> 7;
  // At most 2^24 * 10^9 < 2^54, and shifted by at most 38: no overflow of 127 bits.
  const time::Int128 product = static_cast<time::Int128>(coefficient) * units;
  const time::Int128 magnitude = product < 0 ? -product : product;
  const time::Int128 away = exponent >= 0 ? magnitude << exponent
                                          : (magnitude + (static_cast<time::Int128>(1) << -exponent) - 1) >> -exponent;
  if (away > std::numeric_limits<std::int64_t>::max()) return std::nullopt;
  return static_cast<std::int64_t>(product < 0 ? -away : away);
}

TrackingRequest encode_tracking(ChronySequence sequence) {
  TrackingRequest bytes{};
  Writer to(bytes);
  to.put(kVersion);
  to.put(kRequestPacket);
  to.zeros(2);
  to.put(kTrackingCommand);
  to.zeros(2);  // attempt
  to.put(sequence.value);
  return bytes;
}

tl::expected<Tracking, ChronyFault> decode_tracking(std::span<const std::byte> datagram, ChronySequence sequence) {
  Cursor from(datagram);
  if (const auto head = check_head(from, datagram.size(), sequence); !head) return make_unexpected(head.error());
  Tracking tracking;
  tracking.reference = {from.take<std::uint32_t>()};
  const auto address = take_address(from);
  tracking.stratum = from.take<std::uint16_t>();
  tracking.leap = static_cast<LeapStatus>(from.take<std::uint16_t>());
  const auto reference_time = take_time(from);
  if (!address) return make_unexpected(address.error());
  if (tracking.stratum > kMaxStratum) return make_unexpected(ChronyFault::kStratum);
  if (tracking.leap > LeapStatus::kNotSynchronised) return make_unexpected(ChronyFault::kLeapStatus);
  if (!reference_time) return make_unexpected(reference_time.error());
  tracking.address = *address;
  tracking.reference_time = *reference_time;
  if (const auto numbers = take_numbers(from, tracking); !numbers) return make_unexpected(numbers.error());
  return tracking;
}

std::string text_of(ReferenceId id) { return fmt::format("{:08X}", id.value); }

std::string text_of(const ReferenceAddress& address) {
  Cursor from(std::as_bytes(std::span(address.bytes)));
  switch (address.family) {
    case ReferenceFamily::kNone: return "none";
    case ReferenceFamily::kIpv4: return fmt::format("{}", fmt::join(std::span(address.bytes).first<4>(), "."));
    case ReferenceFamily::kId: return fmt::format("ID#{}", from.take<std::uint32_t>());
    case ReferenceFamily::kIpv6: break;
  }
  std::array<std::uint16_t, 8> groups{};
  for (std::uint16_t& group : groups)
    group = from.take<std::uint16_t>();
  return fmt::format("{:x}", fmt::join(groups, ":"));
}

std::string_view text_of(LeapStatus leap) {
  switch (leap) {
    case LeapStatus::kNormal: return "normal";
    case LeapStatus::kInsertSecond: return "a second is to be inserted";
    case LeapStatus::kDeleteSecond: return "a second is to be deleted";
    case LeapStatus::kNotSynchronised: return "not synchronised";
  }
  return "no leap status";
}

std::string_view text_of(ChronyFault fault) {
  switch (fault) {
    case ChronyFault::kTruncated: return "a datagram of chronyd is shorter than the head of a reply; receive it whole";
    case ChronyFault::kVersion: return "a reply of chronyd is of another protocol than 6; use chrony 2.2 or later";
    case ChronyFault::kPacketType: return "a datagram of chronyd is no reply; look for another client at its socket";
    case ChronyFault::kCommand: return "a reply of chronyd answers another command than tracking; read on";
    case ChronyFault::kSequence: return "a reply of chronyd answers another request; read on";
    case ChronyFault::kRefused: return "chronyd refused to tell its tracking; look into its log";
    case ChronyFault::kUnauthorised:
      return "chronyd does not let this client ask for its tracking; use its Unix socket, as root or as its user";
    case ChronyFault::kVersionRefused: return "chronyd does not speak protocol 6; use chrony 2.2 or later";
    case ChronyFault::kLengthRefused:
      return "chronyd says that the request for its tracking is too short; this chrony is not known here";
    case ChronyFault::kReplyCode:
      return "chronyd answers for its tracking in another form than 5; this chrony is not known here";
    case ChronyFault::kLength: return "the tracking of chronyd has not 104 bytes; receive it whole";
    case ChronyFault::kAddressFamily: return "the address of chronyd's source is of a kind that is not known";
    case ChronyFault::kStratum: return "the stratum of chronyd is above 16; report chronyd";
    case ChronyFault::kLeapStatus: return "the leap status of chronyd is not one of four; report chronyd";
    case ChronyFault::kReferenceTime:
      return "the reference time of chronyd is no time, or later than the year 2262; look at the system clock";
    case ChronyFault::kOutOfRange:
      return "an offset, delay or frequency of chronyd is too large to be told; its clock is not usable";
    case ChronyFault::kNegative:
      return "a delay, dispersion or deviation of chronyd is below zero; it would shrink the bound, so do not use it";
  }
  return "an unknown fault of a reply of chronyd";
}

}  // namespace gnomon::ptp
