// SPDX-License-Identifier: Apache-2.0
//
// What a client is told at its start, and the bounds within which it does as told. Everything has a default but the
// servers.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "oracle/time/instant.hpp"

namespace gnomon::client {

constexpr std::uint16_t kDefaultPort = 14666;
constexpr std::size_t kMaxServers = 16;
constexpr std::size_t kMaxSocketsPerServer = 16;
constexpr time::Duration kMinDeadline = time::milliseconds(1);
constexpr time::Duration kMaxDeadline = time::seconds(300);
constexpr std::int64_t kMaxOscillatorPpb = 100'000'000;
constexpr time::Duration kMinTimeAge = time::milliseconds(1);
constexpr time::Duration kMaxTimeAge = time::seconds(10);
constexpr std::size_t kMaxPendingCalls = std::size_t{1} << 20;

/// The key that requests are signed with and replies are verified with. Both sides have it under the same number.
struct ClientKey {
  std::uint16_t id = 0;
  std::array<std::uint8_t, 16> bytes{};
};

/// Which server is asked first.
enum class ServerOrder : std::uint8_t {
  kAsListed,     // the first that is healthy: predictable, all clients with one list share one server
  kRandomStart,  // the list is rotated once per client: many clients spread over the servers
};

struct Options {
  /// 1 to kMaxServers of "address:port", "[v6]:port", "name:port"; without a port kDefaultPort. Names are looked up
  /// once, in `connect`; the first address counts.
  std::vector<std::string> servers{};
  /// For a whole call, retries included. kMinDeadline to kMaxDeadline.
  time::Duration deadline = time::seconds(2);
  /// How long one transmission waits for its reply before the next server is tried; it doubles with every round over
  /// the servers, up to a second. 1 ms to 10 s. Shorter than what a server parks requests (20 ms) makes no sense.
  time::Duration attempt_timeout = time::milliseconds(60);
  ServerOrder order = ServerOrder::kAsListed;
  /// 1 to kMaxSocketsPerServer. Each socket is a flow of its own, and a server with several workers spreads flows over
  /// them: more sockets, more of its workers, fewer messages per datagram, and no order between the sockets.
  std::size_t sockets_per_server = 1;
  /// Calls that may wait at the same time; one more is refused with kOverloaded. 1 to kMaxPendingCalls.
  std::size_t max_pending = 65'536;
  std::optional<ClientKey> key{};
  /// What this host's oscillator may be off, in parts per billion: now() grows by it between exchanges. 0 to
  /// kMaxOscillatorPpb.
  std::int64_t oscillator_ppb = 200'000;
  /// For so long now() goes on with what an exchange proved; when a tenth of it has passed it asks again, in the
  /// background. kMinTimeAge to kMaxTimeAge.
  time::Duration time_max_age = time::seconds(1);
};

}  // namespace gnomon::client
