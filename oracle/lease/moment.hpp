// SPDX-License-Identifier: Apache-2.0
//
// When a lease expires, and by which clock that is told.
//
//   many hosts (etcd)   true time, TAI. The store knows none of its readers' clocks, so an expiry is an instant, which
//                       each host reads for itself, as an interval: expired only once its earliest is past. No leader
//                       change touches it, since nobody counts down.
//   one host (SQLite)   CLOCK_BOOTTIME of one boot. It needs no synchronised clock and goes on through a suspend. What
//                       another boot's clock said tells nothing here: nobody knows how long the machine was off, or by
//                       how much the boot was another machine's, from which the store was moved. But one daemon at a
//                       time has the store, so every renewal by another boot came before this daemon began on it: what
//                       was granted then is over once its TTL has passed since that.
//
// A store that was moved from one to the other holds expiries of a clock that nobody can read any more: nothing of them
// is ever surely past.
//
// The textbook compares two hosts' time.time(). A clock that is fast by one TTL then gives every lease away.
//
// Pure. Thread rule: values.
#pragma once

#include <cstdint>

#include "oracle/lease/record.hpp"
#include "oracle/time/instant.hpp"
#include "oracle/time/interval.hpp"

namespace gnomon::lease {

/// Of the clock that an instant was read from: all zero for the true time, else the boot whose clock it was.
using Boot = Nonce;

/// What the clock said when somebody looked: for the true time an interval that contains it, for one boot's clock twice
/// the same instant.
struct Moment {
  Boot boot{};
  time::Interval now;
  time::Tai since{};  // on one boot's clock: when whoever asks began on the store; all of other boots was before
  friend bool operator==(const Moment&, const Moment&) = default;
};

/// An instant on the clock of `boot`.
struct Expiry {
  Boot boot{};
  time::Tai at;
  friend bool operator==(const Expiry&, const Expiry&) = default;
};

/// Whether the two are told by clocks that have anything to do with each other: both by the true time, or both by a
/// boot's.
[[nodiscard]] bool is_comparable(const Expiry& expiry, const Moment& moment);

/// By when, on the moment's own clock, something that was granted for `ttl` is over at the latest. If the clocks are
/// not comparable nobody can say, except that it ends a TTL after what was before the moment.
[[nodiscard]] Expiry latest_end(const Expiry& expiry, time::Duration ttl, const Moment& moment);

/// The end of `ttl` from `moment` on: from its latest, so whoever counts `ttl` from before the moment ends earlier.
[[nodiscard]] Expiry expiry_after(const Moment& moment, time::Duration ttl);

/// Whether `delay` has certainly passed since the expiry of something that was granted for `ttl`.
[[nodiscard]] bool surely_past(const Expiry& expiry, time::Duration ttl, time::Duration delay, const Moment& moment);

/// How long it certainly is not over yet: zero if it may be.
[[nodiscard]] time::Duration remaining(const Expiry& expiry, time::Duration ttl, const Moment& moment);

/// How long until `surely_past` will hold if nothing is renewed; zero if it holds.
[[nodiscard]] time::Duration until_surely_past(const Expiry& expiry, time::Duration ttl, time::Duration delay,
                                               const Moment& moment);

}  // namespace gnomon::lease
