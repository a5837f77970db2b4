// SPDX-License-Identifier: Apache-2.0
#include "ptp/claim_to_tai.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "oracle/canary.hpp"
#include "oracle/time/leap_doubt.hpp"

namespace gnomon::ptp {
namespace {

using time::Duration;
using time::LeapDoubt;

constexpr Duration kSecond = time::seconds(1);

template <typename T>
time::IntervalOf<T> around(std::int64_t ns, Duration half) {
  return time::IntervalOf<T>{T{ns}, T{ns}}.widened(half);
}

time::SmearKind smear_of(Scale scale) {
  switch (scale) {
    case Scale::kSmearedUtc: return time::SmearKind::kSmeared;
    case Scale::kUnknownUtc: return time::SmearKind::kUnknown;
    case Scale::kTai:
    case Scale::kUtc: break;
  }
  return time::SmearKind::kStep;
}

SourceError not_converted(const Claim& claim, time::LeapFault fault) {
  return {SourceFault::kTimescale, fmt::format("{} ns of its UTC can't be converted to TAI: {}; is its clock right?",
                                               claim.reading_ns, time::text_of(fault))};
}

// A UTC that its source made of TAI by another offset than the table's is whole seconds off, unless it is doubted
// anyway.
std::optional<SourceError> other_offset(const Claim& claim, const time::LeapTable& leaps, time::Tai about,
                                        Duration doubted) {
  if (!claim.tai_minus_utc) return std::nullopt;
  const auto known = leaps.offset_at(about);
  const Duration off = known ? *claim.tai_minus_utc - *known : Duration{};
  if (known && off <= doubted && -off <= doubted) return std::nullopt;
  return SourceError{
      SourceFault::kTimescale,
      fmt::format("its reference says that TAI - UTC is {} s, and the table of leap seconds says {}: one of "
                  "the two is wrong or out of date (clock.leap_file)",
                  claim.tai_minus_utc->ns / kSecond.ns,
                  known ? fmt::format("{} s", known->ns / kSecond.ns) : "nothing")};
}

}  // namespace

tl::expected<TaiClaim, SourceError> claim_to_tai(const Claim& claim, const time::LeapTable& leaps,
                                                 bool leap_announced) {
  const Duration half = claim.terms.sum();
  TaiClaim out{around<time::Tai>(claim.reading_ns, half), claim.terms};
  if (claim.scale == Scale::kTai) return out;

  const auto about = leaps.to_tai(time::Utc{claim.reading_ns});
  if (!about) return tl::make_unexpected(not_converted(claim, about.error()));
  LeapDoubt doubt = time::leap_doubt(leaps, *about, smear_of(claim.scale));
  if (leap_announced && doubt.margin < kSecond) doubt = {kSecond, time::DoubtReason::kNearLeap};
  if (canary::planted(canary::Bug::kForgottenLeapDoubt)) doubt = {};
  if (auto denied = other_offset(claim, leaps, *about, doubt.margin)) return tl::make_unexpected(std::move(*denied));
  const auto tai = claim.scale == Scale::kSmearedUtc
                       ? time::to_tai_interval(around<time::SmearedUtc>(claim.reading_ns, half), leaps, doubt)
                       : time::to_tai_interval(around<time::Utc>(claim.reading_ns, half), leaps, doubt);
  if (!tai) return tl::make_unexpected(not_converted(claim, tai.error()));
  out.interval = *tai;
  // What the conversion added: the doubt, and at a repeated second the outer of its two meanings.
  out.terms.leap = out.terms.leap + std::max(Duration{}, tai->epsilon() - half);
  return out;
}

}  // namespace gnomon::ptp
