// SPDX-License-Identifier: Apache-2.0
//
// The questions of this bench. Each starts clusters and daemons of its own, prints tables, and ends the program if it
// can't measure what it says. What they return: whether each command was one commit.
#pragma once

#include <cstddef>

namespace gnomon::bench {

constexpr std::size_t kAtOnce = 16;
constexpr std::size_t kEach = 10;       // in one turn, of 16 sessions
constexpr std::size_t kEachAlone = 20;  // of one session
constexpr std::size_t kCounted = 20;    // before anything is timed, of each session

/// What open, acquire, renew, release and close cost on etcd, next to a bare transaction of their size and to etcd's
/// own leases and locks.
[[nodiscard]] bool measure_on_etcd(int rounds);

/// What they cost on SQLite, next to a bare durable commit.
[[nodiscard]] bool measure_on_sqlite(int rounds);

/// How long it takes from a release until the next in the queue holds.
void measure_hand_over(int rounds);

}  // namespace gnomon::bench
