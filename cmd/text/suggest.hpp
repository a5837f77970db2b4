// SPDX-License-Identifier: Apache-2.0
//
// "Did you mean ...?" for mistyped names.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace gnomon::cmd {

/// The candidate that is closest to `word`, or an empty view if none is close enough to be what was meant: at most a
/// third of its letters (and at least one, at most three) typed wrong, left out, added or swapped.
[[nodiscard]] std::string_view closest(std::string_view word, std::span<const std::string_view> candidates);

/// " (did you mean 'X'?)", or nothing.
[[nodiscard]] std::string did_you_mean(std::string_view word, std::span<const std::string_view> candidates);

}  // namespace gnomon::cmd
