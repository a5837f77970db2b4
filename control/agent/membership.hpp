// SPDX-License-Identifier: Apache-2.0
//
// The agent's membership on a shared store: its session, renewed every heartbeat, and the vote of the others on its
// clock (oracle/lease/clock_vote.hpp). It says what to do next and is told what came of it; the agent carries it out
// between its own operations. On an exclusive store there is nobody to vote, and it wishes nothing.
//
//   - A reading goes into a publication with the revision that was known *before* it was read; a list is judged by a
//     reading that was taken *after* the list was in. Both are what makes the vote causal.
//   - No right is asked for before the vote has passed and the session says so (`may_acquire`).
//   - A clock that jumps has to pass again before it may commit anything that it says (`may_extend`): its rights stay,
//     and run to their ceilings meanwhile.
//   - A session under this incarnation's key that is older than one which the store acknowledged to this process: the
//     store went back (`went_back`). Its content tells nothing then. If it is one of the last publications it looks as
//     if its answer had been lost, and if it is older than those that are remembered, as if a copy had written it.
//   - A newer one that this process did not write is a copy of this process (`copied`).
// Pure. Thread rule: one thread.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>

#include "control/store.hpp"
#include "oracle/canary.hpp"
#include "oracle/lease/clock_vote.hpp"
#include "oracle/lease/right_rules.hpp"
#include "oracle/lease/session.hpp"
#include "oracle/time/instant.hpp"
#include "oracle/time/interval.hpp"

namespace gnomon::control {

/// What the clock said in one turn of the agent.
struct ClockReading {
  time::SmearedUtc now;                 // ordering timeline
  time::Duration lead;                  // of the ordering timeline over the clock behind it
  std::optional<time::Interval> truth;  // none: not synchronised
  time::Uptime uptime;
  bool known = false;  // there is an ordering timeline
};

struct MembershipOptions {
  bool alone = true;  // an exclusive store
  Nonce incarnation{};
  std::string holder{};
  time::Duration heartbeat = time::seconds(1);
  time::Duration tolerance = time::seconds(1);  // of the ordering timeline's source, either way
};

class Membership {
 public:
  explicit Membership(MembershipOptions options);

  /// `attended`: for how long this process has run; never goes back.
  void ticked(const ClockReading& reading, time::Duration attended);
  /// Somebody wrote a session that asks for an answer.
  void hint() { hinted_ = true; }

  enum class Wish : std::uint8_t { kNothing, kList, kPublish };
  [[nodiscard]] Wish wish() const;

  /// The commit that writes the session; then exactly one of `published` and `publish_failed`.
  [[nodiscard]] Transaction publication(const lease::StoreFacts& store, const Nonce& nonce);
  void published(Revision at);
  void publish_failed(StoreErrorKind kind);
  void listed(const Listing& sessions);
  /// Any operation showed that the store stands here.
  void saw(Revision revision);
  /// Takes the session away; best effort, nobody waits for it.
  [[nodiscard]] std::optional<Transaction> farewell(const lease::StoreFacts& store) const;
  /// Deletes sessions that nobody has renewed for long, a few at a time and once after each list.
  [[nodiscard]] std::optional<Transaction> clearing(const lease::StoreFacts& store);

  [[nodiscard]] bool may_acquire() const;
  [[nodiscard]] bool may_extend() const {
    return options_.alone || standing_ == lease::Standing::kMember || canary::planted(canary::Bug::kSkippedVote);
  }
  /// Its rights have to be given back: most clocks contradict its own, or as many as agree with it.
  [[nodiscard]] bool has_failed() const { return failed_; }
  [[nodiscard]] bool copied() const { return copied_; }
  [[nodiscard]] bool went_back() const { return went_back_; }
  /// A publication met a conflict although the session is what it was: the store's identity has changed.
  [[nodiscard]] bool identity_changed() const { return identity_changed_; }
  [[nodiscard]] lease::Standing standing() const { return standing_; }
  [[nodiscard]] const lease::Vote& vote() const { return vote_; }

  /// Whether a change under lease::kSessionPrefix is worth a `hint`: a session of a newcomer.
  [[nodiscard]] static bool asks(const Change& change, const Nonce& own);

 private:
  struct Sent {
    std::string value;
    lease::Session session;
    bool before_jump = false;  // of the clock
  };

  void rejoin();
  [[nodiscard]] bool has_truth_jumped(const ClockReading& reading);
  void judge();
  void adopt(const Sent& sent, Revision at);
  [[nodiscard]] lease::ClockWord word(time::Duration tolerance) const;
  [[nodiscard]] time::Duration own_tolerance() const;

  MembershipOptions options_;
  std::string key_;
  lease::ClockVote clocks_;
  lease::Vote vote_;
  lease::Standing standing_ = lease::Standing::kJoining;
  bool failed_ = false;                         // the vote, and not passed for long enough since
  std::optional<time::Duration> passed_since_;  // the vote, after it had failed
  ClockReading reading_;
  std::optional<ClockReading> true_reading_;  // the last one with a true time
  time::Duration attended_;
  Revision seen_;             // newest that is known
  Revision seen_at_reading_;  // was known when the clock was read

  std::optional<Listing> listing_;  // to be judged by the next reading
  std::deque<Sent> sent_;           // publications that are, or may come to be, in the store; newest last
  Revision revision_;               // of the session in the store; {0}: there is none
  std::string value_;               // what it says; stays known however many are sent in vain after it
  Revision acknowledged_;           // of the newest that is known to have been there
  std::optional<lease::Standing> published_;
  std::optional<Revision> conflicted_;  // what a publication compared in vain
  std::optional<time::Duration> published_at_;
  std::optional<time::Duration> listed_at_;
  bool must_publish_ = true;
  bool must_list_ = false;
  bool hinted_ = false;
  bool cleared_ = false;
  bool copied_ = false;
  bool went_back_ = false;
  bool identity_changed_ = false;
};

}  // namespace gnomon::control
