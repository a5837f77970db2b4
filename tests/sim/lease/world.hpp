// SPDX-License-Identifier: Apache-2.0
//
// A world of named leases: servers whose desks are the production code, clients whose keepers are, one store, a
// network, and users who acquire, wait, write, release, change their mind and leave. Three phases, as in the other
// worlds: calm, faults, recovery (check/lease_liveness.hpp says what each has to show), and in some worlds a last one
// in which everybody has left and the store is to be empty.
//
// With an exact plan (plan.hpp) nothing happens but what a test directs.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tests/sim/lease/client.hpp"
#include "tests/sim/lease/environment.hpp"
#include "tests/sim/lease/machine.hpp"
#include "tests/sim/lease/network.hpp"
#include "tests/sim/lease/server.hpp"

namespace gnomon::sim::leases {

/// What came of one world.
struct Outcome {
  std::uint64_t seed = 0;
  std::uint64_t story_hash = 0;
  std::optional<Violation> violation;
  std::string last_lines;  // of the story, if there was a violation
  time::Duration lasted;   // virtual
  bool one_host = false;
  Counts counts;
  Befell befell;
  std::optional<Part> part;  // that was replayed
};

class World {
 public:
  World(const Plan& plan, bool print_story);

  /// All phases.
  [[nodiscard]] Outcome run();

  // ---- for scenes that are directed
  /// Everybody is up; nobody has a session.
  void begin();
  void run_until(time::Uptime instant);
  void run_for(time::Duration span) { run_until(env_.now() + span); }
  [[nodiscard]] Client& client(std::uint32_t number) { return *clients_[number]; }
  [[nodiscard]] Server& server(std::uint32_t number) { return *servers_[number]; }
  [[nodiscard]] Environment& environment() { return env_; }
  [[nodiscard]] Network& network() { return network_; }
  [[nodiscard]] Outcome outcome();
  /// Something written under a lease reaches the resource, which refuses a token below one that it has seen.
  void written(const std::string& name, mint::Token token);
  [[nodiscard]] std::uint64_t stale_writes() const { return env_.counts.stale_writes; }

 private:
  // world.cpp
  void step();
  void look();
  void begin(Phase phase);
  void advance_phase();
  void phase_ends(Phase phase);
  void begin_recovery();
  void clean_up();
  [[nodiscard]] bool is_local(std::uint32_t client) const { return env_.plan.one_host && client % 3 != 2; }
  [[nodiscard]] Machine& machine_of(std::uint32_t client);

  // world_users.cpp
  void user_acts(std::uint32_t number);
  void act_freely(std::uint32_t number);
  void act_in_turn(std::uint32_t number);
  [[nodiscard]] time::Duration draw_ttl();

  // world_faults.cpp
  void schedule_fault();
  Fault strike();
  void strike(Fault fault);
  void strike_server(Fault fault, std::uint32_t number);
  void strike_store(Fault fault);
  void strike_client(Fault fault, std::uint32_t number);
  void start_server(std::uint32_t number);
  void start_client(std::uint32_t number);
  void reboot();
  void host_comes_back();
  void heal_all();
  [[nodiscard]] time::Duration draw_length();

  Environment env_;
  std::vector<std::unique_ptr<Machine>> machines_;  // the first is the servers' in a world of one host
  Network network_;
  std::vector<std::unique_ptr<Server>> servers_;
  std::vector<std::unique_ptr<Client>> clients_;
  std::map<std::string, mint::Token> resources_;  // newest token that each has seen
  Phase phase_ = Phase::kCalm;
  bool host_is_off_ = false;  // the servers', in a world of one host
  bool over_ = false;
  bool cleans_up_ = false;  // and now everybody leaves
};

}  // namespace gnomon::sim::leases
