// SPDX-License-Identifier: Apache-2.0
#include "oracle/lease/moment.hpp"

#include <algorithm>

#include "oracle/canary.hpp"

namespace gnomon::lease {
namespace {

constexpr time::Duration kZero{};
constexpr time::Duration kInstant = time::nanoseconds(1);

}  // namespace

bool is_comparable(const Expiry& expiry, const Moment& moment) {
  return (expiry.boot == Boot{}) == (moment.boot == Boot{});
}

Expiry latest_end(const Expiry& expiry, time::Duration ttl, const Moment& moment) {
  if (expiry.boot == moment.boot) return expiry;
  if (!is_comparable(expiry, moment)) return {moment.boot, time::saturating_add(moment.now.latest, ttl)};
  return {moment.boot, time::saturating_add(moment.since, ttl)};
}

Expiry expiry_after(const Moment& moment, time::Duration ttl) {
  const bool early = canary::planted(canary::Bug::kExpiryFromEarliest);
  return {moment.boot, time::saturating_add(early ? moment.now.earliest : moment.now.latest, ttl)};
}

bool surely_past(const Expiry& expiry, time::Duration ttl, time::Duration delay, const Moment& moment) {
  return moment.now.earliest > time::saturating_add(latest_end(expiry, ttl, moment).at, delay);
}

// Of another boot, or another kind of clock, it may have been over before this one began.
time::Duration remaining(const Expiry& expiry, time::Duration /*ttl*/, const Moment& moment) {
  if (expiry.boot != moment.boot) return kZero;
  return std::max(kZero, time::saturating_sub(expiry.at, moment.now.latest));
}

time::Duration until_surely_past(const Expiry& expiry, time::Duration ttl, time::Duration delay, const Moment& moment) {
  const time::Tai end = time::saturating_add(latest_end(expiry, ttl, moment).at, delay);
  return std::max(kZero, time::saturating_sub(time::saturating_add(end, kInstant), moment.now.earliest));
}

}  // namespace gnomon::lease
