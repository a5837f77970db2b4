// SPDX-License-Identifier: Apache-2.0
//
// What happened, in order. Every line goes into a hash (two runs of a seed must have the same one) and into a short
// memory that a violation is reported with; `--trace` prints them all.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "oracle/time/instant.hpp"

namespace gnomon::sim {

enum class Happening : std::uint8_t {
  kStarted,         // incarnation, host
  kCrashed,         // incarnation
  kExited,          // incarnation, 1 if the agent gave up
  kStopAsked,       // incarnation
  kCloned,          // incarnation
  kPaused,          // incarnation, thread (~0: all), ns
  kClockFault,      // kind of fault, error of the source now, ns
  kStoreFault,      // kind
  kTakenOver,       // revision
  kAgentNote,       // incarnation, kind of note
  kPublished,       // worker, generation, rights
  kNewEra,          // incarnation
  kCommitSent,      // operation, puts
  kCommitLanded,    // operation, revision (0: conflict)
  kAnswered,        // operation, how
  kAcknowledged,    // worker, generation
  kIssued,          // worker, first ID, count
  kRefused,         // worker, status
  kTimeAnswered,    // worker, operation and status, first value
  kHostFault,       // host, kind, amount
  kPhase,           // number
  kSealed,          // incarnation, outcome (~0: it could not)
  kStartRefused,    // host, kind of error
  kRestored,        // to revision, from revision, hosts that could not notice
  kRecovered,       // epoch, host whose journal was used (~0: none)
  kHealed,          // machine id, 1: done
  kPlanted,         // machine id
  kClockMad,        // host, kind of fault
  kClockRepaired,   // host
  kHardship,        // kind, host
  kPowerLost,       // host, 1: in the middle of a write, files that are torn
  kJournalFailed,   // incarnation
  kAdopted,         // host
  kRestartForTime,  // host
};

struct TraceLine {
  time::Uptime at;
  Happening what = Happening::kPhase;
  std::uint64_t a = 0;
  std::uint64_t b = 0;
  std::uint64_t c = 0;
};
[[nodiscard]] std::string text_of(const TraceLine& line);

class Trace {
 public:
  explicit Trace(bool print) : print_(print) {}

  void add(time::Uptime at, Happening what, std::uint64_t a = 0, std::uint64_t b = 0, std::uint64_t c = 0) {
    const TraceLine line{at, what, a, b, c};
    mix(static_cast<std::uint64_t>(at.ns));
    mix(static_cast<std::uint64_t>(what) ^ (a << 8));
    mix(b);
    mix(c);
    last_[count_++ % kRemembered] = line;
    if (print_) print_line(line);
  }
  [[nodiscard]] std::uint64_t hash() const { return hash_; }
  /// The last lines, oldest first.
  [[nodiscard]] std::vector<TraceLine> last() const;

 private:
  static constexpr std::size_t kRemembered = 24;

  static void print_line(const TraceLine& line);
  void mix(std::uint64_t value) {
    hash_ = (hash_ ^ value) * 0x9fb21c651e98df25ULL;
    hash_ ^= hash_ >> 32;
  }

  bool print_;
  std::uint64_t hash_ = 0x243f6a8885a308d3ULL;
  std::size_t count_ = 0;
  std::array<TraceLine, kRemembered> last_{};
};

}  // namespace gnomon::sim
