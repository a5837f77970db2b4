// SPDX-License-Identifier: Apache-2.0
//
// Life and death of a client, its clocks, and the sending of requests.
#include "tests/sim/lease/client.hpp"

#include <algorithm>
#include <utility>

#include "oracle/canary.hpp"

namespace gnomon::sim::leases {

Client::Client(Environment& environment, Network& network, std::uint32_t number, Machine& machine)
    : env_(environment), network_(network), number_(number), machine_(machine), server_(number) {}

void Client::start() {
  if (up_) return;
  up_ = true;
  ++life_;
  renews_ = true;
  stopped_until_ = {};
}

void Client::kill() {
  if (!up_) return;
  env_.note("client {} is killed", number_);
  up_ = false;
  session_.reset();
  pending_.clear();
  inbox_.clear();
}

void Client::pause(time::Uptime until) {
  if (!up_ || until <= stopped_until_) return;
  env_.note("client {} stops until {:.3f} s", number_, static_cast<double>(until.ns) / 1e9);
  stopped_until_ = until;
  env_.agenda.at(until, [this, life = life_] {
    if (up_ && life == life_) wake();
  });
}

void Client::act(const std::function<void()>& deed) {
  if (!up_) return;
  if (env_.now() < stopped_until_ || !inbox_.empty()) {
    inbox_.push_back(deed);
    return;
  }
  deed();
}

void Client::resume() {
  stopped_until_ = env_.now();
  if (up_) wake();
}

void Client::wake() {
  if (env_.now() < stopped_until_) return;
  while (up_ && !inbox_.empty()) {
    const std::function<void()> deed = std::move(inbox_.front());
    inbox_.pop_front();
    deed();
  }
}

client::HostClocks Client::clocks() {
  client::HostClocks now = machine_.read(env_.now());
  if (canary::planted(canary::Bug::kOneClockOnly)) now.uptime = now.steady;
  if (canary::planted(canary::Bug::kSlewedClockOnly)) now.steady = now.uptime;
  return now;
}

void Client::schedule_tick() {
  if (!session_) return;
  const time::Duration wait = std::max(session_->keeper.next(clocks()), time::milliseconds(1));
  env_.agenda.after(wait, [this, life = life_, number = ++tick_number_] {
    act([this, life, number] {
      if (life != life_ || number != tick_number_ || !session_) return;
      apply(session_->keeper.tick(clocks()));
      schedule_tick();
    });
  });
}

std::uint64_t Client::send(control::Command command, time::Duration patience, Pending pending) {
  const std::uint64_t number = next_request_++;
  pending.server = next_server();
  pending.session = session_->id;
  pending.sent = env_.now();
  pending.sent_on_clock = env_.truth();
  const Request request{.client = number_,
                        .life = life_,
                        .number = number,
                        .session = session_->id,
                        .command = std::move(command),
                        .patience = patience,
                        .sent = env_.now()};
  pending_.emplace(number, pending);
  network_.ask(pending.server, request);
  const time::Duration timeout = patience + env_.plan.network_delay * 4 + time::milliseconds(50);
  env_.agenda.after(timeout, [this, life = life_, number] {
    act([this, life, number] {
      if (life == life_) timed_out(number);
    });
  });
  return number;
}

void Client::hear(const Request& request, const control::Reply& reply) {
  act([this, request, reply] {
    const auto at = pending_.find(request.number);
    if (request.life != life_ || at == pending_.end()) return;  // late: nobody waits for it
    const Pending pending = at->second;
    pending_.erase(at);
    if (!session_ || session_->id != request.session) return;
    answers_[pending.name] = reply;
    if (pending.name.empty())
      session_answered(pending, reply);
    else
      name_answered(pending, reply);
    confirm_what_can_be();
  });
}

void Client::timed_out(std::uint64_t number) {
  const auto at = pending_.find(number);
  if (at == pending_.end()) return;
  const Pending pending = at->second;
  pending_.erase(at);
  network_.gone(pending.server, number_, number);
  if (!session_ || session_->id != pending.session) return;
  if (pending.name.empty()) {
    if (pending.attempt != 0) apply(session_->keeper.failed(clocks(), pending.attempt));
    return;
  }
  Name* entry = find(pending.name);
  if (entry == nullptr || entry->turn != pending.turn) return;
  if (entry->state == State::kAsking) ask_again(pending.name, {});
  let_go(pending.name);
}

}  // namespace gnomon::sim::leases
