// SPDX-License-Identifier: Apache-2.0
//
// Replies as daemons really sent them: ptp4l 3.1.1 (Debian), a slave with software time stamps on the loopback
// interface, whose grandmaster claims the PTP timescale and so is off by 37 s; and chronyd 4.3 with a reference clock.
// Nothing in them was touched. What was asked for: management by 676e6f.6d6f.6e0001-7, sequence 0x1201 and so on;
// tracking with sequence 0x12345678.
//
// A codec that is tested with its own encoder agrees with its own mistakes. These bytes are nobody's but the daemons'.
#pragma once

#include <array>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string_view>
#include <vector>

namespace gnomon::ptp::testing {

using Bytes = std::vector<std::byte>;

inline Bytes bytes_of_hex(std::string_view hex) {
  Bytes bytes(hex.size() / 2);
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    unsigned value = 0;
    const char* const at = hex.data() + 2 * i;
    if (std::from_chars(at, at + 2, value, 16).ptr != at + 2) throw std::invalid_argument("no hexadecimal digits");
    bytes[i] = static_cast<std::byte>(value);
  }
  return bytes;
}

struct GoldenReply {
  std::string_view name;
  std::string_view hex;
  [[nodiscard]] Bytes bytes() const { return bytes_of_hex(hex); }
};

constexpr std::uint32_t kGoldenSequence = 0x12345678;  // of chronyd's

// clang-format off
constexpr std::array<GoldenReply, 11> kManagementReplies{{
    {"time_status",
     "0d020068000000000000000000000000000000000a0b0cfffe0d0e0f00001201047f676e6f6d6f6e00010007000002000001"
     "0034c000000000089d5f31cd18eb17df4cb989660000000000000000000000000000000000000000000000000001001122ff"
     "fe334455"},
    {"current",
     "0d020048000000000000000000000000000000000a0b0cfffe0d0e0f00001202047f676e6f6d6f6e00010007000002000001"
     "00142001000100089d5f2e500000000000000a1b0000"},
    {"parent",
     "0d020056000000000000000000000000000000000a0b0cfffe0d0e0f00001203047f676e6f6d6f6e00010007000002000001"
     "00222002001122fffe33445500010000ffff7fffffff0a06214e5d80001122fffe334455"},
    {"time_properties",
     "0d02003a000000000000000000000000000000000a0b0cfffe0d0e0f00001204047f676e6f6d6f6e00010007000002000001"
     "0006200300253c20"},
    {"port",
     "0d020050000000000000000000000000000000000a0b0cfffe0d0e0f00011205047f676e6f6d6f6e00010007000002000001"
     "001c20040a0b0cfffe0d0e0f000109fd0000000000000000fe02fd010002"},
    {"port_properties",
     "0d020046000000000000000000000000000000000a0b0cfffe0d0e0f00011206047f676e6f6d6f6e00010007000002000001"
     "0012c0040a0b0cfffe0d0e0f00010900026c6f00"},
    {"default",
     "0d02004a000000000000000000000000000000000a0b0cfffe0d0e0f00001207047f676e6f6d6f6e00010007000002000001"
     "0016200003000001c8fffeffff800a0b0cfffe0d0e0f0000"},
    {"subscription",
     "0d020078000000000000000000000000000000000a0b0cfffe0d0e0f00001208047f676e6f6d6f6e00010007000002000001"
     "0044c003003c0100000000000000000000000000000000000000000000000000000000000000000000000000000000000000"
     "0000000000000000000000000000000000000000"},
    {"no_such_id",
     "0d02003c000000000000000000000000000000000a0b0cfffe0d0e0f0001120a047f676e6f6d6f6e00010007000002000002"
     "00080002c0fe00000000"},
    {"not_supported",
     "0d02003c000000000000000000000000000000000a0b0cfffe0d0e0f0000120b047f676e6f6d6f6e00010007000002000002"
     "00080006200100000000"},
    {"null_management",
     "0d020036000000000000000000000000000000000a0b0cfffe0d0e0f0001120c047f676e6f6d6f6e00010007000002000001"
     "00020000"},
}};

constexpr std::array<GoldenReply, 4> kChronyReplies{{
    {"never_synchronised",
     "0602000000210005000000000000000012345678000000000000000000000000000000000000000000000000000000000000"
     "0000000000030000000000000000000000000000000000000000000000000000000000000000000000000480000004800000"
     "00000000"},
    {"synchronised",
     "0602000000210005000000000000000012345678000000000000000054535458000000000000000000000000000000000000"
     "000000010000000000006b05ff691dc184f2f13affb08725ea8986843608aecc9c57a92772c5dc8637bdf083126fdea8c1dc"
     "02802da6"},
    {"too_short",
     "06020000002100010013000000000000123456780000000000000000"},
    {"other_command",
     "0602000000c800010003000000000000123456780000000000000000"},
}};
// clang-format on

/// By name; throws if there is none.
template <std::size_t N>
Bytes golden(const std::array<GoldenReply, N>& replies, std::string_view name) {
  for (const GoldenReply& reply : replies)
    if (reply.name == name) return reply.bytes();
  throw std::invalid_argument("no such reply");
}

}  // namespace gnomon::ptp::testing
