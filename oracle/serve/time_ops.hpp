// SPDX-License-Identifier: Apache-2.0
//
// The operations that say what time it is: now, time_sync, commit_wait and hlc_update (docs/protocol.md).
//
// A server that answers with one instant makes its clients forget the error. So the first three answer with the
// interval of the burst's one counter reading, or say that there is none:
//
//   contained:  the reading is taken after the request arrived, so latest is not before the true time at the call, and
//               before the reply leaves, so earliest is not after the true time at the return (Corbett et al., OSDI
//               2012, section 3). However long the burst then takes, both still hold; only the width suffers.
//
// hlc_update promises less and so needs less: the reply is larger than the argument and than what this worker answered
// before. Any clock will do for that, and if there is no interval it is the ordering timeline (oracle/clock/hlc.hpp).
//
// One thread; the time is that of the burst.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "oracle/canary.hpp"
#include "oracle/clock/hlc.hpp"
#include "oracle/page/counters.hpp"
#include "oracle/serve/burst_time.hpp"
#include "oracle/serve/commit_waits.hpp"
#include "oracle/serve/source.hpp"
#include "oracle/time/interval.hpp"
#include "oracle/wire/message.hpp"

namespace gnomon::serve {

struct TimeOpsOptions {
  CommitWaitOptions waits;
  time::Duration hlc_max_ahead = time::milliseconds(500);  // 0 to 1 h
  /// For hlc_update without an interval: from the ordering timeline, which counts UTC. A leap second too few or too
  /// many makes values that are off by a second, and breaks nothing that hlc_update promises.
  time::Duration tai_minus_utc = time::seconds(37);
};

/// Half the width of an interval as a message says it: rounded up, and 2^32 - 1 for that or more.
[[nodiscard]] std::uint32_t epsilon_ns_of(const time::Interval& interval);

class TimeOps {
 public:
  /// `counters` outlive it. Throws std::invalid_argument if an option is outside its range.
  TimeOps(const TimeOpsOptions& options, page::Counters& counters);

  void begin_burst(const BurstTime& time) {
    waits_.begin_burst();
    const time::Interval* now = interval_in(time);
    hlc_at_ = now != nullptr ? hlc_.at(now->midpoint()) : clock::HybridClock::At{};
  }
  /// What `answer` does with nearly all hlc_update; false if it has to be asked.
  [[nodiscard]] bool answer_plain_hlc_update(wire::MessageRef message) {
    const clock::HlcTimestamp updated = hlc_.update_or_none(hlc_at_, remote_in(message));
    if (updated == clock::HlcTimestamp{}) return false;
    message.set_a(updated.value);
    return true;
  }

  /// True if `message`, a request of one of the four operations, has become its reply; false if it waits now.
  [[nodiscard]] bool answer(wire::MessageRef message, const BurstTime& time, const ReturnPath& path);

  /// Whether `due` has to be asked.
  [[nodiscard]] bool may_be_due(const BurstTime& time) const {
    return waits_.size() != 0 && waits_.may_be_due(interval_in(time));
  }
  /// Those whose commit-wait is over; see CommitWaits. `write` makes the reply of such a request.
  [[nodiscard]] std::optional<CommitWaits::Due> due(const BurstTime& time) { return waits_.due(interval_in(time)); }
  void write(wire::MessageRef message, const CommitWaits::Due& due);
  void pop() { waits_.pop(); }

  [[nodiscard]] std::size_t waiting() const { return waits_.size(); }
  /// Not if nobody waits.
  [[nodiscard]] time::Duration until_due(const BurstTime& time) const { return waits_.until_due(interval_in(time)); }

 private:
  /// Null if there is none. A clock that may stand before 1970 was never set, and TAI on the wire has no sign.
  [[nodiscard]] static const time::Interval* interval_in(const BurstTime& time) {
    return time.truth && time.truth->earliest.ns >= 0 ? &*time.truth : nullptr;
  }

  [[nodiscard]] static clock::HlcTimestamp remote_in(wire::MessageRef message) {
    return {canary::planted(canary::Bug::kForgottenRemote) ? 0 : message.a()};
  }
  void answer_now(wire::MessageRef message, const time::Interval* now);
  void answer_time_sync(wire::MessageRef message, const time::Interval* now);
  [[nodiscard]] bool answer_commit_wait(wire::MessageRef message, const time::Interval* now, const ReturnPath& path);
  void answer_hlc_update(wire::MessageRef message, const BurstTime& time);
  [[nodiscard]] time::Tai source_time(const BurstTime& time) const;
  void refuse_hlc(wire::MessageRef message, clock::HlcFault fault, time::Tai physical);
  [[nodiscard]] time::Duration hlc_catches_up_in(time::Tai physical) const;
  void refuse_unsynchronised(wire::MessageRef message);

  CommitWaits waits_;
  clock::HybridClock hlc_;
  clock::HybridClock::At hlc_at_;
  time::Duration hlc_max_ahead_;
  time::Duration tai_minus_utc_;
  page::Counters& counters_;
};

}  // namespace gnomon::serve
