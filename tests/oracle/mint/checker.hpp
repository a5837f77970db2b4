// SPDX-License-Identifier: Apache-2.0
//
// What must be true of every ID that a generator hands out, whatever happened before. The checker
// knows nothing of how a generator works: it takes each ID apart with the codec and compares it
// with the rights and with all earlier IDs.
//
// It returns what is wrong as text instead of failing a test, because half of its users are planted
// bugs that it must find.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "oracle/id/codec.hpp"
#include "oracle/mint/generator.hpp"

namespace gnomon::mint::testing {

class MintChecker {
 public:
  explicit MintChecker(const id::Layout& layout) : layout_(layout) {}

  void adopted(const RightSet& rights) {
    if (rights.era != era_) last_.reset();  // a new era promises no order with the ones before
    era_ = rights.era;
  }

  /// The first thing that is wrong with this answer, or nothing.
  std::optional<std::string> took(const RightSet& rights, const MintTime& time, std::uint32_t wanted,
                                  const Take& take) {
    if (take.refusal != Refusal::kNone) {
      if (take.count != 0) return "a refusal that carries IDs";
      return std::nullopt;
    }
    if (take.count == 0 || take.count > wanted) return "a count of 0, or more than was wanted";
    const auto first = id::decode(layout_, take.first);
    const auto last = id::decode(layout_, {take.first.value + take.count - 1});
    if (!first || !last) return "an ID with bits above the layout";
    if (first->time != last->time || first->machine != last->machine) return "a range that leaves its unit or machine";
    if (last->sequence - first->sequence != take.count - 1) return "a range that wraps";
    if (first->time + layout_.unit <= time.now) return "an ID of a unit that is over";
    if (auto wrong = outside_window(rights, *first, take)) return wrong;
    return reused_or_unordered(*first, take);
  }

  [[nodiscard]] std::uint64_t ids() const { return ids_; }

 private:
  std::optional<std::string> outside_window(const RightSet& rights, const id::Fields& fields, const Take& take) const {
    if (take.slot >= rights.count) return "a slot that holds no right";
    const Right& right = rights.slots[take.slot];
    if (right.machine != fields.machine) return "the machine id of another slot";
    if (fields.time < right.floor) return "a unit below the floor";
    if (fields.time >= right.ceiling) return "a unit at or above the ceiling";
    return std::nullopt;
  }

  // Uniqueness over everything this store ever granted: no (unit, machine) gives the same sequence
  // twice.
  std::optional<std::string> reused_or_unordered(const id::Fields& fields, const Take& take) {
    auto& next_free = next_free_[{fields.time.ns, fields.machine.value}];
    if (fields.sequence < next_free) return "a sequence that was handed out before";
    next_free = fields.sequence + take.count;
    if (last_ && take.first <= *last_) return "an ID that is not larger than the one before";
    last_ = id::Id{take.first.value + take.count - 1};
    ids_ += take.count;
    return std::nullopt;
  }

  id::Layout layout_;
  Era era_;
  std::optional<id::Id> last_;
  std::map<std::pair<std::int64_t, std::uint16_t>, std::uint64_t> next_free_;
  std::uint64_t ids_ = 0;
};

}  // namespace gnomon::mint::testing
