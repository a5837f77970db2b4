// SPDX-License-Identifier: Apache-2.0
#include "oracle/lease/lease_rules.hpp"

#include <algorithm>

#include "oracle/canary.hpp"
#include "oracle/lease/lease_facts.hpp"
#include "oracle/lease/lease_refusals.hpp"

namespace gnomon::lease {
namespace {

// What was promised before stays promised: neither its end nor, as long as that end still counts, its TTL shrinks. The
// TTL is what the end is told by after another boot.
ClientSession renewed(const ClientSession& old, const Asker& asker, time::Duration ttl) {
  const Expiry promised = latest_end(old.expiry, old.ttl, asker.moment);
  const Expiry asked = expiry_after(asker.moment, ttl);
  const bool counts = promised.at > asked.at && !canary::planted(canary::Bug::kShortenedTtl);
  ClientSession session = old;
  session.state = SessionState::kOpen;
  session.nonce = asker.nonce;
  session.expiry = counts ? promised : asked;
  session.ttl = counts ? std::max(old.ttl, ttl) : ttl;
  return session;
}

Step write_own(const Scene& scene, const LeasePolicy& policy, const Asker& asker, const ClientSession& session,
               Answer answer) {
  Step step{begin_transaction(policy), std::move(answer)};
  compare_session(step.transaction, asker.session, scene.own);
  step.transaction.puts.push_back({client_key(asker.session), encode(session)});
  return step;
}

}  // namespace

std::string_view text_of(Refusal refusal) {
  switch (refusal) {
    case Refusal::kNoSession: return "no_session";
    case Refusal::kSessionOver: return "session_over";
    case Refusal::kForeignSession: return "foreign_session";
    case Refusal::kHeld: return "held";
    case Refusal::kQueued: return "queued";
    case Refusal::kNotHeld: return "not_held";
    case Refusal::kQuarantined: return "quarantined";
    case Refusal::kBadName: return "bad_name";
    case Refusal::kBadTtl: return "bad_ttl";
    case Refusal::kBadMetadata: return "bad_metadata";
    case Refusal::kBadLockDelay: return "bad_lock_delay";
    case Refusal::kBadLabel: return "bad_label";
    case Refusal::kUnreadable: return "unreadable";
  }
  return "unknown";
}

Answer completed(const Step& step, Revision revision, std::uint16_t epoch) {
  Answer answer = step.answer;
  if (auto* held = std::get_if<answer::Held>(&answer); held != nullptr && held->anew)
    held->token = make_token(epoch, revision);
  return answer;
}

Decision open_session(const Scene& scene, const LeasePolicy& policy, const Asker& asker, time::Duration ttl,
                      std::string_view label) {
  if (auto refused = refuse_principal(asker.principal)) return *refused;
  if (auto refused = refuse_label(label)) return *refused;
  if (scene.own) return renew_session(scene, policy, asker, ttl);
  if (auto refused = refuse_ttl(policy, ttl)) return *refused;
  const ClientSession session{asker.nonce, SessionState::kOpen, expiry_after(asker.moment, ttl),
                              ttl,         asker.principal,     std::string(label)};
  return write_own(scene, policy, asker, session, answer::SessionOpen{ttl});
}

Decision renew_session(const Scene& scene, const LeasePolicy& policy, const Asker& asker, time::Duration ttl) {
  if (auto refused = refuse_ttl(policy, ttl)) return *refused;
  if (auto refused = refuse_stranger(scene, asker)) return *refused;
  const ClientSession& old = *readable(scene.own);
  if (is_over(old, asker.moment) && !canary::planted(canary::Bug::kRenewsTheDead)) return session_over(old, asker);
  return write_own(scene, policy, asker, renewed(old, asker, ttl), answer::SessionOpen{ttl});
}

// One that is past its expiry but still open is closed as well: its leases are then free without their lock-delays,
// which are there for an end that nobody announced.
Decision close_session(const Scene& scene, const LeasePolicy& policy, const Asker& asker) {
  if (!scene.own) return answer::SessionClosed{};
  if (auto refused = refuse_stranger(scene, asker)) return *refused;
  ClientSession session = *readable(scene.own);
  if (session.state != SessionState::kOpen) return answer::SessionClosed{};
  session.state = SessionState::kClosed;
  session.nonce = asker.nonce;
  return write_own(scene, policy, asker, session, answer::SessionClosed{});
}

}  // namespace gnomon::lease
