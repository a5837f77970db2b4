// SPDX-License-Identifier: Apache-2.0
//
// What a lease looks like to those who only ask (lease_rules.hpp): its state, and whether a token is still the present
// one. An answer is true of the moment that it was given for; time goes on while it travels.
#include "oracle/lease/lease_facts.hpp"
#include "oracle/lease/lease_rules.hpp"

namespace gnomon::lease {
namespace {

LeaseState state_of(const Hold& hold, const Moment& moment) {
  switch (hold.state) {
    case Hold::State::kNone:
    case Hold::State::kClosed: return LeaseState::kFree;
    case Hold::State::kUnreadable: return LeaseState::kUnreadable;
    case Hold::State::kQuarantined: return LeaseState::kQuarantined;
    case Hold::State::kBound: break;
  }
  if (remaining(*hold.session, moment).ns > 0) return LeaseState::kHeld;
  return surely_past(hold.session->expiry, hold.session->ttl, {}, moment) ? LeaseState::kExpired
                                                                          : LeaseState::kExpiring;
}

// Of the present grant's token.
TokenStanding standing_of_present(const Hold& hold, const Moment& moment) {
  switch (hold.state) {
    case Hold::State::kNone:
    case Hold::State::kClosed: return TokenStanding::kStale;
    case Hold::State::kUnreadable:
    case Hold::State::kQuarantined: return TokenStanding::kDoubtful;
    case Hold::State::kBound: break;
  }
  if (surely_past(hold.session->expiry, hold.session->ttl, {}, moment)) return TokenStanding::kStale;
  // A killed session can't be renewed, and somebody has said that its client is stopped or late.
  const bool certain = hold.session->state == SessionState::kOpen && remaining(*hold.session, moment).ns > 0;
  return certain ? TokenStanding::kCurrent : TokenStanding::kDoubtful;
}

}  // namespace

std::string_view text_of(LeaseState state) {
  switch (state) {
    case LeaseState::kFree: return "free";
    case LeaseState::kHeld: return "held";
    case LeaseState::kExpiring: return "expiring";
    case LeaseState::kExpired: return "expired";
    case LeaseState::kQuarantined: return "quarantined";
    case LeaseState::kUnreadable: return "unreadable";
  }
  return "unknown";
}

std::string_view text_of(TokenStanding standing) {
  switch (standing) {
    case TokenStanding::kCurrent: return "current";
    case TokenStanding::kDoubtful: return "doubtful";
    case TokenStanding::kStale: return "stale";
    case TokenStanding::kUnknown: return "unknown";
  }
  return "unknown";
}

LeaseView view(const Scene& scene, const LeasePolicy& policy, const Moment& moment, std::string_view name) {
  const Hold hold = hold_of(scene, policy, moment);
  LeaseView view;
  view.name = std::string(name);
  view.state = state_of(hold, moment);
  view.waiters = count_live(scene, policy, moment);
  if (view.state == LeaseState::kFree) return view;
  view.token = hold.token;
  if (hold.lease == nullptr) return view;
  view.session = hold.lease->session;
  view.metadata = hold.lease->metadata;
  if (hold.session == nullptr) return view;
  view.principal = hold.session->principal;
  view.label = hold.session->label;
  view.remaining = remaining(*hold.session, moment);
  view.free_in = until_free(hold, moment);
  return view;
}

TokenStanding standing_of(const Scene& scene, const LeasePolicy& policy, const Moment& moment, mint::Token token,
                          Revision newest) {
  const std::uint16_t epoch = epoch_of(token);
  if (epoch > policy.store.epoch) return TokenStanding::kUnknown;
  if (epoch == policy.store.epoch && revision_of(token) > newest) return TokenStanding::kUnknown;
  if (!scene.lease) return TokenStanding::kStale;
  // A grant that can't be read stands at its revision all the same; of which epoch it is, nobody can say.
  const bool present = readable(scene.lease) != nullptr ? token_of(scene.lease) == token
                                                        : revision_of(scene.lease) == revision_of(token);
  return present ? standing_of_present(hold_of(scene, policy, moment), moment) : TokenStanding::kStale;
}

}  // namespace gnomon::lease
