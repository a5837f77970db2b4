// SPDX-License-Identifier: Apache-2.0
#include "ptp/management.hpp"

#include <algorithm>
#include <limits>
#include <utility>

#include "ptp/cursor.hpp"

namespace gnomon::ptp {
namespace {

constexpr std::uint8_t kManagementMessage = 0x0d;
constexpr std::uint8_t kMajorVersion = 2;
constexpr std::uint8_t kMaxMinorVersion = 1;
constexpr std::uint8_t kControl = 4;        // management, in version 1
constexpr std::uint8_t kNoInterval = 0x7f;  // logMessageInterval of a message that is not periodic
constexpr std::uint16_t kTlvManagement = 1;
constexpr std::uint16_t kTlvErrorStatus = 2;
constexpr std::size_t kTlvAt = 48;
constexpr std::size_t kTlvHead = 4;  // type and length
constexpr std::size_t kIdSize = 2;
constexpr std::size_t kErrorSize = 8;  // error id, management id, reserved; without the text
static_assert(kTlvAt + kTlvHead + kIdSize == kGetSize);

template <typename T>
using Decoded = tl::expected<T, ManagementFault>;
using tl::make_unexpected;

// --- encoding -------------------------------------------------------------------------------------------------------

void put(Writer& to, const PortIdentity& identity) {
  to.put_array(identity.clock.bytes);
  to.put(identity.port);
}

// Up to and including the management id. Version 2.0, which every linuxptp answers.
void put_head(Writer& to, const ManagementRequest& request, ManagementAction action, ManagementId id,
              std::size_t data_size) {
  to.put(static_cast<std::uint8_t>((request.major_sdo_id & 0x0fU) << 4 | kManagementMessage));
  to.put(kMajorVersion);
  to.put(static_cast<std::uint16_t>(kGetSize + data_size));
  to.put(request.domain);
  to.zeros(15);  // minor SDO id, flags, correction, type-specific
  put(to, request.source);
  to.put(request.sequence);
  to.put(kControl);
  to.put(kNoInterval);
  put(to, request.target);
  to.zeros(2);  // boundary hops: the first clock is the one that is meant
  to.put(static_cast<std::uint8_t>(action));
  to.zeros(1);
  to.put(kTlvManagement);
  to.put(static_cast<std::uint16_t>(kIdSize + data_size));
  to.put(static_cast<std::uint16_t>(id));
}

// --- decoding: parts ------------------------------------------------------------------------------------------------

ClockIdentity take_clock(Cursor& from) { return {from.take_array<8>()}; }

PortIdentity take_port(Cursor& from) {
  const ClockIdentity clock = take_clock(from);
  return {clock, from.take<std::uint16_t>()};
}

ClockQuality take_quality(Cursor& from) {
  ClockQuality quality;
  quality.clock_class = static_cast<ClockClass>(from.take<std::uint8_t>());
  quality.accuracy = static_cast<ClockAccuracy>(from.take<std::uint8_t>());
  quality.offset_scaled_log_variance = from.take<std::uint16_t>();
  return quality;
}

// (rate - 1) * 2^41 to parts per billion, away from zero.
std::int64_t rate_offset_ppb(std::int32_t scaled) {
  const std::int64_t product = static_cast<std::int64_t>(scaled) * 1'000'000'000;
  constexpr std::int64_t kScale = std::int64_t{1} << 41;
  const std::int64_t rest = product % kScale;
  return product / kScale + (rest > 0 ? 1 : (rest < 0 ? -1 : 0));
}

bool printable(std::byte b) { return b >= std::byte{0x20} && b <= std::byte{0x7e}; }

// A PTPText at the end of a TLV: its length in one byte, the text, and one byte that makes the whole even. What goes
// before it in the TLV is even.
std::optional<std::span<const std::byte>> take_last_text(Cursor& from) {
  const auto size = from.take<std::uint8_t>();
  const std::span<const std::byte> text = from.take_bytes(size);
  if ((1 + std::size_t{size}) % 2 != 0) from.skip(1);
  if (!from.at_end()) return std::nullopt;
  return text;
}

std::string string_of(std::span<const std::byte> text) {
  std::string string(text.size(), '?');
  std::ranges::transform(text, string.begin(),
                         [](std::byte b) { return printable(b) ? static_cast<char>(std::to_integer<int>(b)) : '?'; });
  return string;
}

// --- decoding: data sets, each of the size that was checked before ---------------------------------------------------

Decoded<ManagementData> take_time_status(Cursor& from) {
  TimeStatus status;
  status.master_offset = time::nanoseconds(from.take<std::int64_t>());
  if (const auto ingress = from.take<std::int64_t>(); ingress != 0) status.ingress = PtpClockTime{ingress};
  status.cumulative_rate_offset_ppb = rate_offset_ppb(from.take<std::int32_t>());
  from.skip(4);  // scaledLastGmPhaseChange
  status.gm_time_base_indicator = from.take<std::uint16_t>();
  from.skip(12);  // lastGmPhaseChange
  const auto present = from.take<std::int32_t>();
  status.gm_identity = take_clock(from);
  if (present != 0 && present != 1) return make_unexpected(ManagementFault::kFlags);
  status.gm_present = present == 1;
  // Its magnitude would be no int64.
  if (status.master_offset.ns == std::numeric_limits<std::int64_t>::min())
    return make_unexpected(ManagementFault::kOutOfRange);
  return status;
}

Decoded<ManagementData> take_current(Cursor& from) {
  const auto steps_removed = from.take<std::uint16_t>();
  const auto offset = from_time_interval(from.take<std::int64_t>());
  const auto delay = from_time_interval(from.take<std::int64_t>());
  if (!offset || !delay) return make_unexpected(ManagementFault::kOutOfRange);
  return CurrentDataSet{steps_removed, *offset, *delay};
}

Decoded<ManagementData> take_parent(Cursor& from) {
  ParentDataSet parent;
  parent.parent = take_port(from);
  parent.parent_stats = (from.take<std::uint8_t>() & 1U) != 0;
  from.skip(1);
  parent.observed_offset_scaled_log_variance = from.take<std::uint16_t>();
  parent.observed_phase_change_rate = from.take<std::uint32_t>();
  parent.gm_priority1 = from.take<std::uint8_t>();
  parent.gm_quality = take_quality(from);
  parent.gm_priority2 = from.take<std::uint8_t>();
  parent.gm_identity = take_clock(from);
  return parent;
}

Decoded<ManagementData> take_time_properties(Cursor& from) {
  TimeProperties properties;
  properties.current_utc_offset_s = from.take<std::int16_t>();
  const auto flags = from.take<std::uint8_t>();
  const auto flag = [flags](unsigned bit) { return (flags >> bit & 1U) != 0; };
  properties.leap61 = flag(0);
  properties.leap59 = flag(1);
  properties.utc_offset_valid = flag(2);
  properties.ptp_timescale = flag(3);
  properties.time_traceable = flag(4);
  properties.frequency_traceable = flag(5);
  properties.synchronization_uncertain = flag(6);  // linuxptp copies the flags of the Announce as they are
  properties.source = static_cast<TimeSourceKind>(from.take<std::uint8_t>());
  if (properties.leap61 && properties.leap59) return make_unexpected(ManagementFault::kFlags);
  return properties;
}

Decoded<ManagementData> take_port_data_set(Cursor& from) {
  PortDataSet port;
  port.port = take_port(from);
  const auto state = port_state_of(from.take<std::uint8_t>());
  port.log_min_delay_req_interval = from.take<std::int8_t>();
  const auto delay = from_time_interval(from.take<std::int64_t>());
  port.log_announce_interval = from.take<std::int8_t>();
  port.announce_receipt_timeout = from.take<std::uint8_t>();
  port.log_sync_interval = from.take<std::int8_t>();
  port.delay_mechanism = static_cast<DelayMechanism>(from.take<std::uint8_t>());
  port.log_min_pdelay_req_interval = from.take<std::int8_t>();
  const auto version = from.take<std::uint8_t>();
  if (!state) return make_unexpected(ManagementFault::kPortState);
  if (!delay) return make_unexpected(ManagementFault::kOutOfRange);
  if ((version & 0x0fU) != kMajorVersion) return make_unexpected(ManagementFault::kVersion);
  port.state = *state;
  port.peer_mean_path_delay = *delay;
  port.minor_version = static_cast<std::uint8_t>(version >> 4);
  return port;
}

Decoded<ManagementData> take_port_properties(Cursor& from) {
  PortProperties properties;
  properties.port = take_port(from);
  const auto state = port_state_of(from.take<std::uint8_t>());
  const auto timestamping = timestamping_of(from.take<std::uint8_t>());
  const auto interface = take_last_text(from);
  if (!interface) return make_unexpected(ManagementFault::kDataSize);
  if (!state) return make_unexpected(ManagementFault::kPortState);
  if (!timestamping) return make_unexpected(ManagementFault::kTimestamping);
  if (interface->empty() || !std::ranges::all_of(*interface, printable)) return make_unexpected(ManagementFault::kText);
  properties.state = *state;
  properties.timestamping = *timestamping;
  properties.interface = string_of(*interface);
  return properties;
}

Decoded<ManagementData> take_default(Cursor& from) {
  DefaultDataSet set;
  const auto flags = from.take<std::uint8_t>();
  set.two_step = (flags & 1U) != 0;
  set.slave_only = (flags & 2U) != 0;
  from.skip(1);
  set.number_ports = from.take<std::uint16_t>();
  set.priority1 = from.take<std::uint8_t>();
  set.quality = take_quality(from);
  set.priority2 = from.take<std::uint8_t>();
  set.clock = take_clock(from);
  set.domain = from.take<std::uint8_t>();
  from.skip(1);
  return set;
}

Decoded<ManagementData> take_subscription(Cursor& from) {
  const auto duration_s = from.take<std::uint16_t>();
  return Subscription{duration_s, {from.take_array<64>()}};
}

// --- decoding: the message ------------------------------------------------------------------------------------------

struct DataSetRow {
  ManagementId id;
  std::string_view name;
  std::size_t size;  // kVariable: the reader checks it
  Decoded<ManagementData> (*take)(Cursor&);
};
constexpr std::size_t kVariable = 0;

constexpr std::array<DataSetRow, 8> kDataSets{{
    {ManagementId::kDefaultDataSet, "DEFAULT_DATA_SET", 20, take_default},
    {ManagementId::kCurrentDataSet, "CURRENT_DATA_SET", 18, take_current},
    {ManagementId::kParentDataSet, "PARENT_DATA_SET", 32, take_parent},
    {ManagementId::kTimePropertiesDataSet, "TIME_PROPERTIES_DATA_SET", 4, take_time_properties},
    {ManagementId::kPortDataSet, "PORT_DATA_SET", 26, take_port_data_set},
    {ManagementId::kTimeStatusNp, "TIME_STATUS_NP", 50, take_time_status},
    {ManagementId::kSubscribeEventsNp, "SUBSCRIBE_EVENTS_NP", kSubscribeSize - kGetSize, take_subscription},
    {ManagementId::kPortPropertiesNp, "PORT_PROPERTIES_NP", kVariable, take_port_properties},
}};

const DataSetRow* row_of(ManagementId id) {
  const auto* const row = std::ranges::find(kDataSets, id, &DataSetRow::id);
  return row == kDataSets.end() ? nullptr : row;
}

Decoded<ManagementReply> take_header(Cursor& from, std::size_t datagram_size) {
  ManagementReply reply;
  const auto type = from.take<std::uint8_t>();
  const auto version = from.take<std::uint8_t>();
  const auto length = from.take<std::uint16_t>();
  reply.domain = from.take<std::uint8_t>();
  from.skip(15);
  reply.source = take_port(from);
  reply.sequence = from.take<std::uint16_t>();
  from.skip(2);
  reply.target = take_port(from);
  from.skip(2);
  reply.action = static_cast<ManagementAction>(from.take<std::uint8_t>() & 0x0fU);
  from.skip(1);
  if (!from.ok()) return make_unexpected(ManagementFault::kTruncated);
  if ((type & 0x0fU) != kManagementMessage) return make_unexpected(ManagementFault::kMessageType);
  if ((version & 0x0fU) != kMajorVersion || version >> 4 > kMaxMinorVersion)
    return make_unexpected(ManagementFault::kVersion);
  if (length != datagram_size) return make_unexpected(ManagementFault::kMessageLength);
  if (reply.action != ManagementAction::kResponse) return make_unexpected(ManagementFault::kAction);
  reply.major_sdo_id = static_cast<std::uint8_t>(type >> 4);
  reply.minor_version = static_cast<std::uint8_t>(version >> 4);
  return reply;
}

Decoded<ManagementReply> with_data(ManagementReply reply, Cursor& from) {
  if (from.left() < kIdSize) return make_unexpected(ManagementFault::kTlvLength);
  reply.id = static_cast<ManagementId>(from.take<std::uint16_t>());
  const DataSetRow* const row = row_of(reply.id);
  if (row == nullptr) return make_unexpected(ManagementFault::kUnknownId);
  if (row->size != kVariable && from.left() != row->size) return make_unexpected(ManagementFault::kDataSize);
  Decoded<ManagementData> data = row->take(from);
  if (!data) return make_unexpected(data.error());
  reply.data = *std::move(data);
  return reply;
}

Decoded<ManagementReply> with_refusal(ManagementReply reply, Cursor& from) {
  if (from.left() < kErrorSize) return make_unexpected(ManagementFault::kTlvLength);
  ManagementRefusal refusal;
  refusal.error = static_cast<ErrorId>(from.take<std::uint16_t>());
  reply.id = static_cast<ManagementId>(from.take<std::uint16_t>());
  from.skip(4);
  if (from.left() > 0) {
    const auto text = take_last_text(from);
    if (!text) return make_unexpected(ManagementFault::kText);
    refusal.text = string_of(*text);
  }
  reply.data = std::move(refusal);
  return reply;
}

}  // namespace

std::string_view text_of(ManagementId id) {
  const DataSetRow* const row = row_of(id);
  return row == nullptr ? "a management id that is not used here" : row->name;
}

std::array<std::byte, kGetSize> encode_get(const ManagementRequest& request, ManagementId id) {
  std::array<std::byte, kGetSize> bytes{};
  Writer to(bytes);
  put_head(to, request, ManagementAction::kGet, id, 0);
  return bytes;
}

std::array<std::byte, kSubscribeSize> encode_subscribe(const ManagementRequest& request,
                                                       const Subscription& subscription) {
  std::array<std::byte, kSubscribeSize> bytes{};
  Writer to(bytes);
  put_head(to, request, ManagementAction::kSet, ManagementId::kSubscribeEventsNp, kSubscribeSize - kGetSize);
  to.put(subscription.duration_s);
  to.put_array(subscription.events.bits);
  return bytes;
}

tl::expected<ManagementReply, ManagementFault> decode_management(std::span<const std::byte> datagram) {
  Cursor from(datagram);
  Decoded<ManagementReply> reply = take_header(from, datagram.size());
  if (!reply) return reply;
  if (from.left() < kTlvHead) return make_unexpected(ManagementFault::kTruncated);
  const auto tlv_type = from.take<std::uint16_t>();
  const auto tlv_length = from.take<std::uint16_t>();
  if (tlv_type != kTlvManagement && tlv_type != kTlvErrorStatus) return make_unexpected(ManagementFault::kTlvType);
  if (tlv_length != from.left() || tlv_length % 2 != 0) return make_unexpected(ManagementFault::kTlvLength);
  return tlv_type == kTlvManagement ? with_data(*std::move(reply), from) : with_refusal(*std::move(reply), from);
}

bool answers(const ManagementReply& reply, const ManagementRequest& request, ManagementId id) {
  return reply.id == id && reply.sequence == request.sequence && reply.domain == request.domain &&
         reply.major_sdo_id == (request.major_sdo_id & 0x0fU) && reply.target == request.source;
}

std::string_view text_of(ManagementFault fault) {
  switch (fault) {
    case ManagementFault::kTruncated:
      return "a datagram of ptp4l is shorter than any management reply; receive it whole";
    case ManagementFault::kMessageType:
      return "a datagram of ptp4l is no management message; ask ptp4l's own socket, not a network port";
    case ManagementFault::kVersion:
      return "a management reply is of another PTP version than 2.0 or 2.1; use linuxptp 3.1 or 4.x";
    case ManagementFault::kMessageLength:
      return "a management reply states another length than its datagram has; receive it whole, or report the sender";
    case ManagementFault::kAction:
      return "a management message of ptp4l's socket is not the response to a request; look for another client there";
    case ManagementFault::kTlvType: return "a management reply carries neither data nor an error; report the sender";
    case ManagementFault::kTlvLength:
      return "the part in a management reply does not fill it, or is shorter than its head; report the sender";
    case ManagementFault::kUnknownId: return "a management reply carries a data set that was not asked for; read on";
    case ManagementFault::kDataSize:
      return "a data set in a management reply has another size than its kind; if it is an empty subscription, use "
             "ptp4l's read-write socket, else this linuxptp is not known here";
    case ManagementFault::kOutOfRange:
      return "an offset or delay of ptp4l is too large to be told; its clock is not usable yet";
    case ManagementFault::kPortState:
      return "ptp4l tells a port state that the standard does not know; this linuxptp is not known here";
    case ManagementFault::kTimestamping:
      return "ptp4l tells a kind of time stamps that is not known; this linuxptp is not known here";
    case ManagementFault::kFlags:
      return "flags of ptp4l contradict each other or are neither 0 nor 1; look at what the grandmaster announces";
    case ManagementFault::kText:
      return "a text in a management reply does not fit or is not printable ASCII; look at the interface's name";
  }
  return "an unknown fault of a management reply";
}

}  // namespace gnomon::ptp
