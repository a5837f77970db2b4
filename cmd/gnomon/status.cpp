// SPDX-License-Identifier: Apache-2.0
#include "cmd/gnomon/status.hpp"

#include <fmt/core.h>
#include <unistd.h>

#include <chrono>
#include <thread>

#include "cmd/gnomon/status_socket.hpp"
#include "control/service/status_client.hpp"

namespace gnomon::cmd {
namespace {

constexpr auto kAnswerLimit = std::chrono::milliseconds(2000);
constexpr auto kRateSpan = std::chrono::milliseconds(300);  // between the two samples of a single status
constexpr std::string_view kHomeAndClear = "\x1b[H\x1b[2J";

std::string rendered(const StatusOptions& options, const Output& output, const control::StatusReport& report,
                     const Rates& rates) {
  if (output.json) return status_json(report, rates);
  return options.ports ? ports_text(report) : status_text(report, rates);
}

ExitCode show_once(const StatusOptions& options, const std::string& socket, const Output& output) {
  auto first = control::fetch_status(socket, kAnswerLimit);
  if (first) std::this_thread::sleep_for(kRateSpan);
  const auto report = first ? control::fetch_status(socket, kAnswerLimit) : first;
  if (!report)
    return output.fail(report.error().unreachable ? ExitCode::kUnreachable : ExitCode::kRefused, report.error().text);
  output.out << rendered(options, output, *report, rates_between(&*first, *report));
  return ExitCode::kOk;
}

}  // namespace

Rates rates_between(const control::StatusReport* before, const control::StatusReport& now) {
  if (before == nullptr || before->daemon.incarnation != now.daemon.incarnation) return {};
  const double seconds = static_cast<double>(time::saturating_sub(now.sampled, before->sampled).ns) / 1e9;
  if (seconds <= 0 || before->workers.size() != now.workers.size()) return {};
  Rates rates;
  for (std::size_t w = 0; w < now.workers.size(); ++w) {
    const auto& older = before->workers[w].counters;
    const auto& newer = now.workers[w].counters;
    std::vector<double>& row = rates.emplace_back(newer.size());
    for (std::size_t c = 0; c < newer.size() && c < older.size(); ++c)
      row[c] = static_cast<double>(newer[c].value - older[c].value) / seconds;
  }
  return rates;
}

ExitCode run_status(const StatusOptions& options, const Output& output) {
  const auto socket = status_socket(options.instance, options.socket);
  if (!socket) return output.fail(ExitCode::kUsage, socket.error());
  if (!options.watch) return show_once(options, *socket, output);

  const bool redraw = ::isatty(STDOUT_FILENO) == 1 && !output.json;
  std::optional<control::StatusReport> before;
  ExitCode code = ExitCode::kOk;
  for (int shown = 0; options.count == 0 || shown < options.count; ++shown) {
    if (shown > 0) std::this_thread::sleep_for(std::chrono::duration<double>(options.interval_s));
    auto report = control::fetch_status(*socket, kAnswerLimit);
    if (redraw) output.out << kHomeAndClear;
    if (report) {
      output.out << rendered(options, output, *report, rates_between(before ? &*before : nullptr, *report));
      before = std::move(*report);
      code = ExitCode::kOk;
    } else if (shown == 0) {
      return output.fail(report.error().unreachable ? ExitCode::kUnreachable : ExitCode::kRefused, report.error().text);
    } else {
      code = output.fail(ExitCode::kUnreachable, report.error().text);  // it may be restarting: go on watching
    }
    if (!redraw && !output.json) output.out << '\n';
    output.out.flush();
  }
  return code;
}

}  // namespace gnomon::cmd
