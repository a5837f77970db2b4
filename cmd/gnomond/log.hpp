// SPDX-License-Identifier: Apache-2.0
//
// The daemon's log: standard error, or the journal's form of it. Never called by a worker or the clock thread: a line
// may block, and they count instead.
//
// Under systemd each line starts with its priority (<6>) and has no time of its own; in a terminal it has; as JSON it
// is one object. Thread rule: any thread but those.
#pragma once

#include <fmt/core.h>

#include <string_view>
#include <utility>

namespace gnomon::cmd {

enum class LogLevel : int { kTrace = 0, kDebug = 1, kInfo = 2, kWarn = 3, kError = 4 };

/// Names as in the option table; before the first call everything from info on goes out as text.
void set_up_log(std::string_view level, std::string_view format);
void set_log_level(std::string_view level);

void log_line(LogLevel level, std::string_view text);

template <typename... Args>
void log_debug(fmt::format_string<Args...> form, Args&&... args) {
  log_line(LogLevel::kDebug, fmt::format(form, std::forward<Args>(args)...));
}
template <typename... Args>
void log_info(fmt::format_string<Args...> form, Args&&... args) {
  log_line(LogLevel::kInfo, fmt::format(form, std::forward<Args>(args)...));
}
template <typename... Args>
void log_warn(fmt::format_string<Args...> form, Args&&... args) {
  log_line(LogLevel::kWarn, fmt::format(form, std::forward<Args>(args)...));
}
template <typename... Args>
void log_error(fmt::format_string<Args...> form, Args&&... args) {
  log_line(LogLevel::kError, fmt::format(form, std::forward<Args>(args)...));
}

}  // namespace gnomon::cmd
