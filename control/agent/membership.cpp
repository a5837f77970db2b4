// SPDX-License-Identifier: Apache-2.0
#include "control/agent/membership.hpp"

#include <algorithm>
#include <utility>

#include "control/agent/attempts.hpp"
#include "oracle/canary.hpp"

namespace gnomon::control {
namespace {

// Between two operations of the same kind, however often somebody asks.
constexpr time::Duration kLeastGap = time::milliseconds(50);
// Publications whose answer was lost and that may still land. One that lands later than that counts as a copy's: the
// daemon then stops, which is safe.
constexpr std::size_t kMaxSent = 64;
constexpr std::size_t kMaxCleared = 16;
// A clock at the brink would go back and forth: whoever failed states less tolerance until it has passed for a while.
constexpr int kStricter = 8;
constexpr int kCalmBeats = 3;  // in heartbeats

void compare_store(Transaction& transaction, const lease::StoreFacts& store) {
  transaction.compares.push_back({std::string(lease::kStoreKey), store.identity});
}

time::SmearedUtc source_of(const ClockReading& reading) {
  return time::saturating_add(reading.now, -std::max(reading.lead, time::Duration{0}));
}

lease::VoteLimits limits_of(const MembershipOptions& options) {
  return {.heartbeat = options.heartbeat, .answer_within = options.heartbeat * 2};
}

}  // namespace

Membership::Membership(MembershipOptions options)
    : options_(std::move(options)),
      key_(lease::session_key(options_.incarnation)),
      clocks_(options_.incarnation, limits_of(options_)) {
  if (options_.alone) standing_ = lease::Standing::kMember;
}

bool Membership::asks(const Change& change, const Nonce& own) {
  if (change.deleted || change.entry.key == lease::session_key(own)) return false;
  const auto session = lease::parse_session(change.entry.value);
  return session && lease::is_newcomer(session->standing);
}

void Membership::ticked(const ClockReading& reading, time::Duration attended) {
  if (options_.alone) return;
  attended_ = attended;
  seen_at_reading_ = seen_;
  const bool both = reading_.known && reading.known;
  const time::Duration passed = time::saturating_sub(reading.uptime, reading_.uptime);
  const auto jumps = [&](time::SmearedUtc before, time::SmearedUtc after) {
    const time::Duration moved = time::saturating_sub(after, before);
    return moved > passed + options_.tolerance || moved < passed - options_.tolerance;
  };
  // Also the clock behind a timeline that does not move: it may come to meet one that stands in a false future.
  const bool jumped = both && (jumps(reading_.now, reading.now) || jumps(source_of(reading_), source_of(reading)));
  const bool truth_jumped = has_truth_jumped(reading);
  reading_ = reading;
  if (jumped || truth_jumped) rejoin();
  if (!listing_ || !reading_.known) return;
  clocks_.listed(*listing_, word(own_tolerance()), attended_);
  cleared_ = false;
  listing_.reset();
  judge();
}

// The true time may be gone for a while, and it comes back long before the ordering timeline follows a jump.
bool Membership::has_truth_jumped(const ClockReading& reading) {
  if (!reading.truth) return false;
  const std::optional<ClockReading> before = std::exchange(true_reading_, reading);
  if (!before || !before->truth) return false;
  const time::Duration since = time::saturating_sub(reading.uptime, before->uptime);
  const time::Interval expected = time::Interval{time::saturating_add(before->truth->earliest, since),
                                                 time::saturating_add(before->truth->latest, since)}
                                      .widened(options_.tolerance);
  return !time::intersection(expected, *reading.truth);
}

// The source of the ordering timeline, which may lag behind it by its lead. A source that is ahead is not followed yet:
// the timeline is what this daemon goes by.
lease::ClockWord Membership::word(time::Duration tolerance) const {
  const time::SmearedUtc source = source_of(reading_);
  const time::SmearedInterval ordering{source, source};
  return {ordering.widened(tolerance), reading_.truth};
}

// Only on the own side: if the others were told so little, two that have both failed would have to agree to a quarter
// of a tolerance, and sane clocks that don't would never pass again.
time::Duration Membership::own_tolerance() const {
  return failed_ ? options_.tolerance / kStricter : options_.tolerance;
}

// What the clock said before it jumped is no evidence of anything any more.
void Membership::rejoin() {
  clocks_ = lease::ClockVote(options_.incarnation, limits_of(options_));
  vote_ = {};
  failed_ = false;
  standing_ = lease::Standing::kJoining;
  must_publish_ = true;
  listing_.reset();
  for (Sent& sent : sent_)
    sent.before_jump = true;
}

void Membership::judge() {
  vote_ = clocks_.vote(attended_);
  if (vote_.verdict == lease::Vote::Verdict::kUndecided) return;
  if (vote_.verdict == lease::Vote::Verdict::kFailed) {
    failed_ = true;
    passed_since_.reset();
  } else if (failed_) {
    if (!passed_since_) passed_since_ = attended_;
    if (attended_ - *passed_since_ < options_.heartbeat * kCalmBeats) return;
    failed_ = false;
  }
  standing_ = vote_.standing;
  if (published_ != standing_) must_publish_ = true;
}

Membership::Wish Membership::wish() const {
  if (options_.alone || !reading_.known || copied_ || went_back_ || identity_changed_) return Wish::kNothing;
  const auto since = [this](const std::optional<time::Duration>& at, time::Duration span) {
    return !at || attended_ - *at >= span;
  };
  if (must_list_) return since(listed_at_, kLeastGap) ? Wish::kList : Wish::kNothing;
  const bool due = must_publish_ || since(published_at_, options_.heartbeat) || clocks_.asked();
  const bool news = published_ && published_ != standing_;
  if (due && (news || since(published_at_, kLeastGap))) return Wish::kPublish;
  const bool waiting = hinted_ || vote_.verdict == lease::Vote::Verdict::kUndecided || clocks_.asked();
  return since(listed_at_, waiting ? kLeastGap : options_.heartbeat) ? Wish::kList : Wish::kNothing;
}

Transaction Membership::publication(const lease::StoreFacts& store, const Nonce& nonce) {
  lease::Session session{nonce, standing_, seen_at_reading_, word(options_.tolerance), options_.holder};
  std::string value = lease::encode(session);
  session.clock = word(own_tolerance());  // by which it judges itself
  sent_.push_back({std::move(value), std::move(session), false});
  if (sent_.size() > kMaxSent) sent_.pop_front();
  Transaction transaction;
  compare_store(transaction, store);
  transaction.compares.push_back({key_, revision_});
  transaction.puts.push_back({key_, sent_.back().value});
  return transaction;
}

void Membership::published(Revision at) {
  saw(at);
  adopt(sent_.back(), at);
}

void Membership::publish_failed(StoreErrorKind kind) {
  if (kind == StoreErrorKind::kConflict) conflicted_ = revision_;
  // Also after a conflict: if the network delivered the request twice, the first of the two is what is in the store.
  if (kind == StoreErrorKind::kUnavailable) sent_.pop_back();
  if (kind != StoreErrorKind::kUnavailable) must_list_ = true;
}

void Membership::adopt(const Sent& sent, Revision at) {
  if (at == revision_) return;
  revision_ = at;
  value_ = sent.value;
  acknowledged_ = std::max(acknowledged_, at);
  if (sent.before_jump) return;  // it was on its way meanwhile, and vouches for a clock that is not this one any more
  published_ = sent.session.standing;
  published_at_ = attended_;
  must_publish_ = published_ != standing_;
  clocks_.published(at, sent.session, attended_);
}

void Membership::listed(const Listing& sessions) {
  must_list_ = false;
  hinted_ = false;
  listed_at_ = attended_;
  const Entry* own = find_entry(sessions, key_);
  const Revision found = own == nullptr ? Revision{} : own->modified;
  // Revisions grow, and nothing puts a deleted key back under an old one.
  if (own != nullptr && found < acknowledged_ && !canary::planted(canary::Bug::kForgottenAcknowledged)) {
    went_back_ = true;
    return;
  }
  if (std::exchange(conflicted_, std::nullopt) == found) identity_changed_ = true;
  if (own == nullptr) {
    revision_ = {};  // somebody may have taken this process for dead: the next publication writes it anew
  } else if (found != revision_ || own->value != value_) {
    const auto sent =
        std::find_if(sent_.begin(), sent_.end(), [&](const Sent& one) { return one.value == own->value; });
    if (sent == sent_.end())
      copied_ = true;
    else
      adopt(Sent(*sent), found);
  }
  listing_ = sessions;
}

void Membership::saw(Revision revision) { seen_ = std::max(seen_, revision); }

std::optional<Transaction> Membership::farewell(const lease::StoreFacts& store) const {
  if (sent_.empty()) return std::nullopt;
  Transaction transaction;
  compare_store(transaction, store);
  transaction.deletes.push_back(key_);
  return transaction;
}

std::optional<Transaction> Membership::clearing(const lease::StoreFacts& store) {
  if (cleared_ || standing_ != lease::Standing::kMember) return std::nullopt;
  std::vector<Compare> abandoned = clocks_.abandoned();
  if (abandoned.empty()) return std::nullopt;
  cleared_ = true;
  abandoned.resize(std::min(abandoned.size(), kMaxCleared));
  Transaction transaction;
  compare_store(transaction, store);
  for (Compare& compare : abandoned) {
    transaction.deletes.push_back(compare.key);
    transaction.compares.push_back(std::move(compare));
  }
  return transaction;
}

bool Membership::may_acquire() const {
  if (canary::planted(canary::Bug::kSkippedVote)) return true;
  return options_.alone || (standing_ == lease::Standing::kMember && published_ == standing_);
}

}  // namespace gnomon::control
