// SPDX-License-Identifier: Apache-2.0
#include "client/lease/session_keeper.hpp"

#include <algorithm>
#include <utility>

#include "oracle/time/int128.hpp"

namespace gnomon::client {
namespace {

constexpr time::Duration kShortestTtl = time::milliseconds(1);
constexpr time::Duration kLongestTtl = time::seconds(86'400);
constexpr std::int64_t kMaxOscillatorPpb = 50'000'000;
// An attempt is no shorter than this part of the TTL, so the attempts of one TTL are at most as many, and every answer
// that can still be worth anything finds its attempt among the unanswered ones.
constexpr std::int64_t kMaxAttemptsPerTtl = 200;
constexpr std::size_t kMaxUnanswered = 256;
constexpr time::Duration kNever = time::seconds(86'400 * 365);

KeeperOptions with_defaults(KeeperOptions options) {
  if (options.heartbeat == time::Duration{}) options.heartbeat = options.ttl / 3;
  if (options.attempt == time::Duration{}) options.attempt = options.heartbeat / 2;
  if (options.danger == time::Duration{}) options.danger = options.ttl / 5;
  if (options.margin == time::Duration{}) options.margin = options.ttl / 50;
  return options;
}

std::string text_of(time::Duration d) { return std::to_string(d.ns / 1'000'000) + " ms"; }

}  // namespace

tl::expected<KeeperOptions, std::string> checked(const KeeperOptions& options) {
  const auto wrong = [](std::string text) { return tl::make_unexpected(std::move(text)); };
  if (options.ttl < kShortestTtl || options.ttl > kLongestTtl)
    return wrong("a session's TTL of " + text_of(options.ttl) + " is not between 1 ms and a day");
  const KeeperOptions full = with_defaults(options);
  if (full.margin < time::Duration{0} || full.margin >= full.danger)
    return wrong("a margin of " + text_of(full.margin) + " is not between zero and the danger of " +
                 text_of(full.danger));
  if (full.danger >= full.ttl - full.margin)
    return wrong("a danger of " + text_of(full.danger) + " leaves nothing of a TTL of " + text_of(full.ttl) +
                 " that is safe; make it shorter");
  if (full.heartbeat <= time::Duration{0} || full.heartbeat >= full.ttl - full.margin - full.danger)
    return wrong("a heartbeat of " + text_of(full.heartbeat) + " is not between zero and what a TTL of " +
                 text_of(full.ttl) + " has before its danger; with it every round would be one in danger");
  if (full.attempt < full.ttl / kMaxAttemptsPerTtl || full.attempt <= time::Duration{0} ||
      full.attempt > full.heartbeat)
    return wrong("an attempt of " + text_of(full.attempt) +
                 " is not between a two-hundredth of the TTL and the "
                 "heartbeat");
  if (full.oscillator_ppb < 0 || full.oscillator_ppb > kMaxOscillatorPpb)
    return wrong("an oscillator that is off by " + std::to_string(full.oscillator_ppb) +
                 " ppb is not between 0 and 50000000");
  return full;
}

std::optional<time::Duration> elapsed(const HostClocks& from, const HostClocks& to) {
  if (to.steady < from.steady || to.uptime < from.uptime) return std::nullopt;
  return std::max(time::saturating_sub(to.steady, from.steady), time::saturating_sub(to.uptime, from.uptime));
}

time::Duration believable(time::Duration ttl, time::Duration margin, std::int64_t oscillator_ppb) {
  constexpr std::int64_t kBillion = 1'000'000'000;
  if (ttl <= margin) return {};
  const time::Int128 shown = time::Int128{(ttl - margin).ns} * (kBillion - oscillator_ppb) / kBillion;
  return {std::max<std::int64_t>(static_cast<std::int64_t>(shown) - 1, 0)};  // a tick for two truncated readings
}

SessionKeeper::SessionKeeper(const KeeperOptions& options) : options_(with_defaults(options)) {}

KeeperEffects SessionKeeper::tick(const HostClocks& now) {
  KeeperEffects effects = look(now);
  if (belief_ == Belief::kLost || until_renewal(now) > time::Duration{0}) return effects;
  effects.renew = renew(now).renew;
  return effects;
}

KeeperEffects SessionKeeper::granted(const HostClocks& now, std::uint64_t attempt, time::Duration ttl) {
  // The end comes first: an answer that arrives after it revives nothing, or `holds` would be true again.
  KeeperEffects effects = look(now);
  const auto of_attempt = [attempt](const Sent& sent) { return sent.attempt == attempt; };
  const auto sent = std::find_if(sent_.begin(), sent_.end(), of_attempt);
  if (belief_ == Belief::kLost || sent == sent_.end()) return effects;
  const HostClocks at = sent->at;
  sent_.erase(sent);
  const auto age = elapsed(at, now);
  const time::Duration earned = age ? believed_for(ttl) - *age : time::Duration{0};
  if (earned <= time::Duration{0}) return effects;
  confirmed_ = std::max(confirmed_, attempt);
  if (belief_ == Belief::kOpening || earned > left(now)) {
    sent_at_ = at;
    ttl_ = ttl;
  }
  KeeperEffects after = look(now);
  if (after.tell) effects.tell = after.tell;
  return effects;
}

KeeperEffects SessionKeeper::failed(const HostClocks& now, std::uint64_t attempt) {
  std::erase_if(sent_, [attempt](const Sent& sent) { return sent.attempt == attempt; });
  return look(now);
}

KeeperEffects SessionKeeper::refused(const HostClocks& /*now*/) { return lose(); }

KeeperEffects SessionKeeper::renew_now(const HostClocks& now) {
  KeeperEffects effects = look(now);
  if (belief_ != Belief::kLost) effects.renew = renew(now).renew;
  return effects;
}

bool SessionKeeper::holds(const HostClocks& now) const {
  return (belief_ == Belief::kHeld || belief_ == Belief::kDanger) && left(now) > time::Duration{0};
}

time::Duration SessionKeeper::left(const HostClocks& now) const {
  if (!sent_at_ || belief_ == Belief::kLost || went_back(now)) return {};
  const auto age = elapsed(*sent_at_, now);
  return age ? std::max(believed_for(ttl_) - *age, time::Duration{0}) : time::Duration{0};
}

bool SessionKeeper::confirmed_since(std::uint64_t attempt) const {
  return belief_ != Belief::kLost && attempt > 0 && confirmed_ >= attempt;
}

time::Duration SessionKeeper::next(const HostClocks& now) const {
  if (belief_ == Belief::kLost) return kNever;
  if (went_back(now)) return {};
  time::Duration soonest = until_renewal(now);
  if (belief_ == Belief::kHeld) soonest = std::min(soonest, left(now) - scaled(options_.danger));
  if (belief_ == Belief::kDanger) soonest = std::min(soonest, left(now));
  return std::max(soonest, time::Duration{0});
}

KeeperEffects SessionKeeper::renew(const HostClocks& now) {
  if (sent_.size() == kMaxUnanswered) sent_.erase(sent_.begin());
  sent_.push_back({++last_attempt_, now});
  last_at_ = now;
  KeeperEffects effects;
  effects.renew = keeper_effect::Renew{last_attempt_};
  return effects;
}

KeeperEffects SessionKeeper::lose() {
  KeeperEffects effects;
  if (std::exchange(belief_, Belief::kLost) != Belief::kLost) effects.tell = keeper_effect::Tell{Belief::kLost};
  sent_.clear();
  return effects;
}

KeeperEffects SessionKeeper::look(const HostClocks& now) {
  if (belief_ == Belief::kLost) return {};
  if (went_back(now)) return lose();
  seen_ = now;
  if (!sent_at_) return {};
  const time::Duration left_now = left(now);
  if (left_now <= time::Duration{0}) return lose();
  const Belief found = left_now > scaled(options_.danger) ? Belief::kHeld : Belief::kDanger;
  KeeperEffects effects;
  if (std::exchange(belief_, found) != found) effects.tell = keeper_effect::Tell{found};
  return effects;
}

// A clock that went backwards measures nothing any more, however little it went.
bool SessionKeeper::went_back(const HostClocks& now) const { return seen_ && !elapsed(*seen_, now); }

time::Duration SessionKeeper::believed_for(time::Duration ttl) const {
  return believable(ttl, options_.margin, options_.oscillator_ppb);
}

// A server may grant less than it was asked for; the rhythm then is that of what it granted.
time::Duration SessionKeeper::scaled(time::Duration part) const {
  if (!sent_at_ || ttl_ >= options_.ttl) return part;
  return {static_cast<std::int64_t>(time::Int128{part.ns} * ttl_.ns / options_.ttl.ns)};
}

time::Duration SessionKeeper::until_renewal(const HostClocks& now) const {
  if (!last_at_) return {};
  const auto since = elapsed(*last_at_, now);
  if (!since) return {};
  const bool answered = confirmed_ == last_attempt_;
  return scaled(answered ? options_.heartbeat : options_.attempt) - *since;
}

}  // namespace gnomon::client
