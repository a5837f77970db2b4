// SPDX-License-Identifier: Apache-2.0
//
// Asks a daemon for its status.
#pragma once

#include <chrono>
#include <string>

#include <tl/expected.hpp>

#include "control/service/status_report.hpp"

namespace gnomon::control {

struct StatusFetchError {
  bool unreachable = false;  // nobody answers there; else the daemon refused or talks another language
  std::string text;          // complete sentence
};

/// Blocks for up to `limit`.
[[nodiscard]] tl::expected<StatusReport, StatusFetchError> fetch_status(const std::string& socket_path,
                                                                        std::chrono::milliseconds limit);

}  // namespace gnomon::control
