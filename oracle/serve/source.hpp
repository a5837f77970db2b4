// SPDX-License-Identifier: Apache-2.0
//
// Where a datagram came from and how to answer it.
#pragma once

#include <array>
#include <bit>
#include <compare>
#include <cstddef>
#include <cstdint>

namespace gnomon::serve {

/// An IPv6 address in network order; IPv4 as v4-mapped (::ffff:a.b.c.d), so that lists and limits have one form.
struct Address {
  std::array<std::uint8_t, 16> bytes{};

  friend constexpr auto operator<=>(const Address&, const Address&) = default;

  static constexpr Address v4(std::uint8_t a, std::uint8_t b, std::uint8_t c, std::uint8_t d) {
    return {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a, b, c, d}};
  }
  // Both are asked about every datagram, so they look at words, not at bytes.
  [[nodiscard]] constexpr bool is_v4() const { return first_half_is_zero() && quarter(2) == kV4Mapped; }
  /// 127.0.0.0/8 or ::1.
  [[nodiscard]] constexpr bool is_loopback() const {
    if (!first_half_is_zero()) return false;
    if (quarter(2) == kV4Mapped) return bytes[12] == 127;
    return quarter(2) == 0 && quarter(3) == std::uint32_t{1} << 24;
  }

 private:
  static constexpr std::uint32_t kV4Mapped = 0xffff'0000U;  // bytes 8 to 11 of ::ffff:a.b.c.d

  // Parts of the address as they lie in memory.
  static_assert(std::endian::native == std::endian::little);
  [[nodiscard]] constexpr bool first_half_is_zero() const {
    return std::bit_cast<std::array<std::uint64_t, 2>>(bytes)[0] == 0;
  }
  [[nodiscard]] constexpr std::uint32_t quarter(std::size_t i) const {
    return std::bit_cast<std::array<std::uint32_t, 4>>(bytes)[i];
  }
};

/// The twin's own way back to a client (a sockaddr, or MAC and IP addresses): kept with a parked request, never read
/// by anything in oracle/.
struct ReturnPath {
  static constexpr std::size_t kCapacity = 56;
  std::array<std::byte, kCapacity> bytes{};
  std::uint32_t size = 0;
  std::uint32_t socket = 0;  // which of the worker's sockets or ports

  friend bool operator==(const ReturnPath& x, const ReturnPath& y) {
    if (x.size != y.size || x.socket != y.socket) return false;
    for (std::size_t i = 0; i < x.size; ++i)
      if (x.bytes[i] != y.bytes[i]) return false;
    return true;
  }
};

}  // namespace gnomon::serve
