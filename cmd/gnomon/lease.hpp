// SPDX-License-Identifier: Apache-2.0
//
// gnomon lease: named leases from a shell.
//
// A lease hangs on a session that somebody keeps alive, and a command that ends keeps nothing alive. So there are two
// ways to use one from a script:
//
//   lease run NAME -- COMMAND     holds it for as long as the command runs, and ends the command before the lease ends
//   lease acquire, renew, release leave a session of the given TTL behind, for the script to renew in time
//
// The second is the textbook's, and has its weakness: between two steps of a script any amount of time may pass. What
// can be damaged by two writers must check the token.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "cmd/gnomon/lease_place.hpp"
#include "cmd/gnomon/output.hpp"

namespace gnomon::cmd {

/// What an acquisition asks for. Durations as people write them.
struct LeaseWish {
  std::string name;
  std::string ttl = "10s";
  std::string wait;        // empty: an answer at once; kForever, or a duration
  std::string lock_delay;  // empty: none
  std::string metadata;
  std::string label;  // whom others are told; empty: host and process
};
constexpr const char* kForever = "forever";

struct LeaseAcquireOptions {
  LeaseServers where;
  LeaseWish wish;
  std::optional<std::string> session;  // 32 hex digits: one that is there
  bool hold = false;                   // until a signal comes or the lease is lost
};
[[nodiscard]] ExitCode run_lease_acquire(const LeaseAcquireOptions& options, const Output& output);
/// --hold: lease_hold.cpp.
[[nodiscard]] ExitCode hold_lease(const LeaseAcquireOptions& options, const Output& output);

struct LeaseRenewOptions {
  LeaseServers where;
  std::string session;
  std::string ttl = "10s";
};
[[nodiscard]] ExitCode run_lease_renew(const LeaseRenewOptions& options, const Output& output);

struct LeaseReleaseOptions {
  LeaseServers where;
  std::string name;
  std::string session;
  std::uint64_t token = 0;  // 0: whatever the session has of the name, its place in the queue included
};
[[nodiscard]] ExitCode run_lease_release(const LeaseReleaseOptions& options, const Output& output);

struct LeaseCloseOptions {
  LeaseServers where;
  std::string session;
};
[[nodiscard]] ExitCode run_lease_close(const LeaseCloseOptions& options, const Output& output);

struct LeaseRunOptions {
  LeaseServers where;
  LeaseWish wish;
  std::optional<std::string> grace;
  std::vector<std::string> command;
};
/// The command's exit status, whatever it is, as an exit code.
[[nodiscard]] ExitCode run_lease_run(const LeaseRunOptions& options, const Output& output);

struct LeaseLookOptions {
  LeaseServers where;
  std::string name;  // or the prefix of names
};
[[nodiscard]] ExitCode run_lease_get(const LeaseLookOptions& options, const Output& output);
[[nodiscard]] ExitCode run_lease_list(const LeaseLookOptions& options, const Output& output);

struct LeaseWatchOptions {
  LeaseServers where;
  std::string prefix;
  bool only_changes = false;  // not what is there at the beginning
  int count = 0;              // of lines; 0: until interrupted
};
[[nodiscard]] ExitCode run_lease_watch(const LeaseWatchOptions& options, const Output& output);

struct LeaseValidateOptions {
  LeaseServers where;
  std::string name;
  std::uint64_t token = 0;
};
[[nodiscard]] ExitCode run_lease_validate(const LeaseValidateOptions& options, const Output& output);

struct LeaseBreakOptions {
  LeaseServers where;
  std::string name;
  bool holder_is_stopped = false;
};
[[nodiscard]] ExitCode run_lease_break(const LeaseBreakOptions& options, const Output& output);

}  // namespace gnomon::cmd
