// SPDX-License-Identifier: Apache-2.0
//
// Changes frames at random as one who knows where the fields lie: what a fuzzer that only flips bits finds after days.
// The same seed makes the same changes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <random>

#include "tests/support/frames.hpp"

namespace gnomon::fuzz {

class Mutator {
 public:
  explicit Mutator(std::uint64_t seed) : random_(seed) {}

  /// One to four changes; the frame is never longer than `max` afterwards.
  void mutate(support::Bytes& frame, std::size_t max);

  [[nodiscard]] std::uint64_t pick(std::uint64_t below) { return random_() % below; }

 private:
  void change(support::Bytes& frame);
  void change_field(support::Bytes& frame);
  void change_size(support::Bytes& frame);
  void change_tag(support::Bytes& frame);
  void write_address(support::Bytes& frame);

  std::mt19937_64 random_;
};

}  // namespace gnomon::fuzz
