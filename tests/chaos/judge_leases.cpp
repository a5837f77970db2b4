// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <map>
#include <utility>
#include <vector>

#include "tests/chaos/judge.hpp"
#include "tests/chaos/judge_parts.hpp"
#include "tests/chaos/real_time_order.hpp"

namespace gnomon::chaos {
namespace {

using support::LeaseLine;

// A session that a wrong clock has touched before the tenure began is over within its TTL (lease_clients.cpp), and some
// time for messages.
constexpr time::Duration kLongestSession = time::seconds(3);

/// Lines of a holder, one tenure after the other.
std::vector<std::vector<LeaseLine>> tenures_of(const ClientHistory& history) {
  std::vector<std::vector<LeaseLine>> tenures;
  for (const LeaseLine& line : history.lease_lines) {
    if (line.what == LeaseLine::What::kBegan || tenures.empty()) tenures.emplace_back();
    tenures.back().push_back(line);
  }
  return tenures;
}

}  // namespace

Verdict judge_leases(const Histories& histories, const WrongClocks& wrong, std::size_t served) {
  Verdict verdict{.promise = "E", .question = "nobody holds a name while somebody else does"};
  support::LeaseHistory judged;
  std::uint64_t excused = 0;
  for (const ClientHistory& history : histories)
    for (const std::vector<LeaseLine>& tenure : tenures_of(history)) {
      // A daemon that is ahead may take a lease from its holder at another one: so no clock at all may have been wrong.
      if (rests_on_wrong_clock(wrong, kSomeDaemon, tenure.front().at.earliest - kLongestSession,
                               tenure.back().at.latest)) {
        ++excused;
        continue;
      }
      for (const LeaseLine& line : tenure)
        judged.add(line);
    }
  verdict.judged = judged.judged();
  verdict.left_out = fmt::format("{} of {} tenures, in which the clock of some daemon was set wrong", excused,
                                 excused + judged.tenures());
  for (std::string& violation : judged.violations(served))
    accuse(verdict, std::move(violation));
  return verdict;
}

Verdict judge_tokens(const Histories& histories) {
  Verdict verdict{
      .promise = "E",
      .question = "a lease that was asked for after another grant of the name was there has a larger token"};
  std::vector<Point<std::uint64_t>> points;
  std::map<std::pair<std::uint64_t, std::uint64_t>, std::size_t> holders;
  for (std::size_t h = 0; h < histories.size(); ++h)
    for (const Answer& answer : histories[h].answers) {
      if (answer.kind != Kind::kLease) continue;
      points.push_back({answer.domain, answer.asked, answer.answered, answer.last, answer.last, h});
      const auto [at, is_new] = holders.try_emplace({answer.domain, answer.last}, h);
      if (!is_new)
        accuse(verdict, fmt::format("name {} was granted under {} to {} and to {}", answer.domain, answer.last,
                                    histories[at->second].client, histories[h].client));
    }
  verdict.judged = points.size();
  accuse_inversions(verdict, histories, points, "name", "had", "was given");
  return verdict;
}

}  // namespace gnomon::chaos
