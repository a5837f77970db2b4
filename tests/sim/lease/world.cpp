// SPDX-License-Identifier: Apache-2.0
//
// The phases, and the look at everybody after everything that happens. What users do stands in world_users.cpp, what
// befalls them in world_faults.cpp.
#include "tests/sim/lease/world.hpp"

#include <utility>

namespace gnomon::sim::leases {
namespace {

constexpr time::Duration kCalmLimit = time::seconds(30);
constexpr time::Duration kShortestCalm = time::seconds(3);
// What expired unnoticed is killed a minute later; then entries go, some with each tick.
constexpr time::Duration kCleanedWithin = time::seconds(240);

}  // namespace

World::World(const Plan& plan, bool print_story) : env_(plan, print_story), network_(env_) {
  const std::uint32_t machines = plan.clients + 1;
  for (std::uint32_t i = 0; i < machines; ++i)
    machines_.push_back(std::make_unique<Machine>(env_.random.fork(), plan.exact));
  for (std::uint32_t i = 0; i < plan.servers; ++i)
    servers_.push_back(std::make_unique<Server>(env_, network_, i, plan.one_host ? machines_.front().get() : nullptr));
  for (std::uint32_t i = 0; i < plan.clients; ++i) {
    Client& client = *clients_.emplace_back(std::make_unique<Client>(env_, network_, i, machine_of(i)));
    client.on_write = [this](std::uint32_t, const std::string& name, mint::Token token) {
      // What is written takes its time, too: the resource is what decides.
      env_.agenda.after(env_.delay(env_.plan.network_delay), [this, name, token] { written(name, token); });
    };
  }
  env_.truth = [this] { return servers_.front()->truth(); };
  network_.on_request = [this](std::uint32_t server, const Request& request) { servers_[server]->asked(request); };
  network_.on_gone = [this](std::uint32_t server, std::uint32_t client, std::uint64_t number) {
    servers_[server]->gone(client, number);
  };
  network_.on_reply = [this](const Request& request, const control::Reply& reply) {
    clients_[request.client]->hear(request, reply);
  };
  env_.on_landed = [this](const control::Transaction& transaction, control::Revision revision) {
    for (auto& server : servers_)
      server->way().landed(transaction, revision);
  };
}

Machine& World::machine_of(std::uint32_t client) { return *machines_[is_local(client) ? 0 : client + 1]; }

void World::written(const std::string& name, mint::Token token) {
  mint::Token& seen = resources_[name];
  if (token < seen) {
    ++env_.counts.stale_writes;
    env_.note("a write to {} under {} is refused: {} was seen", name, token.value, seen.value);
  }
  seen = std::max(seen, token);
}

void World::begin() {
  for (auto& server : servers_)
    server->start();
  for (auto& client : clients_)
    client->start();
}

void World::step() {
  env_.agenda.do_next();
  look();
}

void World::run_until(time::Uptime instant) {
  while (!env_.agenda.empty() && env_.agenda.next_at() <= instant)
    step();
  env_.agenda.run_until(instant);
  look();
}

void World::look() {
  env_.exclusive.begin();
  for (std::uint32_t number = 0; number < clients_.size(); ++number) {
    Client& client = *clients_[number];
    if (!client.is_up() || !client.believes_in_session()) continue;
    env_.exclusive.believes_in_session(number, client.session(), env_.expiry.furthest(client.session()), env_.truth());
    for (const std::string& name : client.held())
      if (client.believes(name)) env_.exclusive.believes(number, name, client.token(name));
  }
}

// ---- phases

Outcome World::run() {
  begin();
  begin(Phase::kCalm);
  for (std::uint32_t client = 0; client < clients_.size(); ++client)
    env_.agenda.after(env_.delay(env_.plan.user_gap), [this, client] { user_acts(client); });
  while (!over_ && !env_.report.first()) {
    step();
    advance_phase();
  }
  return outcome();
}

Outcome World::outcome() {
  Outcome outcome;
  outcome.seed = env_.plan.seed;
  outcome.story_hash = env_.story.hash();
  outcome.violation = env_.report.first();
  if (outcome.violation) outcome.last_lines = env_.story.last();
  outcome.lasted = env_.now() - time::Uptime{};
  outcome.one_host = env_.plan.one_host;
  outcome.counts = env_.counts;
  outcome.befell = env_.befell();
  outcome.counts.looks = env_.exclusive.asked();
  outcome.counts.judged = env_.answers.judged();
  outcome.counts.passed = env_.queue.judged();
  outcome.counts.promises = env_.expiry.promises();
  return outcome;
}

void World::begin(Phase phase) {
  phase_ = phase;
  env_.faulty = phase == Phase::kFaults;
  env_.liveness.begin(phase);
  env_.note("phase {} begins", static_cast<int>(phase));
  time::Duration limit = kCalmLimit;
  if (phase == Phase::kFaults) limit = env_.plan.fault_phase;
  if (phase == Phase::kRecovery) limit = env_.plan.recovery_limit();
  env_.agenda.after(limit, [this, phase] { phase_ends(phase); });
}

void World::phase_ends(Phase phase) {
  if (phase != phase_ || cleans_up_) return;
  if (phase == Phase::kFaults) return begin_recovery();
  env_.liveness.deadline_passed();
}

void World::advance_phase() {
  if (phase_ == Phase::kCalm && env_.now() - time::Uptime{} >= kShortestCalm &&
      env_.liveness.all_have_held_something()) {
    begin(Phase::kFaults);
    env_.faults.begin(env_.now());
    return schedule_fault();
  }
  if (phase_ == Phase::kRecovery && !cleans_up_ && env_.liveness.all_have_held_all()) {
    if (env_.plan.seed % 4 != 0) {
      over_ = true;
      return;
    }
    clean_up();
  }
}

// A session that a duplicate may have left something that its client knows nothing of is closed, as a client does that
// is restarted: so everybody begins anew.
void World::begin_recovery() {
  begin(Phase::kRecovery);
  heal_all();
  for (auto& client : clients_)
    client->close();
}

void World::clean_up() {
  cleans_up_ = true;
  env_.note("everybody leaves");
  for (auto& client : clients_)
    client->close();
  env_.agenda.after(env_.plan.longest_ttl + env_.plan.lock_delay + kCleanedWithin, [this] {
    env_.liveness.look_for_leftovers(env_.store);
    over_ = true;
  });
}

}  // namespace gnomon::sim::leases
