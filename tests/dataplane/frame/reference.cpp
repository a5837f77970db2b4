// SPDX-License-Identifier: Apache-2.0
#include "tests/dataplane/frame/reference.hpp"

#include <algorithm>
#include <optional>
#include <stdexcept>

namespace gnomon::frame::testing {
namespace {

using page::Counter;
using support::Bytes;

constexpr std::uint16_t kTag = 0x8100;
constexpr std::size_t kNoTag = 14;
constexpr std::size_t kTagged = 18;

const serve::Address kAllNodesGroup = support::address_of("ff02::1");

// A frame as the RFCs number its bytes. Reading beyond its end throws.
class View {
 public:
  explicit View(const Bytes& bytes) : bytes_(bytes) {}

  [[nodiscard]] std::size_t size() const { return bytes_.size(); }
  [[nodiscard]] std::uint8_t u8(std::size_t at) const { return std::to_integer<std::uint8_t>(bytes_.at(at)); }
  [[nodiscard]] std::uint16_t u16(std::size_t at) const {
    return static_cast<std::uint16_t>(u8(at) * 256 + u8(at + 1));
  }
  [[nodiscard]] support::Mac mac(std::size_t at) const {
    support::Mac mac;
    for (std::size_t i = 0; i < mac.size(); ++i)
      mac[i] = u8(at + i);
    return mac;
  }
  [[nodiscard]] serve::Address ip4(std::size_t at) const {
    return serve::Address::v4(u8(at), u8(at + 1), u8(at + 2), u8(at + 3));
  }
  [[nodiscard]] serve::Address ip6(std::size_t at) const {
    serve::Address address;
    for (std::size_t i = 0; i < address.bytes.size(); ++i)
      address.bytes[i] = u8(at + i);
    return address;
  }
  [[nodiscard]] Bytes part(std::size_t at, std::size_t size) const {
    if (at + size > bytes_.size()) throw std::out_of_range("the reference read beyond a frame");
    const auto begin = bytes_.begin() + static_cast<std::ptrdiff_t>(at);
    return {begin, begin + static_cast<std::ptrdiff_t>(size)};
  }

 private:
  const Bytes& bytes_;
};

bool is_group(const support::Mac& mac) { return mac[0] % 2 == 1; }
bool is_group6(const serve::Address& address) { return address.bytes[0] == 0xff; }
bool is_unspecified6(const serve::Address& address) { return address == serve::Address{}; }

class Host {
 public:
  Host(const StationOptions& options, const View& frame, const PortChecks& checks, std::size_t capacity)
      : options_(options), frame_(frame), checks_(checks), capacity_(capacity) {}

  [[nodiscard]] Verdict verdict();

 private:
  [[nodiscard]] static Verdict because(Counter counter) {
    return {.counter = counter, .reply = {}, .payload = {}, .source = {}};
  }
  // Filled up to the least frame, as far as there is room.
  [[nodiscard]] Verdict answer(Counter counter, Bytes reply) const {
    reply.resize(std::max(reply.size(), std::min(support::kLeastFrame, capacity_)));
    return {.counter = counter, .reply = std::move(reply), .payload = {}, .source = {}};
  }
  [[nodiscard]] bool owns(const serve::Address& address) const {
    return std::any_of(options_.endpoints.begin(), options_.endpoints.end(),
                       [&](const auto& endpoint) { return endpoint.address == address; });
  }
  // A mapped address is IPv4 to a program and nothing on a wire.
  [[nodiscard]] bool owns6(const serve::Address& address) const { return !address.is_v4() && owns(address); }
  [[nodiscard]] bool serves(const serve::Address& address, std::uint16_t port) const {
    return std::any_of(options_.endpoints.begin(), options_.endpoints.end(),
                       [&](const auto& endpoint) { return endpoint.address == address && endpoint.port == port; });
  }
  [[nodiscard]] bool is_for_us() const { return frame_.mac(0) == options_.mac; }
  [[nodiscard]] support::Ethernet back() const {
    return {.to = frame_.mac(6), .from = options_.mac, .tags = tags_, .padded = false};
  }

  [[nodiscard]] Verdict arp() const;
  [[nodiscard]] Verdict ipv4() const;
  [[nodiscard]] Verdict echo4(std::size_t size) const;
  [[nodiscard]] Verdict ipv6() const;
  [[nodiscard]] Verdict udp(std::size_t at, std::size_t size, const serve::Address& from,
                            const serve::Address& to) const;
  [[nodiscard]] Verdict icmp6(std::size_t size, bool to_us) const;
  [[nodiscard]] Verdict solicitation(std::size_t size) const;
  [[nodiscard]] bool options_hold(std::size_t at, std::size_t end) const;
  [[nodiscard]] bool has_option(std::size_t at, std::size_t end, std::uint8_t type) const;
  [[nodiscard]] bool transport_sum_holds(std::size_t at, std::size_t size, const serve::Address& from,
                                         const serve::Address& to, std::uint8_t protocol) const;

  const StationOptions& options_;
  const View& frame_;
  const PortChecks& checks_;
  std::size_t capacity_;
  std::vector<std::uint16_t> tags_;
  std::size_t ip_ = kNoTag;  // where the packet begins
};

Verdict Host::verdict() {
  if (frame_.size() < kNoTag) return because(Counter::kDropFrameLength);
  std::uint16_t type = frame_.u16(12);
  std::uint16_t vlan = 0;
  if (type == kTag) {
    if (frame_.size() < kTagged) return because(Counter::kDropFrameLength);
    tags_.push_back(frame_.u16(14));
    vlan = tags_[0] % 4096;
    type = frame_.u16(16);
    ip_ = kTagged;
  }
  if (is_group(frame_.mac(6)) || frame_.mac(6) == support::Mac{}) return because(Counter::kDropMac);
  const std::vector<std::uint16_t>& served = options_.vlans;
  if (vlan == 4095 || (!served.empty() && std::find(served.begin(), served.end(), vlan) == served.end()))
    return because(Counter::kDropVlan);
  if (type == support::kTypeArp) return arp();
  if (type == support::kTypeIpv4) return is_for_us() ? ipv4() : because(Counter::kDropMac);
  if (type == support::kTypeIpv6) return ipv6();
  return because(Counter::kDropEthertype);
}

// RFC 826, RFC 5227.
Verdict Host::arp() const {
  if (frame_.size() < ip_ + 28) return because(Counter::kDropFrameLength);
  if (frame_.mac(0) != support::kBroadcastMac && !is_for_us()) return because(Counter::kDropMac);
  const bool ethernet_and_ipv4 =
      frame_.u16(ip_) == 1 && frame_.u16(ip_ + 2) == 0x0800 && frame_.u8(ip_ + 4) == 6 && frame_.u8(ip_ + 5) == 4;
  const support::Mac sender_mac = frame_.mac(ip_ + 8);
  if (!ethernet_and_ipv4 || is_group(sender_mac) || sender_mac == support::Mac{}) return because(Counter::kDropArp);
  const serve::Address sender = frame_.ip4(ip_ + 14);
  const serve::Address target = frame_.ip4(ip_ + 24);
  if (sender_mac == options_.mac) return because(Counter::kDropArp);  // what we said ourselves
  if (owns(sender)) return because(Counter::kAddressConflicts);
  const std::uint8_t net = sender.bytes[12];
  const bool probe = sender == serve::Address::v4(0, 0, 0, 0);
  const bool unicast = net != 0 && net != 127 && net < 224;
  if (frame_.u16(ip_ + 6) != 1 || !owns(target) || (!probe && !unicast)) return because(Counter::kDropArp);
  support::Ethernet header = back();
  header.to = sender_mac;
  return answer(Counter::kArpReplies, support::ethernet(header, support::kTypeArp,
                                                        support::arp({.operation = 2,
                                                                      .sender_mac = options_.mac,
                                                                      .sender = target,
                                                                      .target_mac = sender_mac,
                                                                      .target = sender})));
}

// RFC 791, RFC 1122.
Verdict Host::ipv4() const {
  const std::size_t room = frame_.size() - ip_;
  if (room < 20) return because(Counter::kDropFrameLength);
  const unsigned version = frame_.u8(ip_) / 16U;
  const unsigned words = frame_.u8(ip_) % 16U;
  if (version != 4 || words < 5) return because(Counter::kDropIpHeader);
  if (words > 5) return because(Counter::kDropIpOptions);
  const std::size_t total = frame_.u16(ip_ + 2);
  if (total < 20) return because(Counter::kDropIpHeader);
  if (total > room) return because(Counter::kDropFrameLength);
  const bool right = support::internet_checksum(frame_.part(ip_, 20)) == 0;
  if (checks_.ip == Verified::kBad || (checks_.ip == Verified::kUnknown && !right))
    return because(Counter::kDropIpChecksum);
  const bool more_fragments = (frame_.u16(ip_ + 6) & 0x2000) != 0;
  const unsigned offset = frame_.u16(ip_ + 6) % 0x2000U;
  if (more_fragments || offset != 0) return because(Counter::kDropIpFragment);
  const serve::Address from = frame_.ip4(ip_ + 12);
  const serve::Address to = frame_.ip4(ip_ + 16);
  if (!owns(to)) return because(Counter::kDropIpDestination);
  const std::uint8_t net = from.bytes[12];
  if (net == 0 || net == 127 || net >= 224 || from == to) return because(Counter::kDropIpSource);
  const std::uint8_t protocol = frame_.u8(ip_ + 9);
  if (protocol == 17) return udp(ip_ + 20, total - 20, from, to);
  if (protocol == 1) return echo4(total - 20);
  return because(Counter::kDropIpProtocol);
}

// RFC 792.
Verdict Host::echo4(std::size_t size) const {
  const std::size_t icmp = ip_ + 20;
  const bool echo = size >= 8 && frame_.u8(icmp) == 8 && frame_.u8(icmp + 1) == 0;
  if (!echo || support::internet_checksum(frame_.part(icmp, size)) != 0) return because(Counter::kDropIcmp);
  const support::Ipv4 header{
      .from = frame_.ip4(ip_ + 16), .to = frame_.ip4(ip_ + 12), .protocol = 1, .tos = frame_.u8(ip_ + 1)};
  return answer(Counter::kEchoReplies,
                support::ethernet(back(), support::kTypeIpv4,
                                  support::ipv4(header, support::icmp4(0, 0, frame_.part(icmp + 4, size - 4)))));
}

// RFC 8200, RFC 2464.
Verdict Host::ipv6() const {
  if (frame_.size() < ip_ + 40) return because(Counter::kDropFrameLength);
  const serve::Address from = frame_.ip6(ip_ + 8);
  const serve::Address to = frame_.ip6(ip_ + 24);
  const bool to_us = is_for_us();
  if (!to_us && (!is_group6(to) || frame_.mac(0) != support::group_mac(to))) return because(Counter::kDropMac);
  if (frame_.u8(ip_) / 16 != 6) return because(Counter::kDropIpHeader);
  const std::size_t size = frame_.u16(ip_ + 4);
  if (size > frame_.size() - ip_ - 40) return because(Counter::kDropFrameLength);
  if (!owns6(to) && !is_group6(to)) return because(Counter::kDropIpDestination);
  if (is_group6(from) || from.is_v4() || from == support::address_of("::1") || from == to)
    return because(Counter::kDropIpSource);
  const std::uint8_t next = frame_.u8(ip_ + 6);
  switch (next) {
    case 0:    // hop by hop
    case 43:   // routing
    case 51:   // authentication
    case 60:   // destination options
    case 135:  // mobility
    case 139:  // host identity
    case 140:  // shim6
      return because(Counter::kDropIpOptions);
    case 44: return because(Counter::kDropIpFragment);
    case 58: return icmp6(size, to_us);
    case 17: break;
    default: return because(Counter::kDropIpProtocol);
  }
  if (!to_us) return because(Counter::kDropMac);
  if (is_group6(to)) return because(Counter::kDropIpDestination);
  if (is_unspecified6(from)) return because(Counter::kDropIpSource);
  return udp(ip_ + 40, size, from, to);
}

// RFC 768, and RFC 8200, 8.1: over IPv6 the checksum is no choice.
Verdict Host::udp(std::size_t at, std::size_t size, const serve::Address& from, const serve::Address& to) const {
  if (size < 8 || frame_.u16(at + 4) != size) return because(Counter::kDropUdpLength);
  if (frame_.u16(at) == 0 || !serves(to, frame_.u16(at + 2))) return because(Counter::kDropUdpPort);
  const bool has_none = frame_.u16(at + 6) == 0;
  if (has_none && !to.is_v4()) return because(Counter::kDropUdpChecksum);
  if (!has_none && checks_.udp == Verified::kBad) return because(Counter::kDropUdpChecksum);
  if (!has_none && checks_.udp == Verified::kUnknown && !transport_sum_holds(at, size, from, to, 17))
    return because(Counter::kDropUdpChecksum);
  return {.counter = Counter::kDatagrams, .reply = {}, .payload = frame_.part(at + 8, size - 8), .source = from};
}

// RFC 4443, RFC 4861.
Verdict Host::icmp6(std::size_t size, bool to_us) const {
  const std::size_t icmp = ip_ + 40;
  const serve::Address from = frame_.ip6(ip_ + 8);
  const serve::Address to = frame_.ip6(ip_ + 24);
  if (size < 8 || !transport_sum_holds(icmp, size, from, to, 58)) return because(Counter::kDropIcmp);
  const std::uint8_t type = frame_.u8(icmp);
  const std::uint8_t code = frame_.u8(icmp + 1);
  if (type == 128) {
    if (is_unspecified6(from) || code != 0 || !to_us || is_group6(to)) return because(Counter::kDropIcmp);
    const std::uint32_t flow = static_cast<std::uint32_t>(frame_.u16(ip_) % 16) << 16 | frame_.u16(ip_ + 2);
    const support::Ipv6 header{.from = to,
                               .to = from,
                               .next = 58,
                               .traffic_class = static_cast<std::uint8_t>(frame_.u16(ip_) / 16 % 256),
                               .flow = flow};
    return answer(
        Counter::kEchoReplies,
        support::ethernet(back(), support::kTypeIpv6,
                          support::ipv6(header, support::icmp6(129, 0, frame_.part(icmp + 4, size - 4), to, from))));
  }
  if (type < 133 || type > 137) return because(Counter::kDropIcmp);
  // 6.1 and 7.1: came from the link itself, code 0, long enough, every option longer than nothing.
  if (frame_.u8(ip_ + 7) != 255 || code != 0 || size < 24 || !options_hold(icmp + 24, icmp + size))
    return because(Counter::kDropNdp);
  if (type == 135) return solicitation(size);
  const bool ours = owns6(frame_.ip6(icmp + 8));
  const bool solicited_to_group = (frame_.u8(icmp + 4) & 0x40) != 0 && is_group6(to);  // 7.1.2
  if (type == 136 && ours && !solicited_to_group && frame_.mac(6) != options_.mac)
    return because(Counter::kAddressConflicts);
  return because(Counter::kDropNdp);
}

// RFC 4861, 7.1.1, 7.2.3 and 7.2.4.
Verdict Host::solicitation(std::size_t size) const {
  const std::size_t icmp = ip_ + 40;
  const serve::Address from = frame_.ip6(ip_ + 8);
  const serve::Address to = frame_.ip6(ip_ + 24);
  const serve::Address target = frame_.ip6(icmp + 8);
  const bool to_group = to == support::solicited_group(target);
  if (!owns6(target) || (!to_group && !owns6(to))) return because(Counter::kDropNdp);
  const bool probe = is_unspecified6(from);
  if (probe && (!to_group || has_option(icmp + 24, icmp + size, 1))) return because(Counter::kDropNdp);
  const support::Envelope envelope{.from_mac = options_.mac,
                                   .to_mac = probe ? support::group_mac(kAllNodesGroup) : frame_.mac(6),
                                   .from = target,
                                   .to = probe ? kAllNodesGroup : from,
                                   .tags = tags_};
  const auto flags = static_cast<std::uint8_t>(probe ? 0x20 : 0x60);
  Bytes reply = support::advertisement_frame(envelope, {.flags = flags, .options = std::nullopt});
  if (reply.size() > capacity_) return because(Counter::kDropNdp);
  return answer(Counter::kNdpReplies, std::move(reply));
}

bool Host::options_hold(std::size_t at, std::size_t end) const {
  while (at < end) {
    if (end - at < 2) return false;
    const std::size_t size = frame_.u8(at + 1) * std::size_t{8};
    if (size == 0 || at + size > end) return false;
    at += size;
  }
  return true;
}

bool Host::has_option(std::size_t at, std::size_t end, std::uint8_t type) const {
  for (; at < end; at += frame_.u8(at + 1) * std::size_t{8})
    if (frame_.u8(at) == type) return true;
  return false;
}

bool Host::transport_sum_holds(std::size_t at, std::size_t size, const serve::Address& from, const serve::Address& to,
                               std::uint8_t protocol) const {
  Bytes data;
  for (const serve::Address& address : {from, to})
    for (std::size_t i = to.is_v4() ? 12 : 0; i < 16; ++i)
      data.push_back(std::byte{address.bytes[i]});
  for (const std::size_t field : {std::size_t{protocol}, size}) {
    data.push_back(static_cast<std::byte>(field / 256));
    data.push_back(static_cast<std::byte>(field % 256));
  }
  const Bytes packet = frame_.part(at, size);
  data.insert(data.end(), packet.begin(), packet.end());
  return support::internet_checksum(data) == 0;
}

// What DPDK wants in a packet whose checksums the card is to make: none of IPv4, and of UDP the sum of the pseudo
// header.
void leave_checksums_to_port(Bytes& frame, std::size_t ip, bool v4) {
  const std::size_t udp = ip + (v4 ? 20 : 40);
  const std::size_t addresses = ip + (v4 ? 12 : 8);
  Bytes pseudo(frame.begin() + static_cast<std::ptrdiff_t>(addresses),
               frame.begin() + static_cast<std::ptrdiff_t>(udp));
  pseudo.insert(pseudo.end(), {std::byte{0}, std::byte{17}, frame.at(udp + 4), frame.at(udp + 5)});
  const auto sum = static_cast<std::uint16_t>(~support::internet_checksum(pseudo));
  frame.at(udp + 6) = static_cast<std::byte>(sum >> 8);
  frame.at(udp + 7) = static_cast<std::byte>(sum & 0xff);
  if (v4) frame.at(ip + 10) = frame.at(ip + 11) = std::byte{0};
}

}  // namespace

Verdict verdict_of(const StationOptions& options, const Bytes& frame, const PortChecks& checks, std::size_t capacity) {
  const View view(frame);
  return Host(options, view, checks, capacity).verdict();
}

Bytes reply_frame(const StationOptions& options, const Bytes& request, const Bytes& payload, Reply kind) {
  const View frame(request);
  const bool tagged = frame.u16(12) == kTag;
  const std::size_t ip = tagged ? kTagged : kNoTag;
  const bool v4 = frame.u16(ip - 2) == support::kTypeIpv4;
  const std::size_t udp = ip + (v4 ? 20 : 40);
  const serve::Address from = v4 ? frame.ip4(ip + 16) : frame.ip6(ip + 24);
  const serve::Address to = v4 ? frame.ip4(ip + 12) : frame.ip6(ip + 8);
  const bool keep = kind == Reply::kInPlace;

  support::Ethernet link{.to = frame.mac(6), .from = options.mac};
  if (tagged) link.tags.push_back(frame.u16(14));
  const Bytes datagram = support::udp({.from = frame.u16(udp + 2), .to = frame.u16(udp)}, from, to, payload);
  const auto service = static_cast<std::uint8_t>(v4 ? frame.u8(ip + 1) : frame.u16(ip) / 16 % 256);
  const auto differentiated = static_cast<std::uint8_t>(keep ? service & 0xfc : 0);
  const std::uint32_t flow = static_cast<std::uint32_t>(frame.u16(ip) % 16) << 16 | frame.u16(ip + 2);
  Bytes reply =
      v4 ? support::ethernet(
               link, support::kTypeIpv4,
               support::ipv4({.from = from, .to = to, .tos = differentiated, .ttl = 64, .id = 0, .fragment = 0x4000},
                             datagram))
         : support::ethernet(
               link, support::kTypeIpv6,
               support::ipv6(
                   {.from = from, .to = to, .traffic_class = differentiated, .flow = keep ? flow : 0, .hop_limit = 64},
                   datagram));
  if (options.port_makes_checksums) leave_checksums_to_port(reply, ip, v4);
  return reply;
}

}  // namespace gnomon::frame::testing
