// SPDX-License-Identifier: Apache-2.0
//
// The checksum of whole words against one that adds 16 bits at a time.
#include "dataplane/frame/checksum.hpp"

#include <gtest/gtest.h>

#include <array>
#include <random>

#include "tests/support/frames.hpp"

namespace gnomon::frame {
namespace {

using support::Bytes;

// In the order of the bytes on the wire.
std::uint16_t on_the_wire(std::uint16_t raw) {
  std::array<std::byte, 2> bytes{};
  store_raw(bytes.data(), raw);
  return static_cast<std::uint16_t>(std::to_integer<unsigned>(bytes[0]) << 8 | std::to_integer<unsigned>(bytes[1]));
}

enum class Fill : std::uint8_t { kRandom, kZeros, kOnes, kSparse, kDense };
constexpr std::array kFills{Fill::kRandom, Fill::kZeros, Fill::kOnes, Fill::kSparse, Fill::kDense};

// At a random distance from the start of its block, and with its end at the end of it.
struct Sample {
  Sample(std::mt19937_64& random, std::size_t size, Fill fill) : begin(random() % 16), block(begin + size) {
    for (std::size_t i = begin; i < block.size(); ++i) {
      const std::uint64_t draw = random();
      std::byte value = static_cast<std::byte>(draw);
      if (fill == Fill::kZeros || (fill == Fill::kSparse && draw % 16 != 0)) value = std::byte{0};
      if (fill == Fill::kOnes || (fill == Fill::kDense && draw % 16 != 0)) value = std::byte{0xff};
      block[i] = value;
    }
    block.shrink_to_fit();
  }
  [[nodiscard]] std::span<const std::byte> bytes() const { return std::span(block).subspan(begin); }

  std::size_t begin;
  Bytes block;
};

TEST(Checksum, AgreesWithSixteenBitsAtATime) {
  std::mt19937_64 random(20261124);
  for (int i = 0; i < 100'000; ++i) {
    const std::size_t size = i % 4 == 0 ? random() % 1600 : random() % 100;
    const Sample sample(random, size, kFills[random() % kFills.size()]);
    const std::uint16_t expected = support::internet_checksum(sample.bytes());
    const Sum sum = sum_of(sample.bytes().data(), size);
    ASSERT_EQ(on_the_wire(checksum_of(sum)), expected) << size << " bytes: " << support::to_hex(sample.bytes());
    ASSERT_EQ(on_the_wire(udp_checksum_of(sum)), expected == 0 ? 0xffff : expected);
    ASSERT_EQ(intact(sum), expected == 0);
  }
}

// Headers and payload are added one after the other; all pieces but the last are even.
TEST(Checksum, PiecesAddUp) {
  std::mt19937_64 random(20261125);
  for (int i = 0; i < 20'000; ++i) {
    const Sample sample(random, random() % 300, kFills[random() % kFills.size()]);
    const auto bytes = sample.bytes();
    const std::size_t cut = random() % (bytes.size() / 2 + 1) * 2;
    const auto extra = static_cast<std::uint16_t>(random());
    Bytes whole(bytes.begin(), bytes.end());
    whole.insert(whole.begin(), {static_cast<std::byte>(extra >> 8), static_cast<std::byte>(extra & 0xff)});
    const Sum head = sum_of(bytes.data(), cut, with16(0, extra));
    const Sum sum = sum_of(bytes.data() + cut, bytes.size() - cut, head);
    ASSERT_EQ(on_the_wire(checksum_of(sum)), support::internet_checksum(whole));
  }
}

// What a sender wrote into the field makes the whole intact; one flipped bit makes it not.
TEST(Checksum, IntactUntilABitFlips) {
  std::mt19937_64 random(20261126);
  for (int i = 0; i < 20'000; ++i) {
    Sample sample(random, 2 + random() % 120, kFills[random() % kFills.size()]);
    std::byte* const bytes = sample.block.data() + sample.begin;
    const std::size_t size = sample.bytes().size();
    store_raw<std::uint16_t>(bytes, 0);
    store_raw(bytes, checksum_of(sum_of(bytes, size)));
    // Zeros with a checksum of all ones are intact; zeros throughout would not be, and nobody writes them.
    ASSERT_TRUE(intact(sum_of(bytes, size)));
    ASSERT_EQ(support::internet_checksum(sample.bytes()), 0);
    bytes[random() % size] ^= static_cast<std::byte>(1U << (random() % 8));
    ASSERT_FALSE(intact(sum_of(bytes, size)));
  }
}

TEST(Checksum, Edges) {
  constexpr Sum kAllOnes = ~Sum{0};
  EXPECT_EQ(folded(0), 0);
  EXPECT_EQ(checksum_of(0), 0xffff);
  EXPECT_EQ(udp_checksum_of(0), 0xffff);
  EXPECT_FALSE(intact(0)) << "nothing but zeros is not intact";
  for (const Sum nothing_over : {Sum{0xffff}, Sum{0xffff} << 16, Sum{0xffff} << 48, kAllOnes, kAllOnes / 3 * 3}) {
    EXPECT_EQ(folded(nothing_over), 0xffff);
    EXPECT_EQ(checksum_of(nothing_over), 0);
    EXPECT_EQ(udp_checksum_of(nothing_over), 0xffff) << "0 would say that there is none (RFC 768)";
    EXPECT_TRUE(intact(nothing_over));
  }
  EXPECT_EQ(folded(Sum{1} << 16), 1);
  EXPECT_EQ(folded(Sum{1} << 32), 1);
  EXPECT_EQ(folded(Sum{1} << 48), 1);
  EXPECT_EQ(folded(kAllOnes - 1), 0xfffe);
}

// A carry comes back in at the bottom, and never makes a sum of something look like a sum of nothing.
TEST(Checksum, Carries) {
  constexpr Sum kAllOnes = ~Sum{0};
  EXPECT_EQ(plus(0, 0), 0U);
  EXPECT_EQ(plus(kAllOnes, 0), kAllOnes);
  EXPECT_EQ(plus(kAllOnes, 1), 1U);
  EXPECT_EQ(plus(1, kAllOnes), 1U);
  EXPECT_EQ(plus(kAllOnes, kAllOnes), kAllOnes);
  EXPECT_EQ(plus(Sum{1} << 63, Sum{1} << 63), 1U);
  Sum sum = 0;
  for (int words = 0; words < 10'000; ++words) {
    sum = plus(sum, kAllOnes);
    ASSERT_EQ(folded(sum), 0xffff);
    ASSERT_EQ(folded(plus(sum, 1)), 1);
  }
}

// RFC 1071, section 3: 0001 f203 f4f5 f6f7 sum up to ddf2.
TEST(Checksum, TheExampleOfTheRfc) {
  const Bytes bytes = support::from_hex("0001 f203 f4f5 f6f7");
  EXPECT_EQ(on_the_wire(folded(sum_of(bytes.data(), bytes.size()))), 0xddf2);
  EXPECT_EQ(on_the_wire(checksum_of(sum_of(bytes.data(), bytes.size()))), 0x220d);
}

}  // namespace
}  // namespace gnomon::frame
