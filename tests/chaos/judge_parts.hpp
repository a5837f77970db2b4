// SPDX-License-Identifier: Apache-2.0
//
// What the judges share.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tests/chaos/judge.hpp"
#include "tests/chaos/real_time_order.hpp"

namespace gnomon::chaos {

constexpr std::size_t kViolationsKept = 5;

inline void accuse(Verdict& verdict, std::string what) {
  if (++verdict.broken <= kViolationsKept) verdict.violations.push_back(std::move(what));
}

[[nodiscard]] inline std::string in_ms(time::Duration d) {
  return fmt::format("{:.3f} ms", static_cast<double>(d.ns) / 1e6);
}

/// Sorts the points, whose references are indices of `histories`, and accuses of each inversion: "{domains} 2: A {had}
/// 5, and B, which asked 3 ms later, {has} 4". `domains`: what their points' domains number; empty if there is but one.
template <typename Value>
void accuse_inversions(Verdict& verdict, const Histories& histories, std::vector<Point<Value>>& points,
                       std::string_view domains, std::string_view had, std::string_view has) {
  find_inversions(points, [&](const Inversion<Value>& found) {
    const std::string where = domains.empty() ? "" : fmt::format("{} {}: ", domains, found.later.domain);
    accuse(verdict, fmt::format("{}{} {} {}, and {}, which asked {} later, {} {}", where,
                                histories[found.earlier.reference].client, had, found.earlier.high,
                                histories[found.later.reference].client,
                                in_ms(found.later.asked - found.earlier.answered), has, found.later.low));
  });
}

/// Whether the clock of `daemon` was wrong at some moment between the two. kSomeDaemon: anybody's.
[[nodiscard]] inline bool rests_on_wrong_clock(const WrongClocks& wrong, std::uint8_t daemon, time::Tai from,
                                               time::Tai until) {
  return std::any_of(wrong.begin(), wrong.end(), [&](const WrongClock& clock) {
    return (daemon == kSomeDaemon || clock.daemon == daemon) && clock.from <= until && from <= clock.until;
  });
}

}  // namespace gnomon::chaos
