// SPDX-License-Identifier: Apache-2.0
//
// Signals as events in the main loop instead of interruptions of whatever thread happens to run. They are blocked
// before the first thread starts, so that every thread inherits that, and are read from a descriptor.
#pragma once

#include <chrono>
#include <cstdint>

#include "cmd/gnomond/failure.hpp"
#include "platform/unique_fd.hpp"

namespace gnomon::cmd {

enum class Signal : std::uint8_t { kNone, kStop, kReload };

class Signals {
 public:
  /// Blocks SIGTERM, SIGINT and SIGHUP, and ignores SIGPIPE, in this and all later threads.
  [[nodiscard]] static Or<Signals> block();
  /// Waits for the next one, for at most `limit`.
  [[nodiscard]] Signal wait(std::chrono::milliseconds limit) const;

 private:
  explicit Signals(platform::UniqueFd fd) : fd_(std::move(fd)) {}
  platform::UniqueFd fd_;
};

}  // namespace gnomon::cmd
