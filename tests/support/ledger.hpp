// SPDX-License-Identifier: Apache-2.0
//
// What the tests received, and the two questions they ask of it: is any ID there twice, and does every right ascend?
//
// IDs are kept as the ranges they came in ([first, first + count)), so 200 million of them fit in memory and a
// duplicate is an overlap of two ranges in sorted order. That is exact, not a sample.
// Thread rule: one ledger per thread; `absorb` brings them together.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <tuple>
#include <vector>

namespace gnomon::support {

struct IssuedRange {
  std::uint64_t first = 0;
  std::uint32_t count = 0;
  std::uint16_t layout = 0;
  std::uint16_t machine = 0;
  std::uint32_t token_low = 0;
};

class Ledger {
 public:
  /// In order of receipt. A range of the same right that does not lie above the previous one is noted as a violation.
  void add(const IssuedRange& range);
  /// Takes over what was received at the same time as this: order is judged inside each of the two only.
  void absorb(Ledger&& other);
  /// Takes over what was asked for after all of this had been received: every right must have gone on above its last
  /// ID.
  void follow_with(Ledger&& later);

  [[nodiscard]] std::uint64_t ids() const { return ids_; }
  [[nodiscard]] std::uint64_t single_ids() const { return singles_; }
  /// (layout, machine, token) triples seen.
  [[nodiscard]] std::size_t rights() const { return reach_.size(); }
  [[nodiscard]] std::vector<std::uint16_t> machines() const;
  /// Lowest and highest ID of all layouts together. Not when empty.
  [[nodiscard]] std::uint64_t lowest() const;
  [[nodiscard]] std::uint64_t highest() const;
  [[nodiscard]] const std::vector<IssuedRange>& ranges() const { return ranges_; }
  [[nodiscard]] std::uint64_t order_violations() const { return order_violations_; }
  [[nodiscard]] const std::string& first_order_violation() const { return first_order_violation_; }

  /// IDs that were issued more than once, per layout summed up. Sorts in parallel (oneTBB).
  struct Duplicates {
    std::uint64_t count = 0;
    std::string first;  // names both rights
  };
  [[nodiscard]] Duplicates duplicates() const;

 private:
  using RightKey = std::tuple<std::uint16_t, std::uint16_t, std::uint32_t>;

  std::vector<IssuedRange> ranges_;
  struct Reach {
    std::uint64_t lowest = 0;
    std::uint64_t highest = 0;
  };

  std::map<RightKey, Reach> reach_;
  std::uint64_t ids_ = 0;
  std::uint64_t singles_ = 0;
  std::uint64_t order_violations_ = 0;
  std::string first_order_violation_;
};

}  // namespace gnomon::support
