// SPDX-License-Identifier: Apache-2.0
//
// Random bytes from the kernel. A failure ends the process: there is no safe way to go on without a nonce.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace gnomon::platform {

void fill_random(std::span<std::byte> out);
[[nodiscard]] std::uint64_t random_u64();

/// `T` filled with random bytes; for nonces and keys.
template <typename T>
[[nodiscard]] T random_value() {
  T value{};
  fill_random(std::as_writable_bytes(std::span<T, 1>(&value, 1)));
  return value;
}

}  // namespace gnomon::platform
