// SPDX-License-Identifier: Apache-2.0
//
// The vote on a daemon's clock: may it ask for rights, and may it keep them?
//
// A clock that is a day ahead makes no duplicates, but it takes machine ids away for a day (their ceilings are stored),
// and its timestamps are nonsense. It can't notice that itself. The naive check, "are the others' sessions expired?",
// asks the mad clock to judge the sane ones; and two readings held against each other as they stand differ by whatever
// lies between them. Here only causal comparisons count, which hold for right clocks however late anything arrives:
//
//   behind  my latest, read after I learnt of their session, is before their earliest, read before they wrote it
//   ahead   my earliest, read before my commit at revision r, is after their latest, read after they had seen r
//
// What lies between the two readings, some two heartbeats, is forgiven: a clock may be wrong by that much unnoticed.
//
//   live       its revision has moved within kSilentAfter heartbeats that this process observed: the time between two
//              lists counts for one and a half heartbeats at most, and after a gap as long as that silence everybody
//              starts anew, since nobody could be seen to move. One that was never listed before starts as live.
//   answered   it had seen this daemon's first publication in this life (since its fall, if it was outvoted) when it
//              read its clock. Before that it can't be compared both ways, and has no vote.
//   who votes  live sessions that have answered. On a daemon that is kMember or kTied: those that are kMember or kTied
//              themselves, so that no member is bothered by a newcomer. On one that is kJoining or kOutvoted: all, but
//              a newcomer only once it was seen to move here: what a crashing daemon leaves behind has no say.
//   awaited    (by a newcomer) what its first list after that publication showed live and without a vote yet. One that
//              stays silent for `answer_within` is taken for dead until it moves, and nobody is awaited for longer than
//              kLongestWait times that. So a dead session that lingers delays a newcomer once. Later newcomers delay
//              nobody.
//   undecided  (only a newcomer) somebody is awaited, or the last list is old.
//   passed     more than half agree, itself counted with the voters: alone it passes, of two that disagree both fail.
//   failed     a kMember or kTied becomes kTied if exactly half contradict it, else kOutvoted; a newcomer stays what it
//              is. All may pass at a later list, when clocks agree again or the others are gone.
//
// A word that does not change says nothing new about its clock, but it bounds every later `latest` of mine; from the
// dead it is not counted. A session that can't be read, or claims to have seen its own revision, is nobody's word; one
// under this daemon's own key that it has not written (a copy of this process) judges nothing. `text` names them.
//
// Pure: elapsed time comes in with each call and never goes back. Thread rule: one thread.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "oracle/lease/record.hpp"
#include "oracle/lease/session.hpp"
#include "oracle/time/instant.hpp"

namespace gnomon::lease {

enum class Finding : std::uint8_t { kAgrees, kAhead, kBehind };  // this daemon's clock, against the other's

/// `mine_now` was read after `theirs` was learnt of; `mine_seen` is this daemon's newest publication at a revision that
/// they had seen when they read theirs, if there is one. Ordering timelines are always compared, true times where both
/// have one.
[[nodiscard]] Finding compare_clocks(const ClockWord& mine_now, const ClockWord* mine_seen, const ClockWord& theirs);

struct VoteLimits {
  time::Duration heartbeat = time::seconds(1);      // how often sessions are renewed: the same for all daemons; > 0
  time::Duration answer_within = time::seconds(2);  // for a session that is asked by a new one; more than a heartbeat
};

struct Vote {
  enum class Verdict : std::uint8_t { kUndecided, kPassed, kFailed };
  Verdict verdict = Verdict::kUndecided;
  std::uint32_t voters = 0;  // others that count
  std::uint32_t against = 0;
  Standing standing = Standing::kJoining;  // what this daemon is to be from now on
  std::string text;                        // who is against, and how; what is waited for; what was ignored; for the log
};

class ClockVote {
 public:
  ClockVote(const Nonce& incarnation, VoteLimits limits);

  /// A commit of this daemon's session is known to have happened, also one that was given up and is found in a list.
  /// One that landed and is never told of does no harm.
  void published(Revision at, const Session& session, time::Duration elapsed);
  /// All sessions were listed; `clock` was read after the list was in. A list older than the last one is ignored.
  void listed(const Listing& listing, const ClockWord& clock, time::Duration elapsed);
  /// As of the last list; this daemon is what it last published. kUndecided before it has published and then listed.
  [[nodiscard]] Vote vote(time::Duration elapsed) const;

  /// Somebody is waiting for this daemon's answer: a live newcomer that became one after the last own publication's
  /// `seen`, as far as the lists tell. Once for each, so that two newcomers which disagree don't ask each other for
  /// ever: whatever they publish later is answered by the next heartbeat.
  [[nodiscard]] bool asked() const;
  /// Sessions whose revision has not moved for kAbandonedAfter heartbeats, to be deleted by whoever sees it; never the
  /// own one. Ascending by key.
  [[nodiscard]] std::vector<Compare> abandoned() const;

  static constexpr int kSilentAfter = 3;               // heartbeats without a sign of life: not live
  static constexpr int kAbandonedAfter = 30;           // heartbeats
  static constexpr int kLongestWait = 4;               // times answer_within
  static constexpr std::size_t kMaxPublications = 64;  // own ones that are kept

 private:
  struct Publication {
    Revision at;
    Nonce nonce{};
    Revision seen;
    Standing standing = Standing::kJoining;
    ClockWord clock;
  };
  struct Peer {
    std::string key;
    Revision modified;
    std::optional<Session> session;  // none: `fault` says why
    std::string_view fault;
    Revision asks_at;         // at which it was first found to be a newcomer; {0}: it is none
    time::Duration moved_at;  // of the observed time
    bool moved = false;       // since it was first listed
    bool awaited = false;
  };
  /// What was found under the own key.
  struct OwnEntry {
    Revision modified;
    std::optional<Nonce> nonce;  // none: it can't be read
  };
  struct Roll;

  void ask_anew(Revision at, time::Duration elapsed);
  void thin_publications();
  [[nodiscard]] bool observe(time::Duration elapsed);
  [[nodiscard]] Peer read_peer(const Entry& entry, const Peer* before, bool blind) const;
  void read_own(const Entry& entry);

  [[nodiscard]] Standing standing() const;
  [[nodiscard]] bool is_covered() const {
    return asked_from_ != Revision{} && listed_at_ && *listed_at_ >= asked_from_;
  }
  [[nodiscard]] bool is_live(const Peer& peer) const;
  [[nodiscard]] const Session* voter(const Peer& peer) const;
  [[nodiscard]] bool is_awaited(const Peer& peer) const;
  [[nodiscard]] const ClockWord* newest_seen(Revision seen) const;
  [[nodiscard]] Roll call_roll() const;
  [[nodiscard]] std::string own_remark() const;

  Nonce own_;
  VoteLimits limits_;
  std::vector<Publication> publications_;  // ascending by revision; thinned out where they are old
  std::map<Nonce, Peer> peers_;            // of the last list, without the own one
  std::optional<OwnEntry> own_entry_;
  ClockWord clock_;                    // read after the last list
  std::optional<Revision> listed_at_;  // of the last list
  Revision asked_from_;                // of the publication that the others have to have seen; {0}: none yet
  bool answers_awaited_ = false;       // a list has shown who has to answer it
  time::Duration asked_elapsed_;       // when it was published, by the elapsed time
  time::Duration last_list_;           // by the elapsed time
  time::Duration observed_;            // the elapsed time, less what passed unobserved
  time::Duration asked_at_;            // when it was published, by the observed time
};

}  // namespace gnomon::lease
