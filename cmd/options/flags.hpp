// SPDX-License-Identifier: Apache-2.0
//
// The option table as flags of a CLI11 app. Values are passed on as texts; what they mean is judged in one place for
// flags, environment and file (resolve.hpp).
#pragma once

#include <string_view>
#include <vector>

#include "cmd/options/resolve.hpp"

namespace CLI {  // NOLINT(readability-identifier-naming): not ours
class App;
}

namespace gnomon::cmd {

/// Adds --section-key for every row, or for those of one section.
void add_option_flags(CLI::App& app, std::string_view only_section = {});

/// After parsing: those that were given.
[[nodiscard]] std::vector<FlagText> given_flags(const CLI::App& app);

}  // namespace gnomon::cmd
