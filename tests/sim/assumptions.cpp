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
  std::fill(held_against_.begin(), held_against_.end(), false);
  std::fill(was_off_.begin(), was_off_.end(), false);
  broken_ = was_broken_ = small_ = fresh_ = contradicted_ = vouched_for_ = false;
}

void Assumptions::heard(std::size_t source, const Statement& statement) {
  if (!statement.news) return;
  const ptp::ClaimOr& claim = *statement.news;
  if (!claim) {
    if (claim.error().fault != ptp::SourceFault::kUnreadable) said_[source].reset();
    return;
  }
  const time::Duration off = std::max(statement.error, -statement.error);
  // An honest error beside it moves it by a few ms.
  const time::Duration beside = std::max(off - kTaiMinusUtc, kTaiMinusUtc - off);
  const bool whole = !claim->root.bare_clock && beside <= claim->terms.source;
  said_[source] = {claim->at, off > claim->terms.source, off >= kGross, whole, claim->root.bare_clock, turn_};
  was_off_[source] = was_off_[source] || whole;
  if (whole && (!proved_at_ || !vouched_for_ || contradicted_)) held_against_[source] = true;
  fresh_ = true;
}

Assumptions::Vote Assumptions::count(time::Cycles now) const {
  Vote vote;
  for (std::size_t source = 0; source < said_.size(); ++source) {
    const auto& said = said_[source];
    if (!said || age(said->at, now) > options_.source_timeout) continue;
    if (!said->is_false && held_against_[source]) continue;
    ++vote.speak;
    vote.vouched_for = vote.vouched_for || !said->set_by_hand;
    if (!said->is_false) continue;
    ++vote.lie;
    vote.all_gross = vote.all_gross && said->gross;
    vote.all_whole = vote.all_whole && said->whole;
    vote.any_whole = vote.any_whole || said->whole;
  }
  return vote;
}

void Assumptions::turn(time::Cycles now, bool in_line) {
  agree(in_line);
  was_broken_ = was_broken_ || broken_;
  const Vote vote = count(now);
  // A product that had nothing to say for so long has nothing left that a lie could contradict.
  if (proved_at_ && age(*proved_at_, now) > options_.holdover - time::seconds(5)) proved_at_.reset();
  if (vote.speak == 0) return;
  if (vote.lie > time::tolerated(vote.speak)) return outvoted(vote);
  if (!fresh_) return;
  fresh_ = false;
  insisted_ = 0;
  if (broken_ && small_ && !in_line) return;
  broken_ = small_ = contradicted_ = false;
  proved_at_ = now;
  vouched_for_ = vote.vouched_for;
}

// Whoever speaks the truth beside a true line that others vouch for is believed from then on.
void Assumptions::agree(bool in_line) {
  for (std::size_t source = 0; source < said_.size(); ++source)
    if (in_line && vouched_for_ && said_[source] && !said_[source]->is_false && said_[source]->turn == turn_)
      held_against_[source] = false;
  ++turn_;
}

void Assumptions::outvoted(const Vote& vote) {
  const bool fresh = std::exchange(fresh_, false);
  if (!vote.all_gross) {
    broken_ = small_ = true;
    return;
  }
  if (vote.speak == 2 && vote.lie == 1) return;  // they don't meet, and nothing says which of them lies
  if (fresh) ++insisted_;
  if (vote.all_whole && proved_at_ && vouched_for_ && !contradicted_) return;
  contradicted_ = true;
  if (proved_at_ && insisted_ < options_.confirmations) return;
  broken_ = true;
  small_ = small_ || vote.any_whole;
}

}  // namespace gnomon::sim
