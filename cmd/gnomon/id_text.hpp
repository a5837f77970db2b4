// SPDX-License-Identifier: Apache-2.0
//
// 64-bit IDs as people write them: decimal, also negative as a signed column shows the upper half, or hexadecimal after
// 0x.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "oracle/id/layout.hpp"

namespace gnomon::cmd {

[[nodiscard]] std::optional<id::Id> parse_id(std::string_view text);

/// What to say of a text that is none.
[[nodiscard]] std::string no_id_text(std::string_view text);

}  // namespace gnomon::cmd
