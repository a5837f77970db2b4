// SPDX-License-Identifier: Apache-2.0
//
// What a station says to its neighbours by itself: ARP (RFC 826, RFC 5227), neighbour advertisements (RFC 4861), echo
// replies (RFC 792, RFC 4443), and the announcements that it makes unasked.
//
// All of it is rare, so each step checks everything again from the frame and nothing here is inlined.
#include <algorithm>
#include <array>
#include <bit>

#include "dataplane/frame/station.hpp"

namespace gnomon::frame {
namespace {

constexpr Mac kBroadcast{0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
constexpr Mac kAllNodesMac{0x33, 0x33, 0, 0, 0, 1};
constexpr std::array<std::uint8_t, 16> kAllNodes{0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x01};
constexpr std::size_t kAdvertisementSize = ndp::kOptions + ndp::kLinkOption;
constexpr std::uint16_t kEthernetHardware = 1;

void set_icmp6_checksum(std::byte* ip, std::size_t size) {
  std::byte* const icmp = ip + ip6::kHeader;
  store_raw<std::uint16_t>(icmp + icmp::kChecksum, 0);
  store_raw(icmp + icmp::kChecksum, checksum_of(sum_of(icmp, size, pseudo6(ip, protocol::kIcmp6, size))));
}

bool is_group(const std::byte* address) { return load8(address) == ip6::kGroup; }

bool is_unspecified(const std::byte* address) {
  return std::all_of(address, address + ip6::kAddress, [](std::byte b) { return b == std::byte{0}; });
}

// Whether a packet goes to an IPv6 group, in a frame to that group's MAC address (RFC 2464, 7). A packet for one host
// in a frame for many would have all of them answer.
bool goes_to_group(const std::byte* data, const std::byte* destination) {
  return is_group(destination) && load_raw<std::uint16_t>(data) == 0x3333 &&
         std::memcmp(data + 2, destination + 12, 4) == 0;
}

// The group ff02::1:ffXX:XXXX that solicitations of an address go to.
bool is_solicited_group(const std::byte* group, const serve::Address& address) {
  constexpr std::array<std::uint8_t, 13> kPrefix{0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x01, 0xff};
  return std::memcmp(group, kPrefix.data(), kPrefix.size()) == 0 &&
         std::memcmp(group + 13, address.bytes.data() + 13, 3) == 0;
}

// The options of a neighbour message: each says its length in units of eight bytes, and none may be empty.
bool options_hold(const std::byte* options, std::size_t size) {
  while (size != 0) {
    if (size < 2) return false;
    const std::size_t length = std::size_t{load8(options + 1)} * 8;
    if (length == 0 || length > size) return false;
    options += length;
    size -= length;
  }
  return true;
}

// Of options that hold.
bool has_option(const std::byte* options, std::size_t size, std::uint8_t type) {
  for (std::size_t at = 0; at < size; at += std::size_t{load8(options + at + 1)} * 8)
    if (load8(options + at) == type) return true;
  return false;
}

void write_advertisement(std::byte* ip, const std::byte* target, const Mac& mac, std::uint8_t flags) {
  std::byte* const icmp = ip + ip6::kHeader;
  std::memmove(icmp + ndp::kTarget, target, ip6::kAddress);
  store8(icmp + icmp::kType, ndp::kAdvertisement);
  store8(icmp + icmp::kCode, 0);
  store_raw<std::uint32_t>(icmp + ndp::kFlags, flags);
  store8(icmp + ndp::kOptions, ndp::kTargetLink);
  store8(icmp + ndp::kOptions + 1, 1);
  std::memcpy(icmp + ndp::kOptions + 2, mac.data(), mac.size());
  store_raw<std::uint32_t>(ip, 0x60);
  store16(ip + ip6::kPayloadLength, kAdvertisementSize);
  store8(ip + ip6::kNextHeader, protocol::kIcmp6);
  store8(ip + ip6::kHopLimit, ndp::kHopLimit);
  set_icmp6_checksum(ip, kAdvertisementSize);
}

void write_arp_head(std::byte* arp, std::uint16_t operation) {
  store16(arp + arp::kHardware, kEthernetHardware);
  store16(arp + arp::kProtocol, eth::kTypeIpv4);
  store8(arp + arp::kHardwareSize, 6);
  store8(arp + arp::kProtocolSize, 4);
  store16(arp + arp::kOperation, operation);
}

// For Ethernet and IPv4, from one station.
bool is_ethernet_arp(const std::byte* arp) {
  constexpr Mac kNobody{};
  return load16(arp + arp::kHardware) == kEthernetHardware && load16(arp + arp::kProtocol) == eth::kTypeIpv4 &&
         load8(arp + arp::kHardwareSize) == 6 && load8(arp + arp::kProtocolSize) == 4 &&
         (load8(arp + arp::kSenderMac) & 1U) == 0 && std::memcmp(arp + arp::kSenderMac, kNobody.data(), 6) != 0;
}

// An address that can be answered, or 0.0.0.0: who is about to take an address asks from there (RFC 5227).
bool may_ask(const std::byte* sender) {
  return load_raw<std::uint32_t>(sender) == 0 || ip4::can_be_answered(load8(sender));
}

// Pads a short frame with zeros, so that no byte of an earlier frame leaves with it.
std::size_t padded(const Frame& frame, std::size_t length) {
  const std::size_t full = std::min(eth::kLeastFrame, frame.capacity);
  if (length >= full) return length;
  std::memset(frame.data + length, 0, full - length);
  return full;
}

}  // namespace

Outgoing Station::handle_other(const Frame& frame, std::size_t l2, std::uint16_t type) {
  if (type == eth::kTypeArp) return answer_arp(frame, l2);
  if (type == eth::kTypeIpv6) {
    std::size_t size = 0;
    const std::byte* const ip = frame.data + l2;
    if (frame.length < l2 + ip6::kHeader) return drop(Counter::kDropFrameLength);
    if (!goes_to_group(frame.data, ip + ip6::kDestination)) return drop(Counter::kDropMac);
    const Counter reason = check_ip6(frame, l2, size);
    if (reason != kNone) return drop(reason);
    // Of what goes to groups, only solicitations are for a host like this one.
    if (load8(ip + ip6::kNextHeader) != protocol::kIcmp6) return drop(Counter::kDropMac);
    return answer_icmp6(frame, l2, size);
  }
  return drop(type == eth::kTypeIpv4 ? Counter::kDropMac : Counter::kDropEthertype);
}

Outgoing Station::answer_arp(const Frame& frame, std::size_t l2) {
  std::byte* const arp = frame.data + l2;
  if (frame.length < l2 + arp::kSize) return drop(Counter::kDropFrameLength);
  const bool broadcast = std::memcmp(frame.data, kBroadcast.data(), kBroadcast.size()) == 0;
  if (!broadcast && !is_for_us(frame.data)) return drop(Counter::kDropMac);
  const bool from_us = std::memcmp(arp + arp::kSenderMac, mac_.data(), mac_.size()) == 0;  // and came back
  if (!is_ethernet_arp(arp) || from_us) return drop(Counter::kDropArp);
  const auto sender = load_raw<std::uint32_t>(arp + arp::kSenderIp);
  if (owns4(sender)) return drop(Counter::kAddressConflicts);
  const auto target = load_raw<std::uint32_t>(arp + arp::kTargetIp);
  if (load16(arp + arp::kOperation) != arp::kRequest || !owns4(target) || !may_ask(arp + arp::kSenderIp))
    return drop(Counter::kDropArp);

  write_arp_head(arp, arp::kReply);
  std::memcpy(arp + arp::kTargetMac, arp + arp::kSenderMac, mac_.size());
  store_raw(arp + arp::kTargetIp, sender);
  std::memcpy(arp + arp::kSenderMac, mac_.data(), mac_.size());
  store_raw(arp + arp::kSenderIp, target);
  send_back(frame.data);
  std::memcpy(frame.data + eth::kDestination, arp + arp::kTargetMac, mac_.size());  // the packet's, not the frame's
  counters_.add(Counter::kArpReplies);
  return {.length = padded(frame, l2 + arp::kSize)};
}

Outgoing Station::answer_echo4(const Frame& frame, std::size_t l2, std::size_t size) {
  std::byte* const ip = frame.data + l2;
  std::byte* const icmp = ip + ip4::kHeader;
  if (size < icmp::kHeader || load8(icmp + icmp::kType) != icmp::kEchoRequest4 || load8(icmp + icmp::kCode) != 0 ||
      !intact(sum_of(icmp, size)))
    return drop(Counter::kDropIcmp);
  store8(icmp + icmp::kType, icmp::kEchoReply4);
  store_raw<std::uint16_t>(icmp + icmp::kChecksum, 0);
  store_raw(icmp + icmp::kChecksum, checksum_of(sum_of(icmp, size)));
  store_raw(ip + ip4::kSource, std::rotl(load_raw<std::uint64_t>(ip + ip4::kSource), 32));
  store16(ip + ip4::kId, 0);
  store16(ip + ip4::kFragment, ip4::kDontFragment);
  store8(ip + ip4::kTtl, kTimeToLive);
  store_raw<std::uint16_t>(ip + ip4::kChecksum, 0);
  store_raw(ip + ip4::kChecksum, checksum_of(sum_of(ip, ip4::kHeader)));
  send_back(frame.data);
  counters_.add(Counter::kEchoReplies);
  return {.length = padded(frame, l2 + ip4::kHeader + size)};
}

// The packet went to our address and MAC address, or to a group that matches its MAC address.
Outgoing Station::answer_icmp6(const Frame& frame, std::size_t l2, std::size_t size) {
  const std::byte* const ip = frame.data + l2;
  const std::byte* const icmp = ip + ip6::kHeader;
  if (size < icmp::kHeader || !intact(sum_of(icmp, size, pseudo6(ip, protocol::kIcmp6, size))))
    return drop(Counter::kDropIcmp);
  const std::uint8_t type = load8(icmp + icmp::kType);
  if (type == icmp::kEchoRequest6) return answer_echo6(frame, l2, size);
  if (type < ndp::kRouterSolicitation || type > ndp::kRedirect) return drop(Counter::kDropIcmp);
  const bool holds = size >= ndp::kOptions && load8(icmp + icmp::kCode) == 0 &&
                     load8(ip + ip6::kHopLimit) == ndp::kHopLimit &&
                     options_hold(icmp + ndp::kOptions, size - ndp::kOptions);
  if (holds && type == ndp::kSolicitation) return answer_solicitation(frame, l2, size);
  const bool from_us = std::memcmp(frame.data + eth::kSource, mac_.data(), mac_.size()) == 0;  // and came back
  const bool solicited = (load8(icmp + ndp::kFlags) & ndp::kSolicited) != 0;
  if (holds && type == ndp::kAdvertisement && owns6(icmp + ndp::kTarget) && !from_us &&
      !(solicited && is_group(ip + ip6::kDestination)))
    return drop(Counter::kAddressConflicts);
  return drop(Counter::kDropNdp);
}

Outgoing Station::answer_echo6(const Frame& frame, std::size_t l2, std::size_t size) {
  std::byte* const ip = frame.data + l2;
  std::byte* const icmp = ip + ip6::kHeader;
  if (is_unspecified(ip + ip6::kSource) || load8(icmp + icmp::kCode) != 0 || !owns6(ip + ip6::kDestination))
    return drop(Counter::kDropIcmp);
  swap_addresses6(ip);
  store8(ip + ip6::kHopLimit, kTimeToLive);
  store8(icmp + icmp::kType, icmp::kEchoReply6);
  set_icmp6_checksum(ip, size);
  send_back(frame.data);
  counters_.add(Counter::kEchoReplies);
  return {.length = l2 + ip6::kHeader + size};
}

// Somebody asks for our MAC address, or whether our address is free: it is not, and all hear it. Such a probe comes
// from the unspecified address, goes to the group and names no MAC address (RFC 4861, 7.1.1).
Outgoing Station::answer_solicitation(const Frame& frame, std::size_t l2, std::size_t size) {
  std::byte* const ip = frame.data + l2;
  std::byte* const icmp = ip + ip6::kHeader;
  serve::Address target;
  std::memcpy(target.bytes.data(), icmp + ndp::kTarget, ip6::kAddress);
  const bool probe = is_unspecified(ip + ip6::kSource);
  const bool addressed =
      is_solicited_group(ip + ip6::kDestination, target) || (!probe && owns6(ip + ip6::kDestination));
  const bool holds = !probe || !has_option(icmp + ndp::kOptions, size - ndp::kOptions, ndp::kSourceLink);
  const std::size_t length = l2 + ip6::kHeader + kAdvertisementSize;
  if (!owns6(icmp + ndp::kTarget) || !addressed || !holds || frame.capacity < length) return drop(Counter::kDropNdp);

  if (probe)
    std::memcpy(ip + ip6::kDestination, kAllNodes.data(), kAllNodes.size());
  else
    std::memcpy(ip + ip6::kDestination, ip + ip6::kSource, ip6::kAddress);
  std::memcpy(ip + ip6::kSource, target.bytes.data(), ip6::kAddress);
  write_advertisement(ip, icmp + ndp::kTarget, mac_,
                      probe ? ndp::kOverride : static_cast<std::uint8_t>(ndp::kOverride | ndp::kSolicited));
  send_back(frame.data);
  if (probe) std::memcpy(frame.data + eth::kDestination, kAllNodesMac.data(), kAllNodesMac.size());
  counters_.add(Counter::kNdpReplies);
  return {.length = length};
}

std::size_t Station::write_announcement(std::size_t index, std::byte* room) const {
  const serve::Address& address = addresses_[index / announced_vlans_.size()];
  const std::uint16_t vlan = announced_vlans_[index % announced_vlans_.size()];
  std::memset(room, 0, kMaxAnnouncement);
  const Mac& everybody = address.is_v4() ? kBroadcast : kAllNodesMac;
  std::memcpy(room + eth::kDestination, everybody.data(), everybody.size());
  std::memcpy(room + eth::kSource, mac_.data(), mac_.size());
  std::size_t l2 = eth::kHeader;
  if (vlan != 0) {
    store16(room + eth::kType, eth::kTypeVlan);
    store16(room + eth::kHeader, vlan);
    l2 += eth::kVlanTag;
  }
  store16(room + l2 - 2, address.is_v4() ? eth::kTypeArp : eth::kTypeIpv6);
  if (address.is_v4()) {
    std::byte* const arp = room + l2;
    write_arp_head(arp, arp::kRequest);
    std::memcpy(arp + arp::kSenderMac, mac_.data(), mac_.size());
    std::memcpy(arp + arp::kSenderIp, address.bytes.data() + 12, 4);
    std::memcpy(arp + arp::kTargetIp, address.bytes.data() + 12, 4);
    return std::max(eth::kLeastFrame, l2 + arp::kSize);
  }
  std::byte* const ip = room + l2;
  std::memcpy(ip + ip6::kSource, address.bytes.data(), ip6::kAddress);
  std::memcpy(ip + ip6::kDestination, kAllNodes.data(), kAllNodes.size());
  std::memcpy(ip + ip6::kHeader + ndp::kTarget, address.bytes.data(), ip6::kAddress);
  write_advertisement(ip, ip + ip6::kHeader + ndp::kTarget, mac_, ndp::kOverride);
  return l2 + ip6::kHeader + kAdvertisementSize;
}

}  // namespace gnomon::frame
