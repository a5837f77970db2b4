// SPDX-License-Identifier: Apache-2.0
#include "oracle/serve/commit_waits.hpp"

#include <algorithm>
#include <stdexcept>

namespace gnomon::serve {
namespace {

time::Duration checked(time::Duration max_wait) {
  if (max_wait < time::Duration{0} || max_wait > CommitWaits::kLongestMaxWait)
    throw std::invalid_argument("a commit-wait can't be bounded by this time; choose 0 to 3600 s");
  return max_wait;
}

}  // namespace

CommitWaits::CommitWaits(const CommitWaitOptions& options)
    : max_wait_(checked(options.max_wait)), wheel_({.capacity = options.limit}) {}

Standing CommitWaits::ask(const time::Interval& now, time::Tai t, wire::MessageRef request, const ReturnPath& path) {
  if (passed_until(now) > t) return Standing::kPassed;
  // From the later end: who waits on now().latest is never too far, however wide the interval is. The wait then lasts
  // for the width besides, which the clock bounds; what it doesn't bound is cut off here.
  if (time::saturating_sub(t, now.latest) > max_wait_ || time::saturating_sub(t, now.earliest) > kLongestMaxWait)
    return Standing::kTooFar;
  // A wheel that stood idle is told the time first, or it would take this t for one that is many rounds ahead.
  (void)wheel_.poll(passed_until(now), 0, [](time::Tai, const Waiting&) {});
  if (!wheel_.push(t, {request.copy(), path})) return Standing::kFull;
  ++size_;
  return Standing::kWaits;
}

std::optional<CommitWaits::Due> CommitWaits::due(const time::Interval* now) {
  if (taken_ == filled_) refill(now);
  if (taken_ == filled_) return std::nullopt;
  return Due{batch_.at(taken_), released_in_};
}

// Looks until somebody is found, the wheel has nobody more, or the burst's looks are used up.
void CommitWaits::refill(const time::Interval* now) {
  taken_ = filled_ = 0;
  released_in_ = now == nullptr ? std::nullopt : std::optional(*now);
  const auto take = [this](time::Tai, const Waiting& waiting) { batch_.at(filled_++) = waiting; };
  while (filled_ == 0 && looks_left_ > 0) {
    const std::uint32_t looks = std::min(kBatch, looks_left_);
    const std::uint64_t before = wheel_.work().looks;
    (void)(now == nullptr ? wheel_.drain(looks, take) : wheel_.poll(passed_until(*now), looks, take));
    const auto used = static_cast<std::uint32_t>(wheel_.work().looks - before);
    looks_left_ -= used;
    if (used < looks) return;
  }
}

time::Duration CommitWaits::until_due(const time::Interval* now) const {
  const auto next = wheel_.next_due();
  if (taken_ != filled_ || now == nullptr || !next) return {};
  // The wheel releases a granule at a time, once all of it has passed.
  return std::max(time::Duration{0},
                  time::saturating_sub(time::saturating_add(*next, wheel_.granule()), passed_until(*now)));
}

}  // namespace gnomon::serve
