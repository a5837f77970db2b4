// SPDX-License-Identifier: Apache-2.0
#include "cmd/gnomond/log.hpp"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdlib>
#include <memory>
#include <string>

#include "cmd/text/json.hpp"
#include "cmd/text/rfc3339.hpp"

namespace gnomon::cmd {
namespace {

enum class Form : std::uint8_t { kText, kJournal, kJson };

std::atomic<Form> form{Form::kText};

spdlog::logger& logger() {
  static const std::shared_ptr<spdlog::logger> kLogger = [] {
    auto made = std::make_shared<spdlog::logger>("gnomond", std::make_shared<spdlog::sinks::stderr_sink_mt>());
    made->set_pattern("%v");
    made->flush_on(spdlog::level::trace);
    return made;
  }();
  return *kLogger;
}

spdlog::level::level_enum level_of(LogLevel level) {
  switch (level) {
    case LogLevel::kTrace: return spdlog::level::trace;
    case LogLevel::kDebug: return spdlog::level::debug;
    case LogLevel::kInfo: return spdlog::level::info;
    case LogLevel::kWarn: return spdlog::level::warn;
    case LogLevel::kError: return spdlog::level::err;
  }
  return spdlog::level::err;
}

constexpr std::string_view kNames[] = {"trace", "debug", "info", "warn", "error"};
constexpr int kPriorities[] = {7, 7, 6, 4, 3};  // syslog's: sd-daemon(3)

std::string now_text() {
  const auto since = std::chrono::system_clock::now().time_since_epoch();
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(since).count();
  return rfc3339({ms * 1'000'000});
}

std::string formatted(LogLevel level, std::string_view text) {
  const auto index = static_cast<std::size_t>(level);
  switch (form.load(std::memory_order_relaxed)) {  // set once, before there are threads
    case Form::kJournal: return fmt::format("<{}>{}", kPriorities[index], text);
    case Form::kJson: {
      JsonWriter json;
      json.begin_object().key("time").text(now_text()).key("level").text(kNames[index]);
      return json.key("text").text(text).end_object().str();
    }
    case Form::kText: break;
  }
  return fmt::format("{:<24} {:<5} {}", now_text(), kNames[index], text);
}

}  // namespace

void set_up_log(std::string_view level, std::string_view format) {
  const bool journal = std::getenv("JOURNAL_STREAM") != nullptr;  // NOLINT(concurrency-mt-unsafe): before any thread
  form.store(format == "json" ? Form::kJson : journal ? Form::kJournal : Form::kText, std::memory_order_relaxed);
  set_log_level(level);
}

void set_log_level(std::string_view level) {
  for (int i = 0; i < 5; ++i)
    if (kNames[i] == level) logger().set_level(level_of(static_cast<LogLevel>(i)));
}

void log_line(LogLevel level, std::string_view text) {
  if (!logger().should_log(level_of(level))) return;
  logger().log(level_of(level), "{}", formatted(level, text));
}

}  // namespace gnomon::cmd
