// SPDX-License-Identifier: Apache-2.0
//
// Exclusive job: a piece of work of which at most one runs at a time, among all who use its name.
//
// What fails. A lock with a long timeout (an hour of maintenance) is held for that hour by a job that crashed in its
// first minute, and lost by one that takes two. A short lease that is renewed follows the job instead; but a job that
// does not notice its end goes on beside its successor. So:
//   the job ends, or throws        the lease is released at once
//   the process crashes            the name is free after the rest of the TTL and the lock-delay
//   renewals fail                  the job is asked to stop (std::stop_token) while it still holds the lease: it has
//                                  the session's danger time to come to an end
//   it does not stop in time       another one may start: `run_exclusively` says kOverrun, and what both write is told
//                                  apart by `lease.token()` (token_guard.hpp)
// A stop that was asked for is not taken back, even if a renewal comes through after all.
//
// The job runs on the caller's thread. Thread rule: any thread.
#pragma once

#include <cstdint>
#include <functional>
#include <stop_token>
#include <string>
#include <string_view>

#include "client/lease/lease_client.hpp"

namespace gnomon::client {

enum class JobEnd : std::uint8_t {
  kDone,     // it held the lease from beginning to end, and was not asked to stop
  kStopped,  // it was asked to stop, and ended while it held the lease
  kOverrun,  // the belief ended while it ran: for the rest of the time it may not have been alone
};
[[nodiscard]] std::string_view text_of(JobEnd end);

using ExclusiveJob = std::function<void(Lease& lease, std::stop_token stop)>;

/// Errors are those of the acquisition; the job did not run then. With `options.wait_for` it waits for its turn. The
/// job must not release the lease: that would count as kOverrun.
[[nodiscard]] LeaseResult<JobEnd> run_exclusively(Session& session, const std::string& name, const ExclusiveJob& job,
                                                  const AcquireOptions& options = {});

}  // namespace gnomon::client
