// SPDX-License-Identifier: Apache-2.0
//
// The figures of the lease service, once: status, metrics and docs/counters.md are made from these two tables.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "control/service/lease_service.hpp"

namespace gnomon::cmd {

struct LeaseFigure {
  std::string_view name;
  std::string_view help;
  std::uint64_t (*of)(const control::LeaseServiceCounters&);
};

#define GNOMON_FIGURE(path) \
  [](const control::LeaseServiceCounters& c) -> std::uint64_t { return static_cast<std::uint64_t>(c.path); }

/// What is there at a moment.
inline constexpr std::array kLeaseLevels{
    LeaseFigure{"sessions", "sessions open in the store; one that has expired counts until it is cleaned up",
                GNOMON_FIGURE(runner.desk.sessions)},
    LeaseFigure{"held", "leases that hang on them", GNOMON_FIGURE(runner.desk.leases)},
    LeaseFigure{"waiters", "places in the queues of leases, whichever daemon their clients ask",
                GNOMON_FIGURE(runner.desk.waiters)},
    LeaseFigure{"open_calls", "calls and watches under way", GNOMON_FIGURE(open)},
    LeaseFigure{"waiting", "calls here that wait in the queue of a lease", GNOMON_FIGURE(runner.parked)},
    LeaseFigure{"watches", "watches under way", GNOMON_FIGURE(runner.watchers)},
    LeaseFigure{"store_tasks", "reads and commits that the store has not answered yet",
                GNOMON_FIGURE(runner.store_tasks)},
    LeaseFigure{"unreadable", "leases and sessions in the store that are damaged",
                GNOMON_FIGURE(runner.desk.unreadable)},
};

/// What has happened since the start. Calls by method stand beside them, as calls.
inline constexpr std::array kLeaseCounters{
    LeaseFigure{"commands", "commands that the desk was given", GNOMON_FIGURE(runner.desk.commands)},
    LeaseFigure{"grants", "leases granted", GNOMON_FIGURE(runner.desk.grants)},
    LeaseFigure{"takeovers", "of these, from a session that had expired", GNOMON_FIGURE(runner.desk.takeovers)},
    LeaseFigure{"refusals", "commands whose answer was no", GNOMON_FIGURE(runner.desk.refusals)},
    LeaseFigure{"faults", "commands that could not be decided: no clock, no vote, no store, too many",
                GNOMON_FIGURE(runner.desk.faults)},
    LeaseFigure{"turned_away", "calls refused before they were looked at: too many of them, or the daemon is ending",
                GNOMON_FIGURE(runner.refused)},
    LeaseFigure{"commits", "commits sent to the store", GNOMON_FIGURE(runner.desk.commits)},
    LeaseFigure{"conflicts", "commits that came too late; the command was decided again",
                GNOMON_FIGURE(runner.desk.conflicts)},
    LeaseFigure{"unknown_commits", "commits whose outcome had to be read", GNOMON_FIGURE(runner.desk.unknown)},
    LeaseFigure{"reads", "reads of the store", GNOMON_FIGURE(runner.desk.reads)},
    LeaseFigure{"cleaned", "entries of sessions that are over, deleted", GNOMON_FIGURE(runner.desk.cleaned)},
    LeaseFigure{"shed", "commands for which the store had no room", GNOMON_FIGURE(runner.shed)},
    LeaseFigure{"over_limit", "calls refused because their client made too many", GNOMON_FIGURE(over_limit)},
    LeaseFigure{"unauthenticated", "calls refused for a certificate that names nobody", GNOMON_FIGURE(unauthenticated)},
    LeaseFigure{"forbidden", "calls refused that only the Unix socket may make", GNOMON_FIGURE(forbidden)},
    LeaseFigure{"invalid", "calls refused because they made no sense", GNOMON_FIGURE(invalid)},
    LeaseFigure{"cancelled", "calls given up by their clients", GNOMON_FIGURE(cancelled)},
    LeaseFigure{"timed_out", "calls that passed their deadline", GNOMON_FIGURE(timed_out)},
    LeaseFigure{"unavailable", "calls refused because the store or the daemon was not there",
                GNOMON_FIGURE(unavailable)},
    LeaseFigure{"events", "changes told to watches", GNOMON_FIGURE(events)},
    LeaseFigure{"gaps", "how often a watch was too slow and began anew", GNOMON_FIGURE(runner.gaps)},
    LeaseFigure{"stalled_watches", "watches ended because nobody read them", GNOMON_FIGURE(runner.stalled)},
};
#undef GNOMON_FIGURE

}  // namespace gnomon::cmd
