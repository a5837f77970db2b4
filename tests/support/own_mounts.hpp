// SPDX-License-Identifier: Apache-2.0
//
// Mounts that this process alone sees and that go with it. They take root, and a `/` that is a mount: in a chroot it is
// a folder, whose mounts can't be kept from everybody else. Thread rule: of a process with one thread, or of a child.
#pragma once

#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

namespace gnomon::support {

constexpr const char* kNoOwnMounts = "a process can't have mounts of its own here: that takes root, and no chroot";

/// From here on. False where that can't be had; nothing may be mounted then.
[[nodiscard]] inline bool take_own_mounts() {
  return unshare(CLONE_NEWNS) == 0 && mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0;
}

/// Whether it would work, as a child finds out.
[[nodiscard]] inline bool may_have_own_mounts() {
  const pid_t child = fork();
  if (child == 0) _exit(take_own_mounts() ? 0 : 1);
  int status = 0;
  return child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

}  // namespace gnomon::support
