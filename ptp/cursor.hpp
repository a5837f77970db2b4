// SPDX-License-Identifier: Apache-2.0
//
// Reads and writes big-endian fields one after the other, and never past the end.
//
// A struct laid over a datagram trusts three things at once: its length, its alignment and the byte order of the
// machine. A cursor trusts none. Past the end it reads zeros and remembers that: so a parser reads all of its fields in
// straight lines, asks `ok()` once, and only then believes what it read. Nothing is checked twice and no check can be
// forgotten in the middle. The writer drops what does not fit and remembers that as well.
//
// Invariants: no byte outside the span is touched, whatever the calls; `ok()` never turns true again. Neither owns its
// bytes. (The manner is that of quiche's octets and LevelDB's coding.h.)
#pragma once

#include <algorithm>
#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>

namespace gnomon::ptp {

class Cursor {
 public:
  explicit constexpr Cursor(std::span<const std::byte> bytes) : left_(bytes) {}

  /// The next field. Signed ones are two's complement.
  template <std::integral T>
  [[nodiscard]] constexpr T take() {
    std::uint64_t value = 0;
    for (const std::byte b : take_bytes(sizeof(T)))
      value = value << 8 | std::to_integer<std::uint64_t>(b);
    return static_cast<T>(value);
  }
  /// The next `N` bytes as they are; zeros past the end.
  template <std::size_t N>
  [[nodiscard]] constexpr std::array<std::uint8_t, N> take_array() {
    std::array<std::uint8_t, N> array{};
    std::ranges::transform(take_bytes(N), array.begin(), [](std::byte b) { return std::to_integer<std::uint8_t>(b); });
    return array;
  }
  /// The next `size` bytes, or none at all if there are fewer.
  [[nodiscard]] constexpr std::span<const std::byte> take_bytes(std::size_t size) {
    if (size > left_.size()) {
      ok_ = false;
      left_ = {};
      return {};
    }
    const std::span<const std::byte> taken = left_.first(size);
    left_ = left_.subspan(size);
    return taken;
  }
  constexpr void skip(std::size_t size) { static_cast<void>(take_bytes(size)); }

  [[nodiscard]] constexpr std::size_t left() const { return left_.size(); }
  [[nodiscard]] constexpr bool ok() const { return ok_; }
  /// All was there, and nothing is left.
  [[nodiscard]] constexpr bool at_end() const { return ok_ && left_.empty(); }

 private:
  std::span<const std::byte> left_;
  bool ok_ = true;
};

class Writer {
 public:
  explicit constexpr Writer(std::span<std::byte> bytes) : left_(bytes) {}

  template <std::integral T>
  constexpr void put(T value) {
    const auto bits = static_cast<std::uint64_t>(value);
    for (std::size_t i = sizeof(T); i-- > 0;)
      put_byte(static_cast<std::uint8_t>(bits >> (8 * i)));
  }
  template <std::size_t N>
  constexpr void put_array(const std::array<std::uint8_t, N>& array) {
    for (const std::uint8_t byte : array)
      put_byte(byte);
  }
  constexpr void zeros(std::size_t size) {
    for (; size > 0; --size)
      put_byte(0);
  }

  /// All fitted, and no room is left.
  [[nodiscard]] constexpr bool at_end() const { return ok_ && left_.empty(); }

 private:
  constexpr void put_byte(std::uint8_t byte) {
    if (left_.empty()) {
      ok_ = false;
      return;
    }
    left_.front() = std::byte{byte};
    left_ = left_.subspan(1);
  }

  std::span<std::byte> left_;
  bool ok_ = true;
};

}  // namespace gnomon::ptp
