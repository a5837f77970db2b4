// SPDX-License-Identifier: Apache-2.0
//
// What a witness writes down, one record every few milliseconds, for a judge who knows the truth.
//
// The two run in different processes, and only the judge may know the truth: an interval that was compared with it on
// the spot would leave nothing to look at when it misses. So everything is kept that says why an interval was what it
// was. Records have one size and go out one write each; a witness that is killed leaves whole records behind.
//
// The moment of a record is not known better than this: now() was asked for, and the counter read, between two readings
// of the host's clock. So it is contained if
//
//   earliest <= truth(after)  and  latest >= truth(before)
//
// which is what now() promises (design: promise C), and no less however long the witness was held up in between.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "oracle/time/interval.hpp"
#include "oracle/time/true_time.hpp"
#include "oracle/time/uncertainty.hpp"
#include "ptp/claim.hpp"
#include "ptp/true_time_estimator.hpp"
#include "tests/ptp/bed/virtual_clock_line.hpp"

namespace gnomon::coverage {

constexpr std::size_t kMaxSources = 4;
/// TAI - UTC, of the witness's leap table and of the judge.
constexpr time::Duration kTaiMinusUtc = time::seconds(37);

/// What ptp4l said of its last Sync: that on which fbclock builds.
struct PtpSample {
  bed::VirtualTime ingress;  // 0: there was none
  time::Duration offset;
  time::Duration path_delay;
  time::Duration accuracy;         // the grandmaster's word
  std::int64_t frequency_ppb = 0;  // that the servo had set
};

struct SourceRecord {
  ptp::SourceState state = ptp::SourceState::kSilent;
  bool has_error = false;
  ptp::SourceFault error = ptp::SourceFault::kUnreadable;  // if it has one
  std::uint32_t evictions = 0;
  std::uint64_t claims = 0;
};

struct Record {
  bed::HostTime before;
  bed::HostTime after;
  bed::VirtualTime client;  // the clock that the witness lives under, between the two
  time::Interval now;       // if there is no fault
  time::ClockFault fault = time::ClockFault::kNotProven;
  bool holdover = false;
  std::uint32_t sources = 0;  // how many of the array count
  std::uint32_t roots = 0;
  std::uint64_t contradictions = 0;
  std::uint64_t disagreements = 0;
  time::Uncertainty terms;  // of the source that bounds it best
  PtpSample ptp;
  std::array<SourceRecord, kMaxSources> each;

  [[nodiscard]] bool served() const { return fault == time::ClockFault::kNone; }
};
static_assert(std::is_trivially_copyable_v<Record>);

}  // namespace gnomon::coverage
