// SPDX-License-Identifier: Apache-2.0
//
// What the judges share.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

#include "tests/chaos/judge.hpp"

namespace gnomon::chaos {

constexpr std::size_t kViolationsKept = 5;

inline void accuse(Verdict& verdict, std::string what) {
  if (++verdict.broken <= kViolationsKept) verdict.violations.push_back(std::move(what));
}

[[nodiscard]] inline std::string in_ms(time::Duration d) {
  return fmt::format("{:.3f} ms", static_cast<double>(d.ns) / 1e6);
}

/// Whether the clock of `daemon` was wrong at some moment between the two. kSomeDaemon: anybody's.
[[nodiscard]] inline bool rests_on_wrong_clock(const WrongClocks& wrong, std::uint8_t daemon, time::Tai from,
                                               time::Tai until) {
  return std::any_of(wrong.begin(), wrong.end(), [&](const WrongClock& clock) {
    return (daemon == kSomeDaemon || clock.daemon == daemon) && clock.from <= until && from <= clock.until;
  });
}

}  // namespace gnomon::chaos
