// SPDX-License-Identifier: Apache-2.0
//
// A test and rehearsal aid: another source, shifted by an offset that can change at any moment. It
// steps a daemon's clock by a millisecond, an hour or a day without touching the system clock or
// any other program.
//
// The offset is asked for at every sample, so a step is seen at the next one, about 10 ms later.
// From a file: one signed decimal number of nanoseconds; a missing file means 0, anything else
// fails that sample (it is counted, and the published line goes on by itself). Replace the file by
// renaming a new one over it, so that no half is ever read.
#pragma once

#include <atomic>
#include <filesystem>
#include <functional>
#include <memory>
#include <string_view>

#include "ptp/time_source.hpp"

namespace gnomon::ptp {

/// The offset at this moment.
using ReadOffset = std::function<tl::expected<time::Duration, SourceError>()>;

[[nodiscard]] ReadOffset offset_from_file(std::filesystem::path path);
/// Nanoseconds; any thread may store there.
[[nodiscard]] ReadOffset offset_from_atomic(std::shared_ptr<const std::atomic<std::int64_t>> offset_ns);

/// One signed decimal number, surrounded by nothing but blanks.
[[nodiscard]] tl::expected<time::Duration, SourceError> parse_offset(std::string_view text, std::string_view where);

class OffsetSource final : public TimeSource {
 public:
  OffsetSource(std::unique_ptr<TimeSource> inner, ReadOffset read_offset);

  [[nodiscard]] News poll(time::CycleRate nominal) override;
  void distrust() override { inner_->distrust(); }
  [[nodiscard]] std::string describe() const override;

 private:
  std::unique_ptr<TimeSource> inner_;
  ReadOffset read_offset_;
};

}  // namespace gnomon::ptp
