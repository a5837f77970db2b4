// SPDX-License-Identifier: Apache-2.0
//
// What the tables say to people: the help text, the sample configuration and the reference pages.
#pragma once

#include <string>

namespace gnomon::cmd {

/// The options as flags, by section, for `gnomond --help`.
[[nodiscard]] std::string option_help();
/// A configuration file with every option, commented out, at its default.
[[nodiscard]] std::string sample_configuration();
/// docs/options.md.
[[nodiscard]] std::string option_reference();
/// docs/counters.md.
[[nodiscard]] std::string counter_reference();

}  // namespace gnomon::cmd
