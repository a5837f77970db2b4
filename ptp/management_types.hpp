// SPDX-License-Identifier: Apache-2.0
//
// The words of PTP that its management messages are made of: identities, states, qualities.
//
// As bare integers they invite mistakes that stay silent for years: class 6 compared with accuracy 0x21, a reserved
// accuracy taken for a good one because its number is small, an offset in units of 2^-16 ns taken for nanoseconds.
//
// Two kinds of enum. Closed: a value that is not listed is refused by the decoder, because decisions rest on it
// (PortState, Timestamping). Open: any value may arrive and is kept, because the standard reserves ranges for profiles
// and for later (ClockClass, ClockAccuracy, TimeSourceKind, DelayMechanism, ErrorId); its text then says "reserved".
//
// Source: IEEE 1588-2019 5.3 (types), 7.6.2.5 (class), table 5 (accuracy), table 6 (time source), table 20 (port
// states), table 110 (errors). Times are time::Duration, rounded away from zero: as parts of a bound they may only
// grow.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "oracle/time/instant.hpp"

namespace gnomon::ptp {

/// Eight bytes that name a clock, mostly made of a MAC address.
struct ClockIdentity {
  std::array<std::uint8_t, 8> bytes{};
  friend constexpr auto operator<=>(const ClockIdentity&, const ClockIdentity&) = default;
};
/// One port of a clock. linuxptp numbers its ports from 1; port 0 is the clock itself, on its Unix socket.
struct PortIdentity {
  ClockIdentity clock;
  std::uint16_t port = 0;
  friend constexpr auto operator<=>(const PortIdentity&, const PortIdentity&) = default;
};
/// Every port of every clock.
constexpr PortIdentity kAllPorts{{{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}}, 0xffff};

/// "001122.fffe.334455", as linuxptp prints it.
[[nodiscard]] std::string text_of(const ClockIdentity& identity);
/// "001122.fffe.334455-1"
[[nodiscard]] std::string text_of(const PortIdentity& identity);

/// Closed. Only a port that is `kSlave` follows its grandmaster.
enum class PortState : std::uint8_t {
  kInitializing = 1,
  kFaulty = 2,
  kDisabled = 3,
  kListening = 4,
  kPreMaster = 5,
  kMaster = 6,
  kPassive = 7,
  kUncalibrated = 8,
  kSlave = 9,
};
[[nodiscard]] std::optional<PortState> port_state_of(std::uint8_t value);
[[nodiscard]] std::string_view text_of(PortState state);

/// Closed (linuxptp's own): who takes the time stamps of event messages.
enum class Timestamping : std::uint8_t { kSoftware, kHardware, kLegacyHardware, kOneStep, kPeerToPeerOneStep };
[[nodiscard]] std::optional<Timestamping> timestamping_of(std::uint8_t value);
[[nodiscard]] std::string_view text_of(Timestamping timestamping);

/// Open. What the grandmaster says of its own traceability; smaller is better only where listed.
enum class ClockClass : std::uint8_t {
  kPrimaryLocked = 6,     // to a primary reference, PTP timescale
  kPrimaryHoldover = 7,   // was 6, within its holdover specification
  kArbitraryLocked = 13,  // to a source of an arbitrary timescale
  kArbitraryHoldover = 14,
  kDegradedA = 52,  // was 7, out of specification
  kArbitraryDegradedA = 58,
  kDegradedB = 187,
  kArbitraryDegradedB = 193,
  kDefault = 248,  // never locked to anything
  kSlaveOnly = 255,
};
[[nodiscard]] std::string_view text_of(ClockClass clock_class);

/// Open. The bound that a grandmaster claims on its own error.
enum class ClockAccuracy : std::uint8_t {
  kWithin1Ps = 0x17,
  kWithin100Ns = 0x21,
  kWithin1Us = 0x23,
  kWithin10S = 0x30,
  kBeyond10S = 0x31,
  kUnknown = 0xfe,
};
/// The claimed bound, rounded up to a nanosecond. None for what is reserved or unknown, and none for 0x31 either: that
/// one says "greater than 10 s", which bounds nothing.
[[nodiscard]] std::optional<time::Duration> bound_of(ClockAccuracy accuracy);
/// "within 100 ns", "unknown", "reserved"
[[nodiscard]] std::string text_of(ClockAccuracy accuracy);

struct ClockQuality {
  ClockClass clock_class = ClockClass::kDefault;
  ClockAccuracy accuracy = ClockAccuracy::kUnknown;
  std::uint16_t offset_scaled_log_variance = 0xffff;  // 0xffff: not computed
  friend constexpr bool operator==(const ClockQuality&, const ClockQuality&) = default;
};

/// Open. Where the grandmaster has its time from.
enum class TimeSourceKind : std::uint8_t {
  kAtomicClock = 0x10,
  kGnss = 0x20,
  kTerrestrialRadio = 0x30,
  kSerialTimeCode = 0x39,
  kPtp = 0x40,
  kNtp = 0x50,
  kHandSet = 0x60,
  kOther = 0x90,
  kInternalOscillator = 0xa0,
};
[[nodiscard]] std::string_view text_of(TimeSourceKind source);

/// Open. How a port measures the path delay.
enum class DelayMechanism : std::uint8_t {
  kAuto = 0,  // linuxptp's own
  kEndToEnd = 1,
  kPeerToPeer = 2,
  kCommonPeerToPeer = 3,
  kSpecial = 4,
  kNone = 0xfe,
};
[[nodiscard]] std::string_view text_of(DelayMechanism mechanism);

/// Open. Why a request was not carried out.
enum class ErrorId : std::uint16_t {
  kResponseTooBig = 1,
  kNoSuchId = 2,
  kWrongLength = 3,
  kWrongValue = 4,
  kNotSetable = 5,
  kNotSupported = 6,
  kGeneralError = 0xfffe,
};
[[nodiscard]] std::string_view text_of(ErrorId error);

/// A TimeInterval (ns * 2^16), away from zero to whole nanoseconds. None for the two extremes of the type: they stand
/// for everything that was too large to be told (5.3.2), so they are no lengths.
[[nodiscard]] std::optional<time::Duration> from_time_interval(std::int64_t scaled_ns);

}  // namespace gnomon::ptp
