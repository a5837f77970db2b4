// SPDX-License-Identifier: Apache-2.0
//
// The clock of a simulated server on a shared store: an interval that contains the true time, as the clock page would
// give it. Its width changes with every reading, and the true time lies anywhere in it, at its very edges as often as
// not: a rule that uses the wrong end would pass if it always lay in the middle. (That the intervals of the real clock
// contain the true time is shown by the other worlds.) It can be lost, and its owner outvoted. One thread.
#pragma once

#include <string>

#include <tl/expected.hpp>

#include "control/lease/lease_desk.hpp"
#include "oracle/lease/moment.hpp"
#include "oracle/time/instant.hpp"
#include "tests/sim/clocks.hpp"
#include "tests/sim/random.hpp"

namespace gnomon::sim::leases {

class TrueClock {
 public:
  TrueClock(Random random, time::Duration epsilon) : random_(random), epsilon_(epsilon) {}

  [[nodiscard]] tl::expected<lease::Moment, control::DeskError> read(time::Uptime t) {
    if (t < lost_until_) return refused(control::DeskFault::kClockUnsynchronised, "the time is not known");
    if (t < outvoted_until_) return refused(control::DeskFault::kNotAMember, "the clock stands against the others'");
    if (fixed_) return lease::Moment{{}, {true_time(t) - before_, true_time(t) + after_}};
    const time::Duration width = random_.between({0}, (t < wide_until_ ? wide_ : epsilon_) * 2);
    time::Duration before = random_.between({0}, width);
    switch (random_.below(4)) {
      case 0: before = {}; break;
      case 1: before = width; break;
      default: break;
    }
    const time::Tai now = true_time(t);
    return lease::Moment{{}, {now - before, now + (width - before)}};
  }

  void lose(time::Uptime until) { lost_until_ = until; }
  void outvote(time::Uptime until) { outvoted_until_ = until; }
  void widen(time::Uptime until, time::Duration epsilon) {
    wide_until_ = until;
    wide_ = epsilon;
  }
  /// For scenes that are directed: so far may the true time lie behind the earliest, and before the latest.
  void fix(time::Duration before, time::Duration after) {
    fixed_ = true;
    before_ = before;
    after_ = after;
  }
  void heal() { lost_until_ = outvoted_until_ = wide_until_ = {}; }

 private:
  [[nodiscard]] static tl::unexpected<control::DeskError> refused(control::DeskFault fault, std::string text) {
    return tl::make_unexpected(control::DeskError{fault, std::move(text), time::milliseconds(100)});
  }

  Random random_;
  time::Duration epsilon_;
  time::Duration wide_;
  bool fixed_ = false;
  time::Duration before_;
  time::Duration after_;
  time::Uptime lost_until_;
  time::Uptime outvoted_until_;
  time::Uptime wide_until_;
};

}  // namespace gnomon::sim::leases
