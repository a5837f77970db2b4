// SPDX-License-Identifier: Apache-2.0
//
// Order and uniqueness; what rests on clocks is in judge_time.cpp, leases are in judge_leases.cpp.
#include "tests/chaos/judge.hpp"

#include <fmt/format.h>

#include <utility>

#include "tests/chaos/judge_parts.hpp"
#include "tests/chaos/real_time_order.hpp"
#include "tests/support/ledger.hpp"

namespace gnomon::chaos {
namespace {

using support::IssuedRange;
using support::Ledger;

bool is_id(const Answer& answer) { return answer.kind == Kind::kId || answer.kind == Kind::kBatch; }

// The ledger counts in 32 bits; no reply holds more.
IssuedRange range_of(const Answer& answer) {
  return {answer.first, static_cast<std::uint32_t>(answer.amount()), layout_of(answer.domain),
          machine_of(answer.domain), token_of(answer.domain)};
}

}  // namespace

Verdict judge_unique(const Histories& histories) {
  Verdict verdict{.promise = "U", .question = "no ID of a layout was received twice, by whomever"};
  Ledger all;
  for (const ClientHistory& history : histories) {
    Ledger own;
    for (const Answer& answer : history.answers)
      if (is_id(answer)) own.add(range_of(answer));
    all.absorb(std::move(own));
  }
  verdict.judged = all.ids();
  const Ledger::Duplicates twice = all.duplicates();
  verdict.broken = twice.count;
  if (twice.count != 0) verdict.violations.push_back(fmt::format("{} IDs twice, first: {}", twice.count, twice.first));
  return verdict;
}

Verdict judge_id_order(const Histories& histories) {
  Verdict verdict{.promise = "M",
                  .question = "an ID that was asked for after another one of the same right was there is larger",
                  .left_out = "IDs that came through the client library, which does not say whose right it was"};
  std::vector<Point<std::uint64_t>> points;
  for (const ClientHistory& history : histories)
    for (const Answer& answer : history.answers)
      if (is_id(answer) && token_of(answer.domain) != 0)
        points.push_back({answer.domain, answer.asked, answer.answered, answer.first, answer.last});
  verdict.judged = points.size();
  find_inversions(points, [&](const Inversion<std::uint64_t>& found) {
    accuse(verdict,
           fmt::format("layout {}, machine {}, token ..{:08x}: {} was asked for {} after {} was there",
                       layout_of(found.later.domain), machine_of(found.later.domain), token_of(found.later.domain),
                       found.later.low, in_ms(found.later.asked - found.earlier.answered), found.earlier.high));
  });
  return verdict;
}

Verdict judge_hybrid_time(const Histories& histories) {
  Verdict verdict{.promise = "HLC",
                  .question =
                      "a hybrid timestamp is larger than the one that was handed over, and than every one that "
                      "was there when it was asked for"};
  std::vector<Point<std::uint64_t>> points;
  for (std::size_t h = 0; h < histories.size(); ++h)
    for (const Answer& answer : histories[h].answers) {
      if (answer.kind != Kind::kHlc) continue;
      points.push_back({answer.domain, answer.asked, answer.answered, answer.last, answer.last, h});
      if (answer.last <= answer.first)
        accuse(verdict,
               fmt::format("{} handed over {} and was given {}", histories[h].client, answer.first, answer.last));
    }
  verdict.judged = points.size();
  accuse_inversions(verdict, histories, points, "", "was given", "was given");
  return verdict;
}

}  // namespace gnomon::chaos
