// SPDX-License-Identifier: Apache-2.0
#include "ptp/true_time_estimator.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <stdexcept>
#include <string_view>
#include <utility>

#include "oracle/canary.hpp"
#include "ptp/claim_to_tai.hpp"
#include "ptp/roots.hpp"

namespace gnomon::ptp {
namespace {

using time::ClockFault;
using time::Duration;
using time::Interval;
using time::TrueTimeLine;

constexpr Duration kSecond = time::seconds(1);
constexpr Duration kLargestTerm = time::seconds(1000);
// An announcement is made up to a day ahead, and the second that it announced may come late for as long.
constexpr Duration kLeapAnnouncementHolds = time::seconds(2 * 86'400);

/// Whether this error means that what the source said before is void too.
bool puts_out(SourceFault fault) {
  switch (fault) {
    case SourceFault::kUnreadable:  // it may be back at the next turn; until then the claim ages
    case SourceFault::kMalformed:
    case SourceFault::kSettling: return false;
    case SourceFault::kNotSynchronised:
    case SourceFault::kStale:
    case SourceFault::kPolicy:
    case SourceFault::kTimescale:
    case SourceFault::kWholeSeconds:
    case SourceFault::kUnsupported: break;
  }
  return true;
}

std::uint64_t cycles_in(Duration span, time::CycleRate nominal) {
  const auto q32 = static_cast<time::UInt128>(span.ns) << 32;
  return static_cast<std::uint64_t>(q32 / std::max<std::uint64_t>(1, nominal.ns_per_cycle_q32));
}

}  // namespace

TrueTimeEstimator::TrueTimeEstimator(const TrueTimeOptions& options, std::size_t sources)
    : options_(options),
      void_after_cycles_(cycles_in(options.void_after, options.nominal)),
      cores_(options.cores + options.drift.over(options.cores)),
      sources_(sources),
      lines_(sources),
      put_out_(sources) {
  if (sources > time::kMaxSources) throw std::invalid_argument("more than 16 sources of time: leave some out");
}

void TrueTimeEstimator::resume(const TrueTimeLine& proven, time::Cycles supported_at) {
  proven_ = proven;
  vouched_for_ = true;
  last_support_ = supported_at;
  last_sample_ = supported_at;
  view_.supported_at = supported_at;
}

const TrueTimeView& TrueTimeEstimator::step(const TrueTimeEvent& event, const time::LeapTable& leaps) {
  now_ = event.now;
  if (!event.counter_trusted) {
    forget(event.now);
    refuse(ClockFault::kCounterUntrusted);
    return view_;
  }
  const bool fresh = take_news(event, leaps);
  update_health(event.now);
  Basis basis{.table_expires = leaps.expires(), .table_size = leaps.entries().size()};
  const Witnesses witnesses = join_roots(event.phc2sys_runs, basis);
  view_.roots = static_cast<std::uint32_t>(witnesses.size);
  view_.holdover = false;
  if (witnesses.size == 0) {
    hold_over(event.now);
    return view_;
  }
  const auto fused = time::fuse(witnesses.all());
  if (fused) {
    mark_sources(fused->interval, event.now);
    judge(fused->interval, basis, event.now, fresh);
    return view_;
  }
  if (view_.line.fault != ClockFault::kDisagreement) ++view_.disagreements;
  mark_all(SourceState::kDisputed);
  refuse(ClockFault::kDisagreement);
  return view_;
}

// ---- what the sources say

bool TrueTimeEstimator::take_news(const TrueTimeEvent& event, const time::LeapTable& leaps) {
  bool fresh = false;
  for (std::size_t i = 0; i < sources_.size() && i < event.news.size(); ++i) {
    const News& news = event.news[i];
    if (!news) continue;
    const ClaimOr& said = *news;
    if (said)
      fresh = take_claim(i, *said, event.now, leaps) || fresh;
    else
      take_error(i, said.error());
  }
  view_.leap_announced = leap_announced(event.now);
  view_.leap_announced_at = leap_announced_at_.value_or(time::Cycles{});
  return fresh;
}

bool TrueTimeEstimator::leap_announced(time::Cycles now) const {
  return leap_announced_at_ && age(*leap_announced_at_, now) < kLeapAnnouncementHolds;
}

void TrueTimeEstimator::take_error(std::size_t source, const SourceError& error) {
  SourceView& view = sources_[source];
  ++view.errors;
  view.error = error;
  if (puts_out(error.fault)) view.claim.reset();
}

bool TrueTimeEstimator::take_claim(std::size_t source, const Claim& claim, time::Cycles now,
                                   const time::LeapTable& leaps) {
  SourceView& view = sources_[source];
  if (claim.at <= trusted_since_) return false;
  if (view.claim && claim.at <= view.claim->at) return false;  // nothing new: its age goes on
  if (auto error = implausible(claim, now)) {
    take_error(source, *error);
    return false;
  }
  if (claim.leap_announced) leap_announced_at_ = now;
  const auto tai = claim_to_tai(claim, leaps, leap_announced(now));
  if (!tai) {
    take_error(source, tai.error());
    return false;
  }
  if (const auto off = whole_seconds_off(source, claim, tai->interval)) {
    if (!put_out_[source]) ++view.evictions;
    put_out_[source] = true;
    const std::string_view before = is_vouched_for() ? "was proved" : "it said itself";
    if (is_vouched_for()) lines_[source] = proven_;  // what it is held against for as long as it goes on so
    take_error(source, {SourceFault::kWholeSeconds,
                        fmt::format("it is off by {} s from what {} before: a wrong UTC offset or time scale, here or "
                                    "at its reference; put that right, or, if what {} before was wrong, stop gnomond, "
                                    "remove its clock page under /dev/shm and start it",
                                    *off, before, before)});
    return false;
  }
  put_out_[source] = false;
  ++view.claims;
  view.claim = claim;
  view.terms = tai->terms;
  view.error.reset();
  lines_[source] = line_from(tai->interval, claim.at);
  return true;
}

std::optional<SourceError> TrueTimeEstimator::implausible(const Claim& claim, time::Cycles now) const {
  const bool in_range = std::all_of(time::kTerms.begin(), time::kTerms.end(), [&](const time::TermInfo& info) {
    const Duration term = claim.terms.*info.term;
    return term >= Duration{} && term <= kLargestTerm;
  });
  if (!in_range)
    return SourceError{SourceFault::kMalformed, "a term of its uncertainty is negative or above 1000 s: ignored"};
  if (claim.at > now && options_.nominal.span(claim.at.count - now.count) > TrueTimeLine::kMaxLag)
    return SourceError{SourceFault::kMalformed, "it speaks of a moment that is yet to come: ignored"};
  return std::nullopt;
}

// Against what is proved, or else against what it said itself before it was put out or fell silent. But that may have
// been what was wrong: where the system clock alone tells the two apart, who agrees with it now is taken at his word.
std::optional<std::int64_t> TrueTimeEstimator::whole_seconds_off(std::size_t source, const Claim& claim,
                                                                 const Interval& claimed) const {
  // Somebody may set the system clock by whole seconds, and for a good reason; nobody sets a card's clock so.
  const bool set_by_hand = claim.root.bare_clock && claim.root.clock == ClockKind::kSystem;
  if (set_by_hand || canary::planted(canary::Bug::kWholeSecondsBelieved)) return std::nullopt;
  const auto& reference = is_vouched_for() ? proven_ : lines_[source];
  if (!reference) return std::nullopt;
  const Interval expected = reference->extrapolated(claim.at);
  if (intersection(claimed, expected)) return std::nullopt;
  const Duration off = saturating_sub(claimed.midpoint(), expected.midpoint());
  const std::int64_t seconds = (off.ns + (off.ns < 0 ? -kSecond.ns : kSecond.ns) / 2) / kSecond.ns;
  if (seconds == 0) return std::nullopt;
  const Duration shift = kSecond * -seconds;
  const Interval shifted{saturating_add(claimed.earliest, shift), saturating_add(claimed.latest, shift)};
  if (!intersection(shifted, expected.widened(time::milliseconds(1)))) return std::nullopt;
  if (proven_) {
    const Interval proved = proven_->extrapolated(claim.at);
    if (intersection(claimed, proved) && !intersection(shifted, proved)) return std::nullopt;
  }
  return seconds;
}

bool TrueTimeEstimator::more_than_the_system_clock() const {
  return std::any_of(sources_.begin(), sources_.end(), [](const SourceView& view) {
    const bool bare_system = view.claim && view.claim->root.bare_clock && view.claim->root.clock == ClockKind::kSystem;
    return view.state == SourceState::kUsed && !bare_system;
  });
}

// ---- what counts

bool TrueTimeEstimator::healthy(std::size_t source, time::Cycles now) const {
  const SourceView& view = sources_[source];
  return view.claim && lines_[source] && !put_out_[source] && age(view.claim->at, now) <= options_.source_timeout;
}

void TrueTimeEstimator::update_health(time::Cycles now) {
  for (std::size_t i = 0; i < sources_.size(); ++i) {
    SourceView& view = sources_[i];
    view.interval.reset();
    view.witness = i;
    view.bounds_earliest = false;
    view.bounds_latest = false;
    const auto& line = lines_[i];
    if (line && healthy(i, now)) {
      const bool cores_ignored = canary::planted(canary::Bug::kIgnoredCores);
      view.interval = line->extrapolated(now).widened(cores_ignored ? Duration{} : cores_);
      continue;
    }
    if (view.claim && !view.error)
      view.error = SourceError{SourceFault::kStale, "its latest sample is too old: it has fallen silent"};
    view.state = put_out_[i]                                           ? SourceState::kEvicted
                 : view.claims == 0 && !view.error && view.errors == 0 ? SourceState::kSilent
                                                                       : SourceState::kUnhealthy;
  }
}

TrueTimeEstimator::Witnesses TrueTimeEstimator::join_roots(bool phc2sys_runs, Basis& basis) {
  std::array<Root, time::kMaxSources> roots{};
  std::array<Interval, time::kMaxSources> intervals{};
  std::array<std::size_t, time::kMaxSources> source{};
  std::size_t size = 0;
  for (std::size_t i = 0; i < sources_.size(); ++i) {
    const SourceView& view = sources_[i];
    if (!view.interval || !view.claim) continue;
    roots.at(size) = view.claim->root;
    intervals.at(size) = *view.interval;
    source.at(size) = i;
    basis.roots.at(size++) = view.claim->root.reference != 0 ? view.claim->root.reference : i;
  }
  basis.size = size;
  std::sort(basis.roots.begin(), basis.roots.begin() + static_cast<std::ptrdiff_t>(size));
  const Groups group = group_roots(std::span(roots).first(size), phc2sys_runs);
  Witnesses witnesses;
  for (std::size_t i = 0; i < size; ++i) {
    sources_[source.at(i)].witness = source.at(group.at(i));
    if (group.at(i) != i) continue;
    Interval joined = intervals.at(i);
    for (std::size_t j = i + 1; j < size; ++j)
      if (group.at(j) == i) joined = hull(joined, intervals.at(j));
    witnesses.intervals.at(witnesses.size++) = joined;
  }
  return witnesses;
}

void TrueTimeEstimator::mark_all(SourceState state) {
  for (SourceView& view : sources_)
    if (view.interval) view.state = state;
}

void TrueTimeEstimator::mark_sources(const Interval& result, time::Cycles now) {
  const SourceView* best = nullptr;
  Duration best_width;
  for (std::size_t i = 0; i < sources_.size(); ++i) {
    SourceView& view = sources_[i];
    if (!view.interval) continue;
    const Interval interval = *view.interval;
    const bool meets = intersection(interval, result).has_value();
    if (!meets && view.state != SourceState::kEvicted) ++view.evictions;
    view.state = meets ? SourceState::kUsed : SourceState::kEvicted;
    view.bounds_earliest = interval.earliest == result.earliest;
    view.bounds_latest = interval.latest == result.latest;
    if (!meets || (best != nullptr && interval.width() >= best_width)) continue;
    best = &view;
    best_width = interval.width();
    view_.best = i;
  }
  if (best == nullptr || !best->claim) return;
  const time::Cycles sampled_at = best->claim->at;
  view_.sampled_at = sampled_at;
  view_.terms = best->terms;
  view_.terms.extrapolation = view_.terms.extrapolation + options_.drift.over(age(sampled_at, now));
  view_.terms.cores = view_.terms.cores + cores_;
}

// ---- what is proved

void TrueTimeEstimator::judge(const Interval& fused, const Basis& basis, time::Cycles now, bool fresh) {
  if (confirming_) return confirm(*confirming_, fused, basis, now, fresh);
  const bool same_basis = basis_ == basis;
  std::optional<Interval> both = fused;
  if (proven_) both = intersection(fused, proven_->extrapolated(now));
  if (!both) return contradict(fused, basis, now);
  basis_ = basis;
  if (fresh || !proven_) last_sample_ = now;
  prove(same_basis ? *both : fused, now);
}

void TrueTimeEstimator::contradict(const Interval& fused, const Basis& basis, time::Cycles now) {
  if (canary::planted(canary::Bug::kContradictionBelieved)) return prove(fused, now);
  if (canary::planted(canary::Bug::kKeptHistory)) return hold_over(now);
  ++view_.contradictions;
  view_.suspect = age(last_sample_, now);
  view_.contradicted_at = now;
  confirming_ = Confirming{line_from(fused, now), basis, 0};
  proven_.reset();
  basis_.reset();
  refuse(ClockFault::kContradiction);
}

void TrueTimeEstimator::confirm(Confirming& so_far, const Interval& fused, const Basis& basis, time::Cycles now,
                                bool fresh) {
  refuse(ClockFault::kContradiction);
  if (!fresh) return;
  const auto both = intersection(fused, so_far.line.extrapolated(now));
  if (!both || so_far.basis != basis) {  // or others say so now: what the former said plays no part
    so_far = {line_from(fused, now), basis, 0};
    return;
  }
  so_far.line = line_from(*both, now);
  if (++so_far.agreed < options_.confirmations) return;
  confirming_.reset();
  basis_ = basis;
  last_sample_ = now;
  prove(*both, now);
}

void TrueTimeEstimator::prove(const Interval& interval, time::Cycles now) {
  proven_ = line_from(interval, now);
  vouched_for_ = more_than_the_system_clock();
  last_support_ = now;
  view_.supported_at = now;
  publish(interval, now);
}

void TrueTimeEstimator::publish(const Interval& interval, time::Cycles now) {
  if (interval.epsilon() > options_.max_epsilon) return refuse(ClockFault::kTooWide);
  view_.line = line_from(interval, now);
}

// Without a healthy source the truth is still where it was, give or take the drift of the counter.
void TrueTimeEstimator::hold_over(time::Cycles now) {
  if (confirming_) return refuse(ClockFault::kContradiction);
  if (!proven_) {
    const auto spoke = [](const SourceView& view) { return view.claims != 0 || view.errors != 0; };
    const bool any = std::any_of(sources_.begin(), sources_.end(), spoke);
    return refuse(any ? ClockFault::kNoSource : ClockFault::kNotProven);
  }
  if (age(last_support_, now) > options_.holdover) {
    proven_.reset();
    basis_.reset();
    return refuse(ClockFault::kNoSource);
  }
  view_.holdover = true;
  const Interval interval = proven_->extrapolated(now);
  // If earlier samples had narrowed it, the terms say more than what is left.
  const Duration grown{interval.epsilon().ns - view_.terms.sum().ns};
  view_.terms.extrapolation = std::max(Duration{}, view_.terms.extrapolation + grown);
  publish(interval, now);
}

void TrueTimeEstimator::forget(time::Cycles now) {
  trusted_since_ = now;
  view_.roots = 0;
  view_.holdover = false;
  proven_.reset();
  basis_.reset();
  confirming_.reset();
  for (std::size_t i = 0; i < sources_.size(); ++i) {
    sources_[i].claim.reset();
    sources_[i].interval.reset();
    sources_[i].witness = i;
    sources_[i].bounds_earliest = false;
    sources_[i].bounds_latest = false;
    sources_[i].state = SourceState::kUnhealthy;
    lines_[i].reset();
    if (put_out_[i]) sources_[i].error.reset();  // what it was off by has been forgotten, too
    put_out_[i] = false;
  }
}

TrueTimeLine TrueTimeEstimator::line_from(const Interval& interval, time::Cycles at) const {
  TrueTimeLine line;
  line.anchor = at;
  line.void_after = {at.count + void_after_cycles_};
  line.earliest = interval.earliest;
  line.latest = interval.latest;
  const time::Drift drift = canary::planted(canary::Bug::kForgottenDrift) ? time::Drift{0} : options_.drift;
  line.slow = drift.slowest(options_.nominal);
  line.fast = drift.fastest(options_.nominal);
  line.fault = ClockFault::kNone;
  return line;
}

}  // namespace gnomon::ptp
