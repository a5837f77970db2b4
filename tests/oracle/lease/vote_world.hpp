// SPDX-License-Identifier: Apache-2.0
//
// Daemons that hold their clocks against each other, in virtual time, against a ground truth: the true time runs, and
// what a clock says is an interval that contains it, of a random width and place, on both timelines; a liar's is moved
// by its lie. Between any two of "learnt of a revision", "read the clock", "the store does it" and "the answer is in"
// lies a random delay; answers get lost, the store is away for a while, daemons stop for a while, die and come back
// under another incarnation. Each daemon does one thing at a time, as the agent does.
//
// `Slip` is a mistake of the daemons, not of the vote: each breaks one of the orders that its causality rests on.
#pragma once

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <queue>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "oracle/lease/clock_vote.hpp"

namespace gnomon::lease::testing {

enum class Slip : std::uint8_t {
  kNone,
  kSeenUntilCommit,   // `seen` is the revision before the commit: the comparison without `seen`
  kSeenAfterReading,  // the clock is read before the revision that is published with it is learnt
  kReadBeforeList,    // a list is judged by a clock that was read before it was asked for
};

struct WorldOptions {
  Slip slip = Slip::kNone;
  VoteLimits limits{};
  time::Duration longest_delay = time::milliseconds(100);
  time::Duration widest = time::milliseconds(100);  // of an interval, to either side
  std::uint32_t lost_of_1000 = 0;                   // answers
  std::uint32_t pause_of_1000 = 0;                  // delays that are a pause of up to half a minute
  bool tells_of_landed = true;                      // a publication that was given up is told of when a list shows it
  bool always_true_time = false;
};

class World {
 public:
  World(std::uint64_t seed, WorldOptions options) : options_(options), random_(seed) {}

  struct Daemon {
    int name = 0;
    int life = 0;  // 0: not started; what belongs to an earlier life is dropped
    bool alive = false;
    Nonce incarnation{};
    ClockVote vote{Nonce{}, VoteLimits{}};
    Standing standing = Standing::kJoining;
    time::Duration ordering_lie;
    time::Duration truth_lie;
    Vote last;
    std::uint32_t failures = 0;  // votes of all lives
    std::uint32_t passes = 0;
    std::string contradiction;  // the first vote of all lives that had anybody against it

    Revision seen;
    Revision own;  // of its session in the store, as far as it knows
    std::map<Nonce, Session> sent;
    std::optional<Standing> published;
    time::Duration published_at;
    time::Duration listed_at;
  };

  Daemon& add() {
    daemons_.push_back(std::make_unique<Daemon>());
    daemons_.back()->name = static_cast<int>(daemons_.size());
    return *daemons_.back();
  }

  void start(Daemon& daemon) {
    ++daemon.life;
    daemon.alive = true;
    daemon.incarnation = random_nonce();
    daemon.vote = ClockVote(daemon.incarnation, options_.limits);
    daemon.standing = Standing::kJoining;
    daemon.last = {};
    daemon.seen = daemon.own = {};
    daemon.sent.clear();
    daemon.published.reset();
    daemon.published_at = daemon.listed_at = now_ - time::seconds(1'000'000);
    later(daemon, {}, [this, &daemon] { turn(daemon); });
  }
  void stop(Daemon& daemon, bool cleanly) {
    daemon.alive = false;
    if (cleanly && sessions_.erase(session_key(daemon.incarnation)) > 0) ++revision_.value;
  }
  void outage(time::Duration length) { away_until_ = now_ + length; }

  void run_for(time::Duration length) {
    const time::Duration end = now_ + length;
    while (!queue_.empty() && queue_.top().at <= end) {
      const Due due = queue_.top();
      queue_.pop();
      now_ = due.at;
      due.what();
    }
    now_ = end;
  }

  WorldOptions& options() { return options_; }
  [[nodiscard]] const std::vector<std::unique_ptr<Daemon>>& daemons() const { return daemons_; }
  [[nodiscard]] time::Duration now() const { return now_; }
  std::uint64_t below(std::uint64_t n) { return random_() % n; }
  time::Duration up_to(time::Duration d) {
    return {static_cast<std::int64_t>(below(static_cast<std::uint64_t>(d.ns) + 1))};
  }

 private:
  struct Due {
    time::Duration at;
    std::uint64_t number = 0;
    std::function<void()> what;
    friend bool operator<(const Due& a, const Due& b) {  // the earliest is on top
      return std::pair(a.at, a.number) > std::pair(b.at, b.number);
    }
  };

  static constexpr std::int64_t kEpoch = 1'700'000'000'000'000'000;
  static constexpr time::Duration kGiveUp = time::seconds(1);
  static constexpr time::Duration kTick = time::milliseconds(20);

  void later(const Daemon& daemon, time::Duration after, std::function<void()> what) {
    queue_.push({now_ + after, ++number_, [&daemon, life = daemon.life, what = std::move(what)] {
                   if (daemon.alive && daemon.life == life) what();
                 }});
  }
  // What is on its way to the store arrives there, whatever became of who sent it.
  void at_store(time::Duration after, std::function<void()> what) {
    queue_.push({now_ + after, ++number_, std::move(what)});
  }

  time::Duration delay() {
    return below(1000) < options_.pause_of_1000 ? up_to(time::seconds(30)) : up_to(options_.longest_delay);
  }
  bool lost() { return below(1000) < options_.lost_of_1000; }

  Nonce random_nonce() {
    Nonce nonce{};
    for (std::uint8_t& byte : nonce)
      byte = static_cast<std::uint8_t>(random_());
    return nonce;
  }

  template <typename T>
  time::IntervalOf<T> say(time::Duration lie) {
    const T lying = T{kEpoch} + now_ + lie;
    return {lying - up_to(options_.widest), lying + up_to(options_.widest)};
  }
  ClockWord read(const Daemon& daemon) {
    ClockWord word{say<time::SmearedUtc>(daemon.ordering_lie), std::nullopt};
    if (options_.always_true_time || below(4) != 0) word.truth = say<time::Tai>(daemon.truth_lie);
    return word;
  }

  void turn(Daemon& daemon) {
    const time::Duration beat = options_.limits.heartbeat;
    const bool due = daemon.published != daemon.standing || now_ - daemon.published_at >= beat || daemon.vote.asked();
    const time::Duration between = daemon.last.verdict == Vote::Verdict::kUndecided ? beat / 20 : beat;
    const bool gap = now_ - daemon.published_at >= beat / 20;
    if (due && gap && daemon.listed_at > daemon.published_at) return publish(daemon);
    if (now_ - daemon.listed_at >= between || (due && gap)) return list(daemon);
    later(daemon, kTick, [this, &daemon] { turn(daemon); });
  }

  void publish(Daemon& daemon) {
    daemon.published_at = now_;
    Session session{random_nonce(), daemon.standing, daemon.seen, {}, "daemon " + std::to_string(daemon.name)};
    if (options_.slip == Slip::kSeenAfterReading) session.clock = word_before_list_[daemon.name];
    later(daemon, delay(), [this, &daemon, session]() mutable {
      if (options_.slip != Slip::kSeenAfterReading) session.clock = read(daemon);
      daemon.sent[session.nonce] = session;
      const bool answered = !lost();
      at_store(delay(), [this, &daemon, session, key = session_key(daemon.incarnation), own = daemon.own, answered,
                         life = daemon.life] { commit(daemon, life, session, key, own, answered); });
      if (!answered) later(daemon, kGiveUp, [this, &daemon] { turn(daemon); });
    });
  }

  void commit(Daemon& daemon, int life, Session session, const std::string& key, Revision own, bool answered) {
    const bool away = now_ < away_until_;
    const auto present = sessions_.find(key);
    const bool holds = own == (present == sessions_.end() ? Revision{} : present->second.modified);
    if (!away && holds) {
      if (options_.slip == Slip::kSeenUntilCommit) session.seen = revision_;
      ++revision_.value;
      sessions_[key] = {key, encode(session), revision_};
    }
    if (!answered || daemon.life != life) return;
    later(daemon, delay(), [this, &daemon, session, done = !away && holds, at = revision_] {
      if (done) landed(daemon, session, at, true);
      turn(daemon);
    });
  }

  void landed(Daemon& daemon, const Session& session, Revision at, bool told) const {
    daemon.seen = std::max(daemon.seen, at);
    daemon.own = at;
    daemon.published = session.standing;
    if (told) daemon.vote.published(at, session, now_);
  }

  void list(Daemon& daemon) {
    daemon.listed_at = now_;
    const ClockWord before = read(daemon);
    word_before_list_[daemon.name] = before;
    const bool answered = !lost();
    if (!answered) later(daemon, kGiveUp, [this, &daemon] { turn(daemon); });
    at_store(delay(), [this, &daemon, before, answered, life = daemon.life] {
      if (!answered || daemon.life != life) return;
      if (now_ < away_until_) return later(daemon, delay(), [this, &daemon] { turn(daemon); });
      Listing listing{revision_, {}};
      for (const auto& [key, entry] : sessions_)
        listing.entries.push_back(entry);
      later(daemon, delay(), [this, &daemon, before, listing = std::move(listing)] { learn(daemon, listing, before); });
    });
  }

  void learn(Daemon& daemon, const Listing& listing, const ClockWord& before) {
    daemon.seen = std::max(daemon.seen, listing.at);
    const auto own = std::find_if(listing.entries.begin(), listing.entries.end(),
                                  [&](const Entry& entry) { return entry.key == session_key(daemon.incarnation); });
    if (own == listing.entries.end()) {
      if (daemon.own != Revision{}) daemon.published.reset();
      daemon.own = {};
    } else if (own->modified != daemon.own) {
      landed(daemon, daemon.sent.at(parse_session(own->value)->nonce), own->modified, options_.tells_of_landed);
    }
    later(daemon, delay(), [this, &daemon, before, listing] {
      const ClockWord word = options_.slip == Slip::kReadBeforeList ? before : read(daemon);
      daemon.vote.listed(listing, word, now_);
      judge(daemon);
      later(daemon, delay(), [this, &daemon] { turn(daemon); });
    });
  }

  void judge(Daemon& daemon) {
    daemon.last = daemon.vote.vote(now_);
    if (daemon.last.against > 0 && daemon.contradiction.empty()) daemon.contradiction = daemon.last.text;
    if (daemon.last.verdict == Vote::Verdict::kFailed) ++daemon.failures;
    if (daemon.last.verdict == Vote::Verdict::kPassed) ++daemon.passes;
    daemon.standing = daemon.last.standing;
    for (const Compare& one : daemon.vote.abandoned())
      if (const auto found = sessions_.find(one.key);
          now_ >= away_until_ && found != sessions_.end() && found->second.modified == one.modified) {
        sessions_.erase(found);
        ++revision_.value;
      }
  }

  WorldOptions options_;
  std::mt19937_64 random_;
  std::priority_queue<Due> queue_;
  std::uint64_t number_ = 0;
  time::Duration now_;
  std::vector<std::unique_ptr<Daemon>> daemons_;
  std::map<int, ClockWord> word_before_list_;  // for the slips
  std::map<std::string, Entry> sessions_;      // the store
  Revision revision_{1};
  time::Duration away_until_;
};

}  // namespace gnomon::lease::testing
