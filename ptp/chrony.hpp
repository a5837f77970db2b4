// SPDX-License-Identifier: Apache-2.0
//
// chronyd's answer to "how well is the clock tracked": the request to bytes, the bytes of the reply to numbers. No
// socket is touched here, and no other command is spoken.
//
// chronyc prints these as text for people, rounded to what a person wants to read, so a bound made of it is wrong.
// chronyd's own numbers are floats of an odd kind: seven bits of exponent, 25 of coefficient, no NaN and no infinity,
// from 2^-89 to 2^62. As doubles of seconds they would be rounded once more, to nearest, so half of the time inwards.
// Here each becomes whole nanoseconds (or parts per billion) in integer arithmetic, away from zero: as part of a bound
// it may only grow. What does not fit into 63 bits is a fault, and so is a dispersion, delay or deviation below zero.
//
// What the reply does not tell, and its reader must watch for:
//   - A chronyd that never synchronised answers like any other, with a delay and a dispersion of 1 s: `synchronised()`.
//   - The leap status stays normal while every server is silent: judge the age of `reference_time` as well.
//   - `local` in chrony.conf makes it answer for its own undisciplined clock: `own_clock()`.
//   - Its time is that of the system clock: UTC, or smeared if chronyd or its servers smear.
//
// Source: chrony 4.x candm.h (protocol version 6), util.c (floats).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include <tl/expected.hpp>

#include "oracle/time/instant.hpp"

namespace gnomon::ptp {

/// Names the request that a reply answers. Random for each transmission: the socket may hold old replies.
struct ChronySequence {
  std::uint32_t value = 0;
  friend constexpr bool operator==(ChronySequence, ChronySequence) = default;
};

/// chronyd answers no request that is shorter than its reply would be.
constexpr std::size_t kTrackingSize = 104;
using TrackingRequest = std::array<std::byte, kTrackingSize>;
[[nodiscard]] TrackingRequest encode_tracking(ChronySequence sequence);

/// What the clock follows: an IPv4 address, a hash of an IPv6 address, or four letters of a reference clock. Two
/// daemons with one reference id follow one source. 0: nothing yet.
struct ReferenceId {
  std::uint32_t value = 0;
  friend constexpr bool operator==(ReferenceId, ReferenceId) = default;
};
constexpr ReferenceId kNoReference{0};
constexpr ReferenceId kLocalReference{0x7f7f0101};  // 127.127.1.1
/// "7F7F0101", as chronyc prints it.
[[nodiscard]] std::string text_of(ReferenceId id);

enum class ReferenceFamily : std::uint16_t { kNone, kIpv4, kIpv6, kId };  // kId: a source without an address as yet
struct ReferenceAddress {
  ReferenceFamily family = ReferenceFamily::kNone;
  std::array<std::uint8_t, 16> bytes{};  // 0, 4, 16 or 4 of them count; the others are zero
  friend constexpr bool operator==(const ReferenceAddress&, const ReferenceAddress&) = default;
};
/// "192.0.2.1", "2001:db8:0:0:0:0:0:1", "ID#5", or "none" (a reference clock has no address).
[[nodiscard]] std::string text_of(const ReferenceAddress& address);

enum class LeapStatus : std::uint16_t { kNormal, kInsertSecond, kDeleteSecond, kNotSynchronised };
[[nodiscard]] std::string_view text_of(LeapStatus leap);

/// A reading of the system clock, in ns since 1970.
using ChronyTime = time::Instant<struct ChronyTimeline>;

struct Tracking {
  ReferenceId reference;
  ReferenceAddress address;
  std::uint16_t stratum = 0;  // 0 to 16
  LeapStatus leap = LeapStatus::kNotSynchronised;
  std::optional<ChronyTime> reference_time;  // of the last measurement that was used; none: there is none
  time::Duration current_correction;         // what the clock is still to be slewed by; any sign
  time::Duration last_offset;                // any sign
  time::Duration rms_offset;                 // this and all below, but the frequencies: >= 0
  std::int64_t frequency_ppb = 0;            // how much too fast (> 0) the clock would run; any sign
  std::int64_t residual_frequency_ppb = 0;   // any sign
  std::int64_t skew_ppb = 0;                 // >= 0: the bound that chronyd puts on its error of the frequency
  time::Duration root_delay;                 // round trip to the primary source
  time::Duration root_dispersion;            // grows by itself with the age of the last measurement
  time::Duration last_update_interval;

  [[nodiscard]] constexpr bool synchronised() const {
    return reference != kNoReference && leap != LeapStatus::kNotSynchronised;
  }
  /// Nothing but its own clock stands behind the answer (`local`): a bound made of it bounds nothing.
  [[nodiscard]] constexpr bool own_clock() const { return reference == kLocalReference; }
};

enum class ChronyFault : std::uint8_t {
  kTruncated,
  kVersion,
  kPacketType,
  kCommand,
  kSequence,
  kRefused,
  kUnauthorised,
  kVersionRefused,
  kLengthRefused,
  kReplyCode,
  kLength,
  kAddressFamily,
  kStratum,
  kLeapStatus,
  kReferenceTime,
  kOutOfRange,
  kNegative,
};
/// What is wrong with which part, and what to do: a whole sentence.
[[nodiscard]] std::string_view text_of(ChronyFault fault);

/// One datagram, whole; the answer to the request with `sequence`.
[[nodiscard]] tl::expected<Tracking, ChronyFault> decode_tracking(std::span<const std::byte> datagram,
                                                                  ChronySequence sequence);

/// One of chronyd's floats times `units` (1 to 10^9) per 1, away from zero; none if that is no number of 63 bits and a
/// sign.
[[nodiscard]] std::optional<std::int64_t> from_chrony_float(std::uint32_t bits, std::int64_t units);

}  // namespace gnomon::ptp
