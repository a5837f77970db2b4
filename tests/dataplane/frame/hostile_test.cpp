// SPDX-License-Identifier: Apache-2.0
//
// Frames and packets that a host must not answer, and some beside them that it must: link, IPv4, IPv6, UDP. Expected is
// what IEEE 802.3, 802.1Q and the RFCs say, frame by frame.
#include <gtest/gtest.h>

#include "tests/dataplane/frame/cases.hpp"

namespace gnomon::frame {
namespace {

using namespace testing;  // NOLINT(google-build-using-namespace)
using page::Counter;
using serve::Address;
using support::Bytes;
using support::Envelope;
using support::Ethernet;
using support::Extension;
using support::Ipv4;
using support::Ipv6;
using support::Udp;

const Ethernet kLink{.to = kHostMac, .from = kGuestMac};
const Udp kUdp{.from = kGuestPort, .to = kPort};

Bytes v4(const Ipv4& changes, const Udp& udp = kUdp, const Ethernet& link = kLink) {
  Ipv4 header = changes;
  if (header.from == Address{}) header.from = kGuest4;
  if (header.to == Address{}) header.to = kHost4;
  return support::ethernet(link, support::kTypeIpv4,
                           support::ipv4(header, support::udp(udp, header.from, header.to, requests(1))));
}

Bytes v6(const Ipv6& changes, const Udp& udp = kUdp, const Ethernet& link = kLink) {
  Ipv6 header = changes;
  if (header.from == Address{}) header.from = kGuest6;
  if (header.to == Address{}) header.to = kHost6;
  return support::ethernet(link, support::kTypeIpv6,
                           support::ipv6(header, support::udp(udp, header.from, header.to, requests(1))));
}

Bytes v4_between(const Address& from, const Address& to) { return v4({.from = from, .to = to}); }
Bytes v6_between(std::string_view from, const Address& to) {
  const Address source = support::address_of(from);
  return support::ethernet(kLink, support::kTypeIpv6,
                           support::ipv6({.from = source, .to = to}, support::udp(kUdp, source, to, requests(1))));
}

TEST(Hostile, Links) {
  const Bytes packet = support::ipv4({.from = kGuest4, .to = kHost4}, support::udp(kUdp, kGuest4, kHost4, requests(1)));
  const auto link = [&](const Ethernet& header, std::uint16_t type = support::kTypeIpv4) {
    return support::ethernet(header, type, packet);
  };
  const Mac other{0x02, 0x67, 0x6e, 0x6f, 0x00, 0x03};
  run_cases({
      {"to us", link(kLink), Counter::kDatagrams},
      {"to another station", link({.to = other, .from = kGuestMac}), Counter::kDropMac},
      {"UDP to everybody", link({.to = support::kBroadcastMac, .from = kGuestMac}), Counter::kDropMac},
      {"UDP to a group", link({.to = {0x01, 0, 0x5e, 0, 0, 1}, .from = kGuestMac}), Counter::kDropMac},
      {"to our address as a group", link({.to = {0x03, 0x67, 0x6e, 0x6f, 0, 1}, .from = kGuestMac}), Counter::kDropMac},
      {"from a group", link({.to = kHostMac, .from = {0x01, 0, 0x5e, 0, 0, 1}}), Counter::kDropMac},
      {"from everybody", link({.to = kHostMac, .from = support::kBroadcastMac}), Counter::kDropMac},
      {"from nobody", link({.to = kHostMac, .from = {}}), Counter::kDropMac},
      {"from our own address", link({.to = kHostMac, .from = kHostMac}), Counter::kDatagrams},
      {"tagged", link({.to = kHostMac, .from = kGuestMac, .tags = {7}}), Counter::kDatagrams},
      {"tagged with a priority only", link({.to = kHostMac, .from = kGuestMac, .tags = {0xe000}}), Counter::kDatagrams},
      {"tagged twice", link({.to = kHostMac, .from = kGuestMac, .tags = {7, 8}}), Counter::kDropEthertype},
      {"the reserved VLAN", link({.to = kHostMac, .from = kGuestMac, .tags = {0xffff}}), Counter::kDropVlan},
      {"a provider's tag (802.1ad)", link(kLink, 0x88a8), Counter::kDropEthertype},
      {"an old provider's tag", link(kLink, 0x9100), Counter::kDropEthertype},
      {"MPLS", link(kLink, 0x8847), Counter::kDropEthertype},
      {"PPPoE", link(kLink, 0x8864), Counter::kDropEthertype},
      {"LLDP", link({.to = {0x01, 0x80, 0xc2, 0, 0, 0x0e}, .from = kGuestMac}, 0x88cc), Counter::kDropEthertype},
      {"flow control", link({.to = {0x01, 0x80, 0xc2, 0, 0, 1}, .from = kGuestMac}, 0x8808), Counter::kDropEthertype},
      {"a length, as 802.3 has it", link(kLink, 92), Counter::kDropEthertype},
      {"the longest length", link(kLink, 1500), Counter::kDropEthertype},
      {"neither length nor type", link(kLink, 1501), Counter::kDropEthertype},
      {"type 0", link(kLink, 0), Counter::kDropEthertype},
      {"type ffff", link(kLink, 0xffff), Counter::kDropEthertype},
      {"IPv4 that says it is IPv6", link(kLink, support::kTypeIpv6), Counter::kDropIpHeader},
      {"IPv4 that says it is ARP", link(kLink, support::kTypeArp), Counter::kDropArp},
      {"nothing behind the header", support::ethernet({.to = kHostMac, .from = kGuestMac, .padded = false}, 0x0800, {}),
       Counter::kDropFrameLength},
  });
}

TEST(Hostile, Vlans) {
  StationOptions options = host_options();
  options.vlans = {7, 4094};
  const auto in = [](std::vector<std::uint16_t> tags) {
    Envelope envelope = to_host4();
    envelope.tags = std::move(tags);
    return request_frame(envelope);
  };
  Envelope arp = tagged(to_host4(), 8);
  run_cases(
      {
          {"served", in({7}), Counter::kDatagrams},
          {"served, with a priority", in({0xe007}), Counter::kDatagrams},
          {"served, may be dropped", in({0x1007}), Counter::kDatagrams},
          {"served, the highest", in({4094}), Counter::kDatagrams},
          {"another", in({8}), Counter::kDropVlan},
          {"the reserved one", in({0xfff}), Counter::kDropVlan},
          {"untagged", in({}), Counter::kDropVlan},
          {"tagged with a priority only", in({0xe000}), Counter::kDropVlan},
          {"ARP in another", support::arp_request_frame(arp), Counter::kDropVlan},
          {"IPv6 in another", request_frame(tagged(to_host6(), 8)), Counter::kDropVlan},
      },
      options);
  options.vlans = {0};
  run_cases(
      {
          {"untagged only: untagged", in({}), Counter::kDatagrams},
          {"untagged only: tagged with a priority only", in({0xe000}), Counter::kDatagrams},
          {"untagged only: tagged", in({7}), Counter::kDropVlan},
      },
      options);
}

TEST(Hostile, Ipv4Headers) {
  const auto first = [](std::uint8_t byte) {
    Ipv4 header;
    header.version_length = byte;
    return v4(header);
  };
  const auto total = [](std::uint16_t length) {
    Ipv4 header;
    header.total_length = length;
    return v4(header);
  };
  const auto fragment = [](std::uint16_t field) {
    Ipv4 header;
    header.fragment = field;
    return v4(header);
  };
  const auto protocol = [](std::uint8_t number) {
    Ipv4 header;
    header.protocol = number;
    return v4(header);
  };
  std::vector<Case> cases{
      {"nothing but zeros", support::ethernet(kLink, support::kTypeIpv4, Bytes(92)), Counter::kDropIpHeader},
      {"a header checksum that is wrong", v4({.checksum = support::Checksum::kWrong}), Counter::kDropIpChecksum},
      {"no header checksum", v4({.checksum = support::Checksum::kZero}), Counter::kDropIpChecksum},
      {"router alert", v4({.options = support::from_hex("94040000")}), Counter::kDropIpOptions},
      {"record route", v4({.options = support::from_hex("07070400000000")}), Counter::kDropIpOptions},
      {"loose source route", v4({.options = support::from_hex("830704c0000209")}), Counter::kDropIpOptions},
      {"options that end at once", v4({.options = Bytes(4)}), Counter::kDropIpOptions},
      {"an option without a length", v4({.options = support::from_hex("0700")}), Counter::kDropIpOptions},
      {"all the options there can be", v4({.options = Bytes(40, std::byte{1})}), Counter::kDropIpOptions},
      {"total length 0", total(0), Counter::kDropIpHeader},
      {"total length 19", total(19), Counter::kDropIpHeader},
      {"total length of the header", total(20), Counter::kDropUdpLength},
      {"total length into the UDP header", total(27), Counter::kDropUdpLength},
      {"total length one short", total(91), Counter::kDropUdpLength},
      {"total length right", total(92), Counter::kDatagrams},
      {"total length one over", total(93), Counter::kDropFrameLength},
      {"total length 65535", total(65535), Counter::kDropFrameLength},
      {"don't fragment", fragment(0x4000), Counter::kDatagrams},
      {"may be fragmented", fragment(0x0000), Counter::kDatagrams},
      {"first fragment", fragment(0x2000), Counter::kDropIpFragment},
      {"middle fragment", fragment(0x2001), Counter::kDropIpFragment},
      {"last fragment", fragment(0x0001), Counter::kDropIpFragment},
      {"last fragment of the longest packet", fragment(0x1fff), Counter::kDropIpFragment},
      {"don't fragment, and yet one", fragment(0x6000), Counter::kDropIpFragment},
      {"tiny fragment", fragment(0x4008), Counter::kDropIpFragment},
      {"the reserved flag", fragment(0x8000), Counter::kDatagrams},
  };
  for (unsigned byte = 0; byte < 256; ++byte) {
    const bool options = byte > 0x45 && byte <= 0x4f;
    const Counter counter = options ? Counter::kDropIpOptions : Counter::kDropIpHeader;
    cases.push_back({"first byte " + std::to_string(byte), first(static_cast<std::uint8_t>(byte)),
                     byte == 0x45 ? Counter::kDatagrams : counter});
    const bool icmp = byte == 1;
    const Counter by_protocol = icmp ? Counter::kDropIcmp : Counter::kDropIpProtocol;
    cases.push_back({"protocol " + std::to_string(byte), protocol(static_cast<std::uint8_t>(byte)),
                     byte == 17 ? Counter::kDatagrams : by_protocol});
  }
  run_cases(cases);
}

// RFC 1122, 3.2.1.3, and RFC 6890.
TEST(Hostile, Ipv4Addresses) {
  run_cases({
      {"our second address", v4_between(kGuest4, kOther4), Counter::kDatagrams},
      {"another host's address", v4_between(kGuest4, Address::v4(192, 0, 2, 9)), Counter::kDropIpDestination},
      {"our network's broadcast address", v4_between(kGuest4, Address::v4(192, 0, 2, 255)),
       Counter::kDropIpDestination},
      {"everybody", v4_between(kGuest4, Address::v4(255, 255, 255, 255)), Counter::kDropIpDestination},
      {"a group", v4_between(kGuest4, Address::v4(224, 0, 0, 1)), Counter::kDropIpDestination},
      {"to nobody", v4_between(kGuest4, Address::v4(0, 0, 0, 0)), Counter::kDropIpDestination},
      {"to loopback", v4_between(kGuest4, Address::v4(127, 0, 0, 1)), Counter::kDropIpDestination},
      {"from nobody", v4_between(Address::v4(0, 0, 0, 0), kHost4), Counter::kDropIpSource},
      {"from this network", v4_between(Address::v4(0, 1, 2, 3), kHost4), Counter::kDropIpSource},
      {"from loopback", v4_between(Address::v4(127, 0, 0, 1), kHost4), Counter::kDropIpSource},
      {"from the end of loopback", v4_between(Address::v4(127, 255, 255, 255), kHost4), Counter::kDropIpSource},
      {"from a group", v4_between(Address::v4(224, 0, 0, 251), kHost4), Counter::kDropIpSource},
      {"from the last group", v4_between(Address::v4(239, 255, 255, 255), kHost4), Counter::kDropIpSource},
      {"from a reserved address", v4_between(Address::v4(240, 0, 0, 1), kHost4), Counter::kDropIpSource},
      {"from everybody", v4_between(Address::v4(255, 255, 255, 255), kHost4), Counter::kDropIpSource},
      {"from ourselves (land)", v4_between(kHost4, kHost4), Counter::kDropIpSource},
      {"from ourselves, our port (land)", v4({.from = kHost4, .to = kHost4}, {.from = kPort, .to = kPort}),
       Counter::kDropIpSource},
      {"from the last host before loopback", v4_between(Address::v4(126, 255, 255, 255), kHost4), Counter::kDatagrams},
      {"from the first host behind loopback", v4_between(Address::v4(128, 0, 0, 0), kHost4), Counter::kDatagrams},
      {"from the last host before the groups", v4_between(Address::v4(223, 255, 255, 255), kHost4),
       Counter::kDatagrams},
      {"from the first host of all", v4_between(Address::v4(1, 0, 0, 0), kHost4), Counter::kDatagrams},
      {"from a link-local address", v4_between(Address::v4(169, 254, 1, 1), kHost4), Counter::kDatagrams},
  });
}

TEST(Hostile, Ipv6Headers) {
  const auto with = [](const std::vector<Extension>& extensions) {
    Ipv6 header;
    header.extensions = extensions;
    return v6(header);
  };
  const auto length = [](std::uint16_t bytes) {
    Ipv6 header;
    header.payload_length = bytes;
    return v6(header);
  };
  const Bytes no_options = support::from_hex("010400000000");
  std::vector<Case> cases{
      {"nothing but zeros", support::ethernet(kLink, support::kTypeIpv6, Bytes(112)), Counter::kDropIpHeader},
      {"hop-by-hop options", with({{0, no_options}}), Counter::kDropIpOptions},
      {"a jumbogram", with({{0, support::from_hex("c20400012000")}}), Counter::kDropIpOptions},
      {"routing header", with({{43, support::from_hex("000000000000")}}), Counter::kDropIpOptions},
      {"routing header of type 0", with({{43, Bytes(22)}}), Counter::kDropIpOptions},
      {"destination options", with({{60, no_options}}), Counter::kDropIpOptions},
      {"authentication", with({{51, Bytes(10)}}), Counter::kDropIpOptions},
      {"a chain of them", with({{0, no_options}, {60, no_options}, {43, Bytes(6)}, {60, no_options}}),
       Counter::kDropIpOptions},
      {"first fragment", with({{44, support::from_hex("000112345678")}}), Counter::kDropIpFragment},
      {"last fragment", with({{44, support::from_hex("008812345678")}}), Counter::kDropIpFragment},
      {"atomic fragment (RFC 6946)", with({{44, support::from_hex("000012345678")}}), Counter::kDropIpFragment},
      {"payload length 0", length(0), Counter::kDropUdpLength},
      {"payload length into the UDP header", length(7), Counter::kDropUdpLength},
      {"payload length of the UDP header", length(8), Counter::kDropUdpLength},
      {"payload length one short", length(71), Counter::kDropUdpLength},
      {"payload length right", length(72), Counter::kDatagrams},
      {"payload length one over", length(73), Counter::kDropFrameLength},
      {"payload length 65535", length(65535), Counter::kDropFrameLength},
  };
  for (unsigned version = 0; version < 16; ++version) {
    Ipv6 header;
    header.version = static_cast<std::uint8_t>(version);
    cases.push_back({"version " + std::to_string(version), v6(header),
                     version == 6 ? Counter::kDatagrams : Counter::kDropIpHeader});
  }
  for (unsigned next = 0; next < 256; ++next) {
    Counter counter = Counter::kDropIpProtocol;
    for (const unsigned extension : {0U, 43U, 51U, 60U, 135U, 139U, 140U})
      if (next == extension) counter = Counter::kDropIpOptions;
    if (next == 44) counter = Counter::kDropIpFragment;
    if (next == 58) counter = Counter::kDropIcmp;
    if (next == 17) counter = Counter::kDatagrams;
    Ipv6 header;
    header.next = static_cast<std::uint8_t>(next);
    cases.push_back({"next header " + std::to_string(next), v6(header), counter});
  }
  run_cases(cases);
}

TEST(Hostile, Ipv6Addresses) {
  const auto to_group = [](std::string_view group, const Mac& mac) {
    return v6({.to = support::address_of(group)}, kUdp, {.to = mac, .from = kGuestMac});
  };
  const Mac all_nodes{0x33, 0x33, 0, 0, 0, 1};
  run_cases({
      {"another host's address", v6({.to = support::address_of("2001:db8::9")}), Counter::kDropIpDestination},
      {"to nobody", v6_between("2001:db8::2", Address{}), Counter::kDropIpDestination},
      {"to loopback", v6({.to = support::address_of("::1")}), Counter::kDropIpDestination},
      {"our IPv4 address, mapped", v6_between("2001:db8::2", support::address_of("::ffff:192.0.2.1")),
       Counter::kDropIpDestination},
      {"from nobody", v6_between("::", kHost6), Counter::kDropIpSource},
      {"from loopback", v6_between("::1", kHost6), Counter::kDropIpSource},
      {"from a group", v6_between("ff02::1", kHost6), Counter::kDropIpSource},
      {"from a group of all scopes", v6_between("ffff::1", kHost6), Counter::kDropIpSource},
      {"from a mapped address", v6_between("::ffff:192.0.2.2", kHost6), Counter::kDropIpSource},
      {"from ourselves (land)", v6_between("2001:db8::1", kHost6), Counter::kDropIpSource},
      {"from a link-local address", v6_between("fe80::2", kHost6), Counter::kDatagrams},
      {"from a unique local address", v6_between("fd00::2", kHost6), Counter::kDatagrams},
      {"a group, to our MAC address", to_group("ff02::1", kHostMac), Counter::kDropIpDestination},
      {"all nodes", to_group("ff02::1", all_nodes), Counter::kDropMac},
      {"our solicited group", to_group("ff02::1:ff00:1", {0x33, 0x33, 0xff, 0, 0, 1}), Counter::kDropMac},
      {"a group to another's MAC address", to_group("ff02::1", {0x33, 0x33, 0, 0, 0, 2}), Counter::kDropMac},
      {"our address, to everybody", v6({}, kUdp, {.to = support::kBroadcastMac, .from = kGuestMac}), Counter::kDropMac},
      {"our address, to a group's MAC address that ends as it does", v6({}, kUdp, {.to = all_nodes, .from = kGuestMac}),
       Counter::kDropMac},
      {"our address, to an IPv4 group's MAC address", v6({}, kUdp, {.to = {0x01, 0, 0x5e, 0, 0, 1}, .from = kGuestMac}),
       Counter::kDropMac},
      {"our address, to another station", v6({}, kUdp, {.to = {2, 0, 0, 0, 0, 9}, .from = kGuestMac}),
       Counter::kDropMac},
  });
}

TEST(Hostile, Udp) {
  for (const bool four : {true, false}) {
    SCOPED_TRACE(four ? "IPv4" : "IPv6");
    const auto with = [four](const Udp& udp) { return four ? v4({}, udp) : v6({}, udp); };
    const auto length = [&with](std::uint16_t bytes) {
      return with({.from = kGuestPort, .to = kPort, .length = bytes});
    };
    run_cases({
        {"our port", with(kUdp), Counter::kDatagrams},
        {"from our port", with({.from = kPort, .to = kPort}), Counter::kDatagrams},
        {"from the last port", with({.from = 65535, .to = kPort}), Counter::kDatagrams},
        {"from port 0", with({.from = 0, .to = kPort}), Counter::kDropUdpPort},
        {"to port 0", with({.from = kGuestPort, .to = 0}), Counter::kDropUdpPort},
        {"to the next port", with({.from = kGuestPort, .to = kPort + 1}), Counter::kDropUdpPort},
        {"to our port, swapped", with({.from = kGuestPort, .to = 0x4a39}), Counter::kDropUdpPort},
        {"to echo", with({.from = kGuestPort, .to = 7}), Counter::kDropUdpPort},
        {"length 0", length(0), Counter::kDropUdpLength},
        {"length 7", length(7), Counter::kDropUdpLength},
        {"length of the header", length(8), Counter::kDropUdpLength},
        {"length one short", length(71), Counter::kDropUdpLength},
        {"length one over", length(73), Counter::kDropUdpLength},
        {"length 65535", length(65535), Counter::kDropUdpLength},
        {"a checksum that is wrong", with({.from = kGuestPort, .to = kPort, .checksum = support::Checksum::kWrong}),
         Counter::kDropUdpChecksum},
        {"no checksum", with({.from = kGuestPort, .to = kPort, .checksum = support::Checksum::kZero}),
         four ? Counter::kDatagrams : Counter::kDropUdpChecksum},
    });
  }
  // A port is served on the address that was named with it.
  run_cases({
      {"the other port, the other address", v4({.to = kOther4}, {.from = kGuestPort, .to = kOtherPort}),
       Counter::kDatagrams},
      {"the other port, our first address", v4({}, {.from = kGuestPort, .to = kOtherPort}), Counter::kDropUdpPort},
  });
}

// Both lengths agree, on less than a UDP header: nothing behind it may be taken for a payload, whatever the port says.
TEST(Hostile, LengthsThatAgreeOnLessThanAHeader) {
  for (const Verified verified : {Verified::kUnknown, Verified::kGood, Verified::kBad})
    for (std::uint16_t size = 0; size < 8; ++size) {
      const Udp udp{.from = kGuestPort, .to = kPort, .length = size};
      const PortChecks checks{.ip = verified, .udp = verified};
      Ipv4 four;
      four.total_length = static_cast<std::uint16_t>(20 + size);
      Ipv6 six;
      six.payload_length = size;
      Judge judge;
      EXPECT_EQ(judge.judge(v4(four, udp), checks), "");
      EXPECT_EQ(judge.last().counter, verified == Verified::kBad ? Counter::kDropIpChecksum : Counter::kDropUdpLength);
      EXPECT_EQ(judge.judge(v6(six, udp), checks), "");
      EXPECT_EQ(judge.last().counter, Counter::kDropUdpLength);
    }
}

// Sums that are right but for a part that they leave out.
TEST(Hostile, ChecksumsOfLess) {
  const Bytes four = v4({});
  const Bytes six = v6({});
  const auto with_sum = [](Bytes frame, std::size_t at, const std::vector<std::pair<std::size_t, std::size_t>>& parts) {
    frame[at] = frame[at + 1] = std::byte{0};
    Bytes summed;
    for (const auto& [begin, size] : parts) {
      const Bytes piece = part(frame, begin, size);
      summed.insert(summed.end(), piece.begin(), piece.end());
    }
    const std::uint16_t sum = support::internet_checksum(summed);
    frame[at] = static_cast<std::byte>(sum >> 8);
    frame[at + 1] = static_cast<std::byte>(sum & 0xff);
    return frame;
  };
  run_cases({
      {"IPv4 without its destination", with_sum(four, 24, {{14, 16}}), Counter::kDropIpChecksum},
      {"IPv4 without its addresses", with_sum(four, 24, {{14, 12}}), Counter::kDropIpChecksum},
      {"IPv4 and the UDP header", with_sum(four, 24, {{14, 28}}), Counter::kDropIpChecksum},
      {"UDP over IPv4 without the pseudo header", with_sum(four, 40, {{34, 72}}), Counter::kDropUdpChecksum},
      {"UDP over IPv4 with addresses only", with_sum(four, 40, {{26, 8}, {34, 72}}), Counter::kDropUdpChecksum},
      {"UDP over IPv4 without the payload", with_sum(four, 40, {{26, 8}, {23, 1}, {38, 2}, {34, 8}}),
       Counter::kDropUdpChecksum},
      {"UDP over IPv6 without the pseudo header", with_sum(six, 60, {{54, 72}}), Counter::kDropUdpChecksum},
      {"UDP over IPv6 with addresses only", with_sum(six, 60, {{22, 32}, {54, 72}}), Counter::kDropUdpChecksum},
      {"UDP over IPv6 without the destination", with_sum(six, 60, {{22, 16}, {58, 2}, {54, 72}}),
       Counter::kDropUdpChecksum},
  });
}

}  // namespace
}  // namespace gnomon::frame
