// SPDX-License-Identifier: Apache-2.0
//
// What a client knows of the true time between its exchanges with servers, so that now() costs two clock readings of
// this host and no request.
//
// Each exchange (time_sync, docs/protocol.md) proves: at its receipt the true time lay in [earliest, latest + the whole
// round trip]. From there on it is carried along by this host's own clocks. Neither of them does alone:
// CLOCK_MONOTONIC_RAW runs at the oscillator's own rate but stops while the machine sleeps; CLOCK_BOOTTIME counts the
// sleep but is slewed by whoever disciplines the system clock. So the earliest end follows the slower of the two and
// the latest end the faster one, each stretched by what the oscillator may be off, and if they have come apart by more
// than 0.2 % and a few milliseconds, the machine has slept for a time that nobody measured exactly: nothing is known
// any more. What neither clock counts is not noticed here: a machine that was paused from outside, or a suspend of less
// than a second where the kernel measures it by the real-time clock.
//
// Exchanges are intersected: the narrow round trip among many counts, and a second server can only narrow. But none
// counts for longer than max_age, so that what was not noticed is over by then. Two that contradict each other show
// that somebody broke his promise (a server's bound, this oscillator's, a machine that was paused), and nothing says
// who: what was known is dropped, and nothing is said until kAgreeing more exchanges agree.
//
// LocalTime is pure. Thread rule: one thread; `Known` is a value that may be published to others.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include <tl/expected.hpp>

#include "oracle/time/exchange.hpp"
#include "oracle/time/interval.hpp"

namespace gnomon::client {

using RawTime = time::Instant<struct RawTimeline>;  // CLOCK_MONOTONIC_RAW

/// One moment on both clocks.
struct LocalStamp {
  RawTime raw;
  time::Uptime boot;
};
/// The two are read one after the other: a moment of between.
[[nodiscard]] LocalStamp read_local_stamp();

enum class LocalFault : std::uint8_t {
  kNothingKnown,   // no exchange has succeeded yet, or the last one was too long ago
  kContradiction,  // exchanges contradicted each other, and not enough have agreed since
  kSlept,          // the machine was suspended since the last exchange, or a clock jumped
};

[[nodiscard]] std::string_view text_of(LocalFault fault);

struct LocalTimeOptions {
  std::int64_t oscillator_ppb = 200'000;             // 0 to 10^8
  time::Duration max_age = time::seconds(1);         // of an exchange
  time::Duration max_round_trip = time::seconds(1);  // up to 1 h
};

/// What an exchange proves about the moment t4: `said` contained the true time at some moment between t1 and t4.
[[nodiscard]] tl::expected<time::Interval, time::ExchangeFault> bound_at_receipt(LocalStamp t1, LocalStamp t4,
                                                                                 time::Interval said,
                                                                                 const LocalTimeOptions& options);

/// What is known, and when it was.
struct Known {
  LocalStamp at;
  time::Interval interval;
  std::int64_t oscillator_ppb = 0;
  time::Duration max_age;
  LocalFault fault = LocalFault::kNothingKnown;
  bool known = false;

  /// The true time at `now`, which was read after `at`.
  [[nodiscard]] tl::expected<time::Interval, LocalFault> carried_to(LocalStamp now) const;
};

/// By the clock that says more.
[[nodiscard]] time::Duration between(LocalStamp from, LocalStamp to);

class LocalTime {
 public:
  static constexpr int kAgreeing = 3;

  explicit LocalTime(const LocalTimeOptions& options);

  /// Takes an exchange in, or says why it proves nothing.
  [[nodiscard]] std::optional<time::ExchangeFault> learn(LocalStamp t1, LocalStamp t4, time::Interval said);

  [[nodiscard]] const Known& known() const { return known_; }
  [[nodiscard]] std::uint64_t contradictions() const { return contradictions_; }

 private:
  /// What the exchanges since then prove together.
  struct Proof {
    Known known;
    LocalStamp since;
  };
  [[nodiscard]] Known known_at(LocalStamp at, time::Interval interval) const;
  static void join(Proof& so_far, const Known& proof);

  LocalTimeOptions options_;
  Known known_;      // what others may see
  Proof older_;      // from up to max_age ago: what is said, and what exchanges have to agree with
  Proof younger_;    // from up to half of that: takes its place
  int missing_ = 0;  // exchanges that have to agree before anything is said again
  std::uint64_t contradictions_ = 0;
};

}  // namespace gnomon::client
