// SPDX-License-Identifier: Apache-2.0
//
// Networks as people write them: `10.0.0.0/8`, `fd00::/8`, or one address without a prefix.
#pragma once

#include <string>
#include <string_view>

#include <tl/expected.hpp>

#include "oracle/serve/gate.hpp"

namespace gnomon::cmd {

/// Bits below the prefix must be zero: 10.0.0.1/8 is refused, because it is unclear what was meant. The error is a
/// sentence that names the text.
[[nodiscard]] tl::expected<serve::Cidr, std::string> parse_cidr(std::string_view text);

}  // namespace gnomon::cmd
