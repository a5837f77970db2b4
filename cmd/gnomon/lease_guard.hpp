// SPDX-License-Identifier: Apache-2.0
//
// The guard of `gnomon lease run`: a small process of its own that kills the command's process group when the wrapper
// can't: it was killed (its end of the pipe closes), or stopped, or starved (the instant that it told last has come).
//
// PR_SET_PDEATHSIG alone is not enough: it kills the command but nothing that the command started, and it says nothing
// of a wrapper that was stopped. The guard waits by CLOCK_BOOTTIME, so what it does after a suspend it does first
// thing; between the two, a process of the group may have run for a moment. That is what tokens are for.
//
// The guard is forked before this process has any thread, blocks every signal that can be blocked, and holds none of
// its parent's descriptors. Thread rule: one thread.
#pragma once

#include <sys/types.h>

#include <string>

#include <tl/expected.hpp>

#include "oracle/time/instant.hpp"
#include "platform/unique_fd.hpp"

namespace gnomon::cmd {

class LeaseGuard {
 public:
  /// The error is a sentence.
  [[nodiscard]] static tl::expected<LeaseGuard, std::string> start();
  LeaseGuard(LeaseGuard&& other) noexcept = default;
  LeaseGuard& operator=(LeaseGuard&& other) noexcept = delete;
  /// As dismiss, if that was not called: so it never kills what nobody named.
  ~LeaseGuard();

  /// From now on `group` is killed at `at`, or once this process is gone. False: the guard itself is gone.
  bool kill_at(pid_t group, time::Uptime at);
  /// There is nothing to be killed any more; ends the guard and reaps it.
  void dismiss();
  [[nodiscard]] pid_t pid() const { return pid_; }
  /// Somebody else reaped it.
  void gone() { pid_ = 0; }

 private:
  LeaseGuard(pid_t pid, platform::UniqueFd pipe) : pid_(pid), pipe_(std::move(pipe)) {}

  pid_t pid_ = 0;
  platform::UniqueFd pipe_;
};

}  // namespace gnomon::cmd
