// SPDX-License-Identifier: Apache-2.0
//
// What systemd is told (sd_notify). All of it does nothing where there is no service manager.
#pragma once

#include <chrono>
#include <optional>
#include <string>

namespace gnomon::cmd {

void notify_ready(const std::string& status);
void notify_status(const std::string& status);
void notify_reloading();
void notify_stopping();
void notify_watchdog();

/// How often systemd wants to hear notify_watchdog: half of WatchdogSec. None: it does not ask.
[[nodiscard]] std::optional<std::chrono::microseconds> watchdog_interval();

}  // namespace gnomon::cmd
