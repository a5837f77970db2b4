// SPDX-License-Identifier: Apache-2.0
//
// Commit-wait inside a process: returns once TT.now().earliest > t, so that every now() invoked later, anywhere, has
// latest > t (J. C. Corbett et al., "Spanner", OSDI 2012, section 4.1.2).
//
// The naive way sleeps once, for t - now().latest or for twice the uncertainty, and takes the alarm for the answer. A
// timer says what a counter did; it does not know that the clock was lost meanwhile, that the interval has grown, or
// that it has become narrow and the wait was over long ago. So here only an interval ends a wait:
//
//   safe:     what is returned has earliest > t, whatever the sleep did
//   prompt:   a sleep ends before t can have passed, or after kNap: a new line of the clock is seen that soon
//   bounded:  a t too far ahead is refused at once, and a clock whose earlier end does not move on ends in kTimeout
//
// It sleeps until kSpin before the time and then asks the clock again and again, because a sleeping thread is woken
// late by its timer slack (50 us on Linux unless set) and by the scheduler.
//
// Pure but for its three callables, so tests run it in virtual time. Thread rule: that of the callables.
#pragma once

#include <time.h>

#include <algorithm>
#include <string>
#include <utility>

#include "client/error.hpp"
#include "client/error_text.hpp"
#include "oracle/time/instant.hpp"
#include "oracle/time/interval.hpp"
#include "oracle/time/true_time.hpp"
#include "platform/uptime.hpp"

namespace gnomon::client {

/// The largest `limit`, and how long any commit-wait may last by the interval at its start.
constexpr time::Duration kLongestCommitWait = time::seconds(3600);
/// Of this the timer slack and the wake-up usually take one half.
constexpr time::Duration kSpin = time::microseconds(100);
/// The clock is published about a hundred times a second.
constexpr time::Duration kNap = time::milliseconds(10);
/// A wait ends in kTimeout after twice what the interval at its start said, and this.
constexpr time::Duration kPatience = time::seconds(1);

/// Ended early by a signal, which does no harm to who looks again.
inline void sleep_for(time::Duration d) {
  const timespec wait{d.ns / 1'000'000'000, d.ns % 1'000'000'000};
  clock_nanosleep(CLOCK_MONOTONIC, 0, &wait, nullptr);
}

namespace detail {

inline tl::unexpected<Error> no_commit_wait(ErrorKind kind, time::Tai t, const std::string& why) {
  return tl::make_unexpected(Error{kind, "commit-wait on TAI " + std::to_string(t.ns) + " ns: " + why, {}, {}});
}

inline tl::unexpected<Error> lost_meanwhile(Error error, time::Tai t) {
  error.text = "commit-wait on TAI " + std::to_string(t.ns) + " ns: the clock was lost meanwhile: " + error.text;
  return tl::make_unexpected(std::move(error));
}

inline Result<void> check_limit(time::Tai t, time::Duration limit) {
  if (limit >= time::Duration{0} && limit <= kLongestCommitWait) return {};
  return no_commit_wait(ErrorKind::kBadArgument, t,
                        "a limit of " + std::to_string(limit.ns) + " ns can't be meant; choose 0 to 3600 s");
}

/// `now` has not passed t. From the later end: who waits on now().latest is never too far, however wide the interval
/// is. The wait then lasts for the width besides, which the clock bounds; what it doesn't bound is cut off here.
inline Result<void> check_distance(const time::Interval& now, time::Tai t, time::Duration limit) {
  const time::Duration ahead = time::saturating_sub(t, now.latest);
  const time::Duration left = time::saturating_sub(t, now.earliest);
  if (ahead > limit)
    return no_commit_wait(ErrorKind::kTooFar, t,
                          "it lies " + milliseconds_text(ahead) +
                              " after the latest that it can be now, and the limit is " + milliseconds_text(limit) +
                              "; find out where it came from, or raise the limit");
  if (left > kLongestCommitWait)
    return no_commit_wait(ErrorKind::kTooFar, t,
                          "it lies " + milliseconds_text(left) +
                              " after the earliest that it can be now, and no wait lasts longer than 3600 s; the "
                              "clock's uncertainty is out of all bounds: see `gnomon status`");
  return {};
}

}  // namespace detail

/// The first interval seen whose earliest is > t. `limit` is how far t may lie after now().latest, 0 to
/// kLongestCommitWait.
///
///   now() -> Result<time::Interval>       its error ends the wait
///   sleep_for(time::Duration)             about as long, > 0 and <= kNap; an early end does no harm
///   uptime() -> time::Uptime              CLOCK_BOOTTIME: also counts while the machine is suspended
///
/// kBadArgument: the limit. kTooFar: t. kTimeout: the clock's earlier end did not move on as it promised. Else what
/// now() said.
template <typename Now, typename SleepFor, typename ReadUptime>
[[nodiscard]] Result<time::Interval> wait_past(time::Tai t, time::Duration limit, Now&& now, SleepFor&& sleep_for,
                                               ReadUptime&& uptime) {
  if (auto meant = detail::check_limit(t, limit); !meant) return tl::make_unexpected(std::move(meant.error()));
  Result<time::Interval> seen = now();
  if (!seen || time::is_after(*seen, t)) return seen;
  if (auto near = detail::check_distance(*seen, t, limit); !near) return tl::make_unexpected(std::move(near.error()));
  const time::Uptime began = uptime();
  const time::Uptime deadline = began + time::saturating_sub(t, seen->earliest) * 2 + kPatience;
  while (true) {
    const time::Duration left = time::saturating_sub(t, seen->earliest);
    const time::Uptime here = uptime();
    if (here >= deadline)
      return detail::no_commit_wait(ErrorKind::kTimeout, t,
                                    "after " + milliseconds_text(here - began) + " it is still " +
                                        milliseconds_text(left) +
                                        " after the earliest that it can be now; the clock's uncertainty grows as "
                                        "fast as time passes: see `gnomon status`");
    if (left > kSpin) sleep_for(std::min({left - kSpin, kNap, deadline - here}));
    seen = now();
    if (!seen) return detail::lost_meanwhile(std::move(seen.error()), t);
    if (time::is_after(*seen, t)) return seen;
  }
}

/// In real time.
template <typename Now>
[[nodiscard]] Result<time::Interval> wait_past(time::Tai t, time::Duration limit, Now&& now) {
  return wait_past(t, limit, std::forward<Now>(now), sleep_for, platform::read_uptime);
}

}  // namespace gnomon::client
