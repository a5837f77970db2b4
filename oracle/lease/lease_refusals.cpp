// SPDX-License-Identifier: Apache-2.0
#include "oracle/lease/lease_refusals.hpp"

#include <algorithm>

namespace gnomon::lease {
namespace {

constexpr std::int64_t kNsPerMs = 1'000'000;
constexpr std::int64_t kMsPerSecond = 1'000;
constexpr std::size_t kMaxShown = 80;  // of a text that may be anything

// "4.250 s", rounded up, so that nobody comes back a moment too early.
std::string seconds_of(time::Duration duration) {
  const std::int64_t ms = duration.ns / kNsPerMs + (duration.ns % kNsPerMs > 0 ? 1 : 0);
  const std::string fraction = std::to_string(ms % kMsPerSecond);
  return std::to_string(ms / kMsPerSecond) + "." + std::string(3 - fraction.size(), '0') + fraction + " s";
}

// Names that are refused may hold anything; a log must stay one line.
std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text.substr(0, kMaxShown))
    out += c >= 0x20 && c <= 0x7e ? c : '?';
  return out + (text.size() > kMaxShown ? "...\"" : "\"");
}

std::string session_text(const SessionId& id) { return "session " + hex_of(id); }

std::string who(const ClientSession& session) {
  return session.label.empty() ? session.principal : session.label + " (" + session.principal + ")";
}

std::string token_text(mint::Token token) { return "token " + std::to_string(token.value); }

std::string break_text(std::string_view name) {
  return "nobody is granted it until an operator, who has made sure that its holder is stopped, says `gnomon lease "
         "break " +
         std::string(name) + "`";
}

answer::Refused refusal(Refusal why, std::string text) { return {why, std::move(text), {}, {}, {}}; }

answer::Refused by_holder(Refusal why, std::string text, const Hold& hold) {
  return {why, std::move(text), {}, holder_of(*hold.session), hold.token};
}

}  // namespace

std::optional<answer::Refused> refuse_stranger(const Scene& scene, const Asker& asker) {
  const std::string session = session_text(asker.session);
  if (!scene.own)
    return refusal(Refusal::kNoSession, session +
                                            " is not there: it was never opened, or it ended so long ago that nothing "
                                            "is left of it; open another one");
  const ClientSession* own = readable(scene.own);
  if (own == nullptr)
    return refusal(Refusal::kUnreadable, "what the store holds under " + client_key(asker.session) +
                                             " can't be read: it is damaged, or of another version; open another one");
  if (own->principal != asker.principal)
    return refusal(Refusal::kForeignSession, session + " was opened by another principal than " +
                                                 quoted(asker.principal) +
                                                 ": open one of your own, under an id drawn at random");
  return std::nullopt;
}

std::optional<answer::Refused> refuse_session(const Scene& scene, const Asker& asker) {
  if (auto refused = refuse_stranger(scene, asker)) return refused;
  const ClientSession* own = readable(scene.own);
  if (is_over(*own, asker.moment)) return session_over(*own, asker);
  return std::nullopt;
}

answer::Refused session_over(const ClientSession& session, const Asker& asker) {
  std::string how;
  switch (session.state) {
    case SessionState::kOpen: how = "it was not renewed within its TTL of " + seconds_of(session.ttl); break;
    case SessionState::kClosed: how = "it was closed"; break;
    case SessionState::kKilled:
      how = "it was killed, because one of its leases was taken over after its expiry or broken by an operator";
      break;
  }
  return refusal(Refusal::kSessionOver, session_text(asker.session) + " is over: " + how +
                                            "; stop what relies on its leases and open another one");
}

std::optional<answer::Refused> refuse_name(std::string_view name) {
  if (is_name(name)) return std::nullopt;
  return refusal(Refusal::kBadName, quoted(name) + " can't be the name of a lease: it takes 1 to " +
                                        std::to_string(kMaxName) + " characters of [A-Za-z0-9._:/@=+-]");
}

std::optional<answer::Refused> refuse_ttl(const LeasePolicy& policy, time::Duration ttl) {
  if (ttl >= policy.min_ttl && ttl <= policy.max_ttl) return std::nullopt;
  return refusal(Refusal::kBadTtl, "a TTL of " + std::to_string(ttl.ns) + " ns is not allowed here: ask for " +
                                       seconds_of(policy.min_ttl) + " to " + seconds_of(policy.max_ttl));
}

std::optional<answer::Refused> refuse_label(std::string_view label) {
  if (is_label(label)) return std::nullopt;
  return refusal(Refusal::kBadLabel, quoted(label) + " can't be the label of a session: it takes up to " +
                                         std::to_string(kMaxLabel) + " printable ASCII characters");
}

std::optional<answer::Refused> refuse_principal(std::string_view principal) {
  if (is_principal(principal)) return std::nullopt;
  return refusal(Refusal::kForeignSession, "the identity " + quoted(principal) +
                                               " can't own a session: it takes 1 to " + std::to_string(kMaxPrincipal) +
                                               " printable ASCII characters without spaces; give the client a "
                                               "certificate with another name");
}

std::optional<answer::Refused> refuse_terms(const AcquireCommand& command) {
  if (command.metadata.size() > kMaxMetadata)
    return refusal(Refusal::kBadMetadata, std::to_string(command.metadata.size()) + " bytes of metadata for " +
                                              quoted(command.name) + " are too many: store at most " +
                                              std::to_string(kMaxMetadata) + " with a lease");
  if (command.lock_delay.ns < 0 || command.lock_delay > kMaxLockDelay)
    return refusal(Refusal::kBadLockDelay, "a lock-delay of " + std::to_string(command.lock_delay.ns) + " ns for " +
                                               quoted(command.name) + " is not allowed: ask for 0 to " +
                                               seconds_of(kMaxLockDelay));
  return std::nullopt;
}

answer::Refused held_by_other(std::string_view name, const Hold& hold, const Moment& moment) {
  const time::Duration wait = until_free(hold, moment);
  answer::Refused refused = by_holder(Refusal::kHeld,
                                      quoted(name) + " is held by " + who(*hold.session) + " under " +
                                          token_text(hold.token) + ": wait in its queue, or ask again in " +
                                          seconds_of(wait) + ", when it is free unless it is renewed",
                                      hold);
  refused.retry_after = wait;
  return refused;
}

answer::Refused others_wait(std::string_view name, const Place& place) {
  answer::Refused refused = refusal(Refusal::kQueued, quoted(name) + " is free, but " + std::to_string(place.in_front) +
                                                          (place.in_front == 1 ? " other waits" : " others wait") +
                                                          " in front for it: wait in its queue, too");
  refused.retry_after = place.until_over;
  return refused;
}

answer::Refused quarantined(std::string_view name, const Hold& hold, const Moment& moment) {
  const std::string why = is_comparable(hold.session->expiry, moment)
                              ? "ends only in " + seconds_of(remaining(*hold.session, moment)) +
                                    ", but was granted for " + seconds_of(hold.session->ttl) +
                                    ": the clock that wrote it was wrong"
                              : "ends at an instant of a clock that can't be read here: the store was moved";
  return by_holder(
      Refusal::kQuarantined,
      quoted(name) + " is held by " + who(*hold.session) + ", whose session " + why + "; " + break_text(name), hold);
}

answer::Refused unreadable(std::string_view name, const Hold& hold) {
  const std::string what = hold.lease == nullptr ? "what the store holds under " + lease_key(name) + " can't be read"
                                                 : "the session that " + quoted(name) + " hangs on, " +
                                                       client_key(hold.lease->session) + ", is gone or can't be read";
  answer::Refused refused = refusal(Refusal::kUnreadable, what + "; " + break_text(name));
  refused.token = hold.token;
  return refused;
}

answer::Refused not_held(std::string_view name, const SessionId& session, mint::Token token, const Scene& scene) {
  const NamedLease* lease = readable(scene.lease);
  const bool own = lease != nullptr && lease->session == session;
  const std::string present = own ? token_text(token_of(scene.lease)) : "";
  std::string text = session_text(session);
  if (token.value != 0) {
    text += " does not hold " + quoted(name) + " under " + token_text(token);
    text += own ? ", but under " + present + ": release that grant if it is what you mean"
                : ": that grant is over, and nothing is left to release";
  } else {
    text += " does not wait for " + quoted(name);
    text += own ? ", but holds it under " + present + ": release it under that token if it is what you mean"
                : ": there is no place in its queue to give up";
  }
  return refusal(Refusal::kNotHeld, std::move(text));
}

answer::Refused nothing_to_break(std::string_view name) {
  return refusal(Refusal::kNotHeld, "nobody holds " + quoted(name) + ": there is nothing to break");
}

}  // namespace gnomon::lease
