// SPDX-License-Identifier: Apache-2.0
#include "client/local_time.hpp"

#include <algorithm>
#include <ctime>

namespace gnomon::client {
namespace {

constexpr time::Duration kTick{1};
// The kernel and ntpd slew by 500 ppm. A host that chronyd slews by up to 8.3 % looks as if it had slept and asks
// again: if that were allowed for, a sleep could hide in it, and neither of the clocks would be a bound.
constexpr std::int64_t kMaxSlewPart = 500;
// How far apart in time the two clocks of a stamp may be read, if the thread is preempted between them.
constexpr time::Duration kReadApart = time::milliseconds(5);

std::int64_t read_clock(clockid_t clock) {
  timespec now{};
  clock_gettime(clock, &now);
  return std::int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

}  // namespace

LocalStamp read_local_stamp() { return {{read_clock(CLOCK_MONOTONIC_RAW)}, {read_clock(CLOCK_BOOTTIME)}}; }

std::string_view text_of(LocalFault fault) {
  switch (fault) {
    case LocalFault::kNothingKnown: return "no exchange with a server has proved the time lately";
    case LocalFault::kContradiction:
      return "exchanges contradicted each other: a server's bound, this host's oscillator or a pause of this machine; "
             "nothing is said until enough of them agree again";
    case LocalFault::kSlept: return "this machine was suspended since the last exchange, or one of its clocks jumped";
  }
  return "unknown fault";
}

time::Duration between(LocalStamp from, LocalStamp to) {
  return std::max(time::saturating_sub(to.raw, from.raw), time::saturating_sub(to.boot, from.boot));
}

tl::expected<time::Interval, LocalFault> Known::carried_to(LocalStamp now) const {
  if (!known) return tl::make_unexpected(fault);
  const time::Duration raw = time::saturating_sub(now.raw, at.raw);
  const time::Duration boot = time::saturating_sub(now.boot, at.boot);
  const auto [shorter, longer] = std::minmax(raw, boot);
  if (shorter < time::Duration{0}) return tl::make_unexpected(LocalFault::kSlept);
  if (longer > max_age) return tl::make_unexpected(LocalFault::kNothingKnown);
  if (longer - shorter > raw / kMaxSlewPart + kReadApart) return tl::make_unexpected(LocalFault::kSlept);
  return time::Interval{time::saturating_add(interval.earliest, time::shortest_true(shorter, oscillator_ppb, kTick)),
                        time::saturating_add(interval.latest, time::longest_true(longer, oscillator_ppb, kTick))};
}

tl::expected<time::Interval, time::ExchangeFault> bound_at_receipt(LocalStamp t1, LocalStamp t4, time::Interval said,
                                                                   const LocalTimeOptions& options) {
  const time::ExchangeLimits limits{.max_round_trip = options.max_round_trip,
                                    .client_drift_ppb = options.oscillator_ppb,
                                    .server_drift_ppb = 0,
                                    .client_tick = kTick,
                                    .server_tick = kTick};
  // The longer of both round trips: one clock stops while the machine sleeps, the other is slewed.
  if (t4.raw < t1.raw || t4.boot < t1.boot) return tl::make_unexpected(time::ExchangeFault::kReplyBeforeRequest);
  const time::Duration trip = std::max(time::saturating_sub(t4.raw, t1.raw), time::saturating_sub(t4.boot, t1.boot));
  return time::bound_at_receipt(RawTime{0}, RawTime{trip.ns}, said, limits);
}

LocalTime::LocalTime(const LocalTimeOptions& options) : options_(options) {
  known_.oscillator_ppb = options.oscillator_ppb;
  known_.max_age = options.max_age;
}

std::optional<time::ExchangeFault> LocalTime::learn(LocalStamp t1, LocalStamp t4, time::Interval said) {
  const auto bound = bound_at_receipt(t1, t4, said, options_);
  if (!bound) return bound.error();
  const Known proof = known_at(t4, *bound);
  if (const auto carried = older_.known.carried_to(t4); carried && !time::intersection(*carried, *bound)) {
    ++contradictions_;
    missing_ = kAgreeing;
    known_.known = false;
    known_.fault = LocalFault::kContradiction;
    older_ = younger_ = {proof, t4};
    return std::nullopt;
  } else if (carried && missing_ > 0) {
    --missing_;
  }
  join(older_, proof);
  join(younger_, proof);
  if (between(younger_.since, t4) > options_.max_age / 2) {
    older_ = younger_;
    younger_ = {proof, t4};
  }
  if (missing_ == 0) known_ = older_.known;
  return std::nullopt;
}

Known LocalTime::known_at(LocalStamp at, time::Interval interval) const {
  Known out = known_;
  out.at = at;
  out.interval = interval;
  out.known = true;
  return out;
}

void LocalTime::join(Proof& so_far, const Known& proof) {
  const auto carried = so_far.known.carried_to(proof.at);
  const auto both = carried ? time::intersection(*carried, proof.interval) : std::nullopt;
  if (!both) {  // nothing is known any more that could be joined
    so_far = {proof, proof.at};
    return;
  }
  so_far.known = proof;
  so_far.known.interval = *both;
}

}  // namespace gnomon::client
