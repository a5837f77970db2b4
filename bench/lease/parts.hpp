// SPDX-License-Identifier: Apache-2.0
//
// The questions of this bench. Each starts clusters and daemons of its own, prints tables, and ends the program if it
// can't measure what it says. What they return: whether each command was one commit.
#pragma once

namespace gnomon::bench {

/// What open, acquire, renew, release and close cost on etcd, next to a bare transaction of their size and to etcd's
/// own leases and locks.
[[nodiscard]] bool measure_on_etcd(int rounds);

/// What they cost on SQLite, next to a bare durable commit.
[[nodiscard]] bool measure_on_sqlite(int rounds);

/// How long it takes from a release until the next in the queue holds.
void measure_hand_over(int rounds);

}  // namespace gnomon::bench
