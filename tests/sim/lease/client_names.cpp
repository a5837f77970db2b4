// SPDX-License-Identifier: Apache-2.0
//
// What a client does about names under its session: asks, waits, is told, believes, releases, gives up.
#include <algorithm>
#include <variant>

#include "oracle/canary.hpp"
#include "tests/sim/lease/client.hpp"

namespace gnomon::sim::leases {
namespace {

constexpr time::Duration kTryAgainAfter = time::milliseconds(50);

}  // namespace

Client::Name* Client::find(const std::string& name) {
  if (!session_) return nullptr;
  const auto at = session_->names.find(name);
  return at == session_->names.end() ? nullptr : &at->second;
}

// ---- asking

void Client::acquire(const std::string& name, time::Duration wait_for, time::Duration lock_delay) {
  act([this, name, wait_for, lock_delay] {
    if (!is_open() || !may_ask(name)) return;
    Name& entry = session_->names[name];
    entry.state = State::kAsking;
    entry.waits = wait_for > time::Duration{0};
    entry.wait_until = env_.now() + wait_for;
    entry.lock_delay = lock_delay;
    ask(name);
  });
}

void Client::ask(const std::string& name) {
  Name& entry = session_->names[name];
  ++entry.turn;
  const time::Duration wait =
      entry.waits ? std::max(entry.wait_until - env_.now(), time::Duration{0}) : time::Duration{0};
  control::command::Acquire acquire;
  acquire.acquire.name = name;
  acquire.acquire.lock_delay = entry.lock_delay;
  acquire.acquire.wait = entry.waits;
  acquire.wait_for = wait;
  Pending pending;
  pending.name = name;
  pending.turn = entry.turn;
  pending.waits = entry.waits;
  send(acquire, wait + time::milliseconds(500), pending);
}

void Client::ask_again(const std::string& name, time::Duration after) {
  Name* entry = find(name);
  if (entry == nullptr) return;
  if (!entry->waits || env_.now() >= entry->wait_until) return withdraw(name);
  env_.agenda.after(after, [this, name, turn = entry->turn, life = life_, id = session_->id] {
    act([this, name, turn, life, id] {
      if (life != life_ || !session_ || session_->id != id) return;
      Name* waiting = find(name);
      if (waiting != nullptr && waiting->state == State::kAsking && waiting->turn == turn) ask(name);
    });
  });
}

void Client::acquire_answered(const std::string& name, Name& entry, const control::Reply& reply) {
  const auto* answered = reply ? std::get_if<control::Answered>(&*reply) : nullptr;
  if (answered == nullptr) return ask_again(name, kTryAgainAfter);
  if (const auto* held = std::get_if<lease::answer::Held>(&answered->answer)) {
    env_.tokens.told(name, held->token, session_->id);
    env_.note("client {} is granted {} under {}{}", number_, name, held->token.value,
              answered->queued ? ", after a wait" : "");
    entry.token = held->token;
    if (!answered->queued || canary::planted(canary::Bug::kGrantWithoutConfirm)) return believe(name, entry);
    entry.state = State::kConfirming;
    const client::KeeperEffects effects = session_->keeper.renew_now(clocks());
    entry.confirm = session_->keeper.last_attempt();
    return apply(effects, true);
  }
  if (std::holds_alternative<lease::answer::Waiting>(answered->answer)) return ask_again(name, {});
  if (const auto* refused = std::get_if<lease::answer::Refused>(&answered->answer)) {
    ++env_.counts.refusals;
    using lease::Refusal;
    if (refused->why == Refusal::kSessionOver || refused->why == Refusal::kNoSession)
      return apply(session_->keeper.refused(clocks()));
    if (entry.waits) return ask_again(name, kTryAgainAfter);
    // One request was sent, and it was refused: nothing is there. (One that was doubled may still come to something;
    // the session is to be closed before it matters.)
    entry.state = State::kIdle;
  }
}

void Client::confirm_what_can_be() {
  if (!session_) return;
  for (auto& [name, entry] : session_->names)
    if (entry.state == State::kConfirming && session_->keeper.confirmed_since(entry.confirm)) believe(name, entry);
}

void Client::believe(const std::string& name, Name& entry) {
  entry.state = State::kHeld;
  if (!session_->keeper.holds(clocks())) return;
  env_.tokens.believed(name, entry.token);
  env_.liveness.held(number_, name);
  if (on_held) on_held(number_, name);
}

// ---- letting go

void Client::release(const std::string& name) {
  act([this, name] {
    Name* entry = find(name);
    if (entry == nullptr || entry->state != State::kHeld) return;
    ++env_.counts.releases;
    entry->state = State::kReleasing;
    send_release(name);
  });
}

void Client::give_up(const std::string& name) {
  act([this, name] {
    const Name* entry = find(name);
    if (entry != nullptr && (entry->state == State::kAsking || entry->state == State::kConfirming)) withdraw(name);
  });
}

void Client::withdraw(const std::string& name) {
  Name& entry = session_->names[name];
  entry.state = State::kWithdrawing;
  entry.given_up = true;
  entry.token = {};
  send_release(name);
}

void Client::send_release(const std::string& name) {
  Name& entry = session_->names[name];
  ++entry.turn;
  env_.answers.release_sent(session_->id, name, entry.token);
  env_.note("client {} releases {} under {}", number_, name, entry.token.value);
  Pending pending;
  pending.name = name;
  pending.turn = entry.turn;
  send(control::command::Release{name, entry.token}, time::milliseconds(500), pending);
}

void Client::release_answered(const std::string& name, Name& entry, const control::Reply& reply) {
  const auto* answered = reply ? std::get_if<control::Answered>(&*reply) : nullptr;
  const auto* refused = answered ? std::get_if<lease::answer::Refused>(&answered->answer) : nullptr;
  using lease::Refusal;
  if (answered == nullptr) return let_go_again(name, entry);
  if (refused != nullptr && (refused->why == Refusal::kSessionOver || refused->why == Refusal::kNoSession))
    return apply(session_->keeper.refused(clocks()));
  if (entry.state == State::kWithdrawing && !std::holds_alternative<lease::answer::Withdrawn>(answered->answer))
    return look(name);
  entry.state = State::kIdle;
}

void Client::look(const std::string& name) {
  Name& entry = session_->names[name];
  entry.state = State::kLooking;
  ++entry.turn;
  Pending pending;
  pending.name = name;
  pending.turn = entry.turn;
  send(control::command::Get{name}, time::milliseconds(500), pending);
}

void Client::look_answered(const std::string& name, Name& entry, const control::Reply& reply) {
  const auto* seen = reply ? std::get_if<lease::LeaseView>(&*reply) : nullptr;
  if (seen == nullptr) return let_go_again(name, entry);
  if (seen->session != session_->id) {
    entry.state = State::kIdle;
    return;
  }
  entry.state = State::kReleasing;
  entry.token = seen->token;
  send_release(name);
}

/// The next of what it owes for a name that it does not want any more.
void Client::let_go(const std::string& name) {
  const Name& entry = session_->names[name];
  if (entry.state == State::kReleasing || entry.state == State::kWithdrawing) send_release(name);
  if (entry.state == State::kLooking) look(name);
}

void Client::let_go_again(const std::string& name, const Name& entry) {
  env_.agenda.after(kTryAgainAfter, [this, name, turn = entry.turn, life = life_, id = session_->id] {
    act([this, name, turn, life, id] {
      if (life != life_ || !session_ || session_->id != id) return;
      const Name* waiting = find(name);
      if (waiting != nullptr && waiting->turn == turn) let_go(name);
    });
  });
}

void Client::name_answered(const Pending& pending, const control::Reply& reply) {
  Name* entry = find(pending.name);
  if (entry == nullptr || entry->turn != pending.turn) return;
  if (entry->state == State::kAsking) return acquire_answered(pending.name, *entry, reply);
  if (entry->state == State::kReleasing || entry->state == State::kWithdrawing)
    return release_answered(pending.name, *entry, reply);
  if (entry->state == State::kLooking) look_answered(pending.name, *entry, reply);
}

void Client::write(const std::string& name) {
  act([this, name] {
    if (on_write && believes(name)) on_write(number_, name, session_->names[name].token);
  });
}

// ---- what it believes

bool Client::believes(const std::string& name) {
  const Name* entry = find(name);
  if (entry == nullptr || !believes_in_session()) return false;
  const bool given_back = entry->state == State::kReleasing && canary::planted(canary::Bug::kHoldsAfterRelease);
  return entry->state == State::kHeld || given_back;
}

std::vector<std::string> Client::held() const {
  std::vector<std::string> names;
  if (session_)
    for (const auto& [name, entry] : session_->names)
      if (entry.state == State::kHeld || entry.state == State::kReleasing) names.push_back(name);
  return names;
}

bool Client::is_idle(const std::string& name) const {
  if (!session_) return true;
  const auto at = session_->names.find(name);
  return at == session_->names.end() || at->second.state == State::kIdle;
}

bool Client::may_ask(const std::string& name) const { return is_open() && is_idle(name); }

bool Client::has_given_up(const std::string& name) const {
  if (!session_) return false;
  const auto at = session_->names.find(name);
  return at != session_->names.end() && at->second.given_up;
}

bool Client::is_waiting(const std::string& name) const {
  if (!session_) return false;
  const auto at = session_->names.find(name);
  return at != session_->names.end() && (at->second.state == State::kAsking || at->second.state == State::kConfirming);
}

mint::Token Client::token(const std::string& name) const {
  const auto at = session_->names.find(name);
  return at == session_->names.end() ? mint::Token{} : at->second.token;
}

}  // namespace gnomon::sim::leases
