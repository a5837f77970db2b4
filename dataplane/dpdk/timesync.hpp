// SPDX-License-Identifier: Apache-2.0
//
// A started port's clock, read through rte_eth_timesync_read_time and distrusted.
//
// The naive way is to call it and to believe a return value of 0. But drivers return 0 for whatever the registers hold:
// a clock that stands still, a value that was torn while its halves were read, or the seconds since timesync was
// enabled, because that sets most clocks to zero (igb, ixgbe, i40e). So every value is bracketed by the cycle counter,
// several are taken, and a look is refused
//
//   malformed   if a value is no time, or goes back or ahead within the look by what the counter does not allow
//   unset       if it lies before 2020
//   stale       if it has not moved within the look or since the last one, or went back since then
//   settling    if it is the first, since one reading can't show a clock that stands still
//
// Timesync is enabled and never disabled: on cards whose functions share a clock that would stop it for all of them
// (ice), and closing the port ends it where it is the port's own. rte_eth_read_clock is no substitute: it yields raw
// ticks from no known start.
//
// Thread rule: one thread. Drivers keep a software counter behind the register, without a lock.
#pragma once

#include <cstdint>
#include <ctime>
#include <optional>
#include <string>

#include <tl/expected.hpp>

#include "dataplane/port_clock.hpp"
#include "oracle/time/cycles.hpp"

namespace gnomon::dataplane::dpdk {

/// What is called; tests put their own in place.
struct TimesyncCalls {
  int (*enable)(std::uint16_t port);
  int (*read_time)(std::uint16_t port, timespec* shown);
  time::Cycles (*read_cycles)();
};
[[nodiscard]] const TimesyncCalls& timesync_of_dpdk();

class Timesync {
 public:
  static constexpr int kReadings = 5;

  /// Enables it and reads once, to learn whether the driver can. `port` has been started; `name` is for texts.
  [[nodiscard]] static tl::expected<Timesync, PortClockError> enable(std::uint16_t port, std::string name,
                                                                     const TimesyncCalls& calls = timesync_of_dpdk());

  [[nodiscard]] tl::expected<PortClockReading, PortClockError> read(time::CycleRate nominal);

 private:
  struct Look {
    PortClockReading best;  // the narrowest
    PortClockReading newest;
  };

  Timesync(std::uint16_t port, std::string name, const TimesyncCalls& calls)
      : port_(port), name_(std::move(name)), calls_(&calls) {}

  [[nodiscard]] tl::expected<PortClockReading, PortClockError> read_once() const;
  [[nodiscard]] tl::expected<Look, PortClockError> look(time::CycleRate nominal) const;
  [[nodiscard]] tl::unexpected<PortClockError> refuse(PortClockFault fault, const std::string& what) const;
  [[nodiscard]] tl::unexpected<PortClockError> failed(const std::string& call, int code) const;

  std::uint16_t port_;
  std::string name_;
  const TimesyncCalls* calls_;
  std::optional<PortClockReading> last_;  // the newest of the last look
};

}  // namespace gnomon::dataplane::dpdk
