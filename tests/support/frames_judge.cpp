// SPDX-License-Identifier: Apache-2.0
//
// The judge of frames: takes one apart from front to back, and stops at the first thing that is wrong.
#include <fmt/format.h>

#include <algorithm>
#include <stdexcept>

#include "tests/support/frames.hpp"

namespace gnomon::support {
namespace {

constexpr std::uint16_t kTypeVlan = 0x8100;
constexpr std::size_t kMaxTags = 2;
constexpr std::uint8_t kEchoReply4 = 0;
constexpr std::uint8_t kEchoRequest4 = 8;
constexpr std::uint8_t kEchoRequest6 = 128;
constexpr std::uint8_t kEchoReply6 = 129;
constexpr std::uint8_t kSolicitation = 135;
constexpr std::uint8_t kAdvertisement = 136;

template <typename... Args>
void require(bool holds, fmt::format_string<Args...> words, Args&&... args) {
  if (!holds) throw std::runtime_error(fmt::format(words, std::forward<Args>(args)...));
}

// Reads, big-endian, and never beyond the end.
class Reader {
 public:
  Reader(std::span<const std::byte> bytes, std::string what) : left_(bytes), what_(std::move(what)) {}

  std::span<const std::byte> take(std::size_t size) {
    require(size <= left_.size(), "the {} ends {} bytes too soon", what_, size - std::min(size, left_.size()));
    const auto taken = left_.first(size);
    left_ = left_.subspan(size);
    return taken;
  }
  std::uint8_t u8() { return std::to_integer<std::uint8_t>(take(1)[0]); }
  std::uint16_t u16() {
    const unsigned high = u8();
    return static_cast<std::uint16_t>(high << 8 | u8());
  }
  Mac mac() {
    Mac mac;
    for (std::uint8_t& b : mac)
      b = u8();
    return mac;
  }
  serve::Address ip4() {
    serve::Address address = serve::Address::v4(0, 0, 0, 0);
    for (std::size_t i = 12; i < 16; ++i)
      address.bytes[i] = u8();
    return address;
  }
  serve::Address ip6() {
    serve::Address address;
    for (std::uint8_t& b : address.bytes)
      b = u8();
    return address;
  }
  [[nodiscard]] std::span<const std::byte> left() const { return left_; }

 private:
  std::span<const std::byte> left_;
  std::string what_;
};

bool all_zero(std::span<const std::byte> bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](std::byte b) { return b == std::byte{0}; });
}

bool is_group(const Mac& mac) { return (mac[0] & 1) != 0; }

bool is_group(const serve::Address& address) {
  return address.is_v4() ? address.bytes[12] >= 224 : address.bytes[0] == 0xff;
}

bool is_unspecified(const serve::Address& address) {
  return address == serve::Address{} || address == serve::Address::v4(0, 0, 0, 0);
}

Bytes copy(std::span<const std::byte> bytes) { return {bytes.begin(), bytes.end()}; }

// Over the pseudo header and the packet; 0 if all is right. 16 bits at a time, like all else here.
std::uint16_t checksum_over(const Dissection& d, std::span<const std::byte> packet) {
  Bytes data;
  const std::size_t begin = d.source.is_v4() ? 12 : 0;
  for (const serve::Address* address : {&d.source, &d.destination})
    for (std::size_t i = begin; i < address->bytes.size(); ++i)
      data.push_back(static_cast<std::byte>(address->bytes[i]));
  for (const std::size_t value : {std::size_t{d.protocol}, packet.size()}) {
    data.push_back(static_cast<std::byte>(value >> 8));
    data.push_back(static_cast<std::byte>(value & 0xff));
  }
  for (const std::byte b : packet)
    data.push_back(b);
  return internet_checksum(data);
}

void judge_arp(Reader& reader, Dissection& d) {
  d.arp.hardware = reader.u16();
  d.arp.protocol = reader.u16();
  d.arp.hardware_size = reader.u8();
  d.arp.protocol_size = reader.u8();
  d.arp.operation = reader.u16();
  d.arp.sender_mac = reader.mac();
  d.arp.sender = reader.ip4();
  d.arp.target_mac = reader.mac();
  d.arp.target = reader.ip4();
  require(d.arp.hardware == 1 && d.arp.protocol == kTypeIpv4, "ARP for hardware {} and protocol {:#06x}",
          d.arp.hardware, d.arp.protocol);
  require(d.arp.hardware_size == 6 && d.arp.protocol_size == 4, "ARP with addresses of {} and {} bytes",
          d.arp.hardware_size, d.arp.protocol_size);
  require(d.arp.operation == 1 || d.arp.operation == 2, "ARP operation {}", d.arp.operation);
  require(d.arp.sender_mac == d.from, "the sender's MAC address in ARP is not the frame's");
  require(d.arp.operation == 1 || d.arp.target_mac == d.to,
          "the target's MAC address in an ARP reply is not the frame's");
  require(!is_group(d.arp.sender), "ARP from a group");
}

void judge_udp(std::span<const std::byte> packet, Dissection& d) {
  Reader reader(packet, "UDP header");
  d.source_port = reader.u16();
  d.destination_port = reader.u16();
  const std::uint16_t length = reader.u16();
  const std::uint16_t checksum = reader.u16();
  require(d.source_port != 0 && d.destination_port != 0, "UDP port 0");
  require(length == packet.size(), "UDP length {} of {} bytes", length, packet.size());
  require(checksum != 0, "no UDP checksum");
  require(checksum_over(d, packet) == 0, "UDP checksum {:#06x} is wrong", checksum);
  d.payload = copy(reader.left());
}

void judge_icmp4(std::span<const std::byte> packet, Dissection& d) {
  Reader reader(packet, "ICMP header");
  d.icmp_type = reader.u8();
  const std::uint8_t code = reader.u8();
  reader.u16();
  require(internet_checksum(packet) == 0, "the ICMP checksum is wrong");
  require((d.icmp_type == kEchoReply4 || d.icmp_type == kEchoRequest4) && code == 0, "ICMP type {} code {}",
          d.icmp_type, code);
  d.payload = copy(reader.left());
  require(d.payload.size() >= 4, "an echo without id and sequence");
}

// RFC 4861, 7.1.
void judge_neighbour(const Dissection& d) {
  require(d.ttl == 255, "neighbour discovery with a hop limit of {}", d.ttl);
  Reader reader(d.payload, "neighbour message");
  const bool solicited = d.icmp_type == kAdvertisement && (reader.u8() & 0x40) != 0;
  reader.take(d.icmp_type == kAdvertisement ? 3 : 4);
  require(!solicited || !is_group(d.destination), "a solicited advertisement to a group");
  require(!is_group(reader.ip6()), "neighbour discovery about a group");
  while (!reader.left().empty()) {
    const std::uint8_t type = reader.u8();
    const std::size_t size = std::size_t{8} * reader.u8();
    require(size != 0, "a neighbour discovery option without a length");
    const auto body = reader.take(size - 2);
    if (type != 1 && type != 2) continue;
    require(size == 8, "a link option of {} bytes", size);
    require(Reader(body, "link option").mac() == d.from, "the MAC address in a link option is not the frame's");
  }
}

void judge_icmp6(std::span<const std::byte> packet, Dissection& d) {
  Reader reader(packet, "ICMPv6 header");
  d.icmp_type = reader.u8();
  const std::uint8_t code = reader.u8();
  reader.u16();
  require(checksum_over(d, packet) == 0, "the ICMPv6 checksum is wrong");
  d.payload = copy(reader.left());
  const bool echo = d.icmp_type == kEchoRequest6 || d.icmp_type == kEchoReply6;
  const bool neighbour = d.icmp_type == kSolicitation || d.icmp_type == kAdvertisement;
  require((echo || neighbour) && code == 0, "ICMPv6 type {} code {}", d.icmp_type, code);
  require(!echo || d.payload.size() >= 4, "an echo without id and sequence");
  if (neighbour) judge_neighbour(d);
}

// Of both families.
void judge_addresses(const Dissection& d) {
  require(d.ttl != 0, "a time to live of 0");
  require(!is_group(d.source), "a group as a source");
  require(!is_unspecified(d.destination), "no destination");
  const bool probe = d.icmp_type == kSolicitation;  // asks from nowhere whether an address is free
  require(!is_unspecified(d.source) || probe, "no source");
  require(!is_group(d.to) || is_group(d.destination), "a group's MAC address for the address of one host");
}

void judge_ipv4(Reader& reader, Dissection& d) {
  const auto header = Reader(reader).take(20);
  const std::uint8_t first = reader.u8();
  require(first == 0x45, "IPv4 begins with {:#04x}: another version, or options", first);
  d.traffic_class = reader.u8();
  const std::uint16_t total = reader.u16();
  reader.u16();
  const std::uint16_t fragment = reader.u16();
  require((fragment & 0xbfff) == 0, "a fragment, or a reserved flag: {:#06x}", fragment);
  d.ttl = reader.u8();
  d.protocol = reader.u8();
  reader.u16();
  d.source = reader.ip4();
  d.destination = reader.ip4();
  require(internet_checksum(header) == 0, "the IPv4 header checksum is wrong");
  require(total >= 20, "an IPv4 packet of {} bytes", total);
  const auto packet = reader.take(total - 20U);
  require(d.protocol == kProtocolUdp || d.protocol == kProtocolIcmp, "IPv4 protocol {}", d.protocol);
  if (d.protocol == kProtocolUdp)
    judge_udp(packet, d);
  else
    judge_icmp4(packet, d);
  judge_addresses(d);
}

void judge_ipv6(Reader& reader, Dissection& d) {
  const std::uint16_t first = reader.u16();
  require(first >> 12 == 6, "IPv6 begins with {:#06x}", first);
  d.traffic_class = static_cast<std::uint8_t>(first >> 4 & 0xff);
  reader.u16();
  const std::uint16_t size = reader.u16();
  d.protocol = reader.u8();
  d.ttl = reader.u8();
  d.source = reader.ip6();
  d.destination = reader.ip6();
  require(!d.source.is_v4() && !d.destination.is_v4(), "a v4-mapped address on the wire");
  const auto packet = reader.take(size);
  require(d.protocol == kProtocolUdp || d.protocol == kProtocolIcmp6, "IPv6 next header {}", d.protocol);
  if (d.protocol == kProtocolUdp)
    judge_udp(packet, d);
  else
    judge_icmp6(packet, d);
  judge_addresses(d);
}

}  // namespace

Dissection dissect(const Bytes& frame) {
  Dissection d;
  Reader reader(frame, "frame");
  d.to = reader.mac();
  d.from = reader.mac();
  d.type = reader.u16();
  while (d.type == kTypeVlan && d.tags.size() < kMaxTags) {
    d.tags.push_back(reader.u16());
    d.type = reader.u16();
    require((d.tags.back() & 0xfff) != 0xfff, "the reserved VLAN id 4095");
  }
  require(!is_group(d.from), "a group's MAC address as the source");
  require(d.from != Mac{} && d.to != Mac{}, "a MAC address of zeros");
  if (d.type == kTypeArp)
    judge_arp(reader, d);
  else if (d.type == kTypeIpv4)
    judge_ipv4(reader, d);
  else if (d.type == kTypeIpv6)
    judge_ipv6(reader, d);
  else
    require(false, "Ethernet type {:#06x}", d.type);

  require(frame.size() >= kLeastFrame, "a frame of {} bytes, shorter than {}", frame.size(), kLeastFrame);
  require(reader.left().empty() || frame.size() == kLeastFrame, "{} bytes after the packet", reader.left().size());
  require(all_zero(reader.left()), "something other than zeros fills the frame up: {}", to_hex(reader.left()));
  return d;
}

std::string check_reply_frame(const Bytes& frame) {
  try {
    (void)dissect(frame);
    return {};
  } catch (const std::runtime_error& fault) {
    return fmt::format("{} in {}", fault.what(), to_hex(frame));
  }
}

}  // namespace gnomon::support
