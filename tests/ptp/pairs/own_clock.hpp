// SPDX-License-Identifier: Apache-2.0
//
// The clock of one process, in real time, of which the truth is known: a counter that drifts, a source that is wrong
// within its stated bound, and the production path from there to now(): ptp::TrueTimeEstimator, a clock page in shared
// memory, page::ClockReader.
//
//   truth     one clock that all processes share and nobody slews (CLOCK_MONOTONIC_RAW) says how long ago the run
//   began;
//             that instant is the same TAI for everybody
//   counter   the same span at a rate of its own, a random walk within +-200 ppm
//   source    the truth plus an error that lingers at the edges of its bound, and moves between them
//
// Counter and error are functions of the truth, so a reading and its true instant belong together exactly. Reading two
// clocks one after the other, as one is tempted to, would blur the truth by every preemption in between.
//
// Thread rule: one thread uses `look`; the clock's own thread does the rest.
#pragma once

#include <cstdint>
#include <string>
#include <thread>
#include <vector>

#include "oracle/page/clock_page.hpp"
#include "oracle/page/clock_reader.hpp"
#include "platform/shared_page.hpp"
#include "ptp/time_source.hpp"
#include "ptp/true_time_estimator.hpp"

namespace gnomon::pairs {

/// The true time of a run, for every process that has a copy.
class Truth {
 public:
  static constexpr time::Tai kStart{1'790'000'037'000'000'000};

  /// The run begins now.
  Truth();
  [[nodiscard]] time::Tai now() const;

 private:
  std::int64_t began_raw_ns_;
};

struct ClockSpec {
  std::string name;  // of its page; no other clock of the machine has it
  std::uint64_t seed = 1;
  std::int64_t first_ppm = 0;      // the drift of the counter at the start, -200 to 200
  time::Duration bound;            // what the source states
  std::int64_t first_percent = 0;  // its error at the start, in percent of the bound; beyond 100 it lies
  time::Duration first_for;        // how long that stays so
};

/// Nominally 1 GHz.
class DriftingCounter {
 public:
  static constexpr std::int64_t kBoundPpb = 200'000;
  static constexpr time::CycleRate kNominal = time::CycleRate::from_hz(1'000'000'000);

  explicit DriftingCounter(const ClockSpec& spec);
  [[nodiscard]] time::Cycles at(time::Tai truth) const;

 private:
  struct Piece {
    std::uint64_t first_count = 0;
    std::int64_t ppb = 0;
  };
  std::vector<Piece> pieces_;
};

class WanderingError {
 public:
  explicit WanderingError(const ClockSpec& spec);
  [[nodiscard]] time::Duration at(time::Tai truth) const;

 private:
  std::vector<std::int64_t> knots_ns_;
};

/// A moment, and what the process made of it.
struct Look {
  time::Tai truth;
  time::Now now;
};

class OwnClock {
 public:
  /// Makes the page and fills it for the first time. Throws std::runtime_error if the machine can't give one.
  OwnClock(const ClockSpec& spec, const Truth& truth);

  /// Repeated if there is no interval: who is held up between truth and page meets a line that is younger than his
  /// reading.
  [[nodiscard]] Look look() {
    Look last = look_once();
    for (int i = 0; i < 1'000 && !last.now; ++i)
      last = look_once();
    return last;
  }

 private:
  [[nodiscard]] Look look_once() {
    const time::Tai truth = truth_.now();
    return {truth, reader_.at(counter_.at(truth))};
  }
  [[nodiscard]] ptp::ClaimOr claim() const;
  void turn();
  void run(const std::stop_token& stop);

  Truth truth_;
  time::Duration bound_;
  DriftingCounter counter_;
  WanderingError error_;
  platform::OwnedPage<page::ClockPage> written_;
  platform::ForeignPage<page::ClockPage> read_;
  page::ClockReader reader_;
  ptp::TrueTimeEstimator estimator_;
  std::jthread thread_;  // the last member: it ends before what it uses
};

}  // namespace gnomon::pairs
