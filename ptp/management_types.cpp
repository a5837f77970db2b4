// SPDX-License-Identifier: Apache-2.0
#include "ptp/management_types.hpp"

#include <fmt/format.h>

#include <limits>

namespace gnomon::ptp {
namespace {

struct AccuracyRow {
  std::int64_t ns;  // rounded up
  std::string_view text;
};

// IEEE 1588-2019 table 5 from 0x17 on.
constexpr std::uint8_t kFirstAccuracy = 0x17;
constexpr std::array<AccuracyRow, 26> kAccuracies{{
    {1, "1 ps"},
    {1, "2.5 ps"},
    {1, "10 ps"},
    {1, "25 ps"},
    {1, "100 ps"},
    {1, "250 ps"},
    {1, "1 ns"},
    {3, "2.5 ns"},
    {10, "10 ns"},
    {25, "25 ns"},
    {100, "100 ns"},
    {250, "250 ns"},
    {1'000, "1 us"},
    {2'500, "2.5 us"},
    {10'000, "10 us"},
    {25'000, "25 us"},
    {100'000, "100 us"},
    {250'000, "250 us"},
    {1'000'000, "1 ms"},
    {2'500'000, "2.5 ms"},
    {10'000'000, "10 ms"},
    {25'000'000, "25 ms"},
    {100'000'000, "100 ms"},
    {250'000'000, "250 ms"},
    {1'000'000'000, "1 s"},
    {10'000'000'000, "10 s"},
}};
static_assert(kFirstAccuracy + kAccuracies.size() == static_cast<std::size_t>(ClockAccuracy::kBeyond10S));

const AccuracyRow* row_of(ClockAccuracy accuracy) {
  const auto value = static_cast<std::size_t>(accuracy);
  if (value < kFirstAccuracy || value - kFirstAccuracy >= kAccuracies.size()) return nullptr;
  return &kAccuracies.at(value - kFirstAccuracy);
}

}  // namespace

std::string text_of(const ClockIdentity& identity) {
  const auto& b = identity.bytes;
  return fmt::format("{:02x}{:02x}{:02x}.{:02x}{:02x}.{:02x}{:02x}{:02x}", b[0], b[1], b[2], b[3], b[4], b[5], b[6],
                     b[7]);
}

std::string text_of(const PortIdentity& identity) {
  return fmt::format("{}-{}", text_of(identity.clock), identity.port);
}

std::optional<PortState> port_state_of(std::uint8_t value) {
  const auto state = static_cast<PortState>(value);
  if (state < PortState::kInitializing || state > PortState::kSlave) return std::nullopt;
  return state;
}

std::string_view text_of(PortState state) {
  switch (state) {
    case PortState::kInitializing: return "INITIALIZING";
    case PortState::kFaulty: return "FAULTY";
    case PortState::kDisabled: return "DISABLED";
    case PortState::kListening: return "LISTENING";
    case PortState::kPreMaster: return "PRE_MASTER";
    case PortState::kMaster: return "MASTER";
    case PortState::kPassive: return "PASSIVE";
    case PortState::kUncalibrated: return "UNCALIBRATED";
    case PortState::kSlave: return "SLAVE";
  }
  return "no port state";
}

std::optional<Timestamping> timestamping_of(std::uint8_t value) {
  const auto timestamping = static_cast<Timestamping>(value);
  if (timestamping > Timestamping::kPeerToPeerOneStep) return std::nullopt;
  return timestamping;
}

std::string_view text_of(Timestamping timestamping) {
  switch (timestamping) {
    case Timestamping::kSoftware: return "software";
    case Timestamping::kHardware: return "hardware";
    case Timestamping::kLegacyHardware: return "legacy hardware";
    case Timestamping::kOneStep: return "one-step hardware";
    case Timestamping::kPeerToPeerOneStep: return "peer-to-peer one-step hardware";
  }
  return "no kind of time stamp";
}

std::string_view text_of(ClockClass clock_class) {
  switch (clock_class) {
    case ClockClass::kPrimaryLocked: return "locked to a primary reference";
    case ClockClass::kPrimaryHoldover: return "in holdover from a primary reference";
    case ClockClass::kArbitraryLocked: return "locked to an arbitrary timescale";
    case ClockClass::kArbitraryHoldover: return "in holdover from an arbitrary timescale";
    case ClockClass::kDegradedA:
    case ClockClass::kDegradedB: return "past its holdover from a primary reference";
    case ClockClass::kArbitraryDegradedA:
    case ClockClass::kArbitraryDegradedB: return "past its holdover from an arbitrary timescale";
    case ClockClass::kDefault: return "locked to nothing";
    case ClockClass::kSlaveOnly: return "a slave only";
  }
  return "reserved or of a profile";
}

std::optional<time::Duration> bound_of(ClockAccuracy accuracy) {
  const AccuracyRow* const row = row_of(accuracy);
  if (row == nullptr) return std::nullopt;
  return time::nanoseconds(row->ns);
}

std::string text_of(ClockAccuracy accuracy) {
  if (const AccuracyRow* const row = row_of(accuracy)) return fmt::format("within {}", row->text);
  if (accuracy == ClockAccuracy::kBeyond10S) return "worse than 10 s";
  return accuracy == ClockAccuracy::kUnknown ? "unknown" : "reserved";
}

std::string_view text_of(TimeSourceKind source) {
  switch (source) {
    case TimeSourceKind::kAtomicClock: return "atomic clock";
    case TimeSourceKind::kGnss: return "GNSS";
    case TimeSourceKind::kTerrestrialRadio: return "terrestrial radio";
    case TimeSourceKind::kSerialTimeCode: return "serial time code";
    case TimeSourceKind::kPtp: return "PTP";
    case TimeSourceKind::kNtp: return "NTP";
    case TimeSourceKind::kHandSet: return "set by hand";
    case TimeSourceKind::kOther: return "other";
    case TimeSourceKind::kInternalOscillator: return "internal oscillator";
  }
  return "reserved";
}

std::string_view text_of(DelayMechanism mechanism) {
  switch (mechanism) {
    case DelayMechanism::kAuto: return "auto";
    case DelayMechanism::kEndToEnd: return "end to end";
    case DelayMechanism::kPeerToPeer: return "peer to peer";
    case DelayMechanism::kCommonPeerToPeer: return "common peer to peer";
    case DelayMechanism::kSpecial: return "special";
    case DelayMechanism::kNone: return "none";
  }
  return "reserved";
}

std::string_view text_of(ErrorId error) {
  switch (error) {
    case ErrorId::kResponseTooBig: return "the response would not fit into one message";
    case ErrorId::kNoSuchId: return "the management id is not known there";
    case ErrorId::kWrongLength: return "the data of the request have the wrong length";
    case ErrorId::kWrongValue: return "a value of the request is wrong";
    case ErrorId::kNotSetable: return "the data set can't be set, or not through this socket";
    case ErrorId::kNotSupported: return "the management id is not supported there, or not through this socket";
    case ErrorId::kGeneralError: return "a general error";
  }
  return "reserved";
}

std::optional<time::Duration> from_time_interval(std::int64_t scaled_ns) {
  using Limits = std::numeric_limits<std::int64_t>;
  if (scaled_ns == Limits::max() || scaled_ns == Limits::min()) return std::nullopt;
  constexpr std::int64_t kScale = 1 << 16;
  const std::int64_t rest = scaled_ns % kScale;
  const std::int64_t outwards = rest > 0 ? 1 : (rest < 0 ? -1 : 0);
  return time::nanoseconds(scaled_ns / kScale + outwards);
}

}  // namespace gnomon::ptp
