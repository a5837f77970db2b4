// SPDX-License-Identifier: Apache-2.0
//
// Frames as tests need them, right and wrong, and a judge of frames. It shares nothing with dataplane/frame, on
// purpose: a mistake that both had would go unseen. Here, headers are put together one byte after the other from the
// RFCs, and checksums are added up 16 bits at a time.
//
// Builders nest: ethernet(..., ipv4(..., udp(...))). What they are not told they make right; what they are told, they
// write, however wrong. The *_frame functions put together what is asked for most often.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "oracle/serve/source.hpp"

namespace gnomon::support {

using Bytes = std::vector<std::byte>;
using Mac = std::array<std::uint8_t, 6>;

constexpr Mac kBroadcastMac{0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
constexpr std::uint16_t kTypeIpv4 = 0x0800;
constexpr std::uint16_t kTypeArp = 0x0806;
constexpr std::uint16_t kTypeIpv6 = 0x86dd;
constexpr std::uint8_t kProtocolIcmp = 1;
constexpr std::uint8_t kProtocolUdp = 17;
constexpr std::uint8_t kProtocolIcmp6 = 58;
constexpr std::size_t kLeastFrame = 60;  // on an Ethernet, without the frame check sequence

/// "0800 4500 ..."; blanks don't matter. Throws std::invalid_argument if it is no such thing.
[[nodiscard]] Bytes from_hex(std::string_view text);
[[nodiscard]] std::string to_hex(std::span<const std::byte> bytes);
[[nodiscard]] Bytes text_bytes(std::string_view text);
/// "10.9.0.1" or "fd00:9::1". Throws std::invalid_argument if it is neither.
[[nodiscard]] serve::Address address_of(std::string_view text);

/// RFC 1071. Over data that holds its right checksum: 0.
[[nodiscard]] std::uint16_t internet_checksum(std::span<const std::byte> data);

enum class Checksum : std::uint8_t {
  kRight,
  kWrong,  // by one
  kZero,
};

// --- the link
// ---------------------------------------------------------------------------------------------------------

struct Ethernet {
  Mac to{};
  Mac from{};
  std::vector<std::uint16_t> tags{};  // what follows 0x8100: priority and VLAN id; the outermost comes first
  bool padded = true;                 // with zeros, to kLeastFrame
};
[[nodiscard]] Bytes ethernet(const Ethernet& header, std::uint16_t type, const Bytes& payload);

struct Arp {
  std::uint16_t operation = 1;  // 1: request, 2: reply
  Mac sender_mac{};
  serve::Address sender{};  // IPv4
  Mac target_mac{};
  serve::Address target{};
  std::uint16_t hardware = 1;
  std::uint16_t protocol = kTypeIpv4;
  std::uint8_t hardware_size = 6;
  std::uint8_t protocol_size = 4;
};
[[nodiscard]] Bytes arp(const Arp& packet);

// --- IP
// ---------------------------------------------------------------------------------------------------------------

struct Ipv4 {
  serve::Address from{};
  serve::Address to{};
  std::uint8_t protocol = kProtocolUdp;
  std::uint8_t tos = 0;
  std::uint8_t ttl = 64;
  std::uint16_t id = 0;
  std::uint16_t fragment = 0x4000;               // flags and offset; 0x4000: don't fragment, 0x2000: more fragments
  Bytes options{};                               // filled up to whole words with zeros (end of options)
  std::optional<std::uint8_t> version_length{};  // the first byte
  std::optional<std::uint16_t> total_length{};
  Checksum checksum = Checksum::kRight;
};
[[nodiscard]] Bytes ipv4(const Ipv4& header, const Bytes& payload);

struct Extension {
  std::uint8_t type = 0;  // 0: hop by hop, 43: routing, 44: fragment, 60: destination options
  Bytes body{};           // behind the first two bytes; filled up with zeros
};

struct Ipv6 {
  serve::Address from{};
  serve::Address to{};
  std::uint8_t next = kProtocolUdp;  // of what follows the extensions
  std::uint8_t traffic_class = 0;
  std::uint32_t flow = 0;
  std::uint8_t hop_limit = 64;
  std::vector<Extension> extensions{};
  std::uint8_t version = 6;
  std::optional<std::uint16_t> payload_length{};
};
[[nodiscard]] Bytes ipv6(const Ipv6& header, const Bytes& payload);

// --- what IP carries
// --------------------------------------------------------------------------------------------------

struct Udp {
  std::uint16_t from = 0;
  std::uint16_t to = 0;
  Checksum checksum = Checksum::kRight;
  std::optional<std::uint16_t> length{};
};
/// The addresses are for the checksum.
[[nodiscard]] Bytes udp(const Udp& header, const serve::Address& from, const serve::Address& to, const Bytes& payload);

/// `body` is what follows the checksum.
[[nodiscard]] Bytes icmp4(std::uint8_t type, std::uint8_t code, const Bytes& body,
                          Checksum checksum = Checksum::kRight);
[[nodiscard]] Bytes icmp6(std::uint8_t type, std::uint8_t code, const Bytes& body, const serve::Address& from,
                          const serve::Address& to, Checksum checksum = Checksum::kRight);
/// The body of an echo.
[[nodiscard]] Bytes echo_body(std::uint16_t id, std::uint16_t sequence, const Bytes& payload);
/// Option 1 (source) or 2 (target) of neighbour discovery.
[[nodiscard]] Bytes link_option(std::uint8_t type, const Mac& mac);
/// ff02::1:ffXX:XXXX.
[[nodiscard]] serve::Address solicited_group(const serve::Address& target);
/// Of an IPv6 group: 33:33:....
[[nodiscard]] Mac group_mac(const serve::Address& group);

// --- whole frames
// -----------------------------------------------------------------------------------------------------

/// Who speaks to whom. Both addresses of one family.
struct Envelope {
  Mac from_mac{};
  Mac to_mac{};
  serve::Address from{};
  serve::Address to{};
  std::vector<std::uint16_t> tags{};
};

[[nodiscard]] Bytes udp_frame(const Envelope& envelope, const Udp& header, const Bytes& payload);
[[nodiscard]] Bytes echo_request_frame(const Envelope& envelope, std::uint16_t id, std::uint16_t sequence,
                                       const Bytes& payload, Checksum checksum = Checksum::kRight);
/// Who has `to`? To everybody, whatever `to_mac` says.
[[nodiscard]] Bytes arp_request_frame(const Envelope& envelope);
[[nodiscard]] Bytes arp_reply_frame(const Envelope& envelope);
/// `from` is at `from_mac`, everybody.
[[nodiscard]] Bytes gratuitous_arp_frame(const Envelope& envelope);

struct Solicitation {
  std::optional<Bytes> options{};  // default: the source's link option
  std::uint8_t hop_limit = 255;
  std::uint8_t code = 0;
  Checksum checksum = Checksum::kRight;
  bool to_group = true;  // else to `to` and `to_mac` themselves
};
/// Who has `to`?
[[nodiscard]] Bytes solicitation_frame(const Envelope& envelope, const Solicitation& details = {});

struct Advertisement {
  std::uint8_t flags = 0x60;       // 0x80: router, 0x40: solicited, 0x20: override
  std::optional<Bytes> options{};  // default: the target's link option
  std::uint8_t hop_limit = 255;
  Checksum checksum = Checksum::kRight;
};
/// `from` is at `from_mac`.
[[nodiscard]] Bytes advertisement_frame(const Envelope& envelope, const Advertisement& details = {});

// --- the judge
// --------------------------------------------------------------------------------------------------------

/// A frame, taken apart. What its kind does not have is zero.
struct Dissection {
  Mac to{};
  Mac from{};
  std::vector<std::uint16_t> tags;
  std::uint16_t type = 0;
  Arp arp;
  serve::Address source;
  serve::Address destination;
  std::uint8_t traffic_class = 0;
  std::uint8_t ttl = 0;  // or hop limit
  std::uint8_t protocol = 0;
  std::uint16_t source_port = 0;
  std::uint16_t destination_port = 0;
  std::uint8_t icmp_type = 0;
  Bytes payload;  // of UDP; of ICMP what follows the checksum
};
/// Throws std::runtime_error with the first thing that is wrong with it, by the measure of what a careful host sends:
/// every length fits, nothing but zeros fills it up to kLeastFrame and nothing at all beyond, every checksum is there
/// and right, no fragment, option or extension, no group as a source.
[[nodiscard]] Dissection dissect(const Bytes& frame);
/// What dissect has to say; empty if the frame is right.
[[nodiscard]] std::string check_reply_frame(const Bytes& frame);

}  // namespace gnomon::support
