// SPDX-License-Identifier: Apache-2.0
//
// gnomond under its supervisor: which configuration each daemon is started with, and which store its executor opens.
//
// A daemon that is started again reads the configuration anew, as it would if systemd had started it; what SIGHUP had
// changed in the dead one would be lost otherwise. If the file is wrong by now the last good one serves on: a crash is
// no time to refuse. The executor of an estate opens what the dead one had opened, whatever the file says by then.
#pragma once

#include <functional>

#include "cmd/gnomond/command_line.hpp"
#include "cmd/gnomond/failure.hpp"
#include "cmd/gnomond/supervisor/executor.hpp"

namespace gnomon::cmd::supervisor {

/// Runs one daemon to its end, in its own process.
using DaemonRun = std::function<ExitCode(DaemonArguments arguments, const std::function<void()>& ready)>;
/// How the store of those settings is opened for an executor.
using OpenerOf = std::function<StoreOpener(const Settings& settings)>;

/// As a daemon opens it, but that it must be there already.
[[nodiscard]] StoreOpener store_of(const Settings& settings);

/// Returns in the supervisor with the code to exit with.
[[nodiscard]] ExitCode run_supervised(DaemonArguments arguments, const DaemonRun& run, const OpenerOf& opener_of);

}  // namespace gnomon::cmd::supervisor
