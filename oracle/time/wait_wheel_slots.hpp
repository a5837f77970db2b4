// SPDX-License-Identifier: Apache-2.0
//
// Which slots of a wheel are occupied, and which comes next. A wheel of 2^17 slots is mostly empty, and walking it slot
// by slot after a pause costs 2^17 looks at memory; here a bit per slot is summed up 64 to 1 into further levels (the
// tree of P. van Emde Boas, 1977, with the fan-out of a machine word), so every question reads at most two words per
// level.
//
//   invariant:  a bit of level i + 1 is set if and only if its word of level i is not zero
//
// Memory is allocated in the constructor only. One thread.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace gnomon::time {

/// A set of numbers below 2^bits, 1 <= bits <= 24.
class WaitWheelSlots {
 public:
  explicit WaitWheelSlots(unsigned bits) {
    std::size_t members = std::size_t{1} << bits;
    while (members > 1) {
      members = (members + 63) / 64;
      words_[levels_++].assign(members, 0);
    }
  }

  [[nodiscard]] bool empty() const { return words_[levels_ - 1][0] == 0; }

  void insert(std::uint32_t slot) {
    for (std::size_t level = 0; level < levels_; ++level) {
      std::uint64_t& word = words_[level][slot / 64];
      const bool was_known_above = word != 0;
      word |= bit_of(slot);
      if (was_known_above) return;
      slot /= 64;
    }
  }

  void erase(std::uint32_t slot) {
    for (std::size_t level = 0; level < levels_; ++level) {
      std::uint64_t& word = words_[level][slot / 64];
      word &= ~bit_of(slot);
      if (word != 0) return;
      slot /= 64;
    }
  }

  /// The first member at or after `from`, going round; nothing if there is none at all.
  [[nodiscard]] std::optional<std::uint32_t> next(std::uint32_t from) const {
    const auto ahead = at_or_after(from);
    return ahead ? ahead : at_or_after(0);
  }

 private:
  static constexpr std::size_t kMaxLevels = 4;

  static constexpr std::uint64_t bit_of(std::uint32_t index) { return std::uint64_t{1} << (index % 64); }

  [[nodiscard]] std::optional<std::uint32_t> at_or_after(std::uint32_t from) const {
    std::uint32_t index = from;
    for (std::size_t level = 0; level < levels_; ++level) {
      const std::uint32_t word = index / 64;
      if (word >= words_[level].size()) return std::nullopt;
      const std::uint64_t ahead = words_[level][word] & (~std::uint64_t{0} << (index % 64));
      if (ahead != 0) return first_below(level, word, ahead);
      index = word + 1;  // nothing in the rest of this word: one level up, look at the words after it
    }
    return std::nullopt;
  }

  /// Down from a word of `level` whose set bits in question are `bits` to the first member under it.
  [[nodiscard]] std::uint32_t first_below(std::size_t level, std::uint32_t word, std::uint64_t bits) const {
    std::uint32_t index = word * 64 + static_cast<std::uint32_t>(std::countr_zero(bits));
    for (; level > 0; --level)
      index = index * 64 + static_cast<std::uint32_t>(std::countr_zero(words_[level - 1][index]));
    return index;
  }

  std::array<std::vector<std::uint64_t>, kMaxLevels> words_;  // of level 0, the slots themselves, and up
  std::size_t levels_ = 0;
};

}  // namespace gnomon::time
