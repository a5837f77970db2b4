// SPDX-License-Identifier: Apache-2.0
//
// The three questions of this bench. Each starts clusters and daemons of its own, prints a table, and ends the program
// if it can't measure what it says.
#pragma once

namespace gnomon::bench {

/// What the extension of 1, 16 and 128 rights costs next to a bare transaction of etcd.
void measure_commits(int rounds);

/// What the clients of a daemon notice while its etcd is saturated, or gone. `program`: this one, which is the hammer.
void measure_service(int rounds, const char* program);

/// How long the clients of a daemon wait when the leader of its etcd dies.
void measure_leader_loss(int rounds);

/// In a process of its own: transactions on this cluster from 16 connections, for as long as its parent lives.
[[noreturn]] void hammer(const char* url);
constexpr const char* kHammer = "--hammer";

}  // namespace gnomon::bench
