// SPDX-License-Identifier: Apache-2.0
//
// Fields of frames are big-endian and lie at any alignment. They are read and written here and nowhere else, so that no
// struct is ever laid over bytes that a stranger sent.
//
// Callers have checked that the bytes are there. Pure.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace gnomon::frame {

static_assert(std::endian::native == std::endian::little, "a big-endian port must not swap here");

[[nodiscard]] constexpr std::uint16_t swapped(std::uint16_t v) {
  return static_cast<std::uint16_t>((v >> 8) | (v << 8));
}

/// As the bytes lie in memory, for comparing and moving without a swap.
template <typename T>
[[nodiscard]] inline T load_raw(const std::byte* at) {
  T value{};
  std::memcpy(&value, at, sizeof value);
  return value;
}
template <typename T>
inline void store_raw(std::byte* at, T value) {
  std::memcpy(at, &value, sizeof value);
}

/// Eight bytes of a header, in the order of the wire, as one word in memory.
[[nodiscard]] constexpr std::uint64_t word_of(const std::array<std::uint8_t, 8>& bytes) {
  return std::bit_cast<std::uint64_t>(bytes);
}

[[nodiscard]] inline std::uint8_t load8(const std::byte* at) { return std::to_integer<std::uint8_t>(*at); }
inline void store8(std::byte* at, std::uint8_t value) { *at = std::byte{value}; }

[[nodiscard]] inline std::uint16_t load16(const std::byte* at) { return swapped(load_raw<std::uint16_t>(at)); }
inline void store16(std::byte* at, std::uint16_t value) { store_raw(at, swapped(value)); }

}  // namespace gnomon::frame
