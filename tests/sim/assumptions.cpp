// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/assumptions.hpp"

#include <algorithm>
#include <utility>

#include "oracle/time/fusion.hpp"

namespace gnomon::sim {

void Assumptions::forget() {
  std::fill(said_.begin(), said_.end(), std::nullopt);
  proved_at_.reset();
  insisted_ = 0;
  broken_ = small_ = fresh_ = false;
}

void Assumptions::heard(std::size_t source, const Statement& statement) {
  if (!statement.news) return;
  const ptp::ClaimOr& claim = *statement.news;
  if (!claim) {
    if (claim.error().fault != ptp::SourceFault::kUnreadable) said_[source].reset();
    return;
  }
  const time::Duration off = std::max(statement.error, -statement.error);
  said_[source] = {claim->at, off > claim->terms.source, off >= kGross};
  fresh_ = true;
}

Assumptions::Vote Assumptions::count(time::Cycles now) const {
  Vote vote;
  for (const auto& said : said_) {
    if (!said || age(said->at, now) > options_.source_timeout) continue;
    ++vote.speak;
    if (!said->is_false) continue;
    ++vote.lie;
    vote.all_gross = vote.all_gross && said->gross;
  }
  return vote;
}

void Assumptions::turn(time::Cycles now, bool in_line) {
  const Vote vote = count(now);
  // A product that had nothing to say for so long has nothing left that a lie could contradict.
  if (proved_at_ && age(*proved_at_, now) > options_.holdover - time::seconds(5)) proved_at_.reset();
  if (vote.speak == 0) return;
  if (vote.lie > time::tolerated(vote.speak)) return outvoted(vote);
  if (!fresh_) return;
  fresh_ = false;
  insisted_ = 0;
  if (broken_ && small_ && !in_line) return;
  broken_ = small_ = false;
  proved_at_ = now;
}

void Assumptions::outvoted(const Vote& vote) {
  const bool fresh = std::exchange(fresh_, false);
  if (!vote.all_gross) {
    broken_ = small_ = true;
    return;
  }
  if (vote.speak == 2 && vote.lie == 1) return;  // they don't meet, and nothing says which of them lies
  if (fresh) ++insisted_;
  if (!proved_at_ || insisted_ >= options_.confirmations) broken_ = true;
}

}  // namespace gnomon::sim
