// SPDX-License-Identifier: Apache-2.0
//
// What a source of time says: at that count of the cycle counter it was this time, so much wrong at most, for these
// reasons. A claim is about the moment at which its information entered the machine (the ingress of a Sync message, the
// reading of a clock), never about the moment at which somebody got round to asking: age counts from there.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include <tl/expected.hpp>

#include "oracle/time/cycles.hpp"
#include "oracle/time/instant.hpp"
#include "oracle/time/uncertainty.hpp"

namespace gnomon::ptp {

/// The timeline of a reading.
enum class Scale : std::uint8_t {
  kTai,
  kUtc,         // POSIX: steps at a leap second
  kSmearedUtc,  // 24 h linear, noon to noon
  kUnknownUtc,  // UTC that may or may not be smeared
};

/// Which clock of this machine a source reads.
enum class ClockKind : std::uint8_t {
  kSystem,  // CLOCK_REALTIME
  kPhc,     // a clock in a network card
  kPort,    // the same, through DPDK
};

/// Where a claim's time comes from. What has one root is one witness, however often it testifies.
struct Root {
  std::uint64_t reference = 0;  // grandmaster identity or reference id; 0: none is known
  ClockKind clock = ClockKind::kSystem;
  /// It says nothing of its own: the clock is as good as whoever sets it (a stated bound, the kernel's word).
  bool bare_clock = false;
  /// It disciplines `clock`.
  bool disciplines = false;
  /// Besides, whatever `clock` is, it may set the system clock by it.
  bool sets_system = false;
};

struct Claim {
  time::Cycles at;
  Scale scale = Scale::kUtc;
  std::int64_t reading_ns = 0;  // of `scale`, since 1970
  time::Uncertainty terms;      // on |reading - true time| at `at`
  Root root;
  /// If it is a UTC that was made of TAI: by this. Whoever makes TAI of it again must do so by the same.
  std::optional<time::Duration> tai_minus_utc;
  bool leap_announced = false;  // the reference announces a leap second at the end of the UTC day
};

enum class SourceFault : std::uint8_t {
  kUnreadable,       // the clock, file or socket can't be read
  kMalformed,        // it was read and makes no sense
  kNotSynchronised,  // its own word for it, or never an advancing sample
  kStale,            // its samples stand still
  kPolicy,           // class, accuracy or identity of its reference are not acceptable
  kTimescale,        // it is not clear which timeline it is on
  kWholeSeconds,     // it is off by a whole number of seconds: a wrong UTC offset, not a wrong clock
  kUnsupported,      // the device or kernel lacks the feature
  kSettling,         // good so far, but with too few samples to be believed
};
constexpr std::size_t kSourceFaults = 9;

constexpr std::string_view name_of(SourceFault fault) {
  switch (fault) {
    case SourceFault::kUnreadable: return "unreadable";
    case SourceFault::kMalformed: return "malformed";
    case SourceFault::kNotSynchronised: return "not_synchronised";
    case SourceFault::kStale: return "stale";
    case SourceFault::kPolicy: return "policy";
    case SourceFault::kTimescale: return "timescale";
    case SourceFault::kWholeSeconds: return "whole_seconds";
    case SourceFault::kUnsupported: return "unsupported";
    case SourceFault::kSettling: return "settling";
  }
  return "unknown";
}

struct SourceError {
  SourceFault fault = SourceFault::kUnreadable;
  std::string text;  // complete sentence
};

using ClaimOr = tl::expected<Claim, SourceError>;

/// The news of one source in one turn: nothing, a claim, or why there is none.
using News = std::optional<ClaimOr>;

}  // namespace gnomon::ptp
