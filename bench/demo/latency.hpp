// SPDX-License-Identifier: Apache-2.0
//
// Latencies of an open loop: requests leave on a schedule that was fixed beforehand, and each counts from the moment
// it should have left. A closed loop that waits for a slow reply before it sends the next request would measure one
// stall once, and leave out all the requests that the stall held up.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

namespace gnomon::demo {

class Latencies {
 public:
  void reserve(std::size_t n) { ns_.reserve(n); }
  void add(std::int64_t ns) { ns_.push_back(ns); }
  [[nodiscard]] std::size_t count() const { return ns_.size(); }

  /// In microseconds; q from 0 to 1. 0 if nothing was measured.
  [[nodiscard]] double quantile_us(double q) {
    if (ns_.empty()) return 0;
    const auto rank = static_cast<std::size_t>(q * static_cast<double>(ns_.size() - 1));
    std::nth_element(ns_.begin(), ns_.begin() + static_cast<std::ptrdiff_t>(rank), ns_.end());
    return static_cast<double>(ns_[rank]) / 1000.0;
  }

 private:
  std::vector<std::int64_t> ns_;
};

}  // namespace gnomon::demo
