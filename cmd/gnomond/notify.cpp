// SPDX-License-Identifier: Apache-2.0
#include "cmd/gnomond/notify.hpp"

#include <fmt/core.h>
#include <time.h>

#include <cstdint>

#include <systemd/sd-daemon.h>

namespace gnomon::cmd {

void notify_ready(const std::string& status) { sd_notify(0, ("READY=1\nSTATUS=" + status).c_str()); }
void notify_status(const std::string& status) { sd_notify(0, ("STATUS=" + status).c_str()); }
void notify_stopping() { sd_notify(0, "STOPPING=1\nSTATUS=giving the rights back"); }
void notify_watchdog() { sd_notify(0, "WATCHDOG=1"); }

void notify_reloading() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  const auto us = std::int64_t{now.tv_sec} * 1'000'000 + now.tv_nsec / 1'000;
  sd_notify(0, fmt::format("RELOADING=1\nMONOTONIC_USEC={}", us).c_str());
}

std::optional<std::chrono::microseconds> watchdog_interval() {
  std::uint64_t us = 0;
  if (sd_watchdog_enabled(0, &us) <= 0 || us == 0) return std::nullopt;
  return std::chrono::microseconds(us / 2);
}

}  // namespace gnomon::cmd
