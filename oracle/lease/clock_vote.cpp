// SPDX-License-Identifier: Apache-2.0
#include "oracle/lease/clock_vote.hpp"

#include <algorithm>
#include <cassert>
#include <utility>

namespace gnomon::lease {
namespace {

constexpr std::string_view kSeenTooMuch = "it claims to have seen what came after it";

struct Comparison {
  Finding finding = Finding::kAgrees;
  time::Duration by;  // how far apart the two ends are that contradict each other
};

// On one timeline, with the ends that are known; their values may be anything, so the difference saturates.
template <typename T>
Comparison compare_on(std::optional<T> my_latest, std::optional<T> my_earliest, const time::IntervalOf<T>& theirs) {
  if (my_latest && *my_latest < theirs.earliest)
    return {Finding::kBehind, time::saturating_sub(theirs.earliest, *my_latest)};
  if (my_earliest && *my_earliest > theirs.latest)
    return {Finding::kAhead, time::saturating_sub(*my_earliest, theirs.latest)};
  return {};
}

struct Comparisons {
  Comparison ordering;
  Comparison truth;
  [[nodiscard]] bool agree() const { return ordering.finding == Finding::kAgrees && truth.finding == Finding::kAgrees; }
};

Comparisons compare_both(const ClockWord& now, const ClockWord* seen, const ClockWord& theirs) {
  using Smeared = std::optional<time::SmearedUtc>;
  using True = std::optional<time::Tai>;
  Comparisons both;
  both.ordering =
      compare_on(Smeared(now.ordering.latest), seen ? Smeared(seen->ordering.earliest) : std::nullopt, theirs.ordering);
  if (theirs.truth)
    both.truth = compare_on(now.truth ? True(now.truth->latest) : std::nullopt,
                            seen && seen->truth ? True(seen->truth->earliest) : std::nullopt, *theirs.truth);
  return both;
}

std::string seconds_text(time::Duration d) {
  const std::string micros = std::to_string(d.ns / 1'000 % 1'000'000);
  return std::to_string(d.ns / 1'000'000'000) + "." + std::string(6 - micros.size(), '0') + micros + " s";
}

std::string finding_text(const Comparisons& both) {
  const auto one = [](const Comparison& comparison, std::string_view timeline) {
    return "this clock is " + seconds_text(comparison.by) +
           (comparison.finding == Finding::kAhead ? " ahead of it (" : " behind it (") + std::string(timeline) + ")";
  };
  if (both.ordering.finding == Finding::kAgrees) return one(both.truth, "true time");
  if (both.truth.finding == Finding::kAgrees) return one(both.ordering, "ordering timeline");
  return one(both.ordering, "ordering timeline") + ", " + one(both.truth, "true time");
}

// Names the first few of many.
class Names {
 public:
  template <typename MakeText>
  void add(MakeText make_text) {
    ++count_;
    if (count_ <= kNamed) text_ += (text_.empty() ? "" : ", ") + make_text();
  }
  [[nodiscard]] std::uint32_t count() const { return count_; }
  [[nodiscard]] std::string text() const {
    return count_ > kNamed ? text_ + " and " + std::to_string(count_ - kNamed) + " more" : text_;
  }

 private:
  static constexpr std::uint32_t kNamed = 3;
  std::uint32_t count_ = 0;
  std::string text_;
};

void say(std::string& text, const std::string& sentence) {
  if (sentence.empty()) return;
  if (!text.empty()) text += "; ";
  text += sentence;
}

}  // namespace

Finding compare_clocks(const ClockWord& mine_now, const ClockWord* mine_seen, const ClockWord& theirs) {
  const Comparisons both = compare_both(mine_now, mine_seen, theirs);
  return both.ordering.finding != Finding::kAgrees ? both.ordering.finding : both.truth.finding;
}

// What the last list says of the others.
struct ClockVote::Roll {
  std::uint32_t voters = 0;
  Names against;
  Names awaited;
  Names unreadable;
};

ClockVote::ClockVote(const Nonce& incarnation, VoteLimits limits) : own_(incarnation), limits_(limits) {
  assert(limits_.heartbeat > time::Duration{} && limits_.answer_within >= time::Duration{});
}

void ClockVote::published(Revision at, const Session& session, time::Duration elapsed) {
  const auto place = std::lower_bound(publications_.begin(), publications_.end(), at,
                                      [](const Publication& one, Revision revision) { return one.at < revision; });
  if (place != publications_.end() && place->at == at) return;
  const bool newest = place == publications_.end();
  const bool falls = newest && is_newcomer(session.standing) && !is_newcomer(standing());
  const bool first = publications_.empty();
  publications_.insert(place, {at, session.nonce, session.seen, session.standing, session.clock});
  if (first || falls) ask_anew(at, elapsed);
  thin_publications();
}

void ClockVote::ask_anew(Revision at, time::Duration elapsed) {
  asked_from_ = at;
  asked_elapsed_ = elapsed;
  answers_awaited_ = false;
}

// Any publication that they had seen bounds their clock; the newest does so best. So it does no harm to keep few of
// those that are old, and the first one stays for as long as there is any.
void ClockVote::thin_publications() {
  if (publications_.size() <= kMaxPublications) return;
  for (std::size_t i = 1; i <= kMaxPublications / 4; ++i)
    publications_.erase(publications_.begin() + static_cast<std::ptrdiff_t>(i));
}

// True after a gap in which nobody could be seen to move.
bool ClockVote::observe(time::Duration elapsed) {
  const time::Duration gap = listed_at_ ? std::max(elapsed - last_list_, time::Duration{}) : time::Duration{};
  last_list_ = elapsed;
  const time::Duration counted = std::min(gap, limits_.heartbeat * 3 / 2);
  observed_ = observed_ + counted;
  if (asked_from_ != Revision{} && !answers_awaited_)
    asked_at_ = observed_ - std::clamp(elapsed - asked_elapsed_, time::Duration{}, counted);
  return gap > limits_.heartbeat * kSilentAfter;
}

void ClockVote::listed(const Listing& listing, const ClockWord& clock, time::Duration elapsed) {
  if (listed_at_ && listing.at < *listed_at_) return;
  const bool blind = observe(elapsed);
  listed_at_ = listing.at;
  clock_ = clock;
  own_entry_.reset();
  std::map<Nonce, Peer> peers;
  for (const Entry& entry : listing.entries) {
    const std::optional<Nonce> incarnation = incarnation_of_session(entry.key);
    if (!incarnation) continue;
    if (*incarnation == own_) {
      read_own(entry);
      continue;
    }
    const auto before = peers_.find(*incarnation);
    peers.insert_or_assign(peers.end(), *incarnation,
                           read_peer(entry, before == peers_.end() ? nullptr : &before->second, blind));
  }
  peers_ = std::move(peers);
  if (answers_awaited_ || !is_covered()) return;
  answers_awaited_ = true;
  for (auto& [incarnation, peer] : peers_)
    peer.awaited = true;
}

ClockVote::Peer ClockVote::read_peer(const Entry& entry, const Peer* before, bool blind) const {
  Peer peer;
  peer.key = entry.key;
  peer.modified = entry.modified;
  const bool moves = before != nullptr && before->modified != entry.modified;
  peer.moved_at = before == nullptr || moves || blind ? observed_ : before->moved_at;
  peer.moved = moves || (before != nullptr && before->moved);
  peer.awaited = before != nullptr && before->awaited;
  tl::expected<Session, ValueFault> session = parse_session(entry.value);
  if (!session) {
    peer.fault = text_of(session.error());
  } else if (session->seen >= entry.modified) {
    peer.fault = kSeenTooMuch;
  } else {
    peer.session = std::move(*session);
    const bool asked_before = before != nullptr && before->asks_at != Revision{};
    if (is_newcomer(peer.session->standing)) peer.asks_at = asked_before ? before->asks_at : entry.modified;
  }
  return peer;
}

void ClockVote::read_own(const Entry& entry) {
  own_entry_ = OwnEntry{entry.modified, std::nullopt};
  if (const auto session = parse_session(entry.value)) own_entry_->nonce = session->nonce;
}

Standing ClockVote::standing() const {
  return publications_.empty() ? Standing::kJoining : publications_.back().standing;
}

bool ClockVote::is_live(const Peer& peer) const { return observed_ - peer.moved_at < limits_.heartbeat * kSilentAfter; }

// What it says, if it has a vote on this daemon.
const Session* ClockVote::voter(const Peer& peer) const {
  if (!peer.session || !is_live(peer) || peer.session->seen < asked_from_) return nullptr;
  const bool counts = !is_newcomer(peer.session->standing) || (is_newcomer(standing()) && peer.moved);
  return counts ? &*peer.session : nullptr;
}

bool ClockVote::is_awaited(const Peer& peer) const {
  if (!peer.awaited || !peer.session || !is_live(peer) || voter(peer) != nullptr) return false;
  return observed_ - std::max(asked_at_, peer.moved_at) < limits_.answer_within &&
         observed_ - asked_at_ < limits_.answer_within * kLongestWait;
}

const ClockWord* ClockVote::newest_seen(Revision seen) const {
  const auto after = std::upper_bound(publications_.begin(), publications_.end(), seen,
                                      [](Revision revision, const Publication& one) { return revision < one.at; });
  return after == publications_.begin() ? nullptr : &std::prev(after)->clock;
}

ClockVote::Roll ClockVote::call_roll() const {
  Roll roll;
  for (const auto& [incarnation, peer] : peers_) {
    if (!peer.session) roll.unreadable.add([&peer] { return peer.key + ": " + std::string(peer.fault); });
    if (!is_covered()) continue;
    if (is_awaited(peer)) roll.awaited.add([&peer] { return peer.key + " (" + peer.session->holder + ")"; });
    const Session* theirs = voter(peer);
    if (theirs == nullptr) continue;
    ++roll.voters;
    const Comparisons both = compare_both(clock_, newest_seen(theirs->seen), theirs->clock);
    if (!both.agree()) roll.against.add([&] { return peer.key + " (" + theirs->holder + "): " + finding_text(both); });
  }
  return roll;
}

// What is strange about the own session: it never counts.
std::string ClockVote::own_remark() const {
  if (publications_.empty() || !listed_at_) return {};
  if (!own_entry_)
    return *listed_at_ < publications_.back().at ? "" : "the own session is gone: it was taken for abandoned";
  // What stood there before the first publication is none of this vote's.
  if (own_entry_->modified < publications_.front().at) return {};
  for (const Publication& one : publications_)
    if (one.nonce == own_entry_->nonce) return {};
  return "the own session was last written by a commit that is not known as this process's own, at revision " +
         std::to_string(own_entry_->modified.value) +
         ": its answer was lost, or a copy of this process is running; it is not judged by";
}

Vote ClockVote::vote(time::Duration elapsed) const {
  const Roll roll = call_roll();
  Vote vote;
  vote.standing = standing();
  vote.voters = roll.voters;
  vote.against = roll.against.count();
  const bool newcomer = is_newcomer(vote.standing);
  if (!is_covered()) {
    say(vote.text, "the sessions were not listed yet since this daemon first published its own");
  } else if (newcomer && elapsed - last_list_ > limits_.heartbeat * kSilentAfter) {
    say(vote.text, "the last list of sessions is " + seconds_text(elapsed - last_list_) + " old");
  } else if (newcomer && roll.awaited.count() > 0) {
    say(vote.text, "waiting for " + std::to_string(roll.awaited.count()) + " to answer: " + roll.awaited.text());
  } else {
    const std::uint32_t agreeing = 1 + vote.voters - vote.against;
    vote.verdict = agreeing > vote.against ? Vote::Verdict::kPassed : Vote::Verdict::kFailed;
    if (vote.verdict == Vote::Verdict::kPassed)
      vote.standing = Standing::kMember;
    else if (!newcomer)
      vote.standing = agreeing == vote.against ? Standing::kTied : Standing::kOutvoted;
  }
  if (vote.against > 0)
    say(vote.text, std::to_string(vote.against) + " of " + std::to_string(vote.voters) +
                       " other clocks contradict this one: " + roll.against.text());
  if (vote.verdict == Vote::Verdict::kFailed) say(vote.text, "check the time sources of this host, and of theirs");
  if (roll.unreadable.count() > 0) say(vote.text, "ignored, because they can't be read: " + roll.unreadable.text());
  say(vote.text, own_remark());
  return vote;
}

bool ClockVote::asked() const {
  if (publications_.empty()) return false;
  const Revision seen = publications_.back().seen;
  return std::any_of(peers_.begin(), peers_.end(), [&](const auto& one) {
    const Peer& peer = one.second;
    return peer.asks_at > seen && is_live(peer);
  });
}

std::vector<Compare> ClockVote::abandoned() const {
  std::vector<Compare> sessions;
  for (const auto& [incarnation, peer] : peers_)
    if (observed_ - peer.moved_at >= limits_.heartbeat * kAbandonedAfter) sessions.push_back({peer.key, peer.modified});
  return sessions;
}

}  // namespace gnomon::lease
