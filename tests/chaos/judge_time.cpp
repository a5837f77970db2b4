// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <bit>
#include <vector>

#include "tests/chaos/judge.hpp"
#include "tests/chaos/judge_parts.hpp"
#include "tests/chaos/real_time_order.hpp"

namespace gnomon::chaos {
namespace {

time::Tai instant_of(std::uint64_t bits) { return {std::bit_cast<std::int64_t>(bits)}; }

bool rests_on_wrong_clock(const Answer& answer, const WrongClocks& wrong) {
  return chaos::rests_on_wrong_clock(wrong, answer.daemon, answer.asked, answer.answered);
}

/// By how much the interval misses the true time; zero: it does not.
time::Duration missed_by(const Answer& answer) {
  const time::Duration too_late = instant_of(answer.first) - answer.answered;
  const time::Duration too_early = answer.asked - instant_of(answer.last);
  return std::max({too_late, too_early, time::Duration{}});
}

}  // namespace

Verdict judge_contained(const Histories& histories, const WrongClocks& wrong) {
  Verdict verdict{.promise = "C",
                  .question = "earliest is not after the true time at the return, latest not before that at the call"};
  std::uint64_t excused = 0;
  std::uint64_t excused_misses = 0;
  for (const ClientHistory& history : histories)
    for (const Answer& answer : history.answers) {
      if (answer.kind != Kind::kNow) continue;
      const time::Duration miss = missed_by(answer);
      if (rests_on_wrong_clock(answer, wrong)) {
        ++excused;
        if (miss > time::Duration{}) ++excused_misses;
        continue;
      }
      ++verdict.judged;
      if (miss > time::Duration{})
        accuse(verdict, fmt::format("{}: daemon {} said [{}, {}] between {} and {}, which misses by {}", history.client,
                                    answer.daemon, instant_of(answer.first).ns, instant_of(answer.last).ns,
                                    answer.asked.ns, answer.answered.ns, in_ms(miss)));
    }
  verdict.left_out =
      fmt::format("{} intervals of daemons whose clock was set wrong, of which {} did miss", excused, excused_misses);
  return verdict;
}

Verdict judge_commits(const Histories& histories, const WrongClocks& wrong) {
  Verdict verdict{.promise = "X",
                  .question =
                      "once a commit-wait on t is over, every timestamp chosen later, and the latest of every "
                      "now() that is asked later, is larger than t"};
  std::vector<Point<std::int64_t>> points;
  std::uint64_t excused = 0;
  for (std::size_t h = 0; h < histories.size(); ++h)
    for (const Answer& answer : histories[h].answers) {
      if (answer.kind != Kind::kNow && answer.kind != Kind::kCommit) continue;
      if (rests_on_wrong_clock(answer, wrong)) {
        ++excused;
        continue;
      }
      const std::int64_t latest = instant_of(answer.last).ns;
      points.push_back({0, answer.asked, answer.answered, latest, latest, h, answer.kind == Kind::kCommit});
    }
  verdict.judged = points.size();
  verdict.left_out = fmt::format("{} commits and intervals that rest on a clock that was set wrong", excused);
  accuse_inversions(verdict, histories, points, "", "was through with", "has");
  return verdict;
}

}  // namespace gnomon::chaos
