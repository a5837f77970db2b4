// SPDX-License-Identifier: Apache-2.0
#include "tests/dataplane/dpdk/bad_frames.hpp"

#include <array>
#include <utility>

#include "tests/dataplane/udp_client.hpp"

namespace gnomon::test {
namespace {

using namespace support;  // NOLINT(google-build-using-namespace): builders, one after the other
using page::Counter;

constexpr std::uint8_t kProtocolTcp = 6;
constexpr std::uint16_t kForeignVlan = 9;

class Collection {
 public:
  Collection(const Asker& v4, const Asker& v6, std::uint16_t vlan) : v4_(v4), v6_(v6), vlan_(vlan) {}

  std::vector<Kind> all() {
    links();
    headers();
    addresses();
    transport();
    neighbours();
    datagrams();
    return std::move(kinds_);
  }

 private:
  void add(const std::string& name, Counter counted, std::vector<Bytes> frames) {
    kinds_.push_back({.name = name, .counted = counted, .frames = std::move(frames)});
  }
  void add_answered(const std::string& name, Counter counted, std::vector<Bytes> frames) {
    add(name, counted, std::move(frames));
    kinds_.back().answered = true;
  }

  [[nodiscard]] static Bytes payload() {
    const wire::Message message = next_id(1);
    return to_bytes(std::span(&message, 1));
  }
  [[nodiscard]] static Bytes link(const Envelope& e, const Bytes& packet) {
    return ethernet({.to = e.to_mac, .from = e.from_mac, .tags = e.tags}, e.to.is_v4() ? kTypeIpv4 : kTypeIpv6, packet);
  }
  [[nodiscard]] static Bytes datagram(const Asker& asker, const Envelope& e) {
    return udp({.from = asker.host().port, .to = asker.server().port}, e.from, e.to, payload());
  }
  /// A right request in an IP header that is not.
  [[nodiscard]] Bytes in4(Ipv4 header) const {
    const Envelope& e = v4_.envelope();
    header.from = e.from;
    header.to = e.to;
    return link(e, ipv4(header, datagram(v4_, e)));
  }
  [[nodiscard]] Bytes in6(Ipv6 header) const {
    const Envelope& e = v6_.envelope();
    header.from = e.from;
    header.to = e.to;
    return link(e, ipv6(header, datagram(v6_, e)));
  }
  /// A right request but for one part of its envelope.
  [[nodiscard]] static Bytes with(const Asker& asker, const auto& change) {
    Envelope e = asker.envelope();
    change(e);
    return udp_frame(e, {.from = asker.host().port, .to = asker.server().port}, payload());
  }
  [[nodiscard]] static Bytes from(const Asker& asker, const char* address) {
    return with(asker, [&](Envelope& e) { e.from = address_of(address); });
  }
  [[nodiscard]] static Bytes to(const Asker& asker, const char* address) {
    return with(asker, [&](Envelope& e) { e.to = address_of(address); });
  }
  [[nodiscard]] static Bytes with_udp(const Asker& asker, Udp header) {
    if (header.from == 0) header.from = asker.host().port;
    if (header.to == 0) header.to = asker.server().port;
    return udp_frame(asker.envelope(), header, payload());
  }

  void links() {
    const std::vector<Mac> foreign{{0x02, 0, 0, 0, 0xff, 0xff}, {0x01, 0, 0x5e, 0, 0, 1}, kBroadcastMac};
    std::vector<Bytes> to_others;
    std::vector<Bytes> from_groups;
    std::vector<Bytes> vlans;
    for (const Asker* asker : {&v4_, &v6_}) {
      for (const Mac& mac : foreign)
        to_others.push_back(with(*asker, [&](Envelope& e) { e.to_mac = mac; }));
      from_groups.push_back(with(*asker, [](Envelope& e) { e.from_mac = kBroadcastMac; }));
      vlans.push_back(with(*asker, [](Envelope& e) { e.tags = {kForeignVlan}; }));
      vlans.push_back(with(*asker, [](Envelope& e) { e.tags = {kForeignVlan | 0xe000}; }));
    }
    add("to other MAC addresses", Counter::kDropMac, to_others);
    add("from a group", Counter::kDropMac, from_groups);
    add("of a VLAN that is not served", Counter::kDropVlan, vlans);

    const Envelope& e = v4_.envelope();
    constexpr std::array<std::uint16_t, 7> kOthers{0x0000, 0x0040, 0x0805, 0x88cc, 0x88a8, 0x8863, 0xffff};
    std::vector<Bytes> types;
    types.reserve(kOthers.size() + 1);
    for (const std::uint16_t type : kOthers)
      types.push_back(ethernet({.to = e.to_mac, .from = e.from_mac}, type, ipv4({}, payload())));
    types.push_back(with(v4_, [&](Envelope& twice) { twice.tags = {vlan_, vlan_}; }));
    add("of other protocols", Counter::kDropEthertype, types);
  }

  // Every right request that ends too early, and what says that it is longer than it is.
  void headers() {
    std::vector<Bytes> cut;
    for (const Asker* asker : {&v4_, &v6_})
      for (const bool tagged : {false, true}) {
        const Bytes whole = with(*asker, [&](Envelope& e) {
          if (tagged) e.tags = {vlan_};
        });
        for (std::size_t size = 1; size < whole.size(); ++size)
          cut.emplace_back(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
      }
    cut.push_back(in4({.total_length = 0xffff}));
    cut.push_back(in6({.payload_length = 0xffff}));
    add("cut off", Counter::kDropFrameLength, cut);
    Bytes jumbo = with(v4_, [](Envelope&) {});
    jumbo.resize(4000);
    kinds_.push_back(
        {.name = "in several buffers", .counted = Counter::kDropFrameLength, .frames = {jumbo}, .pieces = 3});

    add("IP of another version", Counter::kDropIpHeader,
        {in4({.version_length = 0x55}), in4({.version_length = 0x05}), in6({.version = 5}), in6({.version = 4})});
    add("an IP header too short", Counter::kDropIpHeader, {in4({.version_length = 0x44}), in4({.total_length = 19})});
    add("a wrong IP checksum", Counter::kDropIpChecksum,
        {in4({.checksum = Checksum::kWrong}), in4({.checksum = Checksum::kZero})});
    add("IPv4 options", Counter::kDropIpOptions,
        {in4({.options = from_hex("01010101")}), in4({.options = Bytes(40, std::byte{1})})});
    add("IPv6 extensions", Counter::kDropIpOptions,
        {in6({.extensions = {{.type = 0}}}), in6({.extensions = {{.type = 43}}}), in6({.extensions = {{.type = 60}}}),
         in6({.extensions = {{.type = 0}, {.type = 44}}})});
    add("fragments", Counter::kDropIpFragment,
        {in4({.fragment = 0x2000}), in4({.fragment = 1}), in4({.fragment = 0x3fff}),
         in6({.extensions = {{.type = 44, .body = from_hex("0001 00000001")}}})});
  }

  void addresses() {
    add("to other addresses", Counter::kDropIpDestination,
        {to(v4_, "10.9.0.77"), to(v4_, "255.255.255.255"), to(v4_, "224.0.0.1"), to(v6_, "fd00:9::77"),
         to(v6_, "ff02::1")});
    add("from nobody", Counter::kDropIpSource,
        {from(v4_, "0.0.0.0"), from(v4_, "127.0.0.1"), from(v4_, "224.0.0.1"), from(v4_, "255.255.255.255"),
         from(v4_, "10.9.0.1"), from(v6_, "::"), from(v6_, "::1"), from(v6_, "ff02::1"), from(v6_, "fd00:9::1")});
  }

  void transport() {
    const Envelope& e4 = v4_.envelope();
    const Envelope& e6 = v6_.envelope();
    add("neither UDP nor ICMP", Counter::kDropIpProtocol,
        {link(e4, ipv4({.from = e4.from, .to = e4.to, .protocol = kProtocolTcp}, payload())),
         link(e6, ipv6({.from = e6.from, .to = e6.to, .next = kProtocolTcp}, payload()))});
    for (const Asker* asker : {&v4_, &v6_}) {
      add("a wrong UDP length", Counter::kDropUdpLength,
          {with_udp(*asker, {.length = 0}), with_udp(*asker, {.length = 7}), with_udp(*asker, {.length = 71}),
           with_udp(*asker, {.length = 73}), with_udp(*asker, {.length = 0xffff})});
      const auto server = static_cast<std::uint16_t>(asker->server().port + 1);
      const auto from_zero = udp_frame(asker->envelope(), {.from = 0, .to = asker->server().port}, payload());
      add("to another port, or from none", Counter::kDropUdpPort, {with_udp(*asker, {.to = server}), from_zero});
      add("a wrong UDP checksum", Counter::kDropUdpChecksum, {with_udp(*asker, {.checksum = Checksum::kWrong})});
    }
    add("no UDP checksum over IPv6", Counter::kDropUdpChecksum, {with_udp(v6_, {.checksum = Checksum::kZero})});
  }

  void neighbours() {
    Envelope e4 = v4_.envelope();
    Envelope e6 = v6_.envelope();
    add_answered("ARP for us", Counter::kArpReplies, {arp_request_frame(e4)});
    add_answered("solicitations of us", Counter::kNdpReplies,
                 {solicitation_frame(e6), solicitation_frame(e6, {.options = Bytes{}, .to_group = false})});
    add_answered("echo requests", Counter::kEchoReplies,
                 {echo_request_frame(e4, 1, 2, text_bytes("ping")), echo_request_frame(e6, 1, 2, Bytes(900))});
    add("broken ICMP", Counter::kDropIcmp,
        {echo_request_frame(e4, 1, 2, {}, Checksum::kWrong), echo_request_frame(e6, 1, 2, {}, Checksum::kWrong),
         solicitation_frame(e6, {.checksum = Checksum::kWrong}),
         link(e4, ipv4({.from = e4.from, .to = e4.to, .protocol = kProtocolIcmp}, icmp4(3, 3, Bytes(32)))),
         link(e6,
              ipv6({.from = e6.from, .to = e6.to, .next = kProtocolIcmp6}, icmp6(1, 4, Bytes(32), e6.from, e6.to)))});
    add("broken solicitations", Counter::kDropNdp,
        {solicitation_frame(e6, {.hop_limit = 254}), solicitation_frame(e6, {.code = 1}),
         solicitation_frame(e6, {.options = from_hex("0100 000000000000")})});
    e4.to = address_of("10.9.0.77");
    // Of another address that has our group: the last three bytes are the same.
    e6.to = address_of("fd00:77::1");
    add("solicitations of others", Counter::kDropNdp, {solicitation_frame(e6)});
    add("ARP for others", Counter::kDropArp,
        {arp_request_frame(e4), gratuitous_arp_frame(v4_.envelope()), arp_reply_frame(v4_.envelope()),
         ethernet({.to = kBroadcastMac, .from = e4.from_mac}, kTypeArp,
                  arp({.sender_mac = e4.from_mac, .sender = e4.from, .target = v4_.envelope().to, .hardware = 6}))});
    Envelope thief4 = v4_.envelope();
    thief4.from = thief4.to;
    Envelope thief6 = v6_.envelope();
    thief6.from = thief6.to;
    thief6.to = address_of("ff02::1");
    thief6.to_mac = group_mac(thief6.to);
    add("from somebody who has our address", Counter::kAddressConflicts,
        {gratuitous_arp_frame(thief4), advertisement_frame(thief6, {.flags = 0x20})});
  }

  // Right frames with something in them that is no request.
  void datagrams() {
    Bytes foreign = payload();
    foreign[0] = std::byte{'H'};
    Bytes reply = payload();
    reply[6] = std::byte{wire::kFlagReply};
    for (const Asker* asker : {&v4_, &v6_}) {
      add("oversized or crooked datagrams", Counter::kDropLength,
          {asker->frame(Bytes(1472)), asker->frame(Bytes(1409)), asker->frame(Bytes(63)), asker->frame({})});
      add("foreign messages", Counter::kDropMagic, {asker->frame(foreign)});
      add("replies", Counter::kDropReply, {asker->frame(reply)});
    }
  }

  const Asker& v4_;
  const Asker& v6_;
  std::uint16_t vlan_;
  std::vector<Kind> kinds_;
};

}  // namespace

std::vector<Kind> bad_frames(const Asker& v4, const Asker& v6, std::uint16_t vlan) {
  return Collection(v4, v6, vlan).all();
}

}  // namespace gnomon::test
