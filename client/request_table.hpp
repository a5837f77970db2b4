// SPDX-License-Identifier: Apache-2.0
//
// Which call a reply belongs to: request id -> slot of the call, for what is in flight.
//
// An id is the only thing that keeps a stranger from answering in a server's name, so it must not be guessable: ids are
// SipHash-2-4 of a counter under a secret of this engine. That is as good as 64 random bits each, costs no system call,
// and is repeatable for a simulator that chooses the secret. Since the ids are uniform, they are their own hash: an
// open table with linear probing, at most half full, where an erased entry is closed by moving later ones back.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace gnomon::client {

/// 128 random bits; new for each engine, so also after a fork.
using Secret = std::array<std::uint8_t, 16>;

/// A stream of numbers that nobody without the secret can foretell.
class SecretNumbers {
 public:
  explicit SecretNumbers(const Secret& secret) : secret_(secret) {}
  [[nodiscard]] std::uint64_t next();
  /// Uniform over 0 .. bound-1 (up to a bias of 2^-32); bound >= 1, below 2^32.
  [[nodiscard]] std::uint64_t below(std::uint64_t bound) { return ((next() >> 32) * bound) >> 32; }

 private:
  Secret secret_;
  std::uint64_t counter_ = 0;
};

class RequestTable {
 public:
  static constexpr std::uint32_t kNone = 0xffff'ffff;

  /// Room for `limit` ids at the same time.
  explicit RequestTable(std::size_t limit) : entries_(std::bit_ceil(2 * limit + 2)), mask_(entries_.size() - 1) {}

  /// False if the id can't be used: it is zero, or in flight already. Not more than `limit` at a time.
  [[nodiscard]] bool insert(std::uint64_t id, std::uint32_t slot) {
    if (id == 0) return false;
    std::size_t at = home(id);
    for (; entries_[at].id != 0; at = (at + 1) & mask_)
      if (entries_[at].id == id) return false;
    entries_[at] = {id, slot};
    return true;
  }

  [[nodiscard]] std::uint32_t find(std::uint64_t id) const {
    if (id == 0) return kNone;
    for (std::size_t at = home(id); entries_[at].id != 0; at = (at + 1) & mask_)
      if (entries_[at].id == id) return entries_[at].slot;
    return kNone;
  }

  void erase(std::uint64_t id) {
    std::size_t at = home(id);
    while (entries_[at].id != id) {
      if (entries_[at].id == 0) return;
      at = (at + 1) & mask_;
    }
    for (std::size_t later = (at + 1) & mask_; entries_[later].id != 0; later = (later + 1) & mask_) {
      const std::size_t reach = (later - home(entries_[later].id)) & mask_;  // how far from home it stands
      if (reach < ((later - at) & mask_)) continue;                          // `at` would lie before its home
      entries_[at] = entries_[later];
      at = later;
    }
    entries_[at] = {};
  }

 private:
  struct Entry {
    std::uint64_t id = 0;
    std::uint32_t slot = kNone;
  };

  [[nodiscard]] std::size_t home(std::uint64_t id) const { return static_cast<std::size_t>(id) & mask_; }

  std::vector<Entry> entries_;
  std::size_t mask_;
};

}  // namespace gnomon::client
