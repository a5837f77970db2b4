// SPDX-License-Identifier: Apache-2.0
//
// Promise U: no two IDs of one layout are equal, over all workers and all incarnations of the daemon. Every ID ever
// issued is a bit in a hash table of 64-bit words, so a duplicate is found in the moment in which it is made.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "tests/sim/check/issue.hpp"
#include "tests/sim/check/report.hpp"

namespace gnomon::sim {

class Unique {
 public:
  explicit Unique(Report& report) : report_(report) {}

  void issued(const Issue& issue) {
    std::uint64_t id = issue.first.value;
    for (std::uint64_t left = issue.count; left != 0;) {
      const std::uint64_t in_word = std::min<std::uint64_t>(left, 64 - (id & 63));
      const std::uint64_t bits = (in_word == 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << in_word) - 1) << (id & 63);
      std::uint64_t& word = tables_[issue.layout->number.value].word(id >> 6);
      if ((word & bits) != 0)
        report_.fail("unique", fmt::format("layout {}: {:#x} or one of the {} IDs from there on was issued before",
                                           issue.layout->number.value, id, in_word));
      word |= bits;
      id += in_word;
      left -= in_word;
    }
    ids_ += issue.count;
  }
  [[nodiscard]] std::uint64_t ids() const { return ids_; }

 private:
  /// Open addressing, at most half full.
  class BitTable {
   public:
    std::uint64_t& word(std::uint64_t key) {
      if (used_ * 2 >= slots_.size()) grow();
      Slot& slot = find(key);
      if (slot.bits == 0) {
        slot.key = key;
        ++used_;
      }
      return slot.bits;  // the caller sets at least one bit
    }

   private:
    struct Slot {
      std::uint64_t key = 0;
      std::uint64_t bits = 0;
    };
    Slot& find(std::uint64_t key) {
      std::size_t at = (key * 0x9e3779b97f4a7c15ULL) >> shift_;
      while (slots_[at].bits != 0 && slots_[at].key != key)
        at = (at + 1) & (slots_.size() - 1);
      return slots_[at];
    }
    void grow() {
      const std::vector<Slot> old = std::exchange(slots_, std::vector<Slot>(slots_.empty() ? 1024 : slots_.size() * 2));
      shift_ = 64 - static_cast<unsigned>(std::countr_zero(slots_.size()));
      for (const Slot& slot : old)
        if (slot.bits != 0) find(slot.key) = slot;
    }
    std::vector<Slot> slots_;
    std::size_t used_ = 0;
    unsigned shift_ = 63;
  };

  Report& report_;
  std::array<BitTable, 256> tables_;
  std::uint64_t ids_ = 0;
};

}  // namespace gnomon::sim
