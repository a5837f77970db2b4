// SPDX-License-Identifier: Apache-2.0
//
// The words of the client's errors: what was asked, and what to do about each kind of failure.
#pragma once

#include <string>
#include <string_view>

#include "client/error.hpp"
#include "oracle/id/layout.hpp"
#include "oracle/wire/message.hpp"

namespace gnomon::client {

[[nodiscard]] ErrorKind kind_of(wire::Status status);
/// "fetching 5 IDs of layout 1", "a commit-wait".
[[nodiscard]] std::string what_was_asked(wire::Op op, id::LayoutNumber layout, std::uint64_t count);
/// "; do this or that".
[[nodiscard]] std::string_view remedy(ErrorKind kind);
/// "2000 ms", "0.4 ms".
[[nodiscard]] std::string milliseconds_text(time::Duration d);

}  // namespace gnomon::client
