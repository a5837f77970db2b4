// SPDX-License-Identifier: Apache-2.0
#include "ptp/clock_track.hpp"

#include <algorithm>

#include "oracle/time/int128.hpp"

namespace gnomon::ptp {
namespace {

constexpr std::int64_t kMillion = 1'000'000;

// Cycles in `part` of `whole` ns, if `whole` ns took `cycles`.
std::uint64_t share(std::uint64_t cycles, std::int64_t part, std::int64_t whole) {
  return static_cast<std::uint64_t>(static_cast<time::UInt128>(cycles) * static_cast<time::UInt128>(part) /
                                    static_cast<time::UInt128>(whole));
}

}  // namespace

void ClockTrack::add(time::Cycles at, std::int64_t value_ns, time::Duration half_width) {
  if (size_ != 0 && at <= newest(0).at) return;
  readings_[next_] = {at, value_ns, half_width};
  next_ = (next_ + 1) % kReadings;
  size_ = std::min(size_ + 1, kReadings);
}

tl::expected<Moment, TrackFault> ClockTrack::when(std::int64_t value_ns, time::CycleRate nominal) const {
  if (size_ == 0 || newest(0).value_ns < value_ns) return tl::make_unexpected(TrackFault::kNotYet);
  tl::expected<Moment, TrackFault> found = tl::make_unexpected(TrackFault::kTooOld);
  for (std::size_t age = 0; age + 1 < size_; ++age) {
    const Reading& later = newest(age);
    const Reading& earlier = newest(age + 1);
    const std::int64_t shown = later.value_ns - earlier.value_ns;
    const std::uint64_t cycles = later.at.count - earlier.at.count;
    const std::int64_t passed = nominal.span(cycles).ns;
    const std::int64_t blur = earlier.half_width.ns + later.half_width.ns;
    const std::int64_t tolerance = passed * kMaxRatePpm / kMillion + blur + 1;
    const bool stepped = shown <= 0 || shown - passed > tolerance || passed - shown > tolerance;
    // What the clock may have shown between the two, on either side of its step. Also after a step back, when it shows
    // the same a second time: then nobody can tell which of the two times it was.
    const std::int64_t lowest = std::min(earlier.value_ns, later.value_ns - passed - tolerance);
    const std::int64_t highest = std::max(later.value_ns, earlier.value_ns + passed + tolerance);
    if (stepped && value_ns >= lowest && value_ns <= highest) return tl::make_unexpected(TrackFault::kStepped);
    if (found || stepped || value_ns < earlier.value_ns || value_ns > later.value_ns) continue;
    // From the nearer of the two readings on, the clock may have run at any rate that it may have.
    const std::int64_t near = std::min(value_ns - earlier.value_ns, later.value_ns - value_ns);
    found = Moment{
        {earlier.at.count + share(cycles, value_ns - earlier.value_ns, shown)},
        time::Duration{near * 2 * kMaxRatePpm / kMillion + 1 + std::max(earlier.half_width, later.half_width).ns}};
  }
  return found;
}

}  // namespace gnomon::ptp
