// SPDX-License-Identifier: Apache-2.0
//
// A client that holds leases: the production keeper, and around it what the client library is to it. It may be stopped,
// suspended with its machine, killed, and started again; it then opens another session.
//
// What the library owes to the promises is done here in small, and each has a canary that leaves it out:
//   - what was waited for is believed in only after a renewal that was sent later was granted
//   - who has sent a release holds nothing, whatever becomes of the release
//   - a name is not asked for again under the same session before its release was answered
//   - who gives up an acquisition gives up the place (no token), then looks whether there is a grant instead, and
//   releases
//     that under its token: whatever of it arrives twice, names no later grant
//
// Requests are sent again to the next server until they are answered; an answer that comes too late is of no use.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "client/lease/session_keeper.hpp"
#include "control/lease/lease_desk.hpp"
#include "tests/sim/lease/environment.hpp"
#include "tests/sim/lease/machine.hpp"
#include "tests/sim/lease/network.hpp"

namespace gnomon::sim::leases {

class Client {
 public:
  /// `own_machine`: it is alone there. What it writes under a lease goes to `resource(name, token)`.
  Client(Environment& environment, Network& network, std::uint32_t number, Machine& machine);

  // ---- what befalls it
  void start();
  void kill();
  void pause(time::Uptime until);
  void resume();
  void hear(const Request& request, const control::Reply& reply);

  // ---- what its user asks for; nothing happens without a session
  void open(time::Duration ttl);
  void acquire(const std::string& name, time::Duration wait_for, time::Duration lock_delay);
  void release(const std::string& name);
  /// Whatever becomes of an acquisition under way, it is not wanted any more.
  void give_up(const std::string& name);
  /// The session is closed, and all it holds is free.
  void close();
  void set_ttl(time::Duration ttl) { ttl_ = ttl; }
  /// It renews no more unless it is told to: its heart stands still, and it does not know it.
  void stop_renewing() { renews_ = false; }
  void renew_now();
  /// All it asks is asked of this one; else of one after the other.
  void use_server(std::uint32_t server) { only_server_ = server; }
  void write(const std::string& name);

  // ---- what it believes
  [[nodiscard]] bool is_up() const { return up_; }
  [[nodiscard]] bool has_session() const { return session_.has_value(); }
  [[nodiscard]] bool is_open() const { return session_ && session_->opened; }
  [[nodiscard]] bool believes_in_session() { return session_ && session_->keeper.holds(clocks()); }
  [[nodiscard]] bool believes(const std::string& name);
  /// Names that it says it holds, the keeper not asked.
  [[nodiscard]] std::vector<std::string> held() const;
  [[nodiscard]] bool is_idle(const std::string& name) const;
  /// May be asked for under this session.
  [[nodiscard]] bool may_ask(const std::string& name) const;
  /// An acquisition of it, whose copies may still come to something while the session lives.
  [[nodiscard]] bool has_given_up(const std::string& name) const;
  [[nodiscard]] bool is_waiting(const std::string& name) const;
  [[nodiscard]] mint::Token token(const std::string& name) const;
  [[nodiscard]] const lease::SessionId& session() const { return session_->id; }
  [[nodiscard]] Machine& machine() { return machine_; }
  /// The last answer about a name, or about the session (""): for scenes that are directed.
  [[nodiscard]] const std::optional<control::Reply>& last_answer(const std::string& name) { return answers_[name]; }

  std::function<void(std::uint32_t client, const std::string& name, mint::Token)> on_write;
  std::function<void(std::uint32_t client, const std::string& name)> on_held;

 private:
  enum class State : std::uint8_t {
    kIdle,
    kAsking,
    kConfirming,  // granted after a wait; a renewal is to confirm it
    kHeld,
    kReleasing,    // it holds nothing any more
    kWithdrawing,  // likewise, and whatever was asked for is not wanted: the place goes
    kLooking,      // then it is seen whether there is a grant
  };
  struct Name {
    State state = State::kIdle;
    mint::Token token;
    std::uint64_t confirm = 0;  // attempt
    std::uint64_t turn = 0;     // answers of earlier ones mean nothing
    time::Duration lock_delay;
    time::Uptime wait_until;
    bool waits = false;
    bool given_up = false;  // an acquisition, some time
  };
  struct Session {
    lease::SessionId id{};
    client::SessionKeeper keeper;
    bool opened = false;
    std::map<std::string, Name> names;
  };
  struct Pending {
    std::string name;  // empty: of the session
    std::uint64_t turn = 0;
    std::uint64_t attempt = 0;
    std::uint32_t server = 0;
    bool waits = false;
    lease::SessionId session{};  // under which it was sent
    time::Uptime sent;
    lease::Expiry sent_on_clock;
  };

  // client.cpp: life, clocks, sending
  void act(const std::function<void()>& deed);
  void wake();
  [[nodiscard]] client::HostClocks clocks();
  std::uint64_t send(control::Command command, time::Duration patience, Pending pending);
  void timed_out(std::uint64_t number);
  void schedule_tick();

  // client_session.cpp
  /// What the keeper wants; `asked`: by somebody, and not by its heartbeat.
  void apply(const client::KeeperEffects& effects, bool asked = false);
  [[nodiscard]] std::uint32_t next_server() { return only_server_.value_or(server_++ % env_.plan.servers); }
  void session_answered(const Pending& pending, const control::Reply& reply);
  void lose_session(const char* why);
  void close_again(const lease::SessionId& id, std::uint32_t tries);

  // client_names.cpp
  void ask(const std::string& name);
  void ask_again(const std::string& name, time::Duration after);
  void send_release(const std::string& name);
  void withdraw(const std::string& name);
  void name_answered(const Pending& pending, const control::Reply& reply);
  void acquire_answered(const std::string& name, Name& entry, const control::Reply& reply);
  void release_answered(const std::string& name, Name& entry, const control::Reply& reply);
  void look(const std::string& name);
  void look_answered(const std::string& name, Name& entry, const control::Reply& reply);
  void let_go(const std::string& name);
  void let_go_again(const std::string& name, const Name& entry);
  void believe(const std::string& name, Name& entry);
  void confirm_what_can_be();
  Name* find(const std::string& name);

  Environment& env_;
  Network& network_;
  std::uint32_t number_;
  Machine& machine_;
  bool up_ = false;
  bool renews_ = true;
  std::uint32_t life_ = 0;
  std::uint64_t next_request_ = 1;
  std::uint32_t server_ = 0;  // that is asked next
  std::optional<std::uint32_t> only_server_;
  time::Duration ttl_;
  std::optional<Session> session_;
  std::map<std::uint64_t, Pending> pending_;
  std::map<std::string, std::optional<control::Reply>> answers_;
  std::deque<std::function<void()>> inbox_;  // while it is stopped
  time::Uptime stopped_until_;
  std::uint64_t tick_number_ = 0;
};

}  // namespace gnomon::sim::leases
