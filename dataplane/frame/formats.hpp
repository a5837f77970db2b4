// SPDX-License-Identifier: Apache-2.0
//
// Where the fields of the headers lie: offsets from the start of their header, in bytes, and the values that matter
// here. IEEE 802.3 and 802.1Q, RFC 826 (ARP), RFC 791 (IPv4), RFC 8200 (IPv6), RFC 768 (UDP), RFC 792 (ICMP), RFC 4443
// and RFC 4861 (ICMPv6, neighbour discovery). Pure.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace gnomon::frame {

using Mac = std::array<std::uint8_t, 6>;

namespace eth {
constexpr std::size_t kDestination = 0;
constexpr std::size_t kSource = 6;
constexpr std::size_t kType = 12;
constexpr std::size_t kHeader = 14;
constexpr std::size_t kVlanTag = 4;      // between the source and the type
constexpr std::size_t kLeastFrame = 60;  // without the frame check sequence
constexpr std::uint16_t kTypeIpv4 = 0x0800;
constexpr std::uint16_t kTypeArp = 0x0806;
constexpr std::uint16_t kTypeVlan = 0x8100;
constexpr std::uint16_t kTypeIpv6 = 0x86dd;
constexpr std::uint16_t kVlanIdMask = 0x0fff;
constexpr std::uint16_t kVlanReserved = 0x0fff;  // may not be sent (802.1Q, table 9-2)
}  // namespace eth

namespace arp {
constexpr std::size_t kHardware = 0;
constexpr std::size_t kProtocol = 2;
constexpr std::size_t kHardwareSize = 4;
constexpr std::size_t kProtocolSize = 5;
constexpr std::size_t kOperation = 6;
constexpr std::size_t kSenderMac = 8;
constexpr std::size_t kSenderIp = 14;
constexpr std::size_t kTargetMac = 18;
constexpr std::size_t kTargetIp = 24;
constexpr std::size_t kSize = 28;
constexpr std::uint16_t kRequest = 1;
constexpr std::uint16_t kReply = 2;
}  // namespace arp

namespace ip4 {
constexpr std::size_t kVersionAndLength = 0;
constexpr std::size_t kTrafficClass = 1;
constexpr std::size_t kTotalLength = 2;
constexpr std::size_t kId = 4;
constexpr std::size_t kFragment = 6;
constexpr std::size_t kTtl = 8;
constexpr std::size_t kProtocol = 9;
constexpr std::size_t kChecksum = 10;
constexpr std::size_t kSource = 12;
constexpr std::size_t kDestination = 16;
constexpr std::size_t kHeader = 20;  // without options
constexpr std::uint8_t kPlain = 0x45;
constexpr std::uint16_t kDontFragment = 0x4000;
constexpr std::uint16_t kMoreOrOffset = 0x3fff;
/// By the first byte of a source: not "this network", loopback, a group or reserved (RFC 1122, 3.2.1.3).
constexpr bool can_be_answered(std::uint8_t net) { return net != 0 && net != 127 && net < 224; }
}  // namespace ip4

namespace ip6 {
constexpr std::size_t kVersionClassFlow = 0;
constexpr std::uint8_t kVersion = 0x60;  // in the upper half of the first byte
constexpr std::uint8_t kGroup = 0xff;    // how a group's address begins
constexpr std::size_t kPayloadLength = 4;
constexpr std::size_t kNextHeader = 6;
constexpr std::size_t kHopLimit = 7;
constexpr std::size_t kSource = 8;
constexpr std::size_t kDestination = 24;
constexpr std::size_t kHeader = 40;
constexpr std::size_t kAddress = 16;
}  // namespace ip6

namespace protocol {
constexpr std::uint8_t kHopByHop = 0;
constexpr std::uint8_t kIcmp = 1;
constexpr std::uint8_t kUdp = 17;
constexpr std::uint8_t kRouting = 43;
constexpr std::uint8_t kFragment = 44;
constexpr std::uint8_t kIcmp6 = 58;
constexpr std::uint8_t kDestinationOptions = 60;
}  // namespace protocol

namespace udp {
constexpr std::size_t kSourcePort = 0;
constexpr std::size_t kDestinationPort = 2;
constexpr std::size_t kLength = 4;
constexpr std::size_t kChecksum = 6;
constexpr std::size_t kHeader = 8;
}  // namespace udp

namespace icmp {
constexpr std::size_t kType = 0;
constexpr std::size_t kCode = 1;
constexpr std::size_t kChecksum = 2;
constexpr std::size_t kHeader = 8;
constexpr std::uint8_t kEchoReply4 = 0;
constexpr std::uint8_t kEchoRequest4 = 8;
constexpr std::uint8_t kEchoRequest6 = 128;
constexpr std::uint8_t kEchoReply6 = 129;
}  // namespace icmp

namespace ndp {
constexpr std::uint8_t kRouterSolicitation = 133;  // the types of RFC 4861 run from here
constexpr std::uint8_t kSolicitation = 135;
constexpr std::uint8_t kAdvertisement = 136;
constexpr std::uint8_t kRedirect = 137;  // to here
constexpr std::size_t kFlags = 4;
constexpr std::size_t kTarget = 8;
constexpr std::size_t kOptions = 24;
constexpr std::size_t kLinkOption = 8;  // size of a link-layer address option for Ethernet
constexpr std::uint8_t kSourceLink = 1;
constexpr std::uint8_t kTargetLink = 2;
constexpr std::uint8_t kSolicited = 0x40;
constexpr std::uint8_t kOverride = 0x20;
constexpr std::uint8_t kHopLimit = 255;  // proves that no router forwarded it
}  // namespace ndp

constexpr std::uint8_t kTimeToLive = 64;  // of what we send, and its IPv6 namesake

}  // namespace gnomon::frame
