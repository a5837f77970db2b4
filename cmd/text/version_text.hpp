// SPDX-License-Identifier: Apache-2.0
//
// The answer to --version, the same in both programs: "NAME VERSION" for people, an object for programs.
#pragma once

#include <string>
#include <string_view>

namespace gnomon::cmd {

[[nodiscard]] std::string version_text(std::string_view program, bool json);

}  // namespace gnomon::cmd
