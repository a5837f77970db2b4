// SPDX-License-Identifier: Apache-2.0
#include "oracle/serve/time_ops.hpp"

#include <algorithm>
#include <limits>
#include <optional>
#include <stdexcept>

#include "oracle/serve/refusal.hpp"

namespace gnomon::serve {
namespace {

using page::Counter;
using wire::MessageRef;
using wire::Status;

constexpr std::uint32_t kSaturated = std::numeric_limits<std::uint32_t>::max();
constexpr std::int64_t kSlowBy = 1000;  // a counter is slower than it says by less than 1 in this
constexpr std::uint64_t kMaxTai = std::numeric_limits<std::int64_t>::max();

void write_interval(MessageRef message, const time::Interval& interval) {
  message.set_a(static_cast<std::uint64_t>(interval.earliest.ns));
  message.set_b(static_cast<std::uint64_t>(interval.latest.ns));
  message.set_epsilon_ns(epsilon_ns_of(interval));
}

time::Duration checked(time::Duration max_ahead) {
  if (max_ahead < time::Duration{0} || max_ahead > time::seconds(3600))
    throw std::invalid_argument("a hybrid clock can't be bounded by this time; choose 0 to 3600 s");
  return max_ahead;
}

}  // namespace

std::uint32_t epsilon_ns_of(const time::Interval& interval) {
  return static_cast<std::uint32_t>(std::clamp<std::int64_t>(interval.epsilon().ns, 0, kSaturated));
}

TimeOps::TimeOps(const TimeOpsOptions& options, page::Counters& counters)
    : waits_(options.waits),
      hlc_({.max_ahead = checked(options.hlc_max_ahead)}),
      hlc_max_ahead_(options.hlc_max_ahead),
      tai_minus_utc_(options.tai_minus_utc),
      counters_(counters) {}

bool TimeOps::answer(MessageRef message, const BurstTime& time, const ReturnPath& path) {
  const time::Interval* now = interval_in(time);
  switch (static_cast<wire::Op>(message.op())) {
    case wire::Op::kHlcUpdate: answer_hlc_update(message, time); return true;
    case wire::Op::kCommitWait: return answer_commit_wait(message, now, path);
    case wire::Op::kTimeSync: answer_time_sync(message, now); return true;
    default: answer_now(message, now); return true;
  }
}

void TimeOps::answer_now(MessageRef message, const time::Interval* now) {
  if (now == nullptr) return refuse_unsynchronised(message);
  write_interval(message, *now);
  counters_.add(Counter::kTimes);
}

// As now(); but who sets his clock by the reply must not be given a width that is larger than what stands there.
void TimeOps::answer_time_sync(MessageRef message, const time::Interval* now) {
  if (now == nullptr || epsilon_ns_of(*now) == kSaturated) return refuse_unsynchronised(message);
  write_interval(message, *now);
  counters_.add(Counter::kTimes);
}

bool TimeOps::answer_commit_wait(MessageRef message, const time::Interval* now, const ReturnPath& path) {
  if (now == nullptr) {
    refuse_unsynchronised(message);
    return true;
  }
  const std::uint64_t asked = message.a();
  if (asked > kMaxTai) {
    refuse(message, Status::kTooFar, counters_, Counter::kTooFar);
    return true;
  }
  const time::Tai t{static_cast<std::int64_t>(asked)};
  switch (waits_.ask(*now, t, message, path)) {
    case Standing::kWaits: counters_.add(Counter::kCommitWaitsParked); return false;
    case Standing::kPassed:
      write_interval(message, *now);
      counters_.add(Counter::kCommitWaits);
      return true;
    case Standing::kTooFar: refuse(message, Status::kTooFar, counters_, Counter::kTooFar); return true;
    case Standing::kFull: break;
  }
  // No place is needed once t has passed: who comes back then is answered at once, and before it nobody could be. The
  // earliest end moves on at the slowest rate that the counter can have.
  const time::Duration left = time::saturating_sub(t, now->earliest);
  refuse(message, Status::kBusy, counters_, Counter::kBusy,
         to_retry_us(left + time::Duration{left.ns / kSlowBy} + time::nanoseconds(1)));
  return true;
}

void TimeOps::write(MessageRef message, const CommitWaits::Due& due) {
  if (!due.released_in) return refuse_unsynchronised(message);
  write_interval(message, *due.released_in);
  counters_.add(Counter::kCommitWaits);
}

void TimeOps::answer_hlc_update(MessageRef message, const BurstTime& time) {
  const time::Interval* now = interval_in(time);
  if (now == nullptr && time.ordering == mint::OrderingState::kNoTime) return refuse_unsynchronised(message);
  // A timeline that is known to be in a false future would drag every clock that hears of it along.
  if (now == nullptr && time.ordering == mint::OrderingState::kBehind)
    return refuse(message, Status::kClockBehind, counters_, Counter::kClockBehind, to_retry_us(time.behind_for));
  const time::Tai physical = now != nullptr ? now->midpoint() : source_time(time);
  const clock::HlcTimestamp remote = remote_in(message);
  const clock::HlcTimestamp updated = hlc_.update_or_none(hlc_.at(physical), remote);
  if (updated == clock::HlcTimestamp{}) [[unlikely]]
    return refuse_hlc(message, hlc_.update(physical, remote).error(), physical);
  message.set_a(updated.value);
  counters_.add(Counter::kHlcUpdates);
}

// What the clock behind the ordering timeline says, without the timeline's lead over it.
time::Tai TimeOps::source_time(const BurstTime& time) const {
  const time::Duration lead = std::max(time::Duration{0}, time.lead);
  return time::saturating_add(time::Tai{time.mint.now.ns}, tai_minus_utc_ - lead);
}

void TimeOps::refuse_hlc(MessageRef message, clock::HlcFault fault, time::Tai physical) {
  switch (fault) {
    case clock::HlcFault::kRemoteAhead: return refuse(message, Status::kTooFar, counters_, Counter::kTooFar);
    case clock::HlcFault::kAheadOfPhysical:
      return refuse(message, Status::kBusy, counters_, Counter::kBusy, to_retry_us(hlc_catches_up_in(physical)));
    case clock::HlcFault::kPhysicalOutOfRange: break;
  }
  refuse_unsynchronised(message);
}

// Until a value after the last one is within the bound again, if physical time runs on.
time::Duration TimeOps::hlc_catches_up_in(time::Tai physical) const {
  constexpr std::int64_t kNsPerMs = 1'000'000;
  const clock::HlcTimestamp last = hlc_.last();
  const std::uint64_t next_ms = last.ms() + (last.counter() == clock::kHlcMaxCounter ? 1 : 0);
  const time::Tai enough{(static_cast<std::int64_t>(next_ms) - hlc_max_ahead_.ns / kNsPerMs) * kNsPerMs};
  return time::saturating_sub(enough, physical);
}

void TimeOps::refuse_unsynchronised(MessageRef message) {
  refuse(message, Status::kClockUnsynchronised, counters_, Counter::kClockUnsynchronised);
}

}  // namespace gnomon::serve
