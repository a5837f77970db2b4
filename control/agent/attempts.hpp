// SPDX-License-Identifier: Apache-2.0
//
// Commits of ours that were sent and whose outcome is not known to be "no".
//
// After a lost answer it is tempting to read once, not to find the write, and to forget it. But the request may still
// be on its way and land later. So an attempt is remembered until the keys that it compared have moved on, and whatever
// is later found under them is held against all of them: byte-equal, nonce included, or not ours.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "control/store.hpp"
#include "oracle/mint/names.hpp"

namespace gnomon::control {

enum class Purpose : std::uint8_t { kAcquire, kExtend, kRelease };

struct Attempt {
  Purpose purpose = Purpose::kAcquire;
  std::vector<mint::MachineId> machines;
  Transaction transaction;
};

class Attempts {
 public:
  /// The oldest is forgotten beyond this many; should it land after all, its values count as somebody else's.
  static constexpr std::size_t kMax = 32;

  void add(Attempt attempt);
  void clear() { attempts_.clear(); }
  [[nodiscard]] bool empty() const { return attempts_.empty(); }
  [[nodiscard]] const Attempt& newest() const { return attempts_.back(); }
  void drop_newest() { attempts_.pop_back(); }

  /// The attempt of which every put that is about a right is in the listing of rights, byte for byte and at one
  /// revision.
  [[nodiscard]] std::optional<std::pair<Attempt, Revision>> whole(const Listing& listing, Purpose purpose) const;
  /// The attempt that wrote exactly this value.
  [[nodiscard]] const Attempt* that_wrote(std::string_view key, std::string_view value) const;

 private:
  std::vector<Attempt> attempts_;
};

/// The entry of a key in a listing, nullptr if absent.
[[nodiscard]] const Entry* find_entry(const Listing& listing, std::string_view key);

}  // namespace gnomon::control
