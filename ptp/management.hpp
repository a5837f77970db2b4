// SPDX-License-Identifier: Apache-2.0
//
// linuxptp's management messages: requests to bytes, the bytes of a reply to data sets. No socket is touched here.
//
// pmc prints these as text for people, and whoever parses that text depends on its wording and learns nothing about
// faults. Whoever lays linuxptp's structs over the datagram trusts a length that came from outside. Here a reply is
// believed only if its type, version and action are those of a reply, its length is that of the datagram, its one TLV
// fills the message, and the data set has exactly the size of its kind: linuxptp 3.1 and 4.x write and demand the same
// sizes, so another size means another layout. Reserved fields are ignored, as the standard demands of a receiver.
//
// What a reply does not tell, and its reader must watch for:
//   - It is an answer to *somebody*: check `answers()`. Ports answer one by one; a subscription sends replies unasked.
//   - A grandmaster that fell silent changes nothing for seconds, then only the port state and an ingress time of none.
//   - An offset is that of the local clock to the master: local - master, off by 37 s if one of them runs on UTC.
//   - meanPathDelay can come out negative when it is shorter than the time stamps are good; take its magnitude.
//   - An accuracy or UTC offset is the grandmaster's claim.
// `lastGmPhaseChange` is left out: linuxptp garbles it when it swaps its bytes.
//
// Source: IEEE 1588-2019 clause 15 (management), 13.3 (header), 14.1 (TLV); linuxptp's msg.h, tlv.h, ds.h,
// notification.h.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>

#include <tl/expected.hpp>

#include "oracle/time/instant.hpp"
#include "ptp/management_types.hpp"

namespace gnomon::ptp {

/// Those that are asked for here. An error may name any other.
enum class ManagementId : std::uint16_t {
  kDefaultDataSet = 0x2000,
  kCurrentDataSet = 0x2001,
  kParentDataSet = 0x2002,
  kTimePropertiesDataSet = 0x2003,
  kPortDataSet = 0x2004,
  kTimeStatusNp = 0xc000,
  kSubscribeEventsNp = 0xc003,
  kPortPropertiesNp = 0xc004,
};
[[nodiscard]] std::string_view text_of(ManagementId id);

enum class ManagementAction : std::uint8_t { kGet, kSet, kResponse, kCommand, kAcknowledge };

// --- requests -------------------------------------------------------------------------------------------------------

/// Whom to ask, as whom. A wrong domain or SDO id is answered by silence.
struct ManagementRequest {
  std::uint8_t domain = 0;
  std::uint8_t major_sdo_id = 0;  // 0 to 15; linuxptp's transportSpecific: 0, or 1 for 802.1AS
  std::uint16_t sequence = 0;     // comes back in the reply
  PortIdentity source;            // comes back as the reply's target
  PortIdentity target = kAllPorts;
};

/// Event kinds of SUBSCRIBE_EVENTS_NP.
enum class ManagementEvent : std::uint8_t {
  kPortState = 0,
  kTimeSync = 1,       // linuxptp 4.x: TIME_STATUS_NP at each Sync
  kParentDataSet = 2,  // linuxptp 4.x
};
struct EventMask {
  std::array<std::uint8_t, 64> bits{};

  constexpr EventMask& set(ManagementEvent event) {
    const auto bit = static_cast<unsigned>(event);
    bits.at(bit / 8) = static_cast<std::uint8_t>(bits.at(bit / 8) | (1U << (bit % 8)));
    return *this;
  }
  [[nodiscard]] constexpr bool has(ManagementEvent event) const {
    const auto bit = static_cast<unsigned>(event);
    return (bits.at(bit / 8) >> (bit % 8) & 1U) != 0;
  }
  friend constexpr bool operator==(const EventMask&, const EventMask&) = default;
};
/// Replies sent unasked for so many seconds; 0 and no event end it.
struct Subscription {
  std::uint16_t duration_s = 0;
  EventMask events;
  friend constexpr bool operator==(const Subscription&, const Subscription&) = default;
};

constexpr std::size_t kGetSize = 54;
constexpr std::size_t kSubscribeSize = kGetSize + 66;

[[nodiscard]] std::array<std::byte, kGetSize> encode_get(const ManagementRequest& request, ManagementId id);
/// Only the read-write socket of ptp4l grants a subscription.
[[nodiscard]] std::array<std::byte, kSubscribeSize> encode_subscribe(const ManagementRequest& request,
                                                                     const Subscription& subscription);

// --- replies --------------------------------------------------------------------------------------------------------

/// A reading of the clock that ptp4l disciplines: a PHC, or the system clock with software time stamps. Whether it runs
/// on TAI or UTC is not told.
using PtpClockTime = time::Instant<struct PtpClockTimeline>;

struct TimeStatus {
  time::Duration master_offset;                 // local - master, at the last Sync
  std::optional<PtpClockTime> ingress;          // when that Sync arrived; none: there is none
  std::int64_t cumulative_rate_offset_ppb = 0;  // master's rate to ours, away from zero
  std::uint16_t gm_time_base_indicator = 0;
  bool gm_present = false;  // the grandmaster is another clock; stays true long after that fell silent
  ClockIdentity gm_identity;
};

struct CurrentDataSet {
  std::uint16_t steps_removed = 0;
  time::Duration offset_from_master;  // away from zero
  time::Duration mean_path_delay;     // one way, half the round trip; away from zero
};

struct ParentDataSet {
  PortIdentity parent;
  bool parent_stats = false;
  std::uint16_t observed_offset_scaled_log_variance = 0;
  std::uint32_t observed_phase_change_rate = 0;
  std::uint8_t gm_priority1 = 0;
  ClockQuality gm_quality;
  std::uint8_t gm_priority2 = 0;
  ClockIdentity gm_identity;
};

struct TimeProperties {
  std::int16_t current_utc_offset_s = 0;  // TAI - UTC, worth something only if it is said to be valid
  bool leap61 = false;                    // the last minute of this UTC day has 61 seconds; never both
  bool leap59 = false;
  bool utc_offset_valid = false;
  bool ptp_timescale = false;  // the grandmaster runs on TAI
  bool time_traceable = false;
  bool frequency_traceable = false;
  bool synchronization_uncertain = false;
  TimeSourceKind source = TimeSourceKind::kInternalOscillator;

  [[nodiscard]] constexpr std::optional<time::Duration> utc_offset() const {
    if (!utc_offset_valid) return std::nullopt;
    return time::seconds(current_utc_offset_s);
  }
};

struct PortDataSet {
  PortIdentity port;
  PortState state = PortState::kInitializing;
  std::int8_t log_min_delay_req_interval = 0;
  time::Duration peer_mean_path_delay;  // away from zero; 0 unless peer to peer
  std::int8_t log_announce_interval = 0;
  std::uint8_t announce_receipt_timeout = 0;
  std::int8_t log_sync_interval = 0;
  DelayMechanism delay_mechanism = DelayMechanism::kAuto;
  std::int8_t log_min_pdelay_req_interval = 0;
  std::uint8_t minor_version = 0;  // of PTP 2
};

struct PortProperties {
  PortIdentity port;
  PortState state = PortState::kInitializing;
  Timestamping timestamping = Timestamping::kSoftware;
  std::string interface;  // 1 to 255 printable ASCII characters; the path of a Unix socket for port 0
};

struct DefaultDataSet {
  bool two_step = false;
  bool slave_only = false;
  std::uint16_t number_ports = 0;
  std::uint8_t priority1 = 0;
  ClockQuality quality;
  std::uint8_t priority2 = 0;
  ClockIdentity clock;
  std::uint8_t domain = 0;
};

/// The answer was no.
struct ManagementRefusal {
  ErrorId error = ErrorId::kGeneralError;
  std::string text;  // linuxptp sends none; what is not printable ASCII is replaced
};

using ManagementData = std::variant<TimeStatus, CurrentDataSet, ParentDataSet, TimeProperties, PortDataSet,
                                    PortProperties, DefaultDataSet, Subscription, ManagementRefusal>;

struct ManagementReply {
  std::uint8_t domain = 0;
  std::uint8_t major_sdo_id = 0;
  std::uint8_t minor_version = 0;  // of PTP 2: 0, or 1 from linuxptp 4.x
  std::uint16_t sequence = 0;
  PortIdentity source;
  PortIdentity target;
  ManagementAction action = ManagementAction::kResponse;
  ManagementId id = ManagementId::kDefaultDataSet;  // what the data are, or what was refused
  ManagementData data;
};

enum class ManagementFault : std::uint8_t {
  kTruncated,
  kMessageType,
  kVersion,
  kMessageLength,
  kAction,
  kTlvType,
  kTlvLength,
  kUnknownId,
  kDataSize,
  kOutOfRange,
  kPortState,
  kTimestamping,
  kFlags,
  kText,
};
/// What is wrong with which part, and what to do: a whole sentence.
[[nodiscard]] std::string_view text_of(ManagementFault fault);

/// One datagram, whole.
[[nodiscard]] tl::expected<ManagementReply, ManagementFault> decode_management(std::span<const std::byte> datagram);

/// Whether `reply` is, or refuses, what `request` asked for `id`. A request to all ports has several answers.
[[nodiscard]] bool answers(const ManagementReply& reply, const ManagementRequest& request, ManagementId id);

}  // namespace gnomon::ptp
