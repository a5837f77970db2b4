// SPDX-License-Identifier: Apache-2.0
#include <exception>
#include <functional>
#include <iostream>
#include <utility>
#include <variant>

#include "cmd/gnomond/command_line.hpp"
#include "cmd/gnomond/daemon.hpp"
#include "cmd/gnomond/log.hpp"
#include "cmd/gnomond/signals.hpp"
#include "cmd/gnomond/supervisor/supervised_daemon.hpp"
#include "control/protobuf_log.hpp"

namespace gnomon::cmd {
namespace {

ExitCode fail(const Failure& failure) {
  log_error("{}", failure.text);
  return failure.code;
}

ExitCode run_daemon(DaemonArguments arguments, const std::function<void()>& ready) {
  set_up_log(arguments.configuration.settings.log.level, arguments.configuration.settings.log.format);
  const auto signals = Signals::block();
  if (!signals) return fail(signals.error());
  Daemon daemon(std::move(arguments), ready);
  if (const auto started = daemon.start(); !started) return fail(started.error());
  if (const auto served = daemon.serve(*signals); !served) return fail(served.error());
  return ExitCode::kOk;
}

// The supervisor forks before anything else happens: from here on there is one thread and no descriptor of a daemon.
ExitCode run(DaemonArguments arguments) {
  const Settings& settings = arguments.configuration.settings;
  if (!settings.server.supervise) return run_daemon(std::move(arguments), {});
  set_up_log(settings.log.level, settings.log.format);
  return supervisor::run_supervised(std::move(arguments), run_daemon, supervisor::store_of);
}

}  // namespace
}  // namespace gnomon::cmd

int main(int argc, char** argv) {
  using namespace gnomon::cmd;
  try {
    gnomon::control::keep_protobuf_quiet();  // while there is one thread; what the supervisor forks has it, too
    Parsed parsed = parse_daemon_command_line(argc, argv, std::cout, std::cerr);
    std::cout.flush();
    if (const auto* code = std::get_if<ExitCode>(&parsed)) return status_of(*code);
    return status_of(run(std::move(std::get<DaemonArguments>(parsed))));
  } catch (const std::exception& error) {
    std::cerr << "gnomond: " << error.what() << '\n';
    return status_of(ExitCode::kRefused);
  }
}
