// SPDX-License-Identifier: Apache-2.0
//
// One writer per store: an flock'd file next to the database, holding who has it. The kernel drops the lock when the
// process ends, however it ends, so there is never a stale one to remove by hand; what the file says is for humans
// only and decides nothing.
#pragma once

#include <string>

#include <tl/expected.hpp>

#include "control/state_error.hpp"
#include "platform/unique_fd.hpp"

namespace gnomon::control {

class WriterLock {
 public:
  /// Refused with StateErrorKind::kHeld, naming the holder, if another process has it. `who`: instance or command.
  [[nodiscard]] static tl::expected<WriterLock, StateError> take(const std::string& path, const std::string& who);

 private:
  explicit WriterLock(platform::UniqueFd fd) : fd_(std::move(fd)) {}

  platform::UniqueFd fd_;
};

}  // namespace gnomon::control
