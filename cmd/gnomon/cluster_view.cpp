// SPDX-License-Identifier: Apache-2.0
#include "cmd/gnomon/cluster_view.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <map>
#include <tuple>
#include <utility>

#include "cmd/text/rfc3339.hpp"

namespace gnomon::cmd {
namespace {

using lease::Standing;

/// All words that one incarnation was seen to say, oldest first.
using Words = std::vector<SeenSession>;

// How far the later word ends before the earlier one begins; nothing if it does not.
template <typename T>
std::optional<time::Duration> gap(const time::IntervalOf<T>& earlier, const time::IntervalOf<T>& later) {
  if (later.latest >= earlier.earliest) return std::nullopt;
  return time::saturating_sub(earlier.earliest, later.latest);
}

// Of `earlier` and `later`, if the latter was certainly read later: by how much `later` is behind.
std::optional<Clash> behind(const SeenSession& earlier, const SeenSession& later) {
  if (later.session.seen < earlier.modified) return std::nullopt;
  const lease::ClockWord& a = earlier.session.clock;
  const lease::ClockWord& b = later.session.clock;
  if (const auto by = gap(a.ordering, b.ordering)) return Clash{{}, false, *by, false};
  if (!a.truth || !b.truth) return std::nullopt;
  if (const auto by = gap(*a.truth, *b.truth)) return Clash{{}, false, *by, true};
  return std::nullopt;
}

// What is certain about the clock of `mine` against that of `others`.
std::optional<Clash> clash(const Words& mine, const Words& others) {
  for (const SeenSession& word : mine)
    for (const SeenSession& other : others) {
      if (auto found = behind(other, word)) return found;
      if (auto found = behind(word, other)) {
        found->ahead = true;
        return found;
      }
    }
  return std::nullopt;
}

bool is_member(const SessionRow& row) {
  const Standing standing = row.seen.session.standing;
  return standing == Standing::kMember || standing == Standing::kTied;
}

// The same rule as among the daemons (oracle/lease/clock_vote.hpp).
void vote(SessionRow& row, const std::vector<SessionRow>& all, const std::map<control::Nonce, Words>& words) {
  for (const SessionRow& other : all) {
    if (other.seen.incarnation == row.seen.incarnation || other.sign == Sign::kSilent) continue;
    if (is_member(row) && !is_member(other)) continue;
    ++row.voters;
    if (auto found = clash(words.at(row.seen.incarnation), words.at(other.seen.incarnation))) {
      found->other = other.name;
      row.clashes.push_back(std::move(*found));
    }
  }
  const std::size_t total = row.voters + std::size_t{1};
  const std::size_t against = row.clashes.size();
  if (2 * (total - against) > total) return;
  row.outlook = 2 * against > total ? Standing::kOutvoted : Standing::kTied;
}

std::vector<SessionRow> rows_of(const ClusterFacts& facts, std::vector<std::string>& unreadable) {
  std::vector<SeenSessions> looks;
  std::map<control::Nonce, Words> words;
  for (const SessionLook& look : facts.looks) {
    looks.push_back(sessions_of(look.sessions));
    for (const SeenSession& seen : looks.back().sessions) {
      Words& said = words[seen.incarnation];
      if (said.empty() || said.back().modified != seen.modified) said.push_back(seen);
    }
  }
  std::vector<SessionRow> rows;
  if (looks.empty()) return rows;
  unreadable = looks.back().unreadable;
  const time::SmearedUtc now = facts.looks.back().now;
  for (const SeenSession& seen : looks.back().sessions) {
    const auto before = std::find_if(looks.front().sessions.begin(), looks.front().sessions.end(),
                                     [&](const SeenSession& s) { return s.incarnation == seen.incarnation; });
    const bool same = before != looks.front().sessions.end() && before->modified == seen.modified;
    const time::SmearedInterval& word = seen.session.clock.ordering;
    rows.push_back({.seen = seen,
                    .sign = looks.size() < 2 ? Sign::kUnknown
                            : same           ? Sign::kSilent
                                             : Sign::kMoves,
                    .name = name_or(seen.session.holder, seen.incarnation),
                    .earliest_from_here = time::saturating_sub(word.earliest, now),
                    .latest_from_here = time::saturating_sub(word.latest, now),
                    .voters = 0,
                    .clashes = {},
                    .outlook = Standing::kMember});
  }
  std::vector<SessionRow> judged = rows;
  for (SessionRow& row : judged)
    if (row.sign != Sign::kSilent) vote(row, rows, words);
  std::sort(judged.begin(), judged.end(), [](const SessionRow& x, const SessionRow& y) {
    return std::tie(x.name, x.seen.incarnation) < std::tie(y.name, y.seen.incarnation);
  });
  return judged;
}

void judge_store(ClusterView& view) {
  if (!view.facts.meta) view.problems.emplace_back("the store could not be read");
  for (const std::string& fault : view.store.faults)
    view.problems.push_back(fault);
  if (view.store.sealed) view.problems.emplace_back("the store is sealed");
  if (view.facts.looks.empty()) return;
  const SessionLook& last = view.facts.looks.back();
  if (view.store.floor > horizon_of(sessions_of(last.sessions), last.now))
    view.problems.push_back(
        fmt::format("no machine id can be taken before {} (meta/floor)", rfc3339(view.store.floor)));
}

void judge_sessions(ClusterView& view) {
  for (const std::string& entry : view.unreadable)
    view.problems.push_back(fmt::format("a session can't be read ({})", entry));
  for (const SessionRow& row : view.sessions) {
    const Standing standing = row.seen.session.standing;
    if (row.sign == Sign::kSilent)
      view.problems.push_back(
          fmt::format("{} gave no sign of life for {}", row.name, human_duration(view.facts.between)));
    else if (standing == Standing::kTied || standing == Standing::kOutvoted)
      view.problems.push_back(fmt::format("{} has stepped down ({})", row.name, lease::text_of(standing)));
    else if (row.outlook != Standing::kMember)
      view.problems.push_back(fmt::format("the clock of {} would be {}", row.name, lease::text_of(row.outlook)));
    // Only a store that lost writes can be behind what somebody read from it.
    if (row.seen.session.seen > view.facts.looks.back().sessions.at)
      view.problems.push_back(fmt::format("{} has seen revision {}, but the store is at {}: it went back", row.name,
                                          row.seen.session.seen.value, view.facts.looks.back().sessions.at.value));
  }
}

/// This host's clock is no daemon's, but it is what an operator types times from.
void judge_this_host(ClusterView& view) {
  std::size_t ahead = 0;
  for (const SessionRow& row : view.sessions)
    if (row.earliest_from_here.ns > 0) ++ahead;
  if (ahead != 0 && 2 * ahead > view.sessions.size())
    view.advice.push_back(
        fmt::format("{} of {} say a time that this host's own clock has not reached: it is behind, or they are ahead; "
                    "look at the clock of this host before you recover anything from here",
                    ahead, counted(view.sessions.size(), "session", "sessions")));
}

}  // namespace

std::string_view text_of(Sign sign) {
  switch (sign) {
    case Sign::kMoves: return "alive";
    case Sign::kSilent: return "silent";
    case Sign::kUnknown: return "unknown";
  }
  return "unknown";
}

std::string counted(std::size_t n, std::string_view one, std::string_view several) {
  return fmt::format("{} {}", n, n == 1 ? one : several);
}

ClusterView view_cluster(ClusterFacts facts) {
  ClusterView view{
      .facts = std::move(facts), .store = {}, .sessions = {}, .unreadable = {}, .problems = {}, .advice = {}};
  if (view.facts.meta) view.store = face_of(*view.facts.meta);
  view.sessions = rows_of(view.facts, view.unreadable);
  judge_store(view);
  judge_members(view);
  judge_sessions(view);
  judge_this_host(view);
  return view;
}

}  // namespace gnomon::cmd
