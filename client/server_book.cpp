// SPDX-License-Identifier: Apache-2.0
#include "client/server_book.hpp"

#include <algorithm>

namespace gnomon::client {

ServerBook::ServerBook(const std::vector<platform::Endpoint>& servers, std::size_t first,
                       time::Duration attempt_timeout)
    : first_(first % servers.size()), attempt_timeout_(attempt_timeout) {
  for (const platform::Endpoint& endpoint : servers)
    servers_.push_back({.endpoint = endpoint});
}

ServerBook::Choice ServerBook::choose(time::Uptime now, ServerSet among) {
  std::size_t best = servers_.size();              // nobody yet
  time::Uptime best_answer = time::Uptime::max();  // by when it could answer, as far as one knows
  for (std::size_t i = 0; i < servers_.size(); ++i) {
    const std::size_t index = (first_ + i) % servers_.size();
    if (!among.has(index)) continue;
    const Server& server = servers_[index];
    time::Uptime answer = std::max(now, server.held_until);
    if (server.penalised_until > now) {
      // All that are put last cost about the same; the one that failed longest ago has the best prospects.
      const time::Duration left = server.penalised_until - now;
      answer = std::max(answer, now + attempt_timeout_) + time::nanoseconds(left.ns >> 20);
    }
    if (best != servers_.size() && answer >= best_answer) continue;
    best = index;
    best_answer = answer;
  }
  Server& server = servers_[best];
  const bool is_trial = server.outages > 0 && server.penalised_until <= now;
  if (is_trial) server.penalised_until = now + attempt_timeout_;  // this call alone finds out
  return {static_cast<std::uint8_t>(best), server.held_until};
}

void ServerBook::succeeded(std::size_t server, time::Uptime now) {
  servers_[server].last_reply = now;
  servers_[server].outages = 0;
  servers_[server].penalised_until = time::Uptime::min();
}

bool ServerBook::refused(std::size_t server, time::Uptime sent_at, time::Uptime now) {
  servers_[server].last_reply = now;
  return penalise(servers_[server], sent_at, now);
}

bool ServerBook::failed(std::size_t server, time::Uptime sent_at, time::Uptime now) {
  if (servers_[server].last_reply > sent_at) return false;
  return penalise(servers_[server], sent_at, now);
}

// What was sent until the last outage was noticed belongs to that outage.
bool ServerBook::penalise(Server& server, time::Uptime sent_at, time::Uptime now) {
  if (server.outages > 0 && sent_at <= server.last_outage) return false;
  constexpr unsigned kMaxDoublings = 16;
  const unsigned doublings = std::min(server.outages, kMaxDoublings);
  ++server.outages;
  server.last_outage = now;
  server.penalised_until = now + std::min(kMinPenalty * (std::int64_t{1} << doublings), kMaxPenalty);
  return true;
}

void ServerBook::hold(std::size_t server, time::Duration retry_after, time::Uptime now) {
  servers_[server].last_reply = now;
  servers_[server].held_until = now + std::min(retry_after, kMaxHold);
}

bool ServerBook::prefer(const platform::Endpoint& endpoint) {
  const auto found =
      std::find_if(servers_.begin(), servers_.end(), [&](const Server& server) { return server.endpoint == endpoint; });
  if (found == servers_.end()) return false;
  first_ = static_cast<std::size_t>(found - servers_.begin());
  return true;
}

}  // namespace gnomon::client
