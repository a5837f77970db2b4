// SPDX-License-Identifier: Apache-2.0
//
// The network between clients and servers: a request or a reply takes its time, is lost, comes twice, the second time
// late, or meets a cut. Order is nobody's promise. A doubled request stands for what a library does that asks another
// server while the first one has the request still in its hands.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <utility>

#include "control/lease/lease_desk.hpp"
#include "tests/sim/lease/environment.hpp"

namespace gnomon::sim::leases {

/// What a client asks of a server.
struct Request {
  std::uint32_t client = 0;
  std::uint32_t life = 0;  // of the client
  std::uint64_t number = 0;
  lease::SessionId session{};
  control::Command command;
  time::Duration patience;  // from its arrival: how long the server may work on it
  time::Uptime sent;
};

class Network {
 public:
  explicit Network(Environment& environment) : env_(environment) {}

  std::function<void(std::uint32_t server, const Request&)> on_request;
  std::function<void(std::uint32_t server, std::uint32_t client, std::uint64_t number)> on_gone;
  std::function<void(const Request&, control::Reply)> on_reply;

  void ask(std::uint32_t server, const Request& request) {
    ++env_.counts.requests;
    const Copy copy = std::exchange(copies_[request.client], {});
    if (copy.wanted) deliver(server, request, copy.after);
    if (env_.happens(env_.plan.duplicates)) deliver(server, request, env_.random.between({0}, time::seconds(8)));
    if (env_.happens(env_.plan.loss) || is_cut(request.client, server)) return;
    deliver(server, request, env_.delay(env_.plan.network_delay));
  }
  /// The caller of a request does not wait any more.
  void gone(std::uint32_t server, std::uint32_t client, std::uint64_t number) {
    if (env_.happens(env_.plan.loss) || is_cut(client, server)) return;
    env_.agenda.after(env_.delay(env_.plan.network_delay),
                      [this, server, client, number] { on_gone(server, client, number); });
  }
  void reply(std::uint32_t server, const Request& request, const control::Reply& reply) {
    if (env_.happens(env_.plan.loss) || is_cut(request.client, server)) return;
    auto& to_lose = replies_to_lose_[request.client];
    if (to_lose != 0) {
      --to_lose;
      return;
    }
    const time::Duration late = std::exchange(late_replies_[request.client], {});
    answer(request, reply, env_.delay(env_.plan.network_delay) + late);
    if (env_.happens(env_.plan.duplicates)) answer(request, reply, env_.random.between({0}, time::seconds(8)));
  }

  void cut(std::uint32_t client, time::Uptime until) { cut_off_[client] = until; }
  void cut(std::uint32_t client, std::uint32_t server, time::Uptime until) { cuts_[{client, server}] = until; }
  void heal() {
    cut_off_.clear();
    cuts_.clear();
  }
  /// For scenes that are directed.
  void lose_replies(std::uint32_t client, std::uint32_t count) { replies_to_lose_[client] = count; }
  void delay_next_reply(std::uint32_t client, time::Duration by) { late_replies_[client] = by; }
  void copy_next_request(std::uint32_t client, time::Duration after) { copies_[client] = {true, after}; }

 private:
  struct Copy {
    bool wanted = false;
    time::Duration after;
  };
  void deliver(std::uint32_t server, const Request& request, time::Duration after) {
    env_.agenda.after(after, [this, server, request] { on_request(server, request); });
  }
  void answer(const Request& request, const control::Reply& reply, time::Duration after) {
    env_.agenda.after(after, [this, request, reply] { on_reply(request, reply); });
  }
  [[nodiscard]] bool is_cut(std::uint32_t client, std::uint32_t server) const {
    const auto off = cut_off_.find(client);
    if (off != cut_off_.end() && env_.now() < off->second) return true;
    const auto cut = cuts_.find({client, server});
    return cut != cuts_.end() && env_.now() < cut->second;
  }

  Environment& env_;
  std::map<std::uint32_t, time::Uptime> cut_off_;
  std::map<std::pair<std::uint32_t, std::uint32_t>, time::Uptime> cuts_;
  std::map<std::uint32_t, std::uint32_t> replies_to_lose_;
  std::map<std::uint32_t, time::Duration> late_replies_;
  std::map<std::uint32_t, Copy> copies_;
};

}  // namespace gnomon::sim::leases
