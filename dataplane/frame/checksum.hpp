// SPDX-License-Identifier: Apache-2.0
//
// The Internet checksum (RFC 1071): the one's complement of the one's complement sum of 16-bit words.
//
// That sum is arithmetic modulo 65535, in which 2^16, 2^64 and the order of a word's bytes make no difference: so eight
// bytes are added at a time, as they lie in memory, with the carry coming back in at the bottom, and only the remainder
// at the end is 16 bits wide (in the byte order of memory). Adding 16 bits at a time costs four times as much, on every
// request and every reply. Pure.
#pragma once

#include <cstddef>
#include <cstdint>

#include "dataplane/frame/byte_order.hpp"
#include "dataplane/frame/formats.hpp"

namespace gnomon::frame {

/// Modulo 2^64 - 1, and so modulo 65535. 0 only if everything that was added is zero.
using Sum = std::uint64_t;

[[nodiscard]] inline Sum plus(Sum sum, std::uint64_t word) {
  sum += word;
  return sum + (sum < word ? 1U : 0U);
}

/// Adds one 16-bit field, given in host order.
[[nodiscard]] inline Sum with16(Sum sum, std::uint16_t value) { return plus(sum, swapped(value)); }

/// Adds 64 bytes: a message, of which payloads are made. The carries come back in at the end, all at once.
[[nodiscard]] inline Sum sum_of_64(const std::byte* at, Sum sum) {
  std::uint64_t carries = 0;
  const auto add = [&](std::uint64_t word) {
    sum += word;
    carries += sum < word ? 1U : 0U;
  };
  add(load_raw<std::uint64_t>(at));
  add(load_raw<std::uint64_t>(at + 8));
  add(load_raw<std::uint64_t>(at + 16));
  add(load_raw<std::uint64_t>(at + 24));
  add(load_raw<std::uint64_t>(at + 32));
  add(load_raw<std::uint64_t>(at + 40));
  add(load_raw<std::uint64_t>(at + 48));
  add(load_raw<std::uint64_t>(at + 56));
  return plus(sum, carries);
}

/// Adds `size` bytes; an odd last byte counts as if a zero followed. Only the last piece of a sum may have an odd size.
[[nodiscard]] inline Sum sum_of(const std::byte* at, std::size_t size, Sum sum = 0) {
  for (; size >= 64; at += 64, size -= 64)
    sum = sum_of_64(at, sum);
  for (; size >= 8; at += 8, size -= 8)
    sum = plus(sum, load_raw<std::uint64_t>(at));
  if (size == 0) [[likely]]
    return sum;
  if (size >= 4) {
    sum = plus(sum, load_raw<std::uint32_t>(at));
    at += 4;
    size -= 4;
  }
  if (size >= 2) {
    sum = plus(sum, load_raw<std::uint16_t>(at));
    at += 2;
    size -= 2;
  }
  if (size != 0) sum = plus(sum, load8(at));
  return sum;
}

/// Of the pseudo header: both addresses, the protocol, the size of the packet within IP (RFC 768; RFC 8200, 8.1).
[[nodiscard]] inline Sum pseudo4(const std::byte* ip, std::size_t size) {
  return with16(load_raw<std::uint64_t>(ip + ip4::kSource), static_cast<std::uint16_t>(protocol::kUdp + size));
}
[[nodiscard]] inline Sum pseudo6(const std::byte* ip, std::uint8_t next, std::size_t size) {
  Sum sum = load_raw<std::uint64_t>(ip + ip6::kSource);
  sum = plus(sum, load_raw<std::uint64_t>(ip + ip6::kSource + 8));
  sum = plus(sum, load_raw<std::uint64_t>(ip + ip6::kDestination));
  sum = plus(sum, load_raw<std::uint64_t>(ip + ip6::kDestination + 8));
  return with16(with16(sum, next), static_cast<std::uint16_t>(size));
}

/// Adds a datagram to its pseudo header; `size` includes its own header, at least.
[[nodiscard]] inline Sum sum_of_udp(const std::byte* udp, std::size_t size, Sum pseudo) {
  return sum_of(udp + udp::kHeader, size - udp::kHeader, plus(pseudo, load_raw<std::uint64_t>(udp)));
}

/// The 16-bit sum, in the byte order of memory. To the sum, 0 and 65535 are the same; on the wire, only zeros are 0.
[[nodiscard]] inline std::uint16_t folded(Sum sum) {
  return static_cast<std::uint16_t>(sum == 0 ? 0 : (sum - 1) % 0xffff + 1);
}

/// Whether data that includes its checksum is intact.
[[nodiscard]] inline bool intact(Sum sum) { return sum != 0 && sum % 0xffff == 0; }

/// What goes into a checksum field (store with store_raw) when the field was zero in the sum.
[[nodiscard]] inline std::uint16_t checksum_of(Sum sum) { return static_cast<std::uint16_t>(~folded(sum)); }
/// As checksum_of for UDP, where 0 means "none" and 65535 stands for it (RFC 768).
[[nodiscard]] inline std::uint16_t udp_checksum_of(Sum sum) {
  return static_cast<std::uint16_t>(0xffff - sum % 0xffff);
}

}  // namespace gnomon::frame
