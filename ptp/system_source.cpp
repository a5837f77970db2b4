// SPDX-License-Identifier: Apache-2.0
#include "ptp/system_source.hpp"

#include <fmt/format.h>
#include <time.h>

#include "platform/cycle_counter.hpp"
#include "platform/system_error.hpp"

namespace gnomon::ptp {

tl::expected<SourceSample, SourceError> SystemSource::sample() {
  struct Read {
    int status = 0;
    timespec now{};
  };
  const auto best = narrowest_of(kReadingsPerSample, platform::read_cycles, [] {
    Read read;
    read.status = clock_gettime(CLOCK_REALTIME, &read.now);
    return read;
  });
  if (best.value.status != 0)
    return tl::make_unexpected(
        SourceError{SourceFault::kUnreadable, platform::system_error("read CLOCK_REALTIME").text});
  const time::SmearedUtc reading{std::int64_t{best.value.now.tv_sec} * 1'000'000'000 + best.value.now.tv_nsec};
  return SourceSample{best.before, best.after, reading, bound_};
}

std::string SystemSource::describe() const {
  return fmt::format("system clock, stated bound {:.3f} ms", static_cast<double>(bound_.ns) / 1e6);
}

}  // namespace gnomon::ptp
