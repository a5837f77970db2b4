// SPDX-License-Identifier: Apache-2.0
//
// The builders and the judge of frames against bytes that they did not make: the example of RFC 1071, and what one
// Linux kernel sent to another over a veth pair, as tcpdump wrote it down. Then the judge against frames that are wrong
// in one place each: one that saw nothing would make every test of the data plane pass.
#include "tests/support/frames.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <stdexcept>

namespace gnomon::support {
namespace {

const Mac kServerMac{0x02, 0, 0, 0, 0x09, 0x01};
const Mac kClientMac{0x02, 0, 0, 0, 0x09, 0x02};

Envelope to_server(bool v4) {
  return {.from_mac = kClientMac,
          .to_mac = kServerMac,
          .from = address_of(v4 ? "10.9.0.2" : "fd00:9::2"),
          .to = address_of(v4 ? "10.9.0.1" : "fd00:9::1")};
}
Envelope to_client(bool v4) {
  const Envelope there = to_server(v4);
  return {.from_mac = there.to_mac, .to_mac = there.from_mac, .from = there.to, .to = there.from};
}

const Bytes kArpRequest = from_hex(
    "ffff ffff ffff 0200 0000 0902 0806 0001 0800 0604 0001 0200 0000 0902 0a09 0002 0000 0000 0000 0a09 0001");
const Bytes kArpReply = from_hex(
    "0200 0000 0902 0200 0000 0901 0806 0001 0800 0604 0002 0200 0000 0901 0a09 0001 0200 0000 0902 0a09 0002");
const Bytes kPing = from_hex(
    "0200 0000 0901 0200 0000 0902 0800 4500 0054 c991 4000 4001 5d03 0a09 0002 0a09 0001 0800 b628 426a 0001 d876 "
    "056b 0000 0000 60b7 0200 0000 0000 1011 1213 1415 1617 1819 1a1b 1c1d 1e1f 2021 2223 2425 2627 2829 2a2b 2c2d "
    "2e2f 3031 3233 3435 3637");
const Bytes kPong = from_hex(
    "0200 0000 0902 0200 0000 0901 0800 4500 0054 1e6e 0000 4001 4827 0a09 0001 0a09 0002 0000 be28 426a 0001 d876 "
    "056b 0000 0000 60b7 0200 0000 0000 1011 1213 1415 1617 1819 1a1b 1c1d 1e1f 2021 2223 2425 2627 2829 2a2b 2c2d "
    "2e2f 3031 3233 3435 3637");
const Bytes kSolicitation = from_hex(
    "3333 ff00 0001 0200 0000 0902 86dd 6000 0000 0020 3aff fd00 0009 0000 0000 0000 0000 0000 0002 ff02 0000 0000 "
    "0000 0000 0001 ff00 0001 8700 7485 0000 0000 fd00 0009 0000 0000 0000 0000 0000 0001 0101 0200 0000 0902");
const Bytes kAdvertisement = from_hex(
    "0200 0000 0902 0200 0000 0901 86dd 6000 0000 0020 3aff fd00 0009 0000 0000 0000 0000 0000 0001 fd00 0009 0000 "
    "0000 0000 0000 0000 0002 8800 1381 6000 0000 fd00 0009 0000 0000 0000 0000 0000 0001 0201 0200 0000 0901");
const Bytes kPing6 = from_hex(
    "0200 0000 0901 0200 0000 0902 86dd 600b 5434 0040 3a40 fd00 0009 0000 0000 0000 0000 0000 0002 fd00 0009 0000 "
    "0000 0000 0000 0000 0001 8000 207c 426b 0001 d876 056b 0000 0000 83d1 0200 0000 0000 1011 1213 1415 1617 1819 "
    "1a1b 1c1d 1e1f 2021 2223 2425 2627 2829 2a2b 2c2d 2e2f 3031 3233 3435 3637");
const Bytes kDatagram = from_hex(
    "0200 0000 0901 0200 0000 0902 0800 4500 0025 25cf 4000 4011 00e5 0a09 0002 0a09 0001 0fa0 394a 0011 a561 676e "
    "6f6d 6f6e 3f21 78");
const Bytes kDatagram6 = from_hex(
    "0200 0000 0901 0200 0000 0902 86dd 6007 95c3 0011 1140 fd00 0009 0000 0000 0000 0000 0000 0002 fd00 0009 0000 "
    "0000 0000 0000 0000 0001 0fa0 394a 0011 bf5f 676e 6f6d 6f6e 3f21 78");

// From a multicast listener report: a hop by hop option (router alert, filled up) in front of ICMPv6.
const Bytes kReport = from_hex(
    "3333 0000 0016 0200 0000 0901 86dd 6000 0000 0038 0001 fe80 0000 0000 0000 0000 00ff fe00 0901 ff02 0000 0000 "
    "0000 0000 0000 0000 0016 3a00 0502 0000 0100 8f00 5dec 0000 0002 0400 0000 ff02 0000 0000 0000 0000 0001 ff00 "
    "0001 0400 0000 ff02 0000 0000 0000 0000 0001 ff00 0901");

Bytes padded(Bytes frame) {
  frame.resize(std::max(frame.size(), kLeastFrame));
  return frame;
}

Bytes tail(const Bytes& frame, std::ptrdiff_t from) { return {frame.begin() + from, frame.end()}; }

TEST(Checksum, OfRfc1071) {
  const Bytes data = from_hex("0001 f203 f4f5 f6f7");
  EXPECT_EQ(internet_checksum(data), 0x220d);  // the RFC's sum is ddf2
  EXPECT_EQ(internet_checksum(from_hex("0001 f203 f4f5 f6f7 220d")), 0);
  EXPECT_EQ(internet_checksum(from_hex("0001 f203 f4")), internet_checksum(from_hex("0001 f203 f400")));
  EXPECT_EQ(internet_checksum(Bytes{}), 0xffff);
  EXPECT_EQ(internet_checksum(from_hex("ffff ffff")), 0);
  // The header that textbooks add up.
  EXPECT_EQ(internet_checksum(from_hex("4500 0073 0000 4000 4011 0000 c0a8 0001 c0a8 00c7")), 0xb861);
}

TEST(Frames, AreWhatAKernelSends) {
  EXPECT_EQ(to_hex(arp_request_frame(to_server(true))), to_hex(padded(kArpRequest)));
  EXPECT_EQ(to_hex(arp_reply_frame(to_client(true))), to_hex(padded(kArpReply)));
  EXPECT_EQ(to_hex(solicitation_frame(to_server(false))), to_hex(kSolicitation));
  EXPECT_EQ(to_hex(advertisement_frame(to_client(false))), to_hex(kAdvertisement));

  const Envelope v4 = to_server(true);
  const Bytes ping4 = ethernet({.to = kServerMac, .from = kClientMac}, kTypeIpv4,
                               ipv4({.from = v4.from, .to = v4.to, .protocol = kProtocolIcmp, .id = 0xc991},
                                    icmp4(8, 0, echo_body(0x426a, 1, tail(kPing, 42)))));
  EXPECT_EQ(to_hex(ping4), to_hex(kPing));
  const Envelope v6 = to_server(false);
  const Bytes ping6 = ethernet({.to = kServerMac, .from = kClientMac}, kTypeIpv6,
                               ipv6({.from = v6.from, .to = v6.to, .next = kProtocolIcmp6, .flow = 0xb5434},
                                    icmp6(128, 0, echo_body(0x426b, 1, tail(kPing6, 62)), v6.from, v6.to)));
  EXPECT_EQ(to_hex(ping6), to_hex(kPing6));

  const Udp header{.from = 4000, .to = 14666};
  const Bytes text = text_bytes("gnomon?!x");
  const Bytes datagram4 =
      ethernet({.to = kServerMac, .from = kClientMac, .padded = false}, kTypeIpv4,
               ipv4({.from = v4.from, .to = v4.to, .id = 0x25cf}, udp(header, v4.from, v4.to, text)));
  EXPECT_EQ(to_hex(datagram4), to_hex(kDatagram));
  const Bytes datagram6 =
      ethernet({.to = kServerMac, .from = kClientMac, .padded = false}, kTypeIpv6,
               ipv6({.from = v6.from, .to = v6.to, .flow = 0x795c3}, udp(header, v6.from, v6.to, text)));
  EXPECT_EQ(to_hex(datagram6), to_hex(kDatagram6));

  const Bytes report =
      ethernet({.to = group_mac(address_of("ff02::16")), .from = kServerMac}, kTypeIpv6,
               ipv6({.from = address_of("fe80::ff:fe00:901"),
                     .to = address_of("ff02::16"),
                     .next = kProtocolIcmp6,
                     .hop_limit = 1,
                     .extensions = {{.type = 0, .body = from_hex("0502 0000 0100")}}},
                    icmp6(143, 0, tail(kReport, 66), address_of("fe80::ff:fe00:901"), address_of("ff02::16"))));
  EXPECT_EQ(to_hex(report), to_hex(kReport));
}

TEST(Frames, TagsOptionsAndFragments) {
  const Envelope v4 = to_server(true);
  EXPECT_EQ(to_hex(ethernet({.to = kServerMac, .from = kClientMac, .tags = {0x2064, 7}, .padded = false}, 0x1234,
                            from_hex("abcd"))),
            "0200 0000 0901 0200 0000 0902 8100 2064 8100 0007 1234 abcd");
  const Bytes packet =
      ipv4({.from = v4.from, .to = v4.to, .fragment = 0x2001, .options = from_hex("9404 0000 01")}, from_hex("ff"));
  EXPECT_EQ(packet.size(), 29U);
  EXPECT_EQ(to_hex(packet).substr(0, 19), "4700 001d 0000 2001");
  EXPECT_EQ(to_hex(tail(packet, 20)), "9404 0000 0100 0000 ff");
  EXPECT_EQ(internet_checksum(std::span(packet).first(28)), 0);
  const Envelope v6 = to_server(false);
  const Bytes fragment = ipv6({.from = v6.from,
                               .to = v6.to,
                               .traffic_class = 0xa5,
                               .extensions = {{.type = 60}, {.type = 44, .body = from_hex("0001 1234 5678")}}},
                              from_hex("ff"));
  EXPECT_EQ(to_hex(fragment).substr(0, 19), "6a50 0000 0011 3c40");
  EXPECT_EQ(to_hex(tail(fragment, 40)), "2c00 0000 0000 0000 1100 0001 1234 5678 ff");
}

TEST(Frames, ChecksumsAsWanted) {
  for (const bool v4 : {true, false}) {
    const Envelope e = to_server(v4);
    const Bytes right = udp({.from = 1, .to = 2}, e.from, e.to, text_bytes("x"));
    const Bytes wrong = udp({.from = 1, .to = 2, .checksum = Checksum::kWrong}, e.from, e.to, text_bytes("x"));
    const Bytes zero = udp({.from = 1, .to = 2, .checksum = Checksum::kZero}, e.from, e.to, text_bytes("x"));
    EXPECT_NE(right, wrong);
    EXPECT_EQ(to_hex(zero).substr(15, 4), "0000");
    EXPECT_EQ(tail(right, 8), tail(wrong, 8));
  }
  // A sum of zero is sent as ffff: found by looking for it.
  const Envelope e = to_server(true);
  Bytes payload = from_hex("0000");
  const Bytes first = udp({.from = 1, .to = 2}, e.from, e.to, payload);
  payload = {first[6], first[7]};
  EXPECT_EQ(to_hex(udp({.from = 1, .to = 2}, e.from, e.to, payload)).substr(15, 4), "ffff");
}

TEST(Judge, AcceptsWhatAKernelSends) {
  for (const Bytes* frame :
       {&kArpRequest, &kArpReply, &kPing, &kPong, &kSolicitation, &kAdvertisement, &kPing6, &kDatagram, &kDatagram6})
    EXPECT_EQ(check_reply_frame(padded(*frame)), "");
  EXPECT_NE(check_reply_frame(kArpReply).find("shorter than 60"), std::string::npos);
  EXPECT_NE(check_reply_frame(kReport), "") << "extension headers are not for replies";
}

TEST(Judge, TakesApart) {
  Envelope envelope = to_server(false);
  envelope.tags = {0x3007};
  const Dissection d = dissect(udp_frame(envelope, {.from = 4000, .to = 14666}, text_bytes("hello")));
  EXPECT_EQ(d.to, kServerMac);
  EXPECT_EQ(d.from, kClientMac);
  EXPECT_EQ(d.tags, std::vector<std::uint16_t>{0x3007});
  EXPECT_EQ(d.type, kTypeIpv6);
  EXPECT_EQ(d.source, envelope.from);
  EXPECT_EQ(d.destination, envelope.to);
  EXPECT_EQ(d.protocol, kProtocolUdp);
  EXPECT_EQ(d.ttl, 64);
  EXPECT_EQ(d.source_port, 4000);
  EXPECT_EQ(d.destination_port, 14666);
  EXPECT_EQ(d.payload, text_bytes("hello"));
  EXPECT_EQ(dissect(kPong).icmp_type, 0);
  EXPECT_EQ(dissect(padded(kArpReply)).arp.sender, address_of("10.9.0.1"));
  EXPECT_EQ(dissect(padded(kArpReply)).arp.target_mac, kClientMac);
}

// Every bit behind the MAC addresses is covered by some check, but for those that a host may set as it likes.
TEST(Judge, SeesEveryFlippedBit) {
  const std::function<bool(const Bytes&, std::size_t)> nothing = [](const Bytes&, std::size_t) { return false; };
  // Class and flow of IPv6, its hop limit where it is not neighbour discovery, and "don't fragment" are free.
  const auto free_in_ipv6 = [](const Bytes& frame, std::size_t bit) {
    const std::size_t in_ip = bit - 14 * 8;
    return (in_ip >= 4 && in_ip < 32) || (frame[20] != std::byte{kProtocolIcmp6} && in_ip / 8 == 7) ||
           (frame == kPing6 && in_ip / 8 == 7);
  };
  struct Case {
    const char* name;
    Bytes frame;
    std::function<bool(const Bytes&, std::size_t)> is_free;
  };
  for (const Case& c :
       {Case{"ping", kPing, nothing}, Case{"pong", kPong, nothing}, Case{"ping6", kPing6, free_in_ipv6},
        Case{"solicitation", kSolicitation, free_in_ipv6}, Case{"advertisement", kAdvertisement, free_in_ipv6},
        Case{"datagram", padded(kDatagram), nothing}, Case{"datagram6", padded(kDatagram6), free_in_ipv6}}) {
    for (std::size_t bit = 14 * 8; bit < 8 * c.frame.size(); ++bit) {
      if (c.is_free(c.frame, bit)) continue;
      Bytes flipped = c.frame;
      flipped[bit / 8] ^= static_cast<std::byte>(0x80 >> bit % 8);
      EXPECT_NE(check_reply_frame(flipped), "") << c.name << ", byte " << bit / 8 << ", bit " << bit % 8;
    }
  }
}

TEST(Judge, SeesEveryMissingAndAddedByte) {
  for (const Bytes* frame : {&kPing, &kPong, &kSolicitation, &kAdvertisement, &kPing6, &kDatagram6}) {
    for (std::size_t size = 0; size < frame->size(); ++size)
      EXPECT_NE(check_reply_frame({frame->begin(), frame->begin() + static_cast<std::ptrdiff_t>(size)}), "") << size;
    Bytes longer = *frame;
    longer.push_back(std::byte{0});
    EXPECT_NE(check_reply_frame(longer), "");
  }
  Bytes dirty = padded(kArpReply);
  EXPECT_EQ(check_reply_frame(dirty), "");
  dirty.back() = std::byte{1};
  EXPECT_NE(check_reply_frame(dirty).find("fills the frame up: "), std::string::npos);
}

TEST(Judge, SeesWhatNoHostSends) {
  const Mac group{0x01, 0, 0x5e, 0, 0, 1};
  for (const bool v4 : {true, false}) {
    const Envelope good = to_client(v4);
    const Udp header{.from = 14666, .to = 4000};
    const Bytes data(64);
    EXPECT_EQ(check_reply_frame(udp_frame(good, header, data)), "");
    const auto refused = [&](const std::function<void(Envelope&)>& change) {
      Envelope e = good;
      change(e);
      return !check_reply_frame(udp_frame(e, header, data)).empty();
    };
    EXPECT_TRUE(refused([&](Envelope& e) { e.from_mac = group; }));
    EXPECT_TRUE(refused([&](Envelope& e) { e.from_mac = {}; }));
    EXPECT_TRUE(refused([&](Envelope& e) { e.to_mac = group; }));
    EXPECT_TRUE(refused([&](Envelope& e) { e.tags = {0x0fff}; }));
    EXPECT_TRUE(refused([&](Envelope& e) { e.tags = {1, 2, 3}; }));
    EXPECT_TRUE(refused([&](Envelope& e) { e.from = address_of(v4 ? "224.0.0.1" : "ff02::1"); }));
    EXPECT_TRUE(refused([&](Envelope& e) { e.from = address_of(v4 ? "0.0.0.0" : "::"); }));
    EXPECT_TRUE(refused([&](Envelope& e) { e.to = address_of(v4 ? "0.0.0.0" : "::"); }));
    for (const Checksum checksum : {Checksum::kWrong, Checksum::kZero})
      EXPECT_NE(check_reply_frame(udp_frame(good, {.from = 14666, .to = 4000, .checksum = checksum}, data)), "");
    EXPECT_NE(check_reply_frame(udp_frame(good, {.from = 14666, .to = 4000, .length = 71}, data)), "");
    EXPECT_NE(check_reply_frame(udp_frame(good, {.from = 0, .to = 4000}, data)), "");
    EXPECT_NE(check_reply_frame(echo_request_frame(good, 1, 1, data, Checksum::kWrong)), "");
  }
  const Envelope e = to_client(true);
  const auto ip_refused = [&](Ipv4 header) {
    header.from = e.from;
    header.to = e.to;
    const Bytes datagram = udp({.from = 14666, .to = 4000}, e.from, e.to, Bytes(64));
    return !check_reply_frame(ethernet({.to = e.to_mac, .from = e.from_mac}, kTypeIpv4, ipv4(header, datagram)))
                .empty();
  };
  EXPECT_FALSE(ip_refused({}));
  EXPECT_TRUE(ip_refused({.ttl = 0}));
  EXPECT_TRUE(ip_refused({.fragment = 0x2000}));
  EXPECT_TRUE(ip_refused({.fragment = 1}));
  EXPECT_TRUE(ip_refused({.fragment = 0x8000}));
  EXPECT_TRUE(ip_refused({.options = from_hex("0101 0101")}));
  EXPECT_TRUE(ip_refused({.version_length = 0x44}));
  EXPECT_TRUE(ip_refused({.total_length = 91}));
  EXPECT_TRUE(ip_refused({.total_length = 93}));
  EXPECT_TRUE(ip_refused({.checksum = Checksum::kWrong}));
  EXPECT_TRUE(ip_refused({.checksum = Checksum::kZero}));
}

TEST(Judge, KnowsNeighbourDiscovery) {
  const Envelope e = to_client(false);
  EXPECT_EQ(check_reply_frame(advertisement_frame(e)), "");
  EXPECT_EQ(check_reply_frame(advertisement_frame(e, {.options = Bytes{}})), "");
  EXPECT_NE(check_reply_frame(advertisement_frame(e, {.hop_limit = 64})), "");
  EXPECT_NE(check_reply_frame(advertisement_frame(e, {.options = from_hex("0200 0200 0000 0901")})), "");
  EXPECT_NE(check_reply_frame(advertisement_frame(e, {.options = from_hex("0202 0200 0000 0901")})), "");
  EXPECT_NE(check_reply_frame(advertisement_frame(e, {.options = link_option(2, kClientMac)})), "");
  Envelope all = e;
  all.to = address_of("ff02::1");
  all.to_mac = group_mac(all.to);
  EXPECT_EQ(check_reply_frame(advertisement_frame(all, {.flags = 0x20})), "");
  EXPECT_NE(check_reply_frame(advertisement_frame(all, {.flags = 0x60})), "");
  Envelope probe = to_server(false);
  probe.from = address_of("::");
  EXPECT_EQ(check_reply_frame(solicitation_frame(probe, {.options = Bytes{}})), "");
}

TEST(Frames, HexIsReadStrictly) {
  EXPECT_EQ(to_hex(from_hex(" 0A b\nc ")), "0abc");
  EXPECT_THROW((void)from_hex("abc"), std::invalid_argument);
  EXPECT_THROW((void)from_hex("0x12"), std::invalid_argument);
  EXPECT_THROW((void)address_of("10.9.0"), std::invalid_argument);
}

}  // namespace
}  // namespace gnomon::support
