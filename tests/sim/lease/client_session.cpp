// SPDX-License-Identifier: Apache-2.0
//
// A client's session: the keeper says when to renew and what to believe, and this sends it.
#include <algorithm>
#include <variant>

#include "oracle/canary.hpp"
#include "tests/sim/lease/client.hpp"

namespace gnomon::sim::leases {
namespace {

constexpr std::uint32_t kCloseTries = 8;

}  // namespace

void Client::open(time::Duration ttl) {
  act([this, ttl] {
    if (session_) return;
    ttl_ = ttl;
    session_.emplace(Session{env_.draw_nonce(), client::SessionKeeper(client::KeeperOptions{.ttl = ttl}), false, {}});
    env_.note("client {} opens session {} for {} ms", number_, short_of(session_->id), ttl.ns / 1'000'000);
    apply(session_->keeper.tick(clocks()));
    schedule_tick();
  });
}

void Client::renew_now() {
  act([this] {
    if (session_) apply(session_->keeper.renew_now(clocks()), true);
  });
}

void Client::apply(const client::KeeperEffects& effects, bool asked) {
  if (effects.renew && (renews_ || asked)) {
    Pending pending;
    pending.attempt = effects.renew->attempt;
    const time::Duration patience = std::max(ttl_ / 4, time::milliseconds(100));
    if (session_->opened)
      send(control::command::RenewSession{ttl_}, patience, pending);
    else
      send(control::command::OpenSession{ttl_, "client"}, patience, pending);
  }
  if (effects.tell && effects.tell->belief == client::Belief::kLost) lose_session("its time is over");
}

void Client::session_answered(const Pending& pending, const control::Reply& reply) {
  const auto* answered = reply ? std::get_if<control::Answered>(&*reply) : nullptr;
  if (answered == nullptr) return apply(session_->keeper.failed(clocks(), pending.attempt));
  if (const auto* open = std::get_if<lease::answer::SessionOpen>(&answered->answer)) {
    session_->opened = true;
    ++env_.counts.renewals;
    env_.expiry.renewal_answered(session_->id, pending.sent_on_clock, open->ttl);
    std::uint64_t attempt = pending.attempt;
    if (canary::planted(canary::Bug::kCountsFromAnswer)) {
      const auto renewed = session_->keeper.renew_now(clocks());
      if (renewed.renew) attempt = renewed.renew->attempt;
    }
    const client::KeeperEffects effects = session_->keeper.granted(clocks(), attempt, open->ttl);
    apply(effects);
    return schedule_tick();
  }
  if (const auto* refused = std::get_if<lease::answer::Refused>(&answered->answer)) {
    env_.note("client {}: session {} is refused: {}", number_, short_of(session_->id), refused->text);
    ++env_.counts.refusals;
    using lease::Refusal;
    if (refused->why == Refusal::kSessionOver || refused->why == Refusal::kNoSession ||
        refused->why == Refusal::kForeignSession)
      return apply(session_->keeper.refused(clocks()));
  }
  apply(session_->keeper.failed(clocks(), pending.attempt));
}

void Client::lose_session(const char* why) {
  env_.note("client {} has lost session {}: {}", number_, short_of(session_->id), why);
  ++env_.counts.lost_sessions;
  session_.reset();
}

void Client::close() {
  act([this] {
    if (!session_) return;
    env_.note("client {} closes session {}", number_, short_of(session_->id));
    const lease::SessionId id = session_->id;
    close_again(id, kCloseTries);
    session_.reset();
  });
}

// Nobody waits for the answer: it is said several times, to one server after the other, and what is never heard
// expires.
void Client::close_again(const lease::SessionId& id, std::uint32_t tries) {
  const Request request{.client = number_,
                        .life = life_,
                        .number = next_request_++,
                        .session = id,
                        .command = control::command::CloseSession{},
                        .patience = time::milliseconds(500),
                        .sent = env_.now()};
  network_.ask(next_server(), request);
  if (tries > 1)
    env_.agenda.after(time::milliseconds(400), [this, id, tries, life = life_] {
      if (up_ && life == life_) close_again(id, tries - 1);
    });
}

}  // namespace gnomon::sim::leases
