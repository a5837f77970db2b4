// SPDX-License-Identifier: Apache-2.0
//
// Prose in lines of a bounded width.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace gnomon::cmd {

/// Breaks a text at blanks, so that no line is wider than `width`, but for a word that is. The first line begins with
/// `first` and the others with `rest`; each ends with a newline. Nothing of an empty text.
[[nodiscard]] std::string wrapped(std::string_view text, std::size_t width, std::string_view first,
                                  std::string_view rest);

}  // namespace gnomon::cmd
