// SPDX-License-Identifier: Apache-2.0
//
// Memory for one frame, whose last byte is the last of a page, with a page behind it that may not be touched: one byte
// read or written too many ends the program, in every build and not only under a sanitizer. In front lie canaries.
#pragma once

#include <cstddef>
#include <span>

#include "dataplane/frame/station.hpp"

namespace gnomon::frame::testing {

class Room {
 public:
  static constexpr std::size_t kSize = 65536;
  static constexpr std::size_t kCanaries = 64;

  Room();
  ~Room();
  Room(const Room&) = delete;
  Room& operator=(const Room&) = delete;

  /// A buffer of `capacity` bytes that begins with `bytes`; what follows them is junk.
  [[nodiscard]] Frame place(std::span<const std::byte> bytes, std::size_t capacity);
  /// Nothing was written in front of the buffer that was placed last.
  [[nodiscard]] bool front_is_intact() const;

 private:
  std::byte* pages_ = nullptr;
  std::byte* placed_ = nullptr;
};

}  // namespace gnomon::frame::testing
