// SPDX-License-Identifier: Apache-2.0
#include "tests/support/frames.hpp"

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <stdexcept>

#include "platform/endpoint.hpp"

namespace gnomon::support {
namespace {

constexpr std::size_t kV4Offset = 12;  // of an IPv4 address in a serve::Address

// Appends, big-endian.
class Writer {
 public:
  Writer& u8(unsigned value) {
    bytes_.push_back(static_cast<std::byte>(value & 0xffU));
    return *this;
  }
  Writer& u16(unsigned value) { return u8(value >> 8).u8(value); }
  Writer& u32(std::uint32_t value) { return u16(value >> 16).u16(value); }
  Writer& mac(const Mac& mac) {
    for (const std::uint8_t b : mac)
      u8(b);
    return *this;
  }
  Writer& ip4(const serve::Address& address) { return tail(address, kV4Offset); }
  Writer& ip6(const serve::Address& address) { return tail(address, 0); }
  Writer& ip(const serve::Address& address) { return address.is_v4() ? ip4(address) : ip6(address); }
  Writer& raw(const Bytes& bytes) {
    bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
    return *this;
  }
  Writer& zeros_to(std::size_t size) {
    bytes_.resize(std::max(size, bytes_.size()));
    return *this;
  }
  Writer& zeros_to_multiple(std::size_t of) { return zeros_to((bytes_.size() + of - 1) / of * of); }
  [[nodiscard]] std::size_t size() const { return bytes_.size(); }
  [[nodiscard]] Bytes take() { return std::move(bytes_); }

 private:
  Writer& tail(const serve::Address& address, std::size_t from) {
    for (std::size_t i = from; i < address.bytes.size(); ++i)
      u8(address.bytes[i]);
    return *this;
  }

  Bytes bytes_;
};

void put16(Bytes& bytes, std::size_t at, std::uint16_t value) {
  bytes.at(at) = static_cast<std::byte>(value >> 8);
  bytes.at(at + 1) = static_cast<std::byte>(value & 0xff);
}

std::uint16_t as_wanted(std::uint16_t right, Checksum wanted) {
  if (wanted == Checksum::kZero) return 0;
  if (wanted == Checksum::kRight) return right;
  const auto wrong = static_cast<std::uint16_t>(right + 1);
  return wrong == 0 ? std::uint16_t{1} : wrong;  // 0 would mean none
}

// RFC 768 and RFC 8200, 8.1.
Bytes pseudo_header(const serve::Address& from, const serve::Address& to, std::uint8_t protocol, std::size_t size) {
  Writer header;
  header.ip(from).ip(to);
  if (to.is_v4())
    header.u8(0).u8(protocol).u16(static_cast<unsigned>(size));
  else
    header.u32(static_cast<std::uint32_t>(size)).u8(0).u8(0).u8(0).u8(protocol);
  return header.take();
}

std::uint16_t checksum_with(Bytes pseudo, const Bytes& packet) {
  pseudo.insert(pseudo.end(), packet.begin(), packet.end());
  return internet_checksum(pseudo);
}

Bytes ip_packet(const Envelope& envelope, std::uint8_t protocol, const Bytes& payload) {
  if (envelope.to.is_v4()) return ipv4({.from = envelope.from, .to = envelope.to, .protocol = protocol}, payload);
  return ipv6({.from = envelope.from, .to = envelope.to, .next = protocol}, payload);
}

Bytes ip_frame(const Envelope& envelope, std::uint8_t protocol, const Bytes& payload) {
  return ethernet({.to = envelope.to_mac, .from = envelope.from_mac, .tags = envelope.tags},
                  envelope.to.is_v4() ? kTypeIpv4 : kTypeIpv6, ip_packet(envelope, protocol, payload));
}

}  // namespace

Bytes from_hex(std::string_view text) {
  std::string digits;
  for (const char c : text)
    if (std::isspace(static_cast<unsigned char>(c)) == 0) digits.push_back(c);
  if (digits.size() % 2 != 0) throw std::invalid_argument("an odd number of digits");
  Bytes bytes;
  for (std::size_t i = 0; i < digits.size(); i += 2) {
    if (std::isxdigit(static_cast<unsigned char>(digits[i])) == 0 ||
        std::isxdigit(static_cast<unsigned char>(digits[i + 1])) == 0)
      throw std::invalid_argument("not hexadecimal: " + digits.substr(i, 2));
    bytes.push_back(static_cast<std::byte>(std::stoul(digits.substr(i, 2), nullptr, 16)));
  }
  return bytes;
}

std::string to_hex(std::span<const std::byte> bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    if (i != 0 && i % 2 == 0) text += ' ';
    text += kDigits[std::to_integer<unsigned>(bytes[i]) >> 4];
    text += kDigits[std::to_integer<unsigned>(bytes[i]) & 15];
  }
  return text;
}

Bytes text_bytes(std::string_view text) {
  Bytes bytes;
  for (const char c : text)
    bytes.push_back(static_cast<std::byte>(c));
  return bytes;
}

serve::Address address_of(std::string_view text) {
  const auto address = platform::parse_address(text);
  if (!address) throw std::invalid_argument("not an address: " + std::string(text));
  return *address;
}

std::uint16_t internet_checksum(std::span<const std::byte> data) {
  std::uint32_t sum = 0;
  for (std::size_t i = 0; i < data.size(); i += 2) {
    const auto high = std::to_integer<std::uint32_t>(data[i]);
    const auto low = i + 1 < data.size() ? std::to_integer<std::uint32_t>(data[i + 1]) : 0U;
    sum += (high << 8) | low;
    if (sum > 0xffff) sum -= 0xffff;  // the carry comes back in at the bottom
  }
  return static_cast<std::uint16_t>(~sum & 0xffffU);
}

Bytes ethernet(const Ethernet& header, std::uint16_t type, const Bytes& payload) {
  Writer frame;
  frame.mac(header.to).mac(header.from);
  for (const std::uint16_t tag : header.tags)
    frame.u16(0x8100).u16(tag);
  frame.u16(type).raw(payload);
  if (header.padded) frame.zeros_to(kLeastFrame);
  return frame.take();
}

Bytes arp(const Arp& packet) {
  Writer out;
  out.u16(packet.hardware).u16(packet.protocol).u8(packet.hardware_size).u8(packet.protocol_size).u16(packet.operation);
  out.mac(packet.sender_mac).ip4(packet.sender).mac(packet.target_mac).ip4(packet.target);
  return out.take();
}

Bytes ipv4(const Ipv4& header, const Bytes& payload) {
  const std::size_t size = 20 + (header.options.size() + 3) / 4 * 4;
  Writer out;
  out.u8(header.version_length.value_or(static_cast<std::uint8_t>(0x40 | size / 4))).u8(header.tos);
  out.u16(header.total_length.value_or(static_cast<std::uint16_t>(size + payload.size())));
  out.u16(header.id).u16(header.fragment).u8(header.ttl).u8(header.protocol).u16(0);
  out.ip4(header.from).ip4(header.to).raw(header.options).zeros_to(size);
  Bytes packet = out.take();
  put16(packet, 10, as_wanted(internet_checksum(packet), header.checksum));
  packet.insert(packet.end(), payload.begin(), payload.end());
  return packet;
}

Bytes ipv6(const Ipv6& header, const Bytes& payload) {
  Writer extensions;
  for (std::size_t i = 0; i < header.extensions.size(); ++i) {
    const std::size_t begin = extensions.size();
    const std::size_t units = (2 + header.extensions[i].body.size() + 7) / 8;
    extensions.u8(i + 1 < header.extensions.size() ? header.extensions[i + 1].type : header.next);
    extensions.u8(static_cast<unsigned>(units - 1));  // a fragment header has no length; its size makes this 0
    extensions.raw(header.extensions[i].body).zeros_to(begin + 8 * units);
  }
  Writer out;
  out.u32(std::uint32_t{header.version} << 28 | std::uint32_t{header.traffic_class} << 20 | header.flow);
  out.u16(header.payload_length.value_or(static_cast<std::uint16_t>(extensions.size() + payload.size())));
  out.u8(header.extensions.empty() ? header.next : header.extensions.front().type).u8(header.hop_limit);
  out.ip6(header.from).ip6(header.to).raw(extensions.take()).raw(payload);
  return out.take();
}

Bytes udp(const Udp& header, const serve::Address& from, const serve::Address& to, const Bytes& payload) {
  const std::size_t size = 8 + payload.size();
  Writer out;
  out.u16(header.from).u16(header.to).u16(header.length.value_or(static_cast<std::uint16_t>(size))).u16(0).raw(payload);
  Bytes packet = out.take();
  std::uint16_t right = checksum_with(pseudo_header(from, to, kProtocolUdp, size), packet);
  if (right == 0) right = 0xffff;
  put16(packet, 6, as_wanted(right, header.checksum));
  return packet;
}

Bytes icmp4(std::uint8_t type, std::uint8_t code, const Bytes& body, Checksum checksum) {
  Bytes packet = Writer().u8(type).u8(code).u16(0).raw(body).take();
  put16(packet, 2, as_wanted(internet_checksum(packet), checksum));
  return packet;
}

Bytes icmp6(std::uint8_t type, std::uint8_t code, const Bytes& body, const serve::Address& from,
            const serve::Address& to, Checksum checksum) {
  Bytes packet = Writer().u8(type).u8(code).u16(0).raw(body).take();
  const Bytes pseudo = pseudo_header(from, to, kProtocolIcmp6, packet.size());
  put16(packet, 2, as_wanted(checksum_with(pseudo, packet), checksum));
  return packet;
}

Bytes echo_body(std::uint16_t id, std::uint16_t sequence, const Bytes& payload) {
  return Writer().u16(id).u16(sequence).raw(payload).take();
}

Bytes link_option(std::uint8_t type, const Mac& mac) { return Writer().u8(type).u8(1).mac(mac).take(); }

serve::Address solicited_group(const serve::Address& target) {
  serve::Address group = address_of("ff02::1:ff00:0");
  std::copy(target.bytes.begin() + 13, target.bytes.end(), group.bytes.begin() + 13);
  return group;
}

Mac group_mac(const serve::Address& group) {
  Mac mac{0x33, 0x33};
  std::copy(group.bytes.begin() + 12, group.bytes.end(), mac.begin() + 2);
  return mac;
}

Bytes udp_frame(const Envelope& envelope, const Udp& header, const Bytes& payload) {
  return ip_frame(envelope, kProtocolUdp, udp(header, envelope.from, envelope.to, payload));
}

Bytes echo_request_frame(const Envelope& envelope, std::uint16_t id, std::uint16_t sequence, const Bytes& payload,
                         Checksum checksum) {
  const Bytes body = echo_body(id, sequence, payload);
  if (envelope.to.is_v4()) return ip_frame(envelope, kProtocolIcmp, icmp4(8, 0, body, checksum));
  return ip_frame(envelope, kProtocolIcmp6, icmp6(128, 0, body, envelope.from, envelope.to, checksum));
}

Bytes arp_request_frame(const Envelope& envelope) {
  return ethernet({.to = kBroadcastMac, .from = envelope.from_mac, .tags = envelope.tags}, kTypeArp,
                  arp({.sender_mac = envelope.from_mac, .sender = envelope.from, .target = envelope.to}));
}

Bytes arp_reply_frame(const Envelope& envelope) {
  return ethernet({.to = envelope.to_mac, .from = envelope.from_mac, .tags = envelope.tags}, kTypeArp,
                  arp({.operation = 2,
                       .sender_mac = envelope.from_mac,
                       .sender = envelope.from,
                       .target_mac = envelope.to_mac,
                       .target = envelope.to}));
}

Bytes gratuitous_arp_frame(const Envelope& envelope) {
  return ethernet({.to = kBroadcastMac, .from = envelope.from_mac, .tags = envelope.tags}, kTypeArp,
                  arp({.sender_mac = envelope.from_mac, .sender = envelope.from, .target = envelope.from}));
}

Bytes solicitation_frame(const Envelope& envelope, const Solicitation& details) {
  const serve::Address to = details.to_group ? solicited_group(envelope.to) : envelope.to;
  Writer body;
  body.u32(0).ip6(envelope.to).raw(details.options.value_or(link_option(1, envelope.from_mac)));
  const Bytes packet = icmp6(135, details.code, body.take(), envelope.from, to, details.checksum);
  return ethernet(
      {.to = details.to_group ? group_mac(to) : envelope.to_mac, .from = envelope.from_mac, .tags = envelope.tags},
      kTypeIpv6,
      ipv6({.from = envelope.from, .to = to, .next = kProtocolIcmp6, .hop_limit = details.hop_limit}, packet));
}

Bytes advertisement_frame(const Envelope& envelope, const Advertisement& details) {
  Writer body;
  body.u32(std::uint32_t{details.flags} << 24).ip6(envelope.from);
  body.raw(details.options.value_or(link_option(2, envelope.from_mac)));
  const Bytes packet = icmp6(136, 0, body.take(), envelope.from, envelope.to, details.checksum);
  return ethernet(
      {.to = envelope.to_mac, .from = envelope.from_mac, .tags = envelope.tags}, kTypeIpv6,
      ipv6({.from = envelope.from, .to = envelope.to, .next = kProtocolIcmp6, .hop_limit = details.hop_limit}, packet));
}

}  // namespace gnomon::support
