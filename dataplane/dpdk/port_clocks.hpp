// SPDX-License-Identifier: Apache-2.0
//
// Which ports' clocks are wanted, and those of them that run, by device. One list for the process, as there is one EAL.
//
// A port may be stopped and closed at any moment, and no call into its driver may be under way then. So the list is
// read under its lock, and a port takes its clock back before it stops: from then on the reader hears that it is not
// started.
//
// Thread rule: any thread. The lock is held for a few reads of a register, by the clock thread, and never by a worker.
#pragma once

#include <string>

#include "dataplane/dpdk/timesync.hpp"

namespace gnomon::dataplane::dpdk {

/// Whether somebody asked for it (PortClock::of).
[[nodiscard]] bool clock_is_wanted(const std::string& device);
/// From now on it can be read.
void offer_clock(const std::string& device, Timesync clock);
/// Nobody reads it any more once this returns.
void withdraw_clock(const std::string& device);

}  // namespace gnomon::dataplane::dpdk
