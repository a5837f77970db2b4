// SPDX-License-Identifier: Apache-2.0
//
// ARP, ICMP and neighbour discovery that a host must not answer, and some beside it that it must. Expected is what RFC
// 826, 5227, 792, 1122, 4443 and 4861 say, frame by frame.
#include <gtest/gtest.h>

#include "tests/dataplane/frame/cases.hpp"

namespace gnomon::frame {
namespace {

using namespace testing;  // NOLINT(google-build-using-namespace)
using page::Counter;
using serve::Address;
using support::Arp;
using support::Bytes;
using support::Checksum;
using support::Envelope;
using support::Ethernet;

const Ethernet kLink{.to = kHostMac, .from = kGuestMac};
const Ethernet kEverybody{.to = support::kBroadcastMac, .from = kGuestMac};
const Mac kAllNodesMac{0x33, 0x33, 0, 0, 0, 1};
const Address kAllNodes = support::address_of("ff02::1");

Arp request() { return {.operation = 1, .sender_mac = kGuestMac, .sender = kGuest4, .target = kHost4}; }

TEST(HostileNeighbour, Arp) {
  const auto arp = [](auto change, const Ethernet& link = kEverybody) {
    Arp packet = request();
    change(packet);
    return support::ethernet(link, support::kTypeArp, support::arp(packet));
  };
  const auto from = [&arp](const Address& sender) { return arp([&](Arp& a) { a.sender = sender; }); };
  const auto nothing = [](Arp&) {};
  run_cases({
      {"a request to everybody", arp(nothing), Counter::kArpReplies},
      {"a request to us", arp(nothing, kLink), Counter::kArpReplies},
      {"a request to another station", arp(nothing, {.to = {2, 0, 0, 0, 0, 9}, .from = kGuestMac}), Counter::kDropMac},
      {"a request to a group", arp(nothing, {.to = {0x01, 0, 0x5e, 0, 0, 1}, .from = kGuestMac}), Counter::kDropMac},
      {"a request from a group", arp(nothing, {.to = support::kBroadcastMac, .from = {1, 0, 0x5e, 0, 0, 1}}),
       Counter::kDropMac},
      {"for our second address", arp([](Arp& a) { a.target = kOther4; }), Counter::kArpReplies},
      {"for somebody else", arp([](Arp& a) { a.target = Address::v4(192, 0, 2, 9); }), Counter::kDropArp},
      {"for nobody", arp([](Arp& a) { a.target = Address::v4(0, 0, 0, 0); }), Counter::kDropArp},
      {"a reply to us",
       arp(
           [](Arp& a) {
             a.operation = 2;
             a.target_mac = kHostMac;
           },
           kLink),
       Counter::kDropArp},
      {"a reply to everybody", arp([](Arp& a) { a.operation = 2; }), Counter::kDropArp},
      {"operation 0", arp([](Arp& a) { a.operation = 0; }), Counter::kDropArp},
      {"a reverse request", arp([](Arp& a) { a.operation = 3; }), Counter::kDropArp},
      {"operation 256", arp([](Arp& a) { a.operation = 256; }), Counter::kDropArp},
      {"of a token ring", arp([](Arp& a) { a.hardware = 6; }), Counter::kDropArp},
      {"for another protocol", arp([](Arp& a) { a.protocol = 0x86dd; }), Counter::kDropArp},
      {"MAC addresses of 8 bytes", arp([](Arp& a) { a.hardware_size = 8; }), Counter::kDropArp},
      {"MAC addresses of 0 bytes", arp([](Arp& a) { a.hardware_size = 0; }), Counter::kDropArp},
      {"addresses of 16 bytes", arp([](Arp& a) { a.protocol_size = 16; }), Counter::kDropArp},
      {"from a group's MAC address in it", arp([](Arp& a) { a.sender_mac = {0x01, 0, 0x5e, 0, 0, 1}; }),
       Counter::kDropArp},
      {"from everybody's MAC address in it", arp([](Arp& a) { a.sender_mac = support::kBroadcastMac; }),
       Counter::kDropArp},
      {"from nobody's MAC address in it", arp([](Arp& a) { a.sender_mac = {}; }), Counter::kDropArp},
      {"from our MAC address in it", arp([](Arp& a) { a.sender_mac = kHostMac; }), Counter::kDropArp},
      {"a probe (RFC 5227)", from(Address::v4(0, 0, 0, 0)), Counter::kArpReplies},
      {"from this network", from(Address::v4(0, 0, 0, 1)), Counter::kDropArp},
      {"from loopback", from(Address::v4(127, 0, 0, 1)), Counter::kDropArp},
      {"from a group", from(Address::v4(224, 0, 0, 1)), Counter::kDropArp},
      {"from everybody", from(Address::v4(255, 255, 255, 255)), Counter::kDropArp},
      {"gratuitous, of a neighbour", support::gratuitous_arp_frame(to_host4()), Counter::kDropArp},
      {"a target MAC address that is set", arp([](Arp& a) { a.target_mac = support::kBroadcastMac; }),
       Counter::kArpReplies},
      {"somebody else's target MAC address", arp([](Arp& a) { a.target_mac = kGuestMac; }), Counter::kArpReplies},
      {"padding that is not zero",
       [&] {
         Bytes frame = arp(nothing);
         for (std::size_t i = 42; i < frame.size(); ++i)
           frame[i] = std::byte{0x77};
         return frame;
       }(),
       Counter::kArpReplies},
  });
}

// Somebody else says that one of our addresses is his.
TEST(HostileNeighbour, AddressConflicts) {
  const auto claim = [](std::uint16_t operation, const Address& target, const Mac& mac = kGuestMac,
                        const Ethernet& link = kEverybody) {
    return support::ethernet(
        link, support::kTypeArp,
        support::arp({.operation = operation, .sender_mac = mac, .sender = kHost4, .target = target}));
  };
  const Envelope he{.from_mac = kGuestMac, .to_mac = kAllNodesMac, .from = kHost6, .to = kAllNodes, .tags = {}};
  Envelope to_us = he;
  to_us.to_mac = kHostMac;
  to_us.to = kHost6;
  Envelope to_guest = to_us;
  to_guest.to = kGuest6;
  Envelope own = he;
  own.from_mac = kHostMac;
  support::Advertisement unsolicited{.flags = 0x20, .options = {}};
  support::Advertisement bare{.flags = 0, .options = Bytes{}};
  support::Advertisement forwarded{.flags = 0x20, .options = {}, .hop_limit = 254};
  support::Advertisement wrong{.flags = 0x20, .options = {}, .checksum = Checksum::kWrong};
  run_cases({
      {"gratuitous request", claim(1, kHost4), Counter::kAddressConflicts},
      {"gratuitous reply", claim(2, kHost4), Counter::kAddressConflicts},
      {"a request for a third host", claim(1, kGuest4), Counter::kAddressConflicts},
      {"a reply to us", claim(2, kHost4, kGuestMac, kLink), Counter::kAddressConflicts},
      {"our own, come back", claim(1, kHost4, kHostMac), Counter::kDropArp},
      {"advertisement to all nodes", support::advertisement_frame(he, unsolicited), Counter::kAddressConflicts},
      {"advertisement that overrides nothing and names no MAC address", support::advertisement_frame(he, bare),
       Counter::kAddressConflicts},
      {"solicited advertisement to all nodes (7.1.2)", support::advertisement_frame(he), Counter::kDropNdp},
      {"advertisement that a router forwarded", support::advertisement_frame(he, forwarded), Counter::kDropNdp},
      {"advertisement with a wrong checksum", support::advertisement_frame(he, wrong), Counter::kDropIcmp},
      {"advertisement from our address to our address", support::advertisement_frame(to_us), Counter::kDropIpSource},
      {"advertisement to another address", support::advertisement_frame(to_guest), Counter::kDropIpDestination},
      {"our own advertisement, come back", support::advertisement_frame(own, unsolicited), Counter::kDropNdp},
      {"a neighbour's advertisement of his own",
       support::advertisement_frame(
           {.from_mac = kGuestMac, .to_mac = kAllNodesMac, .from = kGuest6, .to = kAllNodes, .tags = {}}, unsolicited),
       Counter::kDropNdp},
  });
}

Bytes icmp4_frame(std::uint8_t type, std::uint8_t code, const Bytes& body, Checksum sum = Checksum::kRight) {
  return support::ethernet(
      kLink, support::kTypeIpv4,
      support::ipv4({.from = kGuest4, .to = kHost4, .protocol = 1}, support::icmp4(type, code, body, sum)));
}

TEST(HostileNeighbour, Icmp) {
  const Bytes body = support::echo_body(1, 2, support::text_bytes("data"));
  Envelope broadcast = to_host4();
  broadcast.to_mac = support::kBroadcastMac;
  Envelope network = to_host4();
  network.to = Address::v4(192, 0, 2, 255);
  Envelope land = to_host4();
  land.from = kHost4;
  std::vector<Case> cases{
      {"a wrong checksum", icmp4_frame(8, 0, body, Checksum::kWrong), Counter::kDropIcmp},
      {"no checksum", icmp4_frame(8, 0, body, Checksum::kZero), Counter::kDropIcmp},
      {"a code", icmp4_frame(8, 1, body), Counter::kDropIcmp},
      {"no sequence number", icmp4_frame(8, 0, Bytes(3)), Counter::kDropIcmp},
      {"only a checksum", icmp4_frame(8, 0, {}), Counter::kDropIcmp},
      {"no data", icmp4_frame(8, 0, Bytes(4)), Counter::kEchoReplies},
      {"an odd size", icmp4_frame(8, 0, Bytes(5)), Counter::kEchoReplies},
      {"to everybody's MAC address", support::echo_request_frame(broadcast, 1, 2, {}), Counter::kDropMac},
      {"to the network's broadcast address", support::echo_request_frame(network, 1, 2, {}),
       Counter::kDropIpDestination},
      {"from our own address", support::echo_request_frame(land, 1, 2, {}), Counter::kDropIpSource},
      {"in fragments",
       support::ethernet(kLink, support::kTypeIpv4,
                         support::ipv4({.from = kGuest4, .to = kHost4, .protocol = 1, .fragment = 0x2000},
                                       support::icmp4(8, 0, body))),
       Counter::kDropIpFragment},
      {"with the reserved flag",
       support::ethernet(kLink, support::kTypeIpv4,
                         support::ipv4({.from = kGuest4, .to = kHost4, .protocol = 1, .fragment = 0x8000},
                                       support::icmp4(8, 0, body))),
       Counter::kEchoReplies},
      {"with another id and time to live",
       support::ethernet(kLink, support::kTypeIpv4,
                         support::ipv4({.from = kGuest4, .to = kHost4, .protocol = 1, .tos = 0xb8, .ttl = 1, .id = 77},
                                       support::icmp4(8, 0, body))),
       Counter::kEchoReplies},
  };
  for (unsigned type = 0; type < 256; ++type)
    cases.push_back({"type " + std::to_string(type), icmp4_frame(static_cast<std::uint8_t>(type), 0, body),
                     type == 8 ? Counter::kEchoReplies : Counter::kDropIcmp});
  run_cases(cases);
}

Bytes icmp6_frame(std::uint8_t type, std::uint8_t code, const Bytes& body, const Envelope& envelope = to_host6(),
                  Checksum sum = Checksum::kRight) {
  return support::ethernet({.to = envelope.to_mac, .from = envelope.from_mac}, support::kTypeIpv6,
                           support::ipv6({.from = envelope.from, .to = envelope.to, .next = 58, .hop_limit = 255},
                                         support::icmp6(type, code, body, envelope.from, envelope.to, sum)));
}

TEST(HostileNeighbour, Icmp6) {
  const Bytes body = support::echo_body(1, 2, support::text_bytes("data"));
  Envelope all_nodes = to_host6();
  all_nodes.to = kAllNodes;
  Envelope all_nodes_mac = all_nodes;
  all_nodes_mac.to_mac = kAllNodesMac;
  Envelope unicast_in_group = to_host6();
  unicast_in_group.to_mac = kAllNodesMac;  // ends as our address does
  Envelope nobody = to_host6();
  nobody.from = {};
  std::vector<Case> cases{
      {"a wrong checksum", icmp6_frame(128, 0, body, to_host6(), Checksum::kWrong), Counter::kDropIcmp},
      {"no checksum", icmp6_frame(128, 0, body, to_host6(), Checksum::kZero), Counter::kDropIcmp},
      {"a checksum without the pseudo header",
       support::ethernet(kLink, support::kTypeIpv6,
                         support::ipv6({.from = kGuest6, .to = kHost6, .next = 58}, support::icmp4(128, 0, body))),
       Counter::kDropIcmp},
      {"ICMP for IPv4 within IPv6",
       support::ethernet(kLink, support::kTypeIpv6,
                         support::ipv6({.from = kGuest6, .to = kHost6, .next = 1}, support::icmp4(8, 0, body))),
       Counter::kDropIpProtocol},
      {"a code", icmp6_frame(128, 1, body), Counter::kDropIcmp},
      {"no sequence number", icmp6_frame(128, 0, Bytes(3)), Counter::kDropIcmp},
      {"only a checksum", icmp6_frame(128, 0, {}), Counter::kDropIcmp},
      {"no data", icmp6_frame(128, 0, Bytes(4)), Counter::kEchoReplies},
      {"echo to all nodes", icmp6_frame(128, 0, body, all_nodes_mac), Counter::kDropIcmp},
      {"echo to all nodes, to our MAC address", icmp6_frame(128, 0, body, all_nodes), Counter::kDropIcmp},
      {"echo to our address, to all nodes' MAC address", icmp6_frame(128, 0, body, unicast_in_group),
       Counter::kDropMac},
      {"echo from nobody", icmp6_frame(128, 0, body, nobody), Counter::kDropIcmp},
      {"router solicitation", icmp6_frame(133, 0, Bytes(4)), Counter::kDropNdp},
      {"router advertisement", icmp6_frame(134, 0, Bytes(12)), Counter::kDropNdp},
      {"redirect", icmp6_frame(137, 0, Bytes(36)), Counter::kDropNdp},
      {"redirect of our address",
       icmp6_frame(137, 0,
                   support::from_hex("00000000 20010db8000000000000000000000001"
                                     "20010db8000000000000000000000001")),
       Counter::kDropNdp},
  };
  for (unsigned type = 0; type < 256; ++type) {
    Counter counter = Counter::kDropIcmp;
    if (type == 128) counter = Counter::kEchoReplies;
    if (type >= 133 && type <= 137) counter = Counter::kDropNdp;
    cases.push_back({"type " + std::to_string(type), icmp6_frame(static_cast<std::uint8_t>(type), 0, body), counter});
  }
  run_cases(cases);
}

// RFC 4861, 7.1.1: each condition on a solicitation, broken by itself.
TEST(HostileNeighbour, Solicitations) {
  const auto with = [](const support::Solicitation& details, const Envelope& envelope = to_host6()) {
    return support::solicitation_frame(envelope, details);
  };
  const auto options = [&with](std::string_view hex, const Envelope& envelope = to_host6()) {
    support::Solicitation details;
    details.options = support::from_hex(hex);
    return with(details, envelope);
  };
  const auto to_host = [](const Envelope& envelope) {
    support::Solicitation details;
    details.to_group = false;
    return support::solicitation_frame(envelope, details);
  };
  Envelope somebody = to_host6();
  somebody.to = support::address_of("2001:db8::9");
  Envelope namesake = to_host6();  // of another network: the group is ours too
  namesake.to = support::address_of("2001:db8:1::1");
  Envelope nobody = to_host6();
  nobody.from = {};
  Envelope group_mac = to_host6();
  group_mac.to_mac = kAllNodesMac;
  const auto asking = [](const Address& target, const Address& to, const Mac& mac) {
    Bytes body(4);
    for (const std::uint8_t b : target.bytes)
      body.push_back(std::byte{b});
    return icmp6_frame(135, 0, body, {.from_mac = kGuestMac, .to_mac = mac, .from = kGuest6, .to = to, .tags = {}});
  };
  const std::string link = "0101 02676e6f0002";
  run_cases({
      {"to the group", with({}), Counter::kNdpReplies},
      {"to us", to_host(to_host6()), Counter::kNdpReplies},
      {"from a link-local address",
       with({}, {.from_mac = kGuestMac,
                 .to_mac = kHostMac,
                 .from = support::address_of("fe80::2"),
                 .to = kHost6,
                 .tags = {}}),
       Counter::kNdpReplies},
      {"hop limit 254: a router forwarded it", with({.options = {}, .hop_limit = 254}), Counter::kDropNdp},
      {"hop limit 64", with({.options = {}, .hop_limit = 64}), Counter::kDropNdp},
      {"hop limit 0", with({.options = {}, .hop_limit = 0}), Counter::kDropNdp},
      {"a wrong checksum", with({.options = {}, .checksum = Checksum::kWrong}), Counter::kDropIcmp},
      {"a code", with({.options = {}, .code = 1}), Counter::kDropNdp},
      {"shorter than its target", icmp6_frame(135, 0, Bytes(19)), Counter::kDropNdp},
      {"no options", options(""), Counter::kNdpReplies},
      {"a nonce (RFC 3971)", options(link + "0e01 010203040506"), Counter::kNdpReplies},
      {"an option of length 0", options("0100 02676e6f0002"), Counter::kDropNdp},
      {"an option of length 0 behind another", options(link + "0e00 010203040506"), Counter::kDropNdp},
      {"an option that is too long", options("0102 02676e6f0002"), Counter::kDropNdp},
      {"an option of 255 units", options("01ff 02676e6f0002"), Counter::kDropNdp},
      {"half an option", options("01"), Counter::kDropNdp},
      {"an option cut off", options("0101 02676e"), Counter::kDropNdp},
      {"for somebody else", with({}, somebody), Counter::kDropNdp},
      {"for a namesake in another network", with({}, namesake), Counter::kDropNdp},
      {"for somebody else, to us", asking(somebody.to, kHost6, kHostMac), Counter::kDropNdp},
      {"for a group", asking(kAllNodes, kHost6, kHostMac), Counter::kDropNdp},
      {"to another address", asking(kHost6, somebody.to, kHostMac), Counter::kDropIpDestination},
      {"to all nodes", asking(kHost6, kAllNodes, kAllNodesMac), Counter::kDropNdp},
      {"to another's group", asking(kHost6, support::address_of("ff02::1:ff00:9"), {0x33, 0x33, 0xff, 0, 0, 9}),
       Counter::kDropNdp},
      {"to our group, to our MAC address", asking(kHost6, support::solicited_group(kHost6), kHostMac),
       Counter::kNdpReplies},
      {"to us, to a group's MAC address that ends as we do", to_host(group_mac), Counter::kDropMac},
      {"a probe", options("", nobody), Counter::kNdpReplies},
      {"a probe with a nonce (RFC 7527)", options("0e01 010203040506", nobody), Counter::kNdpReplies},
      {"a probe that names a MAC address", with({}, nobody), Counter::kDropNdp},
      {"a probe that names one behind a nonce", options("0e01 010203040506" + link, nobody), Counter::kDropNdp},
      {"a probe to one host", with({.options = Bytes{}, .to_group = false}, nobody), Counter::kDropNdp},
      {"a probe for somebody else",
       options("", {.from_mac = kGuestMac, .to_mac = kHostMac, .from = {}, .to = somebody.to, .tags = {}}),
       Counter::kDropNdp},
  });
}

}  // namespace
}  // namespace gnomon::frame
