// SPDX-License-Identifier: Apache-2.0
//
// The clock's part of the report: what the clock thread showed in one of its latest turns, put into words, ages and
// offsets for an operator. Pure: the moment is an argument, so a test can say what it is.
//
// The interval itself comes from the page, as the workers read it, and not from the clock thread's own view: what is
// shown is what is served, also when the thread is stuck and the page has become void.
#include <fmt/core.h>

#include <algorithm>
#include <utility>

#include "cmd/gnomond/reporter.hpp"
#include "cmd/text/rfc3339.hpp"
#include "oracle/time/fusion.hpp"
#include "oracle/time/leap_doubt.hpp"
#include "oracle/time/smear.hpp"

namespace gnomon::cmd {
namespace {

using control::TimeSourceReport;
using ptp::ClockStatus;
using ptp::SourceState;
using ptp::SourceView;
using time::Duration;
using time::Interval;

constexpr Duration kSecond = time::seconds(1);

Duration age(const ClockStatus& status, time::Cycles at, time::Cycles now) {
  return now <= at ? Duration{} : status.nominal.span(now.count - at.count);
}

/// What was published in that turn.
std::optional<Interval> result_of(const ClockStatus& status) {
  if (status.truth.line.fault != time::ClockFault::kNone) return std::nullopt;
  return status.truth.line.extrapolated(status.at);
}

/// What offsets are told against: without a result the middle of everything that is healthy, so that an operator sees
/// who stands apart from whom.
std::optional<time::Tai> middle_of(const ClockStatus& status) {
  std::optional<Interval> all = result_of(status);
  if (all) return all->midpoint();
  for (const ptp::SourceReport& source : status.sources)
    if (const auto& interval = source.view.interval) all = all ? hull(*all, *interval) : *interval;
  return all ? std::optional(all->midpoint()) : std::nullopt;
}

/// Grandmaster identities have 64 bits, the reference ids of NTP 32.
std::string text_of(const ptp::Root& root) {
  if (root.reference > UINT32_MAX)
    return fmt::format("grandmaster {:06x}.{:04x}.{:06x}", root.reference >> 40, (root.reference >> 24) & 0xffffU,
                       root.reference & 0xffffffU);
  if (root.reference != 0) return fmt::format("reference id {:08X}", root.reference);
  const bool system = root.clock == ptp::ClockKind::kSystem;
  return root.bare_clock ? (system ? "the system clock itself" : "a card's clock itself") : "";
}

std::string eviction_text(const SourceView& view, const std::optional<Interval>& result) {
  if (view.error && view.error->fault == ptp::SourceFault::kWholeSeconds) return view.error->text;
  const std::string_view why = "the others that have to be believed rule its interval out";
  if (!view.interval || !result || intersection(*view.interval, *result)) return std::string(why);
  const bool before = view.interval->latest < result->earliest;
  const Duration gap = before ? result->earliest - view.interval->latest : view.interval->earliest - result->latest;
  return fmt::format("{}: it lies {} {} theirs", why, human_duration(gap), before ? "before" : "after");
}

std::string text_of(const SourceView& view, const std::optional<Interval>& result, time::ClockFault fault) {
  switch (view.state) {
    case SourceState::kSilent: return "it has said nothing yet";
    case SourceState::kEvicted: return eviction_text(view, result);
    case SourceState::kDisputed: return "it contradicts others, and no majority says which of them is wrong";
    case SourceState::kUsed:
    case SourceState::kUnhealthy: break;
  }
  if (view.error) return view.error->text;
  if (view.state == SourceState::kUsed) return {};
  return fault == time::ClockFault::kCounterUntrusted ? "its samples can't be dated: the cycle counter is not trusted"
                                                      : "it has made no claim that counts";
}

TimeSourceReport source_report(const ClockStatus& status, std::size_t index, time::Cycles now) {
  const ptp::SourceReport& source = status.sources[index];
  const SourceView& view = source.view;
  const bool known = status.truth.line.fault == time::ClockFault::kNone;
  TimeSourceReport out;
  out.description = source.description;
  out.state = name_of(view.state);
  if (view.error) out.fault = name_of(view.error->fault);
  out.text = text_of(view, result_of(status), status.truth.line.fault);
  out.healthy = view.interval.has_value();
  out.chosen = known && status.truth.best == index && view.claims != 0;
  out.earliest = known && view.state == SourceState::kUsed && view.bounds_earliest;
  out.latest = known && view.state == SourceState::kUsed && view.bounds_latest;
  out.witness = static_cast<std::uint32_t>(view.witness);
  if (view.claim) {
    out.root = text_of(view.claim->root);
    out.sample_age = age(status, view.claim->at, now);
  }
  if (const auto middle = middle_of(status); middle && view.interval) {
    out.offset = saturating_sub(view.interval->midpoint(), *middle);
    out.epsilon = view.interval->epsilon();
  }
  out.claims = view.claims;
  out.errors = view.errors;
  out.evictions = view.evictions;
  return out;
}

/// Of the samples that count; of a source that has fallen silent, the last one.
std::optional<Duration> newest_sample(const ClockStatus& status, time::Cycles now) {
  std::optional<Duration> out;
  for (const ptp::SourceReport& source : status.sources) {
    if (!source.view.claim || source.view.state == SourceState::kEvicted) continue;
    const Duration one = age(status, source.view.claim->at, now);
    out = out ? std::min(*out, one) : one;
  }
  return out;
}

void add_interval(const time::TrueTimeLine& line, const ClockStatus& status, time::Cycles now,
                  control::TrueTimeReport& out) {
  const time::Now interval = line.at(now);
  if (!interval) return;
  out.earliest = interval->earliest;
  out.latest = interval->latest;
  if (const auto utc = status.leaps.to_utc(interval->earliest)) out.earliest_utc = utc->utc;
  if (const auto utc = status.leaps.to_utc(interval->latest)) out.latest_utc = utc->utc;
  if (now < line.void_after) out.void_in = line.fast.span(line.void_after.count - now.count);
}

control::TrueTimeReport truth_report(const ClockStatus& status, time::Cycles now) {
  const ptp::TrueTimeView& view = status.truth;
  control::TrueTimeReport out;
  out.sample_age = newest_sample(status, now);
  if (view.supported_at.count != 0) out.support_age = age(status, view.supported_at, now);
  out.holdover = view.holdover;
  out.holdover_limit = status.options.truth.holdover;
  out.max_epsilon = status.options.truth.max_epsilon;
  if (view.line.fault == time::ClockFault::kNone)
    for (const time::TermInfo& info : time::kTerms)
      out.terms.push_back({std::string(info.name), view.terms.*info.term});
  out.configured = static_cast<std::uint32_t>(status.sources.size());
  out.witnesses = view.roots;
  out.believed = view.roots == 0 ? 0 : view.roots - static_cast<std::uint32_t>(time::tolerated(view.roots));
  out.contradictions = view.contradictions;
  if (view.contradictions != 0) out.contradicted_ago = age(status, view.contradicted_at, now);
  out.suspect = view.suspect;
  out.disagreements = view.disagreements;
  out.resumed = status.resumed;
  out.phc2sys_runs = status.phc2sys_runs;
  out.counter_problem = status.counter_problem;
  return out;
}

/// `about`: now, or nearly.
control::LeapReport leap_report(const ClockStatus& status, time::Tai about, time::Cycles now) {
  const time::LeapTable& leaps = status.leaps;
  control::LeapReport out;
  out.expires = leaps.expires();
  out.expired = leaps.expired(about);
  if (const auto offset = leaps.offset_at(about)) out.tai_minus_utc = *offset;
  for (std::size_t i = 1; i < leaps.entries().size() && !out.next; ++i) {
    if (leaps.begins(i) <= about) continue;
    out.next = leaps.entries()[i].from;
    out.next_step = leaps.step(i);
  }
  if (status.truth.leap_announced) out.announced_ago = age(status, status.truth.leap_announced_at, now);
  const time::LeapDoubt doubt = time::leap_doubt(leaps, about, time::SmearKind::kStep);
  const bool by_announcement = status.truth.leap_announced && doubt.margin < kSecond;
  out.doubt = by_announcement ? kSecond : doubt.margin;
  out.doubt_text =
      by_announcement ? "a leap second is announced, and the table may not know it" : text_of(doubt.reason);
  const auto utc = leaps.to_utc(about);
  if (!utc) return out;
  out.expires_in = saturating_sub(leaps.expires(), utc->utc);
  if (const auto smeared = time::to_smeared(leaps, about)) out.smear = Duration{smeared->ns - utc->utc.ns};
  return out;
}

}  // namespace

std::string_view text_of(mint::OrderingState state) {
  switch (state) {
    case mint::OrderingState::kNoTime: return "no_time";
    case mint::OrderingState::kFollowing: return "following";
    case mint::OrderingState::kUnconfirmed: return "unconfirmed";
    case mint::OrderingState::kBehind: return "behind";
  }
  return "unknown";
}

control::ClockReport clock_report(const std::optional<page::ClockRecord>& record, const ptp::ClockStatus& status,
                                  time::Cycles now) {
  control::ClockReport out;
  out.state = text_of(record ? record->ordering.state : mint::OrderingState::kNoTime);
  out.max_lead = status.options.ordering.max_lead;
  out.orders_by_truth = status.options.order_by_truth;
  out.truth = truth_report(status, now);
  for (std::size_t i = 0; i < status.sources.size(); ++i)
    out.sources.push_back(source_report(status, i, now));
  out.leap.expires = status.leaps.expires();
  const auto fault_is = [&out](time::ClockFault fault) {
    out.true_time = name_of(fault);
    out.truth.text = text_of(fault);
  };
  fault_is(time::ClockFault::kUnreadable);
  if (!record) return out;
  out.now = record->ordering.line.at(now);
  out.lead = record->ordering.lead;
  out.era = record->ordering.era;
  out.readings = record->readings;
  out.failed_readings = record->failed_readings;
  const time::Now truth = record->truth.at(now);
  fault_is(truth ? time::ClockFault::kNone : truth.error());
  if (truth) out.epsilon = truth->epsilon();
  add_interval(record->truth, status, now, out.truth);
  const auto about =
      truth ? tl::expected<time::Tai, time::LeapFault>(truth->midpoint()) : time::to_tai(status.leaps, out.now);
  if (about) out.leap = leap_report(status, *about, now);
  return out;
}

}  // namespace gnomon::cmd
