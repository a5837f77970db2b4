// SPDX-License-Identifier: Apache-2.0
//
// How many commits a command costs, counted by the store's revision before and after, not by the daemon's own word. The
// claim is one; if it is not so, that is said and remembered, and the bench ends with it.
//
// A daemon writes for itself, too: its session and its rights. On etcd a watch tells those revisions apart, by their
// keys; so every revision in between is either a command's, or the cleaning up of a session that was closed, or the
// daemon's own. A SQLite store can't be looked at from outside: there the desk's own counter is held against the
// revision, and what is left over is shown. Besides, how often a thread of the daemon waited for another one or for a
// socket, for each command: what hand-overs cost can be counted even where nothing can be timed.
#pragma once

#include <cstddef>

#include "bench/lease/leased_daemon.hpp"
#include "control/store.hpp"

namespace gnomon::bench {

/// `sessions` at once, `each` of every command for each of them. `store`: past the daemon, at the same keys; null: it
/// can't be had. Whether each command was one commit.
[[nodiscard]] bool count_commits(const LeasedDaemon& daemon, control::Store* store, std::size_t sessions,
                                 std::size_t each);

}  // namespace gnomon::bench
