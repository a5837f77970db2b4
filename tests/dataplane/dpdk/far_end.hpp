// SPDX-License-Identifier: Apache-2.0
//
// The other end of a served port, whatever the port is made of.
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <span>

#include "tests/support/frames.hpp"

namespace gnomon::test {

class FarEnd {
 public:
  static constexpr auto kLongEnough = std::chrono::milliseconds(20'000);  // a bound, not an expectation

  virtual ~FarEnd() = default;
  /// Of the served port.
  [[nodiscard]] virtual const support::Mac& mac() const = 0;
  /// One frame into a queue. Throws std::runtime_error if there is no room for it, and stays so.
  virtual void send(unsigned queue, std::span<const std::byte> frame) = 0;
  /// The next frame out of a queue; nothing if none comes in time.
  [[nodiscard]] virtual std::optional<support::Bytes> receive(unsigned queue, std::chrono::milliseconds limit) = 0;
  [[nodiscard]] std::optional<support::Bytes> receive(unsigned queue) { return receive(queue, kLongEnough); }

 protected:
  FarEnd() = default;
  FarEnd(const FarEnd&) = default;
  FarEnd& operator=(const FarEnd&) = default;
};

}  // namespace gnomon::test
