// SPDX-License-Identifier: Apache-2.0
//
// What DPDK logs, line by line: its functions return a number and write the reason to a log, so the log is part of
// every error text.
//
// Thread rule: any thread logs and asks.
#pragma once

#include <cstddef>
#include <cstdio>
#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>

namespace gnomon::dataplane::dpdk {

class LogCapture {
 public:
  using Sink = std::function<void(const std::string&)>;

  /// From now on DPDK's log comes here. `sink` may be empty.
  explicit LogCapture(Sink sink);
  ~LogCapture();
  LogCapture(const LogCapture&) = delete;
  LogCapture& operator=(const LogCapture&) = delete;

  void forget();
  [[nodiscard]] std::string recent() const;  // joined by " | "

 private:
  static constexpr std::size_t kKept = 12;
  static constexpr std::size_t kLongestLine = 512;

  static ssize_t on_write(void* self, const char* text, std::size_t size);
  void take(std::string_view text);

  Sink sink_;
  std::FILE* stream_ = nullptr;
  mutable std::mutex mutex_;  // of all below
  std::string line_;
  std::deque<std::string> recent_;
};

}  // namespace gnomon::dataplane::dpdk
