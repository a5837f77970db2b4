// SPDX-License-Identifier: Apache-2.0
#include "ptp/reference_clock.hpp"

#include <time.h>

#include "platform/cycle_counter.hpp"
#include "platform/system_error.hpp"

namespace gnomon::ptp {

time::Duration clock_moved(const ClockReading& first, const ClockReading& second, time::CycleRate nominal) {
  if (second.middle() < first.middle()) return {};
  const std::int64_t shown = time::saturating_sub(time::Tai{second.value}, time::Tai{first.value}).ns;
  const std::int64_t passed = nominal.span(second.middle().count - first.middle().count).ns;
  return {shown > passed ? shown - passed : passed - shown};
}

tl::expected<ClockReading, SourceError> SystemClock::read(time::CycleRate) {
  bool failed = false;
  const ClockReading best = narrowest_of(kReadingsPerSample, platform::read_cycles, [&failed] {
    timespec now{};
    failed = clock_gettime(CLOCK_REALTIME, &now) != 0 || failed;
    return std::int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
  });
  if (!failed) return best;
  return tl::make_unexpected(SourceError{SourceFault::kUnreadable, platform::system_error("read CLOCK_REALTIME").text});
}

}  // namespace gnomon::ptp
