// SPDX-License-Identifier: Apache-2.0
//
// Named leases and who waits for them, as stored:
//
//   lease/h/<name>                       the grant: whose session, the lock-delay, metadata. Its revision, below the
//                                        store's epoch, is the fencing token; so it is written once per grant.
//   lease/q/<name>#<session, 32 hex>     a session that waits for the name. Waiters are served in the order of the
//                                        revisions of their entries.
//
// A released name has no entry: tokens grow all the same, since revisions are never used twice.
// Names: 1 to kMaxName of [A-Za-z0-9._:/@=+-]; no '#', no spaces, not even escaped: one name has one text.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <tl/expected.hpp>

#include "oracle/lease/client_session.hpp"
#include "oracle/lease/record.hpp"
#include "oracle/lease/text_value.hpp"
#include "oracle/time/instant.hpp"

namespace gnomon::lease {

constexpr std::string_view kHeldPrefix = "lease/h/";
constexpr std::string_view kQueuePrefix = "lease/q/";
constexpr std::size_t kMaxName = 200;
/// Any bytes; longer metadata is refused. It is stored as hex.
constexpr std::size_t kMaxMetadata = 1024;
constexpr time::Duration kMaxLockDelay = time::seconds(60);

struct NamedLease {
  Nonce nonce{};  // of the commit that wrote it
  SessionId session{};
  std::uint16_t epoch = 0;    // of the store, as in the token
  time::Duration lock_delay;  // after an expiry that nobody announced; 0 to kMaxLockDelay
  std::string metadata;
  friend bool operator==(const NamedLease&, const NamedLease&) = default;
};

struct Waiter {
  Nonce nonce{};  // of the commit that wrote it
  friend bool operator==(const Waiter&, const Waiter&) = default;
};

[[nodiscard]] bool is_name(std::string_view text);
[[nodiscard]] std::string lease_key(std::string_view name);
[[nodiscard]] std::string queue_prefix(std::string_view name);  // of all who wait for exactly this name
[[nodiscard]] std::string waiter_key(std::string_view name, const SessionId& session);
/// Nothing if the key is not of that kind.
[[nodiscard]] std::optional<std::string_view> name_of_lease_key(std::string_view key);
struct WaiterKey {
  std::string_view name;
  SessionId session;
};
[[nodiscard]] std::optional<WaiterKey> parts_of_waiter_key(std::string_view key);

/// Its lock-delay and metadata must be within their bounds.
[[nodiscard]] std::string encode(const NamedLease& lease);
[[nodiscard]] std::string encode(const Waiter& waiter);
[[nodiscard]] tl::expected<NamedLease, ValueFault> parse_named_lease(std::string_view text);
[[nodiscard]] tl::expected<Waiter, ValueFault> parse_waiter(std::string_view text);

}  // namespace gnomon::lease
