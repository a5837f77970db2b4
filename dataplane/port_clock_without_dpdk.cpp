// SPDX-License-Identifier: Apache-2.0
//
// Stands in for dpdk/port_clocks.cpp where the libraries of DPDK are absent at build time.
#include "dataplane/port_clock.hpp"

namespace gnomon::dataplane {

tl::expected<std::unique_ptr<PortClock>, PortClockError> PortClock::of(const std::string& device) {
  return tl::make_unexpected(
      PortClockError{PortClockFault::kUnsupported,
                     "cannot read the clock of port " + device +
                         ": this program was built without DPDK; install libdpdk-dev and build again, or read a clock "
                         "that the kernel has (phc:/dev/ptpN)"});
}

}  // namespace gnomon::dataplane
