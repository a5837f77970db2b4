// SPDX-License-Identifier: Apache-2.0
//
// Which server to ask next: the list, and what was seen of each.
//
// The naive client walks the list per call, so after a crash every call waits for the dead server first; or it forgets
// the server for ever. Here a server that failed is put last for a while that doubles with each further outage
// (kMinPenalty to kMaxPenalty); when the while is over, one call tries it, and only its success brings the others back.
// One lost datagram among replies is no outage: a transmission that was sent before the server's last reply says
// nothing about its health. A server that named a retry time is let alone until then, at most kMaxHold.
//
// Pure; time comes with each call. One thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "client/options.hpp"
#include "oracle/time/instant.hpp"
#include "platform/endpoint.hpp"

namespace gnomon::client {

/// A set of servers, one bit each.
struct ServerSet {
  std::uint32_t bits = 0;

  static constexpr ServerSet all(std::size_t servers) { return {(std::uint32_t{1} << servers) - 1}; }
  static constexpr ServerSet only(std::size_t server) { return {std::uint32_t{1} << server}; }
  [[nodiscard]] constexpr bool has(std::size_t server) const { return ((bits >> server) & 1) != 0; }
  constexpr void add(std::size_t server) { bits |= std::uint32_t{1} << server; }
  [[nodiscard]] constexpr bool empty() const { return bits == 0; }
  [[nodiscard]] constexpr ServerSet without(ServerSet other) const { return {bits & ~other.bits}; }
};
static_assert(kMaxServers < 32);

class ServerBook {
 public:
  static constexpr time::Duration kMinPenalty = time::milliseconds(500);
  static constexpr time::Duration kMaxPenalty = time::seconds(8);
  static constexpr time::Duration kMaxHold = time::milliseconds(100);

  /// `first`: where the order begins. `attempt_timeout`: what asking a dead server costs.
  ServerBook(const std::vector<platform::Endpoint>& servers, std::size_t first, time::Duration attempt_timeout);

  struct Choice {
    std::uint8_t server = 0;
    time::Uptime not_before;  // ask it then; in the past: now
  };
  /// The best of `among`, which must not be empty.
  [[nodiscard]] Choice choose(time::Uptime now, ServerSet among);

  void succeeded(std::size_t server, time::Uptime now);
  /// It answered, but can't serve at the moment. True if that put it last.
  bool refused(std::size_t server, time::Uptime sent_at, time::Uptime now);
  /// No answer came, or the network said that none will. True if that put it last.
  bool failed(std::size_t server, time::Uptime sent_at, time::Uptime now);
  /// It asked to be let alone.
  void hold(std::size_t server, time::Duration retry_after, time::Uptime now);
  /// It is the one to ask first from now on. False if nobody of the list has that address.
  bool prefer(const platform::Endpoint& endpoint);

  [[nodiscard]] bool penalised(std::size_t server, time::Uptime now) const {
    return servers_[server].penalised_until > now;
  }
  [[nodiscard]] std::size_t size() const { return servers_.size(); }
  [[nodiscard]] const platform::Endpoint& endpoint(std::size_t server) const { return servers_[server].endpoint; }

 private:
  struct Server {
    platform::Endpoint endpoint;
    unsigned outages = 0;  // in a row
    time::Uptime penalised_until = time::Uptime::min();
    time::Uptime held_until = time::Uptime::min();
    time::Uptime last_reply = time::Uptime::min();
    time::Uptime last_outage = time::Uptime::min();
  };

  bool penalise(Server& server, time::Uptime sent_at, time::Uptime now);

  std::vector<Server> servers_;
  std::size_t first_;
  time::Duration attempt_timeout_;
};

}  // namespace gnomon::client
