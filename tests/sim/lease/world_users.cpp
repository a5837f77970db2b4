// SPDX-License-Identifier: Apache-2.0
//
// What users do. While faults strike they do anything: acquire, wait, give up, write, hold for long, release, leave,
// change the TTL. In the calm and in the recovery they take turns, so that everybody's turn comes.
#include <string>
#include <vector>

#include "tests/sim/lease/world.hpp"

namespace gnomon::sim::leases {
namespace {

constexpr time::Duration kTurn = time::milliseconds(20);  // between two looks of a user who takes turns

}  // namespace

time::Duration World::draw_ttl() { return env_.random.between(env_.plan.shortest_ttl, env_.plan.longest_ttl); }

void World::user_acts(std::uint32_t number) {
  if (cleans_up_) return;
  Client& client = *clients_[number];
  const bool in_turn = phase_ != Phase::kFaults;
  env_.agenda.after(in_turn ? kTurn : env_.delay(env_.plan.user_gap), [this, number] { user_acts(number); });
  if (!client.is_up()) return;
  if (!client.has_session()) return client.open(draw_ttl());
  if (!client.is_open()) return;
  if (in_turn) return act_in_turn(number);
  act_freely(number);
}

void World::act_freely(std::uint32_t number) {
  Client& client = *clients_[number];
  const std::string name = name_of(static_cast<std::uint32_t>(env_.random.below(env_.plan.names)));
  if (env_.random.below(30) == 0) return client.close();
  if (env_.random.below(20) == 0) return client.set_ttl(draw_ttl());
  if (env_.random.below(20) == 0) return client.renew_now();
  if (client.is_waiting(name)) {
    if (env_.random.below(8) == 0) client.give_up(name);
  } else if (client.may_ask(name)) {
    const time::Duration wait =
        env_.random.below(3) == 0 ? time::Duration{0} : env_.random.between(time::milliseconds(50), time::seconds(5));
    const time::Duration delay =
        env_.random.below(2) == 0 ? time::Duration{0} : env_.random.between({0}, env_.plan.lock_delay);
    client.acquire(name, wait, delay);
  } else if (client.believes(name)) {
    client.write(name);
    if (env_.random.below(3) == 0) client.release(name);
  }
}

// One name after the other, each held for a moment.
void World::act_in_turn(std::uint32_t number) {
  Client& client = *clients_[number];
  for (const std::string& name : client.held())
    if (client.believes(name)) client.release(name);
  for (std::uint32_t lease = 0; lease < env_.plan.names; ++lease) {
    const std::string name = name_of(lease);
    if (client.is_waiting(name)) return;  // for one at a time
    // A late copy of what was given up would keep the name from others; the library looks after it again, this closes.
    if (client.has_given_up(name) && client.is_idle(name)) return client.close();
    if (env_.liveness.has_held(number, name)) continue;
    if (client.may_ask(name)) client.acquire(name, time::seconds(20), {});
    return;
  }
}

}  // namespace gnomon::sim::leases
