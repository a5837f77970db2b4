// SPDX-License-Identifier: Apache-2.0
//
// Where a daemon of this host can be asked about itself.
#pragma once

#include <optional>
#include <string>

#include <tl/expected.hpp>

namespace gnomon::cmd {

/// What was named on the command line, else what the environment says (GNOMON_CONTROL_SOCKET, GNOMON_SERVER_INSTANCE),
/// else where the instance `main` has its socket. Only what says where the daemon is: a mistake elsewhere in the
/// configuration must not hide a running daemon. The error is a sentence.
[[nodiscard]] tl::expected<std::string, std::string> status_socket(const std::optional<std::string>& instance,
                                                                   const std::optional<std::string>& socket);

}  // namespace gnomon::cmd
