// SPDX-License-Identifier: Apache-2.0
//
// What becomes of a stored text on a bad disk, for the tests of values: each reader must reject it or read the one
// value whose text it is. A reader that took two texts for one value, or guessed at a damaged one, would be caught.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "oracle/lease/text_value.hpp"

namespace gnomon::lease {

inline Nonce nonce_of(std::uint8_t seed) {
  Nonce nonce{};
  for (std::size_t i = 0; i < nonce.size(); ++i)
    nonce[i] = static_cast<std::uint8_t>(seed + i);
  return nonce;
}

/// Why `text` is not read once its first `from` is `to`; nothing if it is.
template <typename Parse>
std::optional<ValueFault> fault_with(std::string text, const std::string& from, const std::string& to,
                                     const Parse& parse) {
  text.replace(text.find(from), from.size(), to);
  const auto parsed = parse(text);
  return parsed ? std::optional<ValueFault>{} : parsed.error();
}

inline constexpr auto kNothingMore = [](const auto& /*value*/) {};

template <typename Parse, typename Check>
void expect_canonical(const std::string& text, const Parse& parse, const Check& check, int& accepted) {
  const auto value = parse(text);
  if (!value) return;
  ++accepted;
  ASSERT_EQ(encode(*value), text);
  check(*value);
}

/// Every truncation, and every single bit flipped.
template <typename Parse>
void expect_canonical_or_rejected(const std::string& text, const Parse& parse) {
  int accepted = 0;
  for (std::size_t size = 0; size < text.size(); ++size)
    ASSERT_NO_FATAL_FAILURE(expect_canonical(text.substr(0, size), parse, kNothingMore, accepted));
  for (std::size_t at = 0; at < text.size(); ++at)
    for (int bit = 0; bit < 8; ++bit) {
      std::string flipped = text;
      flipped[at] = static_cast<char>(flipped[at] ^ (1 << bit));
      ASSERT_NO_FATAL_FAILURE(expect_canonical(flipped, parse, kNothingMore, accepted));
    }
  EXPECT_GT(accepted, 32) << "another digit of the nonce is another valid value";
}

/// Some random edits at a time. `check` has more to say of what is read.
template <typename Parse, typename Check = decltype(kNothingMore)>
void expect_no_guesses(const std::vector<std::string>& seeds, const Parse& parse, const Check& check = kNothingMore) {
  std::mt19937_64 random(20261129);
  int accepted = 0;
  for (int round = 0; round < 100'000; ++round) {
    std::string text = seeds[random() % seeds.size()];
    for (std::uint64_t n = random() % 3 + 1; n > 0; --n) {
      const std::size_t at = random() % (text.size() + 1);
      switch (random() % 4) {
        case 0: text.resize(at); break;
        case 1: text.insert(at, 1, static_cast<char>(random())); break;
        case 2: text.erase(at, 1); break;
        default:
          if (at < text.size()) text[at] = static_cast<char>(text[at] ^ (1 << random() % 8));
      }
    }
    ASSERT_NO_FATAL_FAILURE(expect_canonical(text, parse, check, accepted));
  }
  EXPECT_GT(accepted, 500) << "the mutations never hit a valid value: the test proves little";
}

}  // namespace gnomon::lease
