// SPDX-License-Identifier: Apache-2.0
#include "cmd/gnomon/clock.hpp"

#include <unistd.h>

#include <chrono>
#include <string_view>
#include <thread>

#include "cmd/gnomon/status_socket.hpp"
#include "control/service/status_client.hpp"
#include "oracle/time/true_time.hpp"

namespace gnomon::cmd {
namespace {

constexpr auto kAnswerLimit = std::chrono::milliseconds(2000);
constexpr std::string_view kHomeAndClear = "\x1b[H\x1b[2J";

ExitCode show(const control::StatusReport& report, const Output& output) {
  output.out << (output.json ? clock_json(report) : clock_text(report));
  const bool synchronised = report.clock.true_time == time::name_of(time::ClockFault::kNone);
  return synchronised ? ExitCode::kOk : ExitCode::kUnsynchronised;
}

ExitCode fail(const control::StatusFetchError& error, const Output& output) {
  return output.fail(error.unreachable ? ExitCode::kUnreachable : ExitCode::kRefused, error.text);
}

}  // namespace

ExitCode run_clock(const ClockOptions& options, const Output& output) {
  const auto socket = status_socket(options.instance, options.socket);
  if (!socket) return output.fail(ExitCode::kUsage, socket.error());
  const bool redraw = options.watch && ::isatty(STDOUT_FILENO) == 1 && !output.json;
  ExitCode code = ExitCode::kOk;
  for (int shown = 0; shown == 0 || (options.watch && (options.count == 0 || shown < options.count)); ++shown) {
    if (shown > 0) {
      if (!redraw && !output.json) output.out << '\n';
      std::this_thread::sleep_for(std::chrono::duration<double>(options.interval_s));
    }
    const auto report = control::fetch_status(*socket, kAnswerLimit);
    if (!report && shown == 0) return fail(report.error(), output);
    if (redraw) output.out << kHomeAndClear;
    code = report ? show(*report, output) : fail(report.error(), output);  // it may be restarting: go on watching
    output.out.flush();
  }
  return code;
}

}  // namespace gnomon::cmd
