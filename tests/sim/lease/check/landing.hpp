// SPDX-License-Identifier: Apache-2.0
//
// One commit of a desk as it takes effect: what it writes, the moment on which it was decided, and the store as it was
// just before. All that the checkers of the rules look at.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "control/store.hpp"
#include "oracle/lease/client_session.hpp"
#include "oracle/lease/moment.hpp"
#include "oracle/lease/named_lease.hpp"
#include "oracle/time/instant.hpp"
#include "tests/sim/simulated_store.hpp"

namespace gnomon::sim::leases {

template <typename T>
struct StoredAt {
  T value;
  control::Revision modified;
};

struct Landing {
  const control::Transaction& transaction;
  control::Revision revision;  // that it gets
  lease::Moment moment;        // on which it was decided
  time::Uptime now;            // true time
  lease::Expiry clock;         // the same, on the clock by which sessions expire
  const SimulatedStore& before;
};

[[nodiscard]] inline std::optional<StoredAt<lease::ClientSession>> session_in(const SimulatedStore& store,
                                                                              const lease::SessionId& id) {
  const control::Entry* entry = store.find(lease::client_key(id));
  if (entry == nullptr) return std::nullopt;
  const auto parsed = lease::parse_client_session(entry->value);
  if (!parsed) return std::nullopt;
  return StoredAt<lease::ClientSession>{*parsed, entry->modified};
}

[[nodiscard]] inline std::optional<StoredAt<lease::NamedLease>> lease_in(const SimulatedStore& store,
                                                                         std::string_view name) {
  const control::Entry* entry = store.find(lease::lease_key(name));
  if (entry == nullptr) return std::nullopt;
  const auto parsed = lease::parse_named_lease(entry->value);
  if (!parsed) return std::nullopt;
  return StoredAt<lease::NamedLease>{*parsed, entry->modified};
}

/// For people.
[[nodiscard]] inline std::string short_of(const lease::SessionId& id) { return lease::hex_of(id).substr(0, 6); }

}  // namespace gnomon::sim::leases
