// SPDX-License-Identifier: Apache-2.0
//
// The check word of what stands in a shared page: one word over several, by which a reader finds out a stray write, a
// half of a change, or the rest of another process's page. Words that are merely XORed or added would hide two that
// changed places, or that changed alike; here each is mixed into all that came before it.
//
// It keeps mistakes out, not attackers: whoever may write the page may also write the check. It is part of the layout
// of the pages (worker_page.hpp, clock_page.hpp): a change of it is a new version of both. Pure; any thread.
#pragma once

#include <cstdint>

namespace gnomon::page {

/// What the check of nothing is; not 0, so that a page full of zeros agrees with no check.
constexpr std::uint64_t kCheckSeed = 0x9e3779b97f4a7c15ULL;

/// The check of what `before` is the check of, and one word more: the finaliser of SplitMix64 over both. A flipped bit
/// changes about half of the result.
[[nodiscard]] constexpr std::uint64_t mixed_in(std::uint64_t before, std::uint64_t word) {
  std::uint64_t x = before ^ word;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
  return x ^ (x >> 31);
}

}  // namespace gnomon::page
