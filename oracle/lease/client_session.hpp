// SPDX-License-Identifier: Apache-2.0
//
// The session of a client that holds leases, as stored under `client/<id, 32 hex digits>`. All leases of a client hang
// on its session: one renewal renews them all, however many they are. (`session/` is a daemon's: session.hpp.)
//
// A session ends once, and how it ended stays in the store for as long as a lease of its is there:
//   open     -> renewed, again and again; its expiry only grows
//   closed   the client said that it uses nothing any more: its leases are free at once
//   killed   somebody took a lease over after the expiry: the other leases go on expiring, each with its lock-delay
//
// The id is random and chosen by the client, so an opening whose answer was lost is simply sent again. `principal` is
// who the transport said that the client is; nobody else may use the session.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <tl/expected.hpp>

#include "oracle/lease/moment.hpp"
#include "oracle/lease/record.hpp"
#include "oracle/lease/text_value.hpp"

namespace gnomon::lease {

constexpr std::string_view kClientPrefix = "client/";

using SessionId = Nonce;

enum class SessionState : std::uint8_t { kOpen, kClosed, kKilled };

struct ClientSession {
  Nonce nonce{};  // of the commit that wrote it
  SessionState state = SessionState::kOpen;
  Expiry expiry;
  time::Duration ttl;     // of its last renewal, or the longer one that still counts
  std::string principal;  // 1 to kMaxPrincipal printable characters without space
  std::string label;      // for humans: host, pid, program; may be empty
  friend bool operator==(const ClientSession&, const ClientSession&) = default;
};

constexpr std::size_t kMaxPrincipal = 128;
constexpr std::size_t kMaxLabel = 128;

/// Whether this can be stored as who a client is. Two identities never share a text, so what can't be is refused.
[[nodiscard]] bool is_principal(std::string_view text);
/// Up to kMaxLabel printable ASCII characters, spaces among them.
[[nodiscard]] bool is_label(std::string_view text);

/// 32 lower-case hex digits; nothing if these are not.
[[nodiscard]] std::optional<SessionId> session_of_hex(std::string_view digits);
[[nodiscard]] std::string client_key(const SessionId& id);
/// Nothing if the key is not one of a client's session.
[[nodiscard]] std::optional<SessionId> session_of_key(std::string_view key);
[[nodiscard]] std::string_view text_of(SessionState state);
/// Its principal and label must be such, and its TTL above zero.
[[nodiscard]] std::string encode(const ClientSession& session);
[[nodiscard]] tl::expected<ClientSession, ValueFault> parse_client_session(std::string_view text);

}  // namespace gnomon::lease
