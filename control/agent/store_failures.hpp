// SPDX-License-Identifier: Apache-2.0
//
// How often the store failed its agent, by what the failure meant. The log tells of a failure once, and not again while
// it repeats, so that it stays readable; how often it happens is only to be seen here.
//
// One table names the kinds, for the report, the metrics and whoever reads either. Thread rule: one thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "control/store.hpp"

namespace gnomon::control {

struct StoreFailureInfo {
  StoreErrorKind kind;
  std::string_view name;
};
constexpr std::array<StoreFailureInfo, 4> kStoreFailureTable{{
    {StoreErrorKind::kConflict, "conflict"},        // something that was compared had changed; expected now and then
    {StoreErrorKind::kUnknown, "unknown"},          // a commit's answer was lost, or did not come in time
    {StoreErrorKind::kUnavailable, "unavailable"},  // out of reach: nothing was read or written
    {StoreErrorKind::kFatal, "fatal"},              // the daemon ends
}};

class StoreFailures {
 public:
  void count(StoreErrorKind kind) { ++counts_[static_cast<std::size_t>(kind)]; }
  [[nodiscard]] std::uint64_t of(StoreErrorKind kind) const { return counts_[static_cast<std::size_t>(kind)]; }

 private:
  static_assert([] {
    for (std::size_t i = 0; i < kStoreFailureTable.size(); ++i)
      if (kStoreFailureTable[i].kind != static_cast<StoreErrorKind>(i)) return false;
    return true;
  }());
  std::array<std::uint64_t, kStoreFailureTable.size()> counts_{};
};

}  // namespace gnomon::control
