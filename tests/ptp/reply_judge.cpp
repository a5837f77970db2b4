// SPDX-License-Identifier: Apache-2.0
#include "tests/ptp/reply_judge.hpp"

#include <algorithm>
#include <array>
#include <limits>
#include <map>
#include <optional>
#include <variant>
#include <vector>

#include "oracle/time/int128.hpp"
#include "ptp/management.hpp"

namespace gnomon::ptp::testing {
namespace {

using Datagram = std::span<const std::byte>;

std::uint64_t field(Datagram bytes, std::size_t at, std::size_t size) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < size; ++i)
    value = (value << 8) + std::to_integer<std::uint64_t>(bytes[at + i]);
  return value;
}

std::int64_t signed_field(Datagram bytes, std::size_t at) { return static_cast<std::int64_t>(field(bytes, at, 8)); }

time::Int128 magnitude(time::Int128 value) { return value < 0 ? -value : value; }

/// Collects the first thing that is wrong.
class Findings {
 public:
  void demand(bool holds, std::string_view what) {
    if (!holds && first_.empty()) first_ = what;
  }
  [[nodiscard]] const std::string& first() const { return first_; }

 private:
  std::string first_;
};

// Of `scaled` = ns * 2^16.
void demand_rounded(Findings& findings, std::int64_t scaled, time::Duration duration) {
  const time::Int128 told = magnitude(time::Int128{duration.ns}) * 65536;
  const time::Int128 exact = magnitude(time::Int128{scaled});
  findings.demand(told >= exact, "a time interval was rounded towards zero");
  findings.demand(told < exact + 65536, "a time interval was rounded by a nanosecond or more");
  findings.demand(duration.ns == 0 || (duration.ns < 0) == (scaled < 0), "a time interval has lost its sign");
}

bool has_text(std::string_view text) { return !text.empty() && !text.starts_with("an unknown fault"); }

bool printable(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c >= ' ' && c <= '~'; });
}

/// The data set of a reply, against the bytes from 54 on.
struct DataJudge {
  Findings& findings;
  Datagram data;

  void demand_size(std::size_t size) const { findings.demand(data.size() == size, "a data set has another size"); }
  void demand_state(PortState state) const {
    findings.demand(field(data, 10, 1) == static_cast<std::uint64_t>(state), "another port state");
    findings.demand(state >= PortState::kInitializing && state <= PortState::kSlave, "no port state");
  }

  void operator()(const TimeStatus& status) const {
    demand_size(50);
    findings.demand(status.master_offset.ns == signed_field(data, 0), "another offset");
    findings.demand(status.master_offset.ns != std::numeric_limits<std::int64_t>::min(), "an offset of no magnitude");
    findings.demand((status.ingress ? status.ingress->ns : 0) == signed_field(data, 8), "another ingress time");
    findings.demand(std::uint64_t{status.gm_present} == field(data, 38, 4), "another presence of a grandmaster");
    const auto scaled = static_cast<std::int32_t>(field(data, 16, 4));
    const auto told = magnitude(time::Int128{status.cumulative_rate_offset_ppb}) << 41;
    const auto exact = magnitude(time::Int128{scaled} * 1'000'000'000);
    findings.demand(told >= exact && told < exact + (time::Int128{1} << 41), "another rate");
  }
  void operator()(const CurrentDataSet& current) const {
    demand_size(18);
    demand_rounded(findings, signed_field(data, 2), current.offset_from_master);
    demand_rounded(findings, signed_field(data, 10), current.mean_path_delay);
  }
  void operator()(const ParentDataSet& parent) const {
    demand_size(32);
    findings.demand(field(data, 8, 2) == parent.parent.port, "another parent port");
    findings.demand(field(data, 19, 1) == static_cast<std::uint64_t>(parent.gm_quality.clock_class), "another class");
    findings.demand(field(data, 20, 1) == static_cast<std::uint64_t>(parent.gm_quality.accuracy), "another accuracy");
    const auto bound = bound_of(parent.gm_quality.accuracy);
    findings.demand(!bound || (*bound > time::Duration{} && *bound <= time::seconds(10)), "a strange bound");
  }
  void operator()(const TimeProperties& properties) const {
    demand_size(4);
    findings.demand(!(properties.leap59 && properties.leap61), "two leaps in one day");
    findings.demand(properties.utc_offset().has_value() == ((field(data, 2, 1) & 4) != 0), "another validity");
    findings.demand(properties.current_utc_offset_s == static_cast<std::int16_t>(field(data, 0, 2)), "another offset");
  }
  void operator()(const PortDataSet& port) const {
    demand_size(26);
    demand_state(port.state);
    demand_rounded(findings, signed_field(data, 12), port.peer_mean_path_delay);
  }
  void operator()(const PortProperties& properties) const {
    demand_state(properties.state);
    findings.demand(properties.timestamping <= Timestamping::kPeerToPeerOneStep, "no kind of time stamp");
    findings.demand(!properties.interface.empty() && printable(properties.interface), "a strange interface");
    findings.demand(properties.interface.size() == field(data, 12, 1), "another interface");
    demand_size(13 + properties.interface.size() + (properties.interface.size() + 1) % 2);
  }
  void operator()(const DefaultDataSet& set) const {
    demand_size(20);
    findings.demand(field(data, 18, 1) == set.domain, "another domain");
  }
  void operator()(const Subscription& subscription) const {
    demand_size(66);
    findings.demand(field(data, 0, 2) == subscription.duration_s, "another duration");
  }
  void operator()(const ManagementRefusal& refusal) const {
    findings.demand(data.size() >= 6, "no error");
    findings.demand(printable(refusal.text), "a text that is not printable");
    findings.demand(!text_of(refusal.error).empty(), "an error without a text");
  }
};

std::optional<ManagementId> id_of(const ManagementData& data) {
  static const std::map<std::size_t, ManagementId> kIds{
      {0, ManagementId::kTimeStatusNp},   {1, ManagementId::kCurrentDataSet},
      {2, ManagementId::kParentDataSet},  {3, ManagementId::kTimePropertiesDataSet},
      {4, ManagementId::kPortDataSet},    {5, ManagementId::kPortPropertiesNp},
      {6, ManagementId::kDefaultDataSet}, {7, ManagementId::kSubscribeEventsNp}};
  const auto found = kIds.find(data.index());
  return found == kIds.end() ? std::nullopt : std::optional(found->second);
}

void judge_header(Findings& findings, Datagram bytes, const ManagementReply& reply) {
  findings.demand((field(bytes, 0, 1) & 15) == 13, "no management message");
  findings.demand(field(bytes, 1, 1) == 0x02 || field(bytes, 1, 1) == 0x12, "another version");
  findings.demand(field(bytes, 2, 2) == bytes.size(), "another message length");
  findings.demand((field(bytes, 46, 1) & 15) == 2, "no response");
  findings.demand(field(bytes, 50, 2) == bytes.size() - 52, "another TLV length");
  findings.demand(field(bytes, 0, 1) >> 4 == reply.major_sdo_id, "another SDO id");
  findings.demand(field(bytes, 4, 1) == reply.domain, "another domain");
  findings.demand(field(bytes, 28, 2) == reply.source.port && field(bytes, 42, 2) == reply.target.port, "other ports");
  findings.demand(field(bytes, 30, 2) == reply.sequence, "another sequence");
  const std::optional<ManagementId> id = id_of(reply.data);
  const std::uint64_t type = field(bytes, 48, 2);
  findings.demand(type == (id ? 1 : 2), "another TLV type");
  findings.demand(field(bytes, id ? 52 : 54, 2) == static_cast<std::uint64_t>(reply.id), "another management id");
  findings.demand(!id || *id == reply.id, "the data of another management id");
}

// One byte fewer and one more.
template <typename Decode>
void demand_exact_length(Findings& findings, Datagram bytes, Decode&& decode) {
  findings.demand(!decode(bytes.first(bytes.size() - 1)), "accepted without its last byte");
  std::vector<std::byte> longer(bytes.begin(), bytes.end());
  longer.push_back(std::byte{0});
  findings.demand(!decode(Datagram(longer)), "accepted with a byte too many");
}

// |told| is |coefficient| * 2^exponent * units, rounded up.
bool rounded_up(std::uint32_t bits, std::int64_t units, std::int64_t told) {
  int exponent = static_cast<int>(bits / (1U << 25));
  if (exponent >= 64) exponent -= 128;
  exponent -= 25;
  std::int64_t coefficient = bits % (1U << 25);
  if (coefficient >= 1 << 24) coefficient -= 1 << 25;
  if (told != 0 && (told < 0) != (coefficient < 0)) return false;
  const time::Int128 exact = magnitude(time::Int128{coefficient} * units);
  const time::Int128 value = magnitude(time::Int128{told});
  if (exponent >= 0) return value == exact * (time::Int128{1} << exponent);
  if (exponent < -60) return value == (coefficient == 0 ? 0 : 1);  // less than 2^54 * 2^-61
  const time::Int128 scale = time::Int128{1} << -exponent;
  return value * scale >= exact && (value == 0 || (value - 1) * scale < exact);
}

void judge_numbers(Findings& findings, Datagram bytes, const Tracking& tracking) {
  constexpr std::int64_t kNs = 1'000'000'000;
  struct Number {
    std::int64_t told;
    std::int64_t units;
    bool any_sign;
  };
  const std::array<Number, 9> numbers{{
      {tracking.current_correction.ns, kNs, true},
      {tracking.last_offset.ns, kNs, true},
      {tracking.rms_offset.ns, kNs, false},
      {tracking.frequency_ppb, 1'000, true},
      {tracking.residual_frequency_ppb, 1'000, true},
      {tracking.skew_ppb, 1'000, false},
      {tracking.root_delay.ns, kNs, false},
      {tracking.root_dispersion.ns, kNs, false},
      {tracking.last_update_interval.ns, kNs, false},
  }};
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    const auto bits = static_cast<std::uint32_t>(field(bytes, 68 + 4 * i, 4));
    findings.demand(rounded_up(bits, numbers.at(i).units, numbers.at(i).told),
                    "a float was not rounded away from zero");
    findings.demand(numbers.at(i).any_sign || numbers.at(i).told >= 0, "a bound below zero");
  }
}

}  // namespace

std::string judge_management(Datagram datagram) {
  Findings findings;
  const auto reply = decode_management(datagram);
  if (!reply) {
    findings.demand(has_text(text_of(reply.error())), "a fault without a text");
    return findings.first();
  }
  if (datagram.size() < 54) return "a datagram was accepted that is too short";
  judge_header(findings, datagram, *reply);
  if (findings.first().empty()) std::visit(DataJudge{findings, datagram.subspan(54)}, reply->data);
  demand_exact_length(findings, datagram, decode_management);
  findings.demand(!text_of(reply->source).empty() && !text_of(reply->id).empty(), "no text");
  return findings.first();
}

std::string judge_tracking(Datagram datagram, ChronySequence sequence) {
  Findings findings;
  const auto decode = [sequence](Datagram bytes) { return decode_tracking(bytes, sequence); };
  const auto tracking = decode(datagram);
  if (!tracking) {
    findings.demand(has_text(text_of(tracking.error())), "a fault without a text");
    return findings.first();
  }
  if (datagram.size() != 104) return "a datagram of another size was accepted";
  findings.demand(field(datagram, 0, 2) == 0x0602, "another version or packet type");
  findings.demand(field(datagram, 4, 6) == 0x0021'0005'0000, "another command, reply or status");
  findings.demand(field(datagram, 16, 4) == sequence.value, "another sequence");
  findings.demand(field(datagram, 28, 4) == tracking->reference.value, "another reference");
  findings.demand(tracking->reference != kNoReference || !tracking->synchronised(), "synchronised to nothing");
  findings.demand(tracking->address.family <= ReferenceFamily::kId, "no family");
  findings.demand(tracking->stratum <= 16 && tracking->stratum == field(datagram, 52, 2), "another stratum");
  findings.demand(tracking->leap <= LeapStatus::kNotSynchronised, "no leap status");
  findings.demand(field(datagram, 64, 4) < 1'000'000'000, "a second of too many nanoseconds");
  findings.demand(!tracking->reference_time || tracking->reference_time->ns > 0, "a reference time before 1970");
  findings.demand(!text_of(tracking->address).empty() && !text_of(tracking->leap).empty(), "no text");
  judge_numbers(findings, datagram, *tracking);
  demand_exact_length(findings, datagram, decode);
  return findings.first();
}

}  // namespace gnomon::ptp::testing
