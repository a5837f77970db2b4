// SPDX-License-Identifier: Apache-2.0
#include "ptp/phc.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/ptp_clock.h>
#include <sys/ioctl.h>
#include <time.h>

#include <cerrno>
#include <utility>

#include "platform/cycle_counter.hpp"
#include "platform/system_error.hpp"
#include "ptp/clock_track.hpp"

namespace gnomon::ptp {
namespace {

constexpr unsigned kSamples = 5;
static_assert(kSamples >= kReadingsPerSample && kSamples <= PTP_MAX_SAMPLES);

std::int64_t nanoseconds_of(const ptp_clock_time& t) { return t.sec * 1'000'000'000 + t.nsec; }

// Documentation/driver-api/ptp: a dynamic clock id is the inverted descriptor with a tag of 3 bits.
clockid_t clock_id_of(int fd) { return static_cast<clockid_t>((~static_cast<unsigned>(fd) << 3) | 3U); }

/// Calls `ask` between two readings of the system clock, and puts [from, to] of that clock on the counter's axis.
struct SystemSpan {
  std::int64_t from_ns = 0;
  std::int64_t to_ns = 0;
  std::int64_t device_ns = 0;
};

tl::expected<ClockReading, SourceError> on_counter(const SystemSpan& span, const ClockTrack& track,
                                                   time::CycleRate nominal) {
  const auto from = track.when(span.from_ns, nominal);
  const auto to = track.when(span.to_ns, nominal);
  if (!from || !to)
    return tl::make_unexpected(
        SourceError{SourceFault::kUnreadable,
                    "the system clock was stepped while the PTP clock was compared with it: tried again"});
  // Outwards by what is not known about the two moments.
  const std::uint64_t q32 = nominal.ns_per_cycle_q32 == 0 ? 1 : nominal.ns_per_cycle_q32;
  const auto cycles = [q32](time::Duration d) { return ((static_cast<std::uint64_t>(d.ns) << 32) / q32) + 1; };
  return ClockReading{{from->at.count - cycles(from->width)}, {to->at.count + cycles(to->width)}, span.device_ns};
}

bool add_system_clock(ClockTrack& track, time::CycleRate nominal) {
  const auto reading = SystemClock().read(nominal);
  if (reading) track.add(reading->middle(), reading->value, reading->half_width(nominal));
  return reading.has_value();
}

}  // namespace

tl::unexpected<SourceError> PhcClock::failed(const std::string& action) const {
  const int code = errno;
  const bool lacking = code == EOPNOTSUPP || code == ENOTTY || code == EINVAL;
  return tl::make_unexpected(SourceError{lacking ? SourceFault::kUnsupported : SourceFault::kUnreadable,
                                         platform::system_error(action + " " + path_, code).text});
}

tl::expected<std::unique_ptr<PhcClock>, SourceError> PhcClock::open(const std::string& path) {
  platform::UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!fd.valid())
    return tl::make_unexpected(
        SourceError{SourceFault::kUnreadable, platform::system_error("open PTP clock " + path).text});
  std::unique_ptr<PhcClock> clock(new PhcClock(std::move(fd), path));
  ptp_clock_caps caps{};
  if (ioctl(clock->fd_.get(), PTP_CLOCK_GETCAPS, &caps) != 0)
    return tl::make_unexpected(SourceError{
        SourceFault::kUnsupported,
        fmt::format("{} is no PTP clock: name a /dev/ptpN; `ethtool -T INTERFACE` says which belongs to a card",
                    path)});
  constexpr auto kProbeRate = time::CycleRate::from_hz(1'000'000'000);  // good enough to see whether it works
  for (const PhcMethod method : {PhcMethod::kPrecise, PhcMethod::kExtended, PhcMethod::kPlain}) {
    clock->method_ = method;
    const auto reading = clock->read(kProbeRate);
    if (reading || reading.error().fault != SourceFault::kUnsupported) return clock;
    if (method == PhcMethod::kPlain) return tl::make_unexpected(reading.error());
  }
  return clock;
}

tl::expected<ClockReading, SourceError> PhcClock::read(time::CycleRate nominal) {
  switch (method_) {
    case PhcMethod::kPrecise: return read_precise(nominal);
    case PhcMethod::kExtended: return read_extended(nominal);
    case PhcMethod::kPlain: break;
  }
  return read_plain();
}

tl::expected<ClockReading, SourceError> PhcClock::read_precise(time::CycleRate nominal) {
  ClockTrack track;
  ptp_sys_offset_precise offset{};
  add_system_clock(track, nominal);
  if (ioctl(fd_.get(), PTP_SYS_OFFSET_PRECISE, &offset) != 0) return failed("compare precisely with");
  add_system_clock(track, nominal);
  const std::int64_t system = nanoseconds_of(offset.sys_realtime);
  return on_counter({system, system + 1, nanoseconds_of(offset.device)}, track, nominal);
}

tl::expected<ClockReading, SourceError> PhcClock::read_extended(time::CycleRate nominal) {
  ClockTrack track;
  ptp_sys_offset_extended offset{};
  offset.n_samples = kSamples;
  add_system_clock(track, nominal);
  if (ioctl(fd_.get(), PTP_SYS_OFFSET_EXTENDED, &offset) != 0) return failed("compare with");
  add_system_clock(track, nominal);
  SystemSpan best{nanoseconds_of(offset.ts[0][0]), nanoseconds_of(offset.ts[0][2]), nanoseconds_of(offset.ts[0][1])};
  for (unsigned i = 1; i < kSamples; ++i) {
    const SystemSpan next{nanoseconds_of(offset.ts[i][0]), nanoseconds_of(offset.ts[i][2]),
                          nanoseconds_of(offset.ts[i][1])};
    if (next.to_ns - next.from_ns < best.to_ns - best.from_ns) best = next;
  }
  return on_counter(best, track, nominal);
}

tl::expected<ClockReading, SourceError> PhcClock::read_plain() {
  bool failing = false;
  const clockid_t id = clock_id_of(fd_.get());
  const ClockReading best = narrowest_of(static_cast<int>(kSamples), platform::read_cycles, [&failing, id] {
    timespec now{};
    failing = clock_gettime(id, &now) != 0 || failing;
    return std::int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
  });
  if (failing) return failed("read");
  return best;
}

std::string PhcClock::describe() const {
  const char* how = method_ == PhcMethod::kPrecise    ? "precise cross timestamps"
                    : method_ == PhcMethod::kExtended ? "extended offsets"
                                                      : "plain reads";
  return fmt::format("PTP clock {} ({})", path_, how);
}

}  // namespace gnomon::ptp
