// SPDX-License-Identifier: Apache-2.0
//
// gnomon clock: what time a gnomond of this host knows, how well, and why no better. The daemon decides and explains;
// this command only lays out what it says, so that two readers of one report can't come to different conclusions.
//
// Without a true time the view is shown all the same, since that is when it is needed; the exit code tells a script.
#pragma once

#include <optional>
#include <string>

#include "cmd/gnomon/output.hpp"
#include "control/service/status_report.hpp"

namespace gnomon::cmd {

struct ClockOptions {
  std::optional<std::string> instance;  // environment GNOMON_SERVER_INSTANCE, else main
  std::optional<std::string> socket;    // environment GNOMON_CONTROL_SOCKET, else found by the instance
  bool watch = false;
  double interval_s = 1;
  int count = 0;  // of redraws; 0: until interrupted
};
/// kUnsynchronised, after the view, if there is no true time; when watching, as it was at the last look.
[[nodiscard]] ExitCode run_clock(const ClockOptions& options, const Output& output);

/// For people; lines no longer than a usual terminal.
[[nodiscard]] std::string clock_text(const control::StatusReport& report);
/// The same for programs: one line of JSON.
[[nodiscard]] std::string clock_json(const control::StatusReport& report);

}  // namespace gnomon::cmd
