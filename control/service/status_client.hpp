// SPDX-License-Identifier: Apache-2.0
//
// Asks a daemon for its status, and for what its store holds.
#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include <tl/expected.hpp>

#include "control/service/status_report.hpp"
#include "control/store.hpp"

namespace gnomon::control {

struct StatusFetchError {
  bool unreachable = false;  // nobody answers there, or its store does not; else refused, or another language is spoken
  std::string text;          // complete sentence
};

/// Blocks for up to `limit`.
[[nodiscard]] tl::expected<StatusReport, StatusFetchError> fetch_status(const std::string& socket_path,
                                                                        std::chrono::milliseconds limit);

/// What the daemon's store holds under `prefix`: right/, session/, history/ or meta/. Blocks for up to `limit`.
[[nodiscard]] tl::expected<Listing, StatusFetchError> fetch_listing(const std::string& socket_path,
                                                                    std::string_view prefix,
                                                                    std::chrono::milliseconds limit);

}  // namespace gnomon::control
