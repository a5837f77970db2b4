// SPDX-License-Identifier: Apache-2.0
//
// What a server says of a lease, as this library's users read it.
// Thread rule: values.
#pragma once

#include <algorithm>

#include "client/lease/lease_client.hpp"
#include "gnomon/v1/lease.pb.h"

namespace gnomon::client {

[[nodiscard]] inline LeaseStatus status_of(v1::LeaseState state) {
  switch (state) {
    case v1::LEASE_FREE: return LeaseStatus::kFree;
    case v1::LEASE_HELD: return LeaseStatus::kHeld;
    case v1::LEASE_EXPIRING: return LeaseStatus::kExpiring;
    case v1::LEASE_EXPIRED: return LeaseStatus::kExpired;
    case v1::LEASE_QUARANTINED: return LeaseStatus::kQuarantined;
    default: return LeaseStatus::kUnreadable;  // a later server's word is not guessed at
  }
}

[[nodiscard]] inline LeaseInfo info_of(const v1::Lease& lease) {
  return {lease.name(),
          status_of(lease.state()),
          lease.token(),
          lease.principal(),
          lease.label(),
          lease.metadata(),
          {std::max<std::int64_t>(lease.remaining_ns(), 0)},
          {std::max<std::int64_t>(lease.free_in_ns(), 0)},
          lease.waiters()};
}

}  // namespace gnomon::client
