// SPDX-License-Identifier: Apache-2.0
//
// The command of `gnomon lease run`, and everything that it starts and leaves in its process group.
//
// The naive wrapper waits for its child and takes its end for the end of the work. A child's children live on, as
// orphans of somebody else. So this process becomes the reaper of its descendants (PR_SET_CHILD_SUBREAPER): it sees
// each of them end, and none stays a zombie. Who leaves the group (setsid, setpgid) leaves the lease: it is neither
// waited for nor killed.
//
// With a terminal in whose foreground this process is, the group gets the foreground, as a shell does it; what stops
// the command there (Ctrl-Z) is undone at once, because nobody could wake it. Thread rule: the main thread, which must
// live as long as the process: PR_SET_PDEATHSIG means the thread that forked.
#pragma once

#include <sys/types.h>

#include <csignal>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <tl/expected.hpp>

#include "cmd/gnomon/lease_run_machine.hpp"
#include "platform/unique_fd.hpp"

namespace gnomon::cmd {

class LeaseChild {
 public:
  struct StartFailure {
    std::string why;
    bool missing = false;
  };
  /// Runs `command`, looked for on PATH, with `environment` added to this process's own and with `mask` blocked. It is
  /// killed when this process dies.
  [[nodiscard]] static tl::expected<LeaseChild, StartFailure> start(
      const std::vector<std::string>& command, const std::vector<std::pair<std::string, std::string>>& environment,
      const sigset_t& mask);
  LeaseChild(LeaseChild&&) noexcept = default;
  LeaseChild& operator=(LeaseChild&&) = delete;
  /// Gives the terminal back.
  ~LeaseChild();

  [[nodiscard]] pid_t group() const { return pid_; }
  /// To all of the group.
  void send(int signal) const;
  /// Reaps whoever has ended. The command's own end, once; `guard_ended` says whether `guard` is among them.
  [[nodiscard]] std::optional<lease_run::Ending> reap(pid_t guard, bool& guard_ended);
  /// Whether nothing of the group is left.
  [[nodiscard]] bool group_is_gone() const;

 private:
  explicit LeaseChild(pid_t pid, platform::UniqueFd terminal) : pid_(pid), terminal_(std::move(terminal)) {}

  pid_t pid_ = 0;
  platform::UniqueFd terminal_;  // whose foreground was given away
};

}  // namespace gnomon::cmd
