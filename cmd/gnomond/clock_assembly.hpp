// SPDX-License-Identifier: Apache-2.0
//
// From settings to the clock: its sources, its leap table, and what an earlier run of this boot left in the clock page.
#pragma once

#include <optional>
#include <string>

#include "cmd/gnomond/failure.hpp"
#include "cmd/options/settings.hpp"
#include "oracle/page/clock_page.hpp"
#include "oracle/time/leap_table.hpp"
#include "ptp/clock_thread.hpp"

namespace gnomon::cmd {

/// What the clock page of an earlier run says; taken before the page is replaced.
struct LeftClock {
  page::ClockDetails details;
  time::TrueTimeLine line;
};
[[nodiscard]] std::optional<LeftClock> read_left_clock(const std::string& instance);

/// The leap table of clock.leap_file; without a good one the built-in table, and `warning` says why.
[[nodiscard]] time::LeapTable leap_table(const Settings& settings, std::string& warning);

[[nodiscard]] ptp::ClockThreadOptions clock_options(const Settings& settings, const time::LeapTable& leaps,
                                                    const std::optional<LeftClock>& left);

/// Devices are opened here; daemons are looked for later, and again and again.
[[nodiscard]] Or<ptp::ClockSources> clock_sources(const Settings& settings, const std::string& runtime_dir);

}  // namespace gnomon::cmd
