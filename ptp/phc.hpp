// SPDX-License-Identifier: Apache-2.0
//
// A PTP hardware clock, /dev/ptpN. What the driver can do is probed once, best first:
//
//   precise   PTP_SYS_OFFSET_PRECISE: card and system clock latched by hardware at one moment
//   extended  PTP_SYS_OFFSET_EXTENDED: the system clock right before and after the register is read
//   plain     clock_gettime on the descriptor, bracketed by the cycle counter from here
//
// The first two speak of the system clock, so its value is put on the counter's axis between two readings of its own,
// taken around the call. Several samples are taken and the narrowest counts: the first ones are cold.
//
// A card that is bound to vfio has no clock here any more; a driver without a feature says EOPNOTSUPP, which is normal.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "platform/unique_fd.hpp"
#include "ptp/reference_clock.hpp"

namespace gnomon::ptp {

enum class PhcMethod : std::uint8_t { kPrecise, kExtended, kPlain };

class PhcClock final : public ReferenceClock {
 public:
  /// Opens, probes and reads once. kUnreadable: no such device, no permission; kUnsupported: it is no PTP clock, or
  /// can't be read.
  [[nodiscard]] static tl::expected<std::unique_ptr<PhcClock>, SourceError> open(const std::string& path);

  [[nodiscard]] tl::expected<ClockReading, SourceError> read(time::CycleRate nominal) override;
  [[nodiscard]] ClockKind kind() const override { return ClockKind::kPhc; }
  [[nodiscard]] std::string describe() const override;
  [[nodiscard]] PhcMethod method() const { return method_; }

 private:
  PhcClock(platform::UniqueFd fd, std::string path) : fd_(std::move(fd)), path_(std::move(path)) {}

  [[nodiscard]] tl::expected<ClockReading, SourceError> read_precise(time::CycleRate nominal);
  [[nodiscard]] tl::expected<ClockReading, SourceError> read_extended(time::CycleRate nominal);
  [[nodiscard]] tl::expected<ClockReading, SourceError> read_plain();
  [[nodiscard]] tl::unexpected<SourceError> failed(const std::string& action) const;

  platform::UniqueFd fd_;
  std::string path_;
  PhcMethod method_ = PhcMethod::kPlain;
};

}  // namespace gnomon::ptp
