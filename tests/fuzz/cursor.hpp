// SPDX-License-Identifier: Apache-2.0
//
// Reads an input from its front, for targets whose bytes are steps of a story: past the end it reads zeros, so every
// input means something.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

namespace gnomon::fuzz {

class Cursor {
 public:
  explicit Cursor(std::span<const std::uint8_t> left) : left_(left) {}
  [[nodiscard]] bool empty() const { return left_.empty(); }
  std::uint8_t byte() {
    if (left_.empty()) return 0;
    const std::uint8_t value = left_.front();
    left_ = left_.subspan(1);
    return value;
  }
  std::span<const std::uint8_t> bytes(std::size_t most) {
    const auto taken = left_.first(std::min(most, left_.size()));
    left_ = left_.subspan(taken.size());
    return taken;
  }

 private:
  std::span<const std::uint8_t> left_;
};

}  // namespace gnomon::fuzz
