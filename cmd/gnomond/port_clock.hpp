// SPDX-License-Identifier: Apache-2.0
//
// The clock of a DPDK port as a source of time: dataplane/ reads the card, ptp/ makes a claim of it, and neither knows
// the other.
//
// A port is started after the clock thread, because workers need a time to begin with. Until then the source says that
// it is not started; from the second reading on it counts.
//
// Nobody disciplines such a clock from here. It is worth what the operator states if something else does: firmware, or
// ptp4l through another function of the same card, which the kernel keeps.
#pragma once

#include <memory>
#include <string>

#include "cmd/gnomond/failure.hpp"
#include "cmd/options/settings.hpp"
#include "ptp/sources.hpp"
#include "ptp/time_source.hpp"

namespace gnomon::cmd {

/// `spec` is of the kind `port`, and names one of dpdk.devices. Before the port is started.
[[nodiscard]] Or<std::unique_ptr<ptp::TimeSource>> port_source(const ptp::SourceSpec& spec, const Settings& settings);

}  // namespace gnomon::cmd
