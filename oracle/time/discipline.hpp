// SPDX-License-Identifier: Apache-2.0
//
// What to do about a clock that is off: slew it, step it, wait, or give up.
//
// Setting a clock to each measured offset makes it jump back and forth with every delayed packet, and whoever reads
// it sees time repeat. So (RFC 5905 sections 11.3 and 12, with the step-out of ntpd 4.2.8):
//
//   |offset| <  128 ms             slew: run faster or slower by a bounded rate until the offset is gone
//   |offset| >= 128 ms             wait; if it stays so for the step-out of 300 s: step
//   |offset| >  1000 s             panic: no clock is off by that much; a human must say who is right
//
// A step may go back (`Step::goes_back`): whoever must not see that reads a timeline that doesn't
// (oracle/mint/ordering.hpp).
//
// "Stays so" means: on the same side, in at least three measurements, in ascending time. Two measurements with a
// suspended machine between them insist on nothing, and a source that is ahead now and behind then is not believed.
//
// Offsets are reference - clock, as in RFC 5905: positive if the clock is behind. Pure: step(measurement) -> decision.
// Each decision replaces the one before. One thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <variant>

#include <tl/expected.hpp>

#include "oracle/time/instant.hpp"

namespace gnomon::time {

struct DisciplineOptions {
  Duration step_at = milliseconds(128);    // 1 ns to panic_beyond
  Duration stepout = seconds(300);         // 0 to 1 day
  Duration panic_beyond = seconds(1'000);  // up to 10 years
  Duration slew_over = seconds(10);        // an offset is slewed away in about this time if the rate allows, to 1 day
  std::int64_t max_slew_ppb = 500'000;     // 1 to 10^8
};

enum class DisciplineFault : std::uint8_t {
  kStepAt,
  kStepout,
  kPanicBeyond,
  kSlewOver,
  kMaxSlew,
};
[[nodiscard]] std::string_view text_of(DisciplineFault fault);

/// Run faster by rate_ppb (slower if negative) for so long; at an offset of zero, not at all.
struct Slew {
  std::int64_t rate_ppb = 0;
  Duration lasts;
  friend constexpr bool operator==(Slew, Slew) = default;
};

/// Set the clock to its reading + by.
struct Step {
  Duration by;
  [[nodiscard]] constexpr bool goes_back() const { return by < Duration{}; }
  friend constexpr bool operator==(Step, Step) = default;
};

/// Leave the clock alone; the offset has yet to be insisted on for `left` (zero: but for a measurement more).
struct Wait {
  Duration left;
  friend constexpr bool operator==(Wait, Wait) = default;
};

/// Leave the clock alone and call somebody.
struct Panic {
  Duration offset;
  friend constexpr bool operator==(Panic, Panic) = default;
};

using DisciplineDecision = std::variant<Slew, Step, Wait, Panic>;

/// One measurement, made at `at`.
struct OffsetMeasured {
  Uptime at;
  Duration offset;
};

/// How long a slew at `rate_ppb` (its sign doesn't matter) takes to absorb `offset`, rounded up to a nanosecond. At a
/// rate of zero, or if it does not fit: the longest Duration.
[[nodiscard]] Duration slew_time(Duration offset, std::int64_t rate_ppb);

/// The gentlest slew that absorbs `offset` within slew_over, but never faster than max_slew_ppb: then it takes longer.
[[nodiscard]] Slew slew_for(Duration offset, const DisciplineOptions& options);

class Discipline {
 public:
  static constexpr int kMinSightings = 3;

  [[nodiscard]] static tl::expected<Discipline, DisciplineFault> make(const DisciplineOptions& options);

  /// Takes in one measurement. An older one than the last begins the step-out anew.
  [[nodiscard]] DisciplineDecision step(const OffsetMeasured& measured);

 private:
  explicit Discipline(const DisciplineOptions& options) : options_(options) {}

  /// An offset too large to slew that has been seen but not yet believed.
  struct Spike {
    Uptime first_seen;
    Uptime last_seen;
    bool behind = false;
    int sightings = 0;
  };

  [[nodiscard]] DisciplineDecision insist(const OffsetMeasured& measured);

  DisciplineOptions options_;
  std::optional<Spike> spike_;
};

}  // namespace gnomon::time
