// SPDX-License-Identifier: Apache-2.0
//
// A host on the wire, for one port: the bytes of a frame in, the bytes of the frame that answers it out, in place. It
// answers UDP requests by way of whoever it is given, and ARP, neighbour solicitations and echo requests by itself,
// because a port that the kernel does not own is dumb without them. Everything else is dropped, once, by name.
//
// It keeps no table and asks nobody: a reply goes back to the MAC address and the VLAN that the request came from. So
// no route, no gateway and no neighbour can go stale, and nobody can fill up a cache.
//
// Invariants:
//   - every frame is counted exactly once: as a datagram (by whoever answers it), as a reply of ARP, NDP or echo, as an
//     address conflict, or as one drop;
//   - no byte beyond frame.length is read, none beyond frame.capacity is written;
//   - nothing is answered that was not sent to one of our addresses from a unicast source, and no answer is longer than
//     what asked for it, but for the padding of a short Ethernet frame and the link-layer option of an advertisement;
//   - what leaves has right checksums, by software unless the port makes them.
//
// Pure: no DPDK, clock or allocation after construction; so it runs over recorded frames and under a fuzzer. One
// thread.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <utility>
#include <vector>

#include "dataplane/frame/byte_order.hpp"
#include "dataplane/frame/checksum.hpp"
#include "dataplane/frame/formats.hpp"
#include "oracle/page/counters.hpp"
#include "oracle/serve/source.hpp"
#include "platform/endpoint.hpp"

namespace gnomon::frame {

/// A frame where it lies, from the Ethernet header on, without the frame check sequence.
struct Frame {
  std::byte* data = nullptr;
  std::size_t length = 0;
  std::size_t capacity = 0;  // at least `length`; a short frame is padded into it
};

/// What the port says about a checksum that it may have verified.
enum class Verified : std::uint8_t { kUnknown, kGood, kBad };
struct PortChecks {
  Verified ip = Verified::kUnknown;
  Verified udp = Verified::kUnknown;
};

/// The frame that now stands in the place of the one that was handled; length 0: none.
struct Outgoing {
  std::size_t length = 0;
  std::uint8_t l2 = 0;  // sizes of the link and IP headers, of UDP replies only
  std::uint8_t l3 = 0;
  bool checksums_left = false;  // to the port: StationOptions::port_makes_checksums, and this is a UDP reply
};

struct StationOptions {
  Mac mac{};
  std::vector<platform::Endpoint>
      endpoints;                      // answered on UDP; their addresses also on ARP, NDP and echo. No wildcards.
  std::vector<std::uint16_t> vlans;   // served VLAN ids, 0 for untagged; empty: all, and untagged
  bool port_makes_checksums = false;  // of IPv4 and UDP, on the way out
  std::uint32_t port = 0;             // what ReturnPath::socket says
};

class Station {
 public:
  /// The longest headers before a UDP payload: Ethernet, a VLAN tag, IPv6, UDP.
  static constexpr std::size_t kMaxHeaders = eth::kHeader + eth::kVlanTag + ip6::kHeader + udp::kHeader;
  /// Room that an announcement needs.
  static constexpr std::size_t kMaxAnnouncement = 96;

  /// `counters` outlives the station.
  Station(const StationOptions& options, page::Counters& counters);

  /// `answer(payload, source, path) -> size` writes a reply over the payload and says how long it is, 0 for none now.
  template <typename Answer>
  [[nodiscard]] Outgoing handle(const Frame& frame, const PortChecks& checks, Answer&& answer);

  /// Writes the headers of a reply in front of its `size` bytes, where kMaxHeaders bytes of room are; `path` is one
  /// that `answer` was given. The frame begins at payload - (length - size). They are those that `handle` makes, except
  /// that a path holds no class of service and no flow label: both are 0.
  [[nodiscard]] Outgoing wrap(std::byte* payload, std::size_t size, const serve::ReturnPath& path) const;

  /// Gratuitous ARP (RFC 5227) and unsolicited neighbour advertisements (RFC 4861, 7.2.6), one for each address and
  /// VLAN: whoever cached another MAC address for ours learns the new one.
  [[nodiscard]] std::size_t announcements() const { return addresses_.size() * announced_vlans_.size(); }
  /// Writes announcement `index` into `room` (kMaxAnnouncement bytes); returns its length.
  [[nodiscard]] std::size_t write_announcement(std::size_t index, std::byte* room) const;

 private:
  using Counter = page::Counter;
  static constexpr Counter kNone = Counter::kCount;  // nothing speaks against it
  static constexpr std::uint64_t kMacMask = 0x0000'ffff'ffff'ffffULL;

  // A service as its fields lie in memory in a request.
  struct Service6 {
    serve::Address address;
    std::uint16_t port = 0;
  };
  using Service4 = std::uint64_t;  // the destination, a source port of 0, the destination port
  static constexpr std::uint64_t kService4Mask = 0xffff'0000'ffff'ffffULL;

  [[nodiscard]] Outgoing drop(Counter reason);
  [[nodiscard]] bool is_for_us(const std::byte* data) const {
    return (load_raw<std::uint64_t>(data) & kMacMask) == mac_word_;
  }
  [[nodiscard]] bool serves_vlan(std::uint16_t id) const;
  [[nodiscard]] bool owns4(std::uint32_t address) const;
  [[nodiscard]] bool owns6(const std::byte* address) const;
  [[nodiscard]] bool serves4(const std::byte* ip) const;
  [[nodiscard]] bool serves6(const std::byte* ip) const;

  // The way of nearly every frame, below. `size`: bytes that follow the IP header.
  [[nodiscard]] bool is_request4(const Frame& frame, const PortChecks& checks, std::size_t l2, std::size_t& size) const;
  [[nodiscard]] bool is_request6(const Frame& frame, const PortChecks& checks, std::size_t l2, std::size_t& size) const;
  void note_link(const Frame& frame, std::size_t l2);
  void note_path4(const Frame& frame, std::size_t l2);
  void note_path6(const Frame& frame, std::size_t l2);
  [[nodiscard]] Outgoing turn_around4(const Frame& frame, std::size_t l2, std::size_t size) const;
  [[nodiscard]] Outgoing turn_around6(const Frame& frame, std::size_t l2, std::size_t size) const;
  void send_back(std::byte* data) const;
  void finish4(std::byte* ip, std::size_t payload_size) const;
  void finish6(std::byte* ip, std::size_t payload_size) const;

  // Of the others, which rule they break, if any: station.cpp.
  [[nodiscard]] Counter check4(const Frame& frame, const PortChecks& checks, std::size_t l2, std::size_t& size) const;
  [[nodiscard]] Counter check6(const Frame& frame, const PortChecks& checks, std::size_t l2, std::size_t& size) const;
  [[nodiscard]] Counter check_ip6(const Frame& frame, std::size_t l2, std::size_t& size) const;
  [[nodiscard]] Counter check_udp4(const std::byte* ip, std::size_t size, Verified verified) const;
  [[nodiscard]] Counter check_udp6(const std::byte* ip, std::size_t size, Verified verified) const;

  // Of the neighbours' protocols: station_neighbours.cpp.
  [[nodiscard]] Outgoing handle_other(const Frame& frame, std::size_t l2, std::uint16_t type);
  [[nodiscard]] Outgoing answer_arp(const Frame& frame, std::size_t l2);
  [[nodiscard]] Outgoing answer_echo4(const Frame& frame, std::size_t l2, std::size_t size);
  [[nodiscard]] Outgoing answer_icmp6(const Frame& frame, std::size_t l2, std::size_t size);
  [[nodiscard]] Outgoing answer_echo6(const Frame& frame, std::size_t l2, std::size_t size);
  [[nodiscard]] Outgoing answer_solicitation(const Frame& frame, std::size_t l2, std::size_t size);

  page::Counters& counters_;
  Mac mac_;
  std::uint64_t mac_word_ = 0;  // the same six bytes as they lie in memory
  bool port_makes_checksums_ = false;
  bool any_vlan_ = true;
  std::vector<std::uint16_t> vlans_;
  std::vector<std::uint16_t> announced_vlans_;  // 0: without a tag
  std::vector<serve::Address> addresses_;       // each once
  std::vector<std::uint32_t> addresses4_;
  std::vector<Service4> services4_;
  std::vector<Service6> services6_;
  serve::ReturnPath path_;
  serve::Address source4_ = serve::Address::v4(0, 0, 0, 0);
  serve::Address source6_;
};

// How a path keeps what `wrap` needs: the MAC addresses and the VLAN tag (or zeros) of the request, then its addresses
// and ports, which lie together in both versions of IP.
namespace path {
constexpr std::size_t kMacs = 0;
constexpr std::size_t kTag = 12;
constexpr std::size_t kAddresses = 16;
constexpr std::size_t kSize4 = kAddresses + 2 * 4 + 4;
constexpr std::size_t kSize6 = kAddresses + 2 * ip6::kAddress + 4;
static_assert(kSize6 <= serve::ReturnPath::kCapacity);
}  // namespace path

// Inlined into the one loop that calls it: a call would cost more than any of the checks.
template <typename Answer>
[[gnu::always_inline]] inline Outgoing Station::handle(const Frame& frame, const PortChecks& checks, Answer&& answer) {
  if (frame.length < eth::kHeader) [[unlikely]]
    return drop(Counter::kDropFrameLength);
  std::size_t l2 = eth::kHeader;
  std::uint16_t type = load16(frame.data + eth::kType);
  std::uint16_t vlan = 0;
  if (type == eth::kTypeVlan) {
    if (frame.length < eth::kHeader + eth::kVlanTag) [[unlikely]]
      return drop(Counter::kDropFrameLength);
    vlan = load16(frame.data + eth::kHeader) & eth::kVlanIdMask;
    l2 += eth::kVlanTag;
    type = load16(frame.data + eth::kType + eth::kVlanTag);
  }
  // No station sends from a group's address, or from that of nobody.
  const std::uint64_t asker = load_raw<std::uint64_t>(frame.data + eth::kSource) & kMacMask;
  if ((asker & 1U) != 0 || asker == 0) [[unlikely]]
    return drop(Counter::kDropMac);
  if (vlan == eth::kVlanReserved || (!any_vlan_ && !serves_vlan(vlan))) [[unlikely]]
    return drop(Counter::kDropVlan);

  std::byte* const ip = frame.data + l2;
  std::size_t size = 0;
  if (type == eth::kTypeIpv4 && is_for_us(frame.data)) [[likely]] {
    if (!is_request4(frame, checks, l2, size)) [[unlikely]] {
      const Counter reason = check4(frame, checks, l2, size);
      if (reason != kNone) return drop(reason);
      if (load8(ip + ip4::kProtocol) == protocol::kIcmp) return answer_echo4(frame, l2, size);
    }
    note_path4(frame, l2);
    const std::size_t reply = answer(std::span(ip + ip4::kHeader + udp::kHeader, size - udp::kHeader),
                                     std::as_const(source4_), std::as_const(path_));
    return reply == 0 ? Outgoing{} : turn_around4(frame, l2, reply);
  }
  if (type == eth::kTypeIpv6 && is_for_us(frame.data)) {
    if (!is_request6(frame, checks, l2, size)) [[unlikely]] {
      const Counter reason = check6(frame, checks, l2, size);
      if (reason != kNone) return drop(reason);
      if (load8(ip + ip6::kNextHeader) == protocol::kIcmp6) return answer_icmp6(frame, l2, size);
    }
    note_path6(frame, l2);
    const std::size_t reply = answer(std::span(ip + ip6::kHeader + udp::kHeader, size - udp::kHeader),
                                     std::as_const(source6_), std::as_const(path_));
    return reply == 0 ? Outgoing{} : turn_around6(frame, l2, reply);
  }
  return handle_other(frame, l2, type);
}

inline Outgoing Station::drop(Counter reason) {
  counters_.add(reason);
  return {};
}

inline bool Station::serves4(const std::byte* ip) const {
  const std::uint64_t asked = load_raw<std::uint64_t>(ip + ip4::kDestination) & kService4Mask;
  bool served = false;
  for (const Service4 service : services4_)
    served |= service == asked;
  return served;
}

// All that check4 asks of a request, at once and a word at a time: it holds for nearly every frame. Which rule the
// others break, if any, check4 finds out.
inline bool Station::is_request4(const Frame& frame, const PortChecks& checks, std::size_t l2,
                                 std::size_t& size) const {
  const std::byte* const ip = frame.data + l2;
  const std::byte* const udp = ip + ip4::kHeader;
  const std::size_t room = frame.length - l2;
  if (room < ip4::kHeader + udp::kHeader) return false;
  // Version and header length, fragment, protocol; time to live is anybody's choice.
  const auto head = load_raw<std::uint64_t>(ip);
  const auto middle = load_raw<std::uint64_t>(ip + ip4::kTtl);
  constexpr auto kHeadMask = word_of({0xff, 0, 0, 0, 0, 0, 0x3f, 0xff});
  constexpr auto kHead = word_of({ip4::kPlain, 0, 0, 0, 0, 0, 0, 0});
  constexpr auto kMiddleMask = word_of({0, 0xff, 0, 0, 0, 0, 0, 0});
  constexpr auto kMiddle = word_of({0, protocol::kUdp, 0, 0, 0, 0, 0, 0});
  if ((((head & kHeadMask) ^ kHead) | ((middle & kMiddleMask) ^ kMiddle)) != 0) return false;
  if (!serves4(ip)) return false;

  const std::size_t total = load16(ip + ip4::kTotalLength);
  size = total - ip4::kHeader;
  if (total > room || total < ip4::kHeader + udp::kHeader || load16(udp + udp::kLength) != size) return false;
  const auto from = load_raw<std::uint32_t>(ip + ip4::kSource);
  const auto to = load_raw<std::uint32_t>(ip + ip4::kDestination);
  if (!ip4::can_be_answered(load8(ip + ip4::kSource)) || from == to || load_raw<std::uint16_t>(udp) == 0) return false;

  if (checks.ip != Verified::kGood && (checks.ip == Verified::kBad || !intact(plus(plus(head, middle), to))))
    return false;
  if (checks.udp == Verified::kGood) return true;
  return checks.udp == Verified::kUnknown && load_raw<std::uint16_t>(udp + udp::kChecksum) != 0 &&
         intact(sum_of_udp(udp, size, pseudo4(ip, size)));
}

// As is_request4, for check6.
inline bool Station::is_request6(const Frame& frame, const PortChecks& checks, std::size_t l2,
                                 std::size_t& size) const {
  const std::byte* const ip = frame.data + l2;
  const std::byte* const udp = ip + ip6::kHeader;
  const std::size_t room = frame.length - l2;
  if (room < ip6::kHeader + udp::kHeader) return false;
  constexpr auto kMask = word_of({0xf0, 0, 0, 0, 0, 0, 0xff, 0});
  constexpr auto kHead = word_of({ip6::kVersion, 0, 0, 0, 0, 0, protocol::kUdp, 0});
  if ((load_raw<std::uint64_t>(ip) & kMask) != kHead || !serves6(ip)) return false;

  size = load16(ip + ip6::kPayloadLength);
  if (size > room - ip6::kHeader || size < udp::kHeader || load16(udp + udp::kLength) != size) return false;
  // Addresses that begin with zeros are special ones: the unspecified one, loopback, mapped ones.
  const auto from = load_raw<std::uint64_t>(ip + ip6::kSource);
  const auto to = load_raw<std::uint64_t>(ip + ip6::kDestination);
  const bool land = from == to && load_raw<std::uint64_t>(ip + ip6::kSource + 8) ==
                                      load_raw<std::uint64_t>(ip + ip6::kDestination + 8);
  if (from == 0 || load8(ip + ip6::kSource) == ip6::kGroup || land) return false;
  if (load_raw<std::uint16_t>(udp) == 0 || load_raw<std::uint16_t>(udp + udp::kChecksum) == 0) return false;

  return checks.udp == Verified::kGood ||
         (checks.udp == Verified::kUnknown && intact(sum_of_udp(udp, size, pseudo6(ip, protocol::kUdp, size))));
}

inline bool Station::serves6(const std::byte* ip) const {
  const auto port = load_raw<std::uint16_t>(ip + ip6::kHeader + udp::kDestinationPort);
  for (const Service6& service : services6_)
    if (service.port == port && std::memcmp(service.address.bytes.data(), ip + ip6::kDestination, ip6::kAddress) == 0)
      return true;
  return false;
}

inline void Station::note_link(const Frame& frame, std::size_t l2) {
  std::byte* const to = path_.bytes.data();
  std::memcpy(to + path::kMacs, frame.data, 12);
  store_raw<std::uint32_t>(to + path::kTag, l2 == eth::kHeader ? 0 : load_raw<std::uint32_t>(frame.data + eth::kType));
}

inline void Station::note_path4(const Frame& frame, std::size_t l2) {
  const std::byte* const ip = frame.data + l2;
  note_link(frame, l2);
  std::memcpy(path_.bytes.data() + path::kAddresses, ip + ip4::kSource, path::kSize4 - path::kAddresses);
  std::memcpy(source4_.bytes.data() + 12, ip + ip4::kSource, 4);
  path_.size = path::kSize4;
}

inline void Station::note_path6(const Frame& frame, std::size_t l2) {
  const std::byte* const ip = frame.data + l2;
  note_link(frame, l2);
  std::memcpy(path_.bytes.data() + path::kAddresses, ip + ip6::kSource, path::kSize6 - path::kAddresses);
  std::memcpy(source6_.bytes.data(), ip + ip6::kSource, ip6::kAddress);
  path_.size = path::kSize6;
}

inline void swap_addresses6(std::byte* ip) {
  std::array<std::byte, ip6::kAddress> source;
  std::memcpy(source.data(), ip + ip6::kSource, ip6::kAddress);
  std::memcpy(ip + ip6::kSource, ip + ip6::kDestination, ip6::kAddress);
  std::memcpy(ip + ip6::kDestination, source.data(), ip6::kAddress);
}

// Requests become replies where they lie: addresses and ports change places.
inline Outgoing Station::turn_around4(const Frame& frame, std::size_t l2, std::size_t size) const {
  std::byte* const ip = frame.data + l2;
  std::byte* const udp = ip + ip4::kHeader;
  send_back(frame.data);
  store_raw(ip + ip4::kSource, std::rotl(load_raw<std::uint64_t>(ip + ip4::kSource), 32));
  store_raw(udp, std::rotl(load_raw<std::uint32_t>(udp), 16));
  finish4(ip, size);
  return {.length = l2 + ip4::kHeader + udp::kHeader + size,
          .l2 = static_cast<std::uint8_t>(l2),
          .l3 = ip4::kHeader,
          .checksums_left = port_makes_checksums_};
}

inline Outgoing Station::turn_around6(const Frame& frame, std::size_t l2, std::size_t size) const {
  std::byte* const ip = frame.data + l2;
  std::byte* const udp = ip + ip6::kHeader;
  send_back(frame.data);
  swap_addresses6(ip);
  store_raw(udp, std::rotl(load_raw<std::uint32_t>(udp), 16));
  finish6(ip, size);
  return {.length = l2 + ip6::kHeader + udp::kHeader + size,
          .l2 = static_cast<std::uint8_t>(l2),
          .l3 = ip6::kHeader,
          .checksums_left = port_makes_checksums_};
}

// To whoever sent it, from us.
inline void Station::send_back(std::byte* data) const {
  const std::uint64_t asker = load_raw<std::uint64_t>(data + eth::kSource) & kMacMask;
  store_raw<std::uint64_t>(data, asker | mac_word_ << 48);
  store_raw<std::uint32_t>(data + 8, static_cast<std::uint32_t>(mac_word_ >> 16));
}

// Addresses and ports of the reply stand; the rest of the headers is made here. The class of service is that of the
// request, its congestion marks are not; no fragment ever leaves, so the id is 0 (RFC 6864).
inline void Station::finish4(std::byte* ip, std::size_t payload_size) const {
  constexpr auto kHead = word_of({ip4::kPlain, 0, 0, 0, 0, 0, ip4::kDontFragment >> 8, 0});
  constexpr std::uint32_t kTtlAndProtocol = kTimeToLive | protocol::kUdp << 8;  // as they lie in memory; no checksum
  std::byte* const udp = ip + ip4::kHeader;
  const std::size_t udp_size = udp::kHeader + payload_size;
  const std::uint64_t service = load8(ip + ip4::kTrafficClass) & 0xfcU;
  const std::uint64_t total = swapped(static_cast<std::uint16_t>(ip4::kHeader + udp_size));
  const std::uint64_t head = kHead | service << 8 | total << 16;
  const auto addresses = load_raw<std::uint64_t>(ip + ip4::kSource);
  store_raw(ip, head);
  store_raw(ip + ip4::kTtl, kTtlAndProtocol);
  store16(udp + udp::kLength, static_cast<std::uint16_t>(udp_size));
  store_raw<std::uint16_t>(udp + udp::kChecksum, 0);
  const Sum pseudo = pseudo4(ip, udp_size);
  if (port_makes_checksums_) {
    store_raw(udp + udp::kChecksum, folded(pseudo));
    return;
  }
  store_raw(ip + ip4::kChecksum, checksum_of(plus(plus(head, kTtlAndProtocol), addresses)));
  store_raw(udp + udp::kChecksum, udp_checksum_of(sum_of_udp(udp, udp_size, pseudo)));
}

// As finish4. The flow label of the request stays (RFC 6438: it spreads load), its congestion marks don't.
inline void Station::finish6(std::byte* ip, std::size_t payload_size) const {
  constexpr auto kKept = word_of({0x0f, 0xcf, 0xff, 0xff, 0, 0, 0, 0});  // class without the marks, and flow label
  constexpr auto kHead = word_of({ip6::kVersion, 0, 0, 0, 0, 0, protocol::kUdp, kTimeToLive});
  std::byte* const udp = ip + ip6::kHeader;
  const std::size_t udp_size = udp::kHeader + payload_size;
  const std::uint64_t length = swapped(static_cast<std::uint16_t>(udp_size));
  store_raw(ip, (load_raw<std::uint64_t>(ip) & kKept) | kHead | length << 32);
  store16(udp + udp::kLength, static_cast<std::uint16_t>(udp_size));
  store_raw<std::uint16_t>(udp + udp::kChecksum, 0);
  const Sum pseudo = pseudo6(ip, protocol::kUdp, udp_size);
  store_raw(udp + udp::kChecksum,
            port_makes_checksums_ ? folded(pseudo) : udp_checksum_of(sum_of_udp(udp, udp_size, pseudo)));
}

}  // namespace gnomon::frame
