// SPDX-License-Identifier: Apache-2.0
#include "dataplane/frame/station.hpp"

#include <algorithm>
#include <array>

namespace gnomon::frame {
namespace {

bool is_extension(std::uint8_t next_header) {
  constexpr std::array kExtensions{protocol::kHopByHop,
                                   protocol::kRouting,
                                   protocol::kDestinationOptions,
                                   std::uint8_t{51} /* authentication */,
                                   std::uint8_t{135} /* mobility */,
                                   std::uint8_t{139} /* host identity */,
                                   std::uint8_t{140} /* shim6 */};
  return std::find(kExtensions.begin(), kExtensions.end(), next_header) != kExtensions.end();
}

bool is_zero(const std::byte* address) {
  return (load_raw<std::uint64_t>(address) | load_raw<std::uint64_t>(address + 8)) == 0;
}

bool is_loopback(const std::byte* address) {
  serve::Address value;
  std::memcpy(value.bytes.data(), address, ip6::kAddress);
  return value.is_loopback();
}

// ::ffff:0:0/96 means IPv4 to a program, and is never on a wire.
bool is_v4_mapped(const std::byte* address) {
  serve::Address value;
  std::memcpy(value.bytes.data(), address, ip6::kAddress);
  return value.is_v4();
}

}  // namespace

Station::Station(const StationOptions& options, page::Counters& counters)
    : counters_(counters),
      mac_(options.mac),
      port_makes_checksums_(options.port_makes_checksums),
      any_vlan_(options.vlans.empty()),
      vlans_(options.vlans),
      announced_vlans_(options.vlans.empty() ? std::vector<std::uint16_t>{0} : options.vlans) {
  std::memcpy(&mac_word_, mac_.data(), mac_.size());
  for (const platform::Endpoint& endpoint : options.endpoints) {
    const bool known = std::find(addresses_.begin(), addresses_.end(), endpoint.address) != addresses_.end();
    if (!known) addresses_.push_back(endpoint.address);
    if (endpoint.is_v4()) {
      std::uint32_t address = 0;
      std::memcpy(&address, endpoint.address.bytes.data() + 12, sizeof address);
      if (!known) addresses4_.push_back(address);
      services4_.push_back(address | std::uint64_t{swapped(endpoint.port)} << 48);
    } else {
      services6_.push_back({endpoint.address, swapped(endpoint.port)});
    }
  }
  path_.socket = options.port;
}

bool Station::serves_vlan(std::uint16_t id) const {
  return std::find(vlans_.begin(), vlans_.end(), id) != vlans_.end();
}

bool Station::owns6(const std::byte* address) const {
  return std::any_of(addresses_.begin(), addresses_.end(), [&](const serve::Address& ours) {
    return !ours.is_v4() && std::memcmp(ours.bytes.data(), address, ip6::kAddress) == 0;
  });
}

bool Station::owns4(std::uint32_t address) const {
  return std::find(addresses4_.begin(), addresses4_.end(), address) != addresses4_.end();
}

// What is not ICMP is a request, if nothing speaks against it.
page::Counter Station::check4(const Frame& frame, const PortChecks& checks, std::size_t l2, std::size_t& size) const {
  const std::byte* const ip = frame.data + l2;
  const std::size_t room = frame.length - l2;
  if (room < ip4::kHeader) return Counter::kDropFrameLength;
  const std::uint8_t first = load8(ip + ip4::kVersionAndLength);
  if (first != ip4::kPlain)
    return first > ip4::kPlain && first <= 0x4f ? Counter::kDropIpOptions : Counter::kDropIpHeader;
  const std::size_t total = load16(ip + ip4::kTotalLength);
  if (total < ip4::kHeader) return Counter::kDropIpHeader;
  if (total > room) return Counter::kDropFrameLength;
  if (checks.ip != Verified::kGood && (checks.ip == Verified::kBad || !intact(sum_of(ip, ip4::kHeader))))
    return Counter::kDropIpChecksum;
  if ((load16(ip + ip4::kFragment) & ip4::kMoreOrOffset) != 0) return Counter::kDropIpFragment;
  const auto destination = load_raw<std::uint32_t>(ip + ip4::kDestination);
  if (!owns4(destination)) return Counter::kDropIpDestination;
  if (!ip4::can_be_answered(load8(ip + ip4::kSource)) || load_raw<std::uint32_t>(ip + ip4::kSource) == destination)
    return Counter::kDropIpSource;
  size = total - ip4::kHeader;
  const std::uint8_t protocol = load8(ip + ip4::kProtocol);
  if (protocol == protocol::kIcmp) return kNone;
  return protocol == protocol::kUdp ? check_udp4(ip, size, checks.udp) : Counter::kDropIpProtocol;
}

page::Counter Station::check_udp4(const std::byte* ip, std::size_t size, Verified verified) const {
  const std::byte* const udp = ip + ip4::kHeader;
  if (size < udp::kHeader || load16(udp + udp::kLength) != size) return Counter::kDropUdpLength;
  if (!serves4(ip) || load_raw<std::uint16_t>(udp + udp::kSourcePort) == 0) return Counter::kDropUdpPort;
  if (verified == Verified::kGood) return kNone;
  if (load_raw<std::uint16_t>(udp + udp::kChecksum) == 0) return kNone;  // the sender made none (RFC 768)
  const bool holds = verified != Verified::kBad && intact(sum_of_udp(udp, size, pseudo4(ip, size)));
  return holds ? kNone : Counter::kDropUdpChecksum;
}

// As check4, for what came to our MAC address.
page::Counter Station::check6(const Frame& frame, const PortChecks& checks, std::size_t l2, std::size_t& size) const {
  const Counter reason = check_ip6(frame, l2, size);
  const std::byte* const ip = frame.data + l2;
  return reason == kNone && load8(ip + ip6::kNextHeader) == protocol::kUdp ? check_udp6(ip, size, checks.udp) : reason;
}

// What holds for every IPv6 packet, also for those that were sent to a group.
page::Counter Station::check_ip6(const Frame& frame, std::size_t l2, std::size_t& size) const {
  const std::byte* const ip = frame.data + l2;
  const std::size_t room = frame.length - l2;
  if (room < ip6::kHeader) return Counter::kDropFrameLength;
  if ((load8(ip) & 0xf0U) != ip6::kVersion) return Counter::kDropIpHeader;
  size = load16(ip + ip6::kPayloadLength);
  if (size > room - ip6::kHeader) return Counter::kDropFrameLength;
  if (is_for_us(frame.data) && !owns6(ip + ip6::kDestination) && load8(ip + ip6::kDestination) != ip6::kGroup)
    return Counter::kDropIpDestination;
  const std::byte* const source = ip + ip6::kSource;
  if (load8(source) == ip6::kGroup || is_loopback(source) || is_v4_mapped(source) ||
      std::memcmp(source, ip + ip6::kDestination, ip6::kAddress) == 0)
    return Counter::kDropIpSource;
  const std::uint8_t next = load8(ip + ip6::kNextHeader);
  if (next == protocol::kUdp || next == protocol::kIcmp6) return kNone;
  if (next == protocol::kFragment) return Counter::kDropIpFragment;
  return is_extension(next) ? Counter::kDropIpOptions : Counter::kDropIpProtocol;
}

page::Counter Station::check_udp6(const std::byte* ip, std::size_t size, Verified verified) const {
  const std::byte* const udp = ip + ip6::kHeader;
  // A group's, sent to our MAC address.
  if (load8(ip + ip6::kDestination) == ip6::kGroup) return Counter::kDropIpDestination;
  if (is_zero(ip + ip6::kSource)) return Counter::kDropIpSource;
  if (size < udp::kHeader || load16(udp + udp::kLength) != size) return Counter::kDropUdpLength;
  if (!serves6(ip) || load_raw<std::uint16_t>(udp + udp::kSourcePort) == 0) return Counter::kDropUdpPort;
  // Over IPv6 a checksum is no choice (RFC 8200, 8.1): zero is wrong.
  if (load_raw<std::uint16_t>(udp + udp::kChecksum) == 0) return Counter::kDropUdpChecksum;
  if (verified == Verified::kGood) return kNone;
  const bool holds = verified != Verified::kBad && intact(sum_of_udp(udp, size, pseudo6(ip, protocol::kUdp, size)));
  return holds ? kNone : Counter::kDropUdpChecksum;
}

Outgoing Station::wrap(std::byte* payload, std::size_t size, const serve::ReturnPath& path) const {
  const std::byte* const from = path.bytes.data();
  const bool v4 = path.size == path::kSize4;
  const bool tagged = load_raw<std::uint32_t>(from + path::kTag) != 0;
  const std::size_t l3 = v4 ? ip4::kHeader : ip6::kHeader;
  const std::size_t l2 = eth::kHeader + (tagged ? eth::kVlanTag : 0);
  const std::size_t address = v4 ? 4 : ip6::kAddress;
  std::byte* const udp = payload - udp::kHeader;
  std::byte* const ip = udp - l3;
  std::byte* const data = ip - l2;

  std::memcpy(data, from + path::kMacs, 12);
  send_back(data);
  if (tagged) std::memcpy(data + eth::kType, from + path::kTag, eth::kVlanTag);
  store16(ip - 2, v4 ? eth::kTypeIpv4 : eth::kTypeIpv6);
  std::memset(ip, 0, l3);
  std::byte* const addresses = ip + (v4 ? ip4::kSource : ip6::kSource);
  std::memcpy(addresses, from + path::kAddresses + address, address);
  std::memcpy(addresses + address, from + path::kAddresses, address);
  const auto ports = load_raw<std::uint32_t>(from + path::kAddresses + 2 * address);
  store_raw(udp, std::rotl(ports, 16));
  if (v4)
    finish4(ip, size);
  else
    finish6(ip, size);
  return {.length = l2 + l3 + udp::kHeader + size,
          .l2 = static_cast<std::uint8_t>(l2),
          .l3 = static_cast<std::uint8_t>(l3),
          .checksums_left = port_makes_checksums_};
}

}  // namespace gnomon::frame
