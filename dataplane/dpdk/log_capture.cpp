// SPDX-License-Identifier: Apache-2.0
#include "dataplane/dpdk/log_capture.hpp"

#include <rte_log.h>

#include <utility>
#include <vector>

namespace gnomon::dataplane::dpdk {

LogCapture::LogCapture(Sink sink) : sink_(std::move(sink)) {
  const cookie_io_functions_t functions{
      .read = nullptr, .write = &LogCapture::on_write, .seek = nullptr, .close = nullptr};
  stream_ = fopencookie(this, "w", functions);
  if (stream_ == nullptr) return;  // then it logs where it likes
  std::setvbuf(stream_, nullptr, _IOLBF, kLongestLine);
  (void)rte_openlog_stream(stream_);
}

LogCapture::~LogCapture() {
  (void)rte_openlog_stream(nullptr);
  if (stream_ != nullptr) (void)std::fclose(stream_);
}

ssize_t LogCapture::on_write(void* self, const char* text, std::size_t size) {
  static_cast<LogCapture*>(self)->take({text, size});
  return static_cast<ssize_t>(size);
}

void LogCapture::take(std::string_view text) {
  std::vector<std::string> whole;
  {
    const std::lock_guard lock(mutex_);
    for (const char c : text) {
      if (c != '\n' && line_.size() < kLongestLine) {
        line_ += c;
        continue;
      }
      if (line_.empty()) continue;
      recent_.push_back(line_);
      if (recent_.size() > kKept) recent_.pop_front();
      whole.push_back(std::exchange(line_, {}));
    }
  }
  if (!sink_) return;
  for (const std::string& line : whole)
    sink_(line);
}

void LogCapture::forget() {
  const std::lock_guard lock(mutex_);
  recent_.clear();
}

std::string LogCapture::recent() const {
  const std::lock_guard lock(mutex_);
  std::string out;
  for (const std::string& line : recent_)
    out += (out.empty() ? "" : " | ") + line;
  return out;
}

}  // namespace gnomon::dataplane::dpdk
