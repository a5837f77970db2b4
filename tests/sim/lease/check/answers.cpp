// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/lease/check/answers.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "oracle/lease/stored_right.hpp"

namespace gnomon::sim::leases {

void AnswersTrue::landing(const Landing& landing, std::uint16_t epoch, bool broken) {
  for (const std::string& key : landing.transaction.deletes)
    if (const auto name = lease::name_of_lease_key(key)) {
      if (!broken) ended(landing, *name);
      note(std::string(*name), {landing.now, std::nullopt, {}});
    }
  for (const control::Put& put : landing.transaction.puts) {
    const auto id = lease::session_of_key(put.key);
    // A renewal that was decided in time may take effect after the expiry: for a while the session was over.
    const auto before = id ? session_in(landing.before, *id) : std::nullopt;
    const bool lapsed =
        before && (before->value.expiry.boot != landing.clock.boot || before->value.expiry.at < landing.clock.at);
    if (id && (!before || lapsed)) opened_[*id] = landing.now;
    if (const auto name = lease::name_of_lease_key(put.key))
      if (const auto written = lease::parse_named_lease(put.value))
        note(std::string(*name), {landing.now, written->session, lease::make_token(epoch, landing.revision)});
  }
}

void AnswersTrue::ended(const Landing& landing, std::string_view name) {
  const auto before = lease_in(landing.before, name);
  if (!before) return;
  const auto holder = session_in(landing.before, before->value.session);
  const auto token = lease::make_token(before->value.epoch, before->modified);
  const bool asked = std::any_of(released_.begin(), released_.end(), [&](const Release& release) {
    return release.session == before->value.session && release.name == name && release.token == token;
  });
  if (asked) return;
  if (!holder || holder->value.state == lease::SessionState::kClosed) return;
  const lease::Moment& moment = landing.moment;
  const time::Tai earliest = moment.now.earliest;
  const bool past = holder->value.expiry.boot == moment.boot
                        ? earliest > holder->value.expiry.at + before->value.lock_delay
                        : earliest > moment.since + holder->value.ttl + before->value.lock_delay;
  if (!past)
    fail(fmt::format("the grant {} of {} to session {} is taken away; nobody asked for it, and it is not over",
                     token.value, name, short_of(before->value.session)));
}

std::vector<AnswersTrue::Tenure> AnswersTrue::within(const std::string& name, time::Uptime since) const {
  std::vector<Tenure> out;
  const auto at = tenures_.find(name);
  Tenure last{};  // before all that is known nobody held it
  if (at != tenures_.end()) {
    for (const Tenure& tenure : at->second) {
      if (tenure.since > since) out.push_back(last);
      last = tenure;
    }
  }
  out.push_back(last);
  return out;
}

void AnswersTrue::answered(const control::Call& call, const control::Reply& reply, time::Uptime sent, time::Uptime now,
                           const SimulatedStore& store, const lease::Expiry& clock) {
  if (!reply) return;
  const auto* answered = std::get_if<control::Answered>(&*reply);
  if (answered == nullptr) return;
  (void)now;
  ++judged_;
  const lease::Answer& answer = answered->answer;
  if (const auto* refused = std::get_if<lease::answer::Refused>(&answer)) {
    check_refusal(call, *refused, sent, store, clock);
  } else if (const auto* held = std::get_if<lease::answer::Held>(&answer)) {
    check_held(call, *held, sent);
  } else if (std::holds_alternative<lease::answer::Released>(answer)) {
    const auto& release = std::get<control::command::Release>(call.command);
    const auto lease = lease_in(store, release.name);
    if (release.token == mint::Token{})
      fail(fmt::format("session {} named no grant of {}, and is told that it is released", short_of(call.session),
                       release.name));
    if (lease && lease->value.session == call.session &&
        lease::make_token(lease->value.epoch, lease->modified) == release.token)
      fail(fmt::format("session {} is told that {} is released, and it is not", short_of(call.session), release.name));
  } else if (std::holds_alternative<lease::answer::SessionClosed>(answer)) {
    const auto session = session_in(store, call.session);
    if (session && session->value.state == lease::SessionState::kOpen && session->value.expiry.boot == clock.boot &&
        session->value.expiry.at >= clock.at && opened_[call.session] < sent)
      fail(fmt::format("session {} is told that it is closed, and it is open", short_of(call.session)));
  }
}

void AnswersTrue::check_held(const control::Call& call, const lease::answer::Held& held, time::Uptime sent) {
  const auto& name = std::get<control::command::Acquire>(call.command).acquire.name;
  for (const Tenure& tenure : within(name, sent))
    if (tenure.session == call.session && tenure.token == held.token) return;
  fail(fmt::format("session {} is told that it holds {} under {}, and it did not since it asked",
                   short_of(call.session), name, held.token.value));
}

void AnswersTrue::check_refusal(const control::Call& call, const lease::answer::Refused& refused, time::Uptime sent,
                                const SimulatedStore& store, const lease::Expiry& clock) {
  using lease::Refusal;
  const auto who = short_of(call.session);
  if (refused.why == Refusal::kHeld) {
    const auto& name = std::get<control::command::Acquire>(call.command).acquire.name;
    for (const Tenure& tenure : within(name, sent))
      if (tenure.session && tenure.session != call.session) return;
    fail(fmt::format("session {} is told that {} is held, and since it asked nobody did", who, name));
  } else if (refused.why == Refusal::kNotHeld) {
    const auto& release = std::get<control::command::Release>(call.command);
    if (release.token == mint::Token{}) return;  // of places in queues nothing is known here
    for (const Tenure& tenure : within(release.name, sent))
      if (tenure.session != call.session || tenure.token != release.token) return;
    fail(fmt::format("session {} is told that it does not hold {}, and it did all the time", who, release.name));
  } else if (refused.why == Refusal::kSessionOver || refused.why == Refusal::kNoSession) {
    const auto session = session_in(store, call.session);
    if (session && session->value.state == lease::SessionState::kOpen && session->value.expiry.boot == clock.boot &&
        session->value.expiry.at >= clock.at && opened_[call.session] < sent)
      fail(fmt::format("session {} is told that it is over, and it is open", who));
  }
}

}  // namespace gnomon::sim::leases
