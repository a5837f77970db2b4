// SPDX-License-Identifier: Apache-2.0
//
// The supervisor: the process that was started, and stays small. It forks the daemon, and when the daemon dies, the
// executor of its estate and then the next daemon. What it does when is decided in machine.hpp; this is the hands of
// it.
//
// A process can't give back what it held when it was killed, and a thread or an atexit handler is killed with it. Only
// another process can, and one that shares as little as possible: so the fork comes before any thread, port, database
// or connection exists, and the parent never opens one. It parses no packet, has one thread and reads two kinds of
// news: signals, and that a child ended.
//
//   - Children are waited for by pidfd, and by SIGCHLD as well. On a kernel before 5.3, or where a container's filter
//     denies pidfd_open, SIGCHLD alone wakes; whoever woke, every child is asked whether it ended, so a signal that
//     stood for two loses nothing. Signals go to a child that has not been reaped: its pid can't be another's.
//   - A supervisor that is killed takes the daemon along: the kernel sends it SIGTERM (PR_SET_PDEATHSIG), on which it
//     gives its rights back and ends. One that is stopped (SIGSTOP) is only late.
//   - Of the descriptors that a child inherits it closes the supervisor's; the locks of an instance and of a store are
//     taken by the children and end with them.
//   - The signals that a daemon reads stay blocked in it from the fork on: one that comes before it reads is kept.
//   - A terminal, and systemd (KillMode=control-group), signal all processes at once, and the supervisor passes the
//   same
//     signal on: the daemon takes two within half a second for one request.
//
// For systemd the supervisor is the main process: were it the daemon, its death would be the unit's, and all the rest
// would be killed. The daemon speaks for itself (READY, WATCHDOG, RELOADING, STOPPING), so the unit says
// NotifyAccess=all; WATCHDOG_PID names the main process and is set to the daemon's own in it. SIGABRT of the watchdog
// comes to the main process and is passed on.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <functional>
#include <optional>

#include "cmd/gnomond/failure.hpp"
#include "oracle/time/instant.hpp"

namespace gnomon::cmd::supervisor {

struct DeadDaemon {
  pid_t pid = 0;
  time::Uptime started;  // taken before the fork
};

struct Hooks {
  /// In the parent, before every start but the first. May be empty.
  std::function<void()> before_restart;
  /// In a child of its own: the daemon. It calls `ready` once it serves, and returns its exit code.
  std::function<int(const std::function<void()>& ready)> daemon;
  /// In a child of its own: gives back what that daemon held. Returns its exit code.
  std::function<int(const DeadDaemon& dead)> executor;
  /// In the parent: to tell the service manager that all is well. May be empty.
  std::function<void()> feed_watchdog;
};

/// Returns in the parent only, with the code to exit with, when no child is left. Refused if the process has threads.
[[nodiscard]] Or<int> supervise(const Hooks& hooks, std::optional<std::chrono::microseconds> feed_watchdog_every);

}  // namespace gnomon::cmd::supervisor
