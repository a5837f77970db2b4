// SPDX-License-Identifier: Apache-2.0
#include "cmd/gnomond/port_clock.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <utility>

#include "cmd/options/checks.hpp"
#include "dataplane/port_clock.hpp"
#include "ptp/fixed_source.hpp"
#include "ptp/reference_clock.hpp"

namespace gnomon::cmd {
namespace {

using dataplane::PortClockFault;
using ptp::SourceFault;

SourceFault source_fault_of(PortClockFault fault) {
  switch (fault) {
    case PortClockFault::kNotStarted:
    case PortClockFault::kUnset: return SourceFault::kNotSynchronised;
    case PortClockFault::kUnsupported: return SourceFault::kUnsupported;
    case PortClockFault::kUnreadable: return SourceFault::kUnreadable;
    case PortClockFault::kMalformed: return SourceFault::kMalformed;
    case PortClockFault::kStale: return SourceFault::kStale;
    case PortClockFault::kSettling: return SourceFault::kSettling;
  }
  return SourceFault::kUnreadable;
}

class PortReferenceClock final : public ptp::ReferenceClock {
 public:
  PortReferenceClock(std::unique_ptr<dataplane::PortClock> clock, std::string device)
      : clock_(std::move(clock)), device_(std::move(device)) {}

  [[nodiscard]] tl::expected<ptp::ClockReading, ptp::SourceError> read(time::CycleRate nominal) override {
    const auto reading = clock_->read(nominal);
    if (reading) return ptp::ClockReading{reading->before, reading->after, reading->value_ns};
    return tl::make_unexpected(ptp::SourceError{source_fault_of(reading.error().fault), reading.error().text});
  }
  [[nodiscard]] ptp::ClockKind kind() const override { return ptp::ClockKind::kPort; }
  [[nodiscard]] std::string describe() const override { return "clock of DPDK port " + device_; }

 private:
  std::unique_ptr<dataplane::PortClock> clock_;
  std::string device_;
};

}  // namespace

Or<std::unique_ptr<ptp::TimeSource>> port_source(const ptp::SourceSpec& spec, const Settings& settings) {
  const auto& devices = settings.dpdk.devices;
  const auto device = std::find_if(devices.begin(), devices.end(), [&](const std::string& candidate) {
    return device_identity(candidate) == device_identity(spec.path);
  });
  if (device == devices.end()) return refused(fmt::format("dpdk.devices lists no {}", spec.path));
  const std::string name = device->substr(0, device->find(','));  // as the port is named
  auto clock = dataplane::PortClock::of(name);
  if (!clock) return refused(clock.error().text);
  return std::make_unique<ptp::FixedSource>(std::make_unique<PortReferenceClock>(std::move(*clock), name), spec.scale,
                                            spec.bound);
}

}  // namespace gnomon::cmd
