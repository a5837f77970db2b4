// SPDX-License-Identifier: Apache-2.0
//
// SHA-1 (FIPS 180-4), because the publishers of leap-seconds.list chose it for the "#h" line and libsodium has none.
//
// It guards against a file that was cut off, damaged or edited by hand. It does not guard against a forger: SHA-1 is
// broken, and whoever can write the file can write its hash. Nothing else may use it.
//
// Over a kilobyte of text at most, once at start-up, so it is written for the eye.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace gnomon::time {

/// The five words of a SHA-1, as "#h" prints them.
using LeapHash = std::array<std::uint32_t, 5>;

namespace leap_hash_detail {

constexpr std::size_t kBlock = 64;

// Byte `at` of the padded message: the text, 0x80, zeros, and the length in bits in the last eight bytes.
constexpr std::uint32_t padded(std::string_view text, std::size_t blocks, std::size_t at) {
  if (at < text.size()) return static_cast<unsigned char>(text[at]);
  if (at == text.size()) return 0x80;
  const std::size_t from_end = blocks * kBlock - 1 - at;
  return from_end < 8 ? static_cast<std::uint32_t>((std::uint64_t{text.size()} * 8) >> (8 * from_end) & 0xff) : 0;
}

constexpr std::uint32_t mixed(std::size_t round, std::uint32_t b, std::uint32_t c, std::uint32_t d) {
  if (round < 20) return ((b & c) | (~b & d)) + 0x5a827999;
  if (round < 40) return (b ^ c ^ d) + 0x6ed9eba1;
  if (round < 60) return ((b & c) | (b & d) | (c & d)) + 0x8f1bbcdc;
  return (b ^ c ^ d) + 0xca62c1d6;
}

}  // namespace leap_hash_detail

[[nodiscard]] constexpr LeapHash leap_hash(std::string_view text) {
  using leap_hash_detail::kBlock;
  LeapHash hash{0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0};
  const std::size_t blocks = (text.size() + 8) / kBlock + 1;
  for (std::size_t block = 0; block < blocks; ++block) {
    std::array<std::uint32_t, 80> word{};
    for (std::size_t i = 0; i < kBlock; ++i)
      word[i / 4] = word[i / 4] << 8 | leap_hash_detail::padded(text, blocks, block * kBlock + i);
    for (std::size_t i = 16; i < word.size(); ++i)
      word[i] = std::rotl(word[i - 3] ^ word[i - 8] ^ word[i - 14] ^ word[i - 16], 1);
    auto [a, b, c, d, e] = hash;
    for (std::size_t i = 0; i < word.size(); ++i) {
      const std::uint32_t next = std::rotl(a, 5) + leap_hash_detail::mixed(i, b, c, d) + e + word[i];
      e = d;
      d = c;
      c = std::rotl(b, 30);
      b = a;
      a = next;
    }
    hash = {hash[0] + a, hash[1] + b, hash[2] + c, hash[3] + d, hash[4] + e};
  }
  return hash;
}

}  // namespace gnomon::time
