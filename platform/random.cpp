// SPDX-License-Identifier: Apache-2.0
#include "platform/random.hpp"

#include <sys/random.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>

namespace gnomon::platform {

void fill_random(std::span<std::byte> out) {
  while (!out.empty()) {
    const ssize_t n = getrandom(out.data(), out.size(), 0);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) {
      std::fputs("gnomon: getrandom failed; without random bytes nothing can be made unique\n", stderr);
      std::abort();
    }
    out = out.subspan(static_cast<std::size_t>(n));
  }
}

std::uint64_t random_u64() { return random_value<std::uint64_t>(); }

}  // namespace gnomon::platform
