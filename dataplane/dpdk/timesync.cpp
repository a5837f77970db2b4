// SPDX-License-Identifier: Apache-2.0
#include "dataplane/dpdk/timesync.hpp"

#include <rte_ethdev.h>

#include <cerrno>
#include <system_error>
#include <utility>

#include "platform/cycle_counter.hpp"

namespace gnomon::dataplane::dpdk {
namespace {

constexpr std::int64_t kNsPerSecond = 1'000'000'000;
constexpr std::int64_t kLastSecond = 9'000'000'000;               // in the year 2255; its nanoseconds fit
constexpr std::int64_t kEarliest = 1'577'836'800 * kNsPerSecond;  // 2020-01-01: no clock that was set shows less
// How much further the clock may go within a look than the counter does: what it is slewed by, and its resolution, for
// which it may seem to stand still, too.
constexpr std::int64_t kSlewShare = 10;
constexpr std::int64_t kResolutionNs = 1'000;
constexpr std::int64_t kLongestStandstillNs = kResolutionNs + kResolutionNs / kSlewShare;

bool lacking(int code) { return code == ENOTSUP || code == ENOSYS; }

constexpr const char* kStandsStill =
    "stands still: nothing drives it, or the card has ceased to answer; see whether its link and its device are there";

std::uint64_t width(const PortClockReading& reading) { return reading.after.count - reading.before.count; }

}  // namespace

const TimesyncCalls& timesync_of_dpdk() {
  static constexpr TimesyncCalls kCalls{
      .enable = rte_eth_timesync_enable, .read_time = rte_eth_timesync_read_time, .read_cycles = platform::read_cycles};
  return kCalls;
}

tl::expected<Timesync, PortClockError> Timesync::enable(std::uint16_t port, std::string name,
                                                        const TimesyncCalls& calls) {
  Timesync clock(port, std::move(name), calls);
  if (const int code = calls.enable(port); code != 0) return clock.failed("rte_eth_timesync_enable", code);
  if (const auto reading = clock.read_once(); !reading) {
    // What it shows is judged later, again and again; here only whether it can be read at all.
    const PortClockFault fault = reading.error().fault;
    if (fault == PortClockFault::kUnsupported || fault == PortClockFault::kUnreadable)
      return tl::make_unexpected(reading.error());
  }
  return clock;
}

tl::unexpected<PortClockError> Timesync::refuse(PortClockFault fault, const std::string& what) const {
  return tl::make_unexpected(PortClockError{fault, "the clock of port " + name_ + " " + what});
}

tl::unexpected<PortClockError> Timesync::failed(const std::string& call, int code) const {
  code = code < 0 ? -code : code;
  const std::string reason = call + ": " + std::generic_category().message(code);
  if (lacking(code))
    return refuse(PortClockFault::kUnsupported,
                  "can't be read (" + reason +
                      "), as with most drivers: take it out of clock.sources, and read a clock that the kernel has, as "
                      "phc:/dev/ptpN or by way of ptp4l; with mlx5 that is this very card's, otherwise another card's");
  return refuse(PortClockFault::kUnreadable, "can't be read (" + reason + "): see whether the device is still there");
}

tl::expected<PortClockReading, PortClockError> Timesync::read_once() const {
  timespec shown{};
  const time::Cycles before = calls_->read_cycles();
  const int code = calls_->read_time(port_, &shown);
  const time::Cycles after = calls_->read_cycles();
  if (code != 0) return failed("rte_eth_timesync_read_time", code);
  if (shown.tv_sec < 0 || shown.tv_sec > kLastSecond || shown.tv_nsec < 0 || shown.tv_nsec >= kNsPerSecond)
    return refuse(PortClockFault::kMalformed, "shows " + std::to_string(shown.tv_sec) + " s and " +
                                                  std::to_string(shown.tv_nsec) + " ns, which is no time");
  return PortClockReading{before, after, shown.tv_sec * kNsPerSecond + shown.tv_nsec};
}

tl::expected<Timesync::Look, PortClockError> Timesync::look(time::CycleRate nominal) const {
  const auto first = read_once();
  if (!first) return tl::make_unexpected(first.error());
  Look out{.best = *first, .newest = *first};
  for (int i = 1; i < kReadings; ++i) {
    const auto next = read_once();
    if (!next) return tl::make_unexpected(next.error());
    const std::int64_t moved = next->value_ns - out.newest.value_ns;
    const std::int64_t passed = nominal.span(next->after.count - out.newest.before.count).ns;
    if (moved < 0 || moved > passed + passed / kSlewShare + kResolutionNs)
      return refuse(PortClockFault::kMalformed, "moved by " + std::to_string(moved) + " ns within " +
                                                    std::to_string(passed) +
                                                    " ns: it was set, or read in pieces; it is read again");
    if (width(*next) < width(out.best)) out.best = *next;
    out.newest = *next;
  }
  const std::int64_t passed = nominal.span(out.newest.before.count - first->after.count).ns;
  if (out.newest.value_ns == first->value_ns && passed > kLongestStandstillNs)
    return refuse(PortClockFault::kStale, kStandsStill);
  return out;
}

tl::expected<PortClockReading, PortClockError> Timesync::read(time::CycleRate nominal) {
  const auto now = look(nominal);
  if (!now) return tl::make_unexpected(now.error());
  if (now->best.value_ns < kEarliest) {
    last_.reset();
    return refuse(PortClockFault::kUnset, "shows " + std::to_string(now->best.value_ns / kNsPerSecond) +
                                              " s since 1970: its driver set it to zero when the port started, and "
                                              "nobody else sets it; take it out of clock.sources");
  }
  const std::optional<PortClockReading> last = std::exchange(last_, now->newest);
  if (!last) return refuse(PortClockFault::kSettling, "was read for the first time; whether it runs shows at the next");
  const std::int64_t moved = now->best.value_ns - last->value_ns;
  if (moved < 0)
    return refuse(PortClockFault::kStale, "went back by " + std::to_string(-moved) + " ns: somebody has set it");
  if (moved == 0) {
    last_ = last;  // since when it stands still
    const std::int64_t passed = nominal.span(now->best.before.count - last->after.count).ns;
    if (passed > kLongestStandstillNs) return refuse(PortClockFault::kStale, kStandsStill);
  }
  return now->best;
}

}  // namespace gnomon::dataplane::dpdk
