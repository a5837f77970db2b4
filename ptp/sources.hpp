// SPDX-License-Identifier: Apache-2.0
//
// From the words of the configuration to sources:
//
//   system                              CLOCK_REALTIME, with a stated bound
//   kernel                              CLOCK_REALTIME, with the kernel's estimate (adjtimex)
//   chrony[:SOCKET]                     chronyd's tracking report
//   ptp4l[:SOCKET]                      ptp4l's management socket
//   phc:/dev/ptpN                       a PTP clock, with a stated bound
//   port:DEVICE                         the clock of a DPDK port's card, with a stated bound
//
// Parameters follow as ?name=value&name=value; which ones a kind knows stands in the table of sources.cpp, which makes
// the help of the option too. A word that is not understood is refused with the list of those that are.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <tl/expected.hpp>

#include "oracle/time/uncertainty.hpp"
#include "ptp/chrony_source.hpp"
#include "ptp/claim.hpp"
#include "ptp/ptp4l_source.hpp"
#include "ptp/time_source.hpp"

namespace gnomon::ptp {

enum class SourceKind : std::uint8_t { kSystem, kKernel, kChrony, kPtp4l, kPhc, kPort };

/// One source, as configured.
struct SourceSpec {
  SourceKind kind = SourceKind::kSystem;
  std::string path;   // socket or device; the default of its kind if none was named. port: the DPDK device
  std::string clock;  // ptp4l: the PTP clock that it disciplines; empty: the system clock
  Scale scale = Scale::kUtc;
  time::Duration bound;  // system, phc, port
  std::uint8_t domain = 0;
  PtpPolicy ptp;
};

/// `default_bound`: of `system`, if it states none of its own. The error is a complete sentence.
[[nodiscard]] tl::expected<SourceSpec, std::string> parse_source(std::string_view text, time::Duration default_bound);

/// What of the host a source may use: a folder for its end of a socket, and the drift of this host's oscillator.
struct SourcePlace {
  std::string runtime_dir;
  std::string instance;
  time::Drift drift;
};

/// Opens devices; sockets are opened, and opened again, when the source is polled. `index` tells the files apart. A
/// `port` is refused: ports belong to the data plane, so whoever has one makes the source.
[[nodiscard]] tl::expected<std::unique_ptr<TimeSource>, SourceError> make_source(const SourceSpec& spec,
                                                                                 const SourcePlace& place,
                                                                                 std::size_t index);

/// CLOCK_REALTIME as UTC with that bound.
[[nodiscard]] std::unique_ptr<TimeSource> system_source(time::Duration stated_bound);

/// For the help of the option.
[[nodiscard]] std::string_view sources_help();

}  // namespace gnomon::ptp
