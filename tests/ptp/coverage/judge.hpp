// SPDX-License-Identifier: Apache-2.0
//
// Holds a recording against the truth: how often now() missed it, how wide it was, and how fbclock's formula would have
// done on the same samples. Pure.
//
// A percentage alone proves nothing: a clock that says "between 1970 and 2100" is always right, and one that refuses
// most of the time is wrong rarely. So misses stand beside the width and beside the share that was served; and misses
// while a scenario breaks its own assumptions (a sole source lies) are counted apart from the others, of which there
// must be none at all.
//
// fbclock, as its sources have it (github.com/facebook/time, fbclock/daemon; linuxptp's answers as input), on each
// Sync:
//
//   M = mean(grandmaster's accuracy, 100) + |mean(offset, 100)| + stddev(offset, 100)
//   W = mean(M, 100) + 4 stddev(M, 100)
//   now() = clock -+ (W + 1.5 mean(|frequency change|, 99) x age of the Sync)
//
// It leaves the path delay out. What is not quite as in fbclock: it hears Syncs from gnomon's first interval on
// (before, the servo swings, and makes its deviations useless for minutes), and has a value after 8 of them, not 100;
// its rings fill at 8 Syncs a second, not one; and the frequency is what the servo had set when the witness heard of
// the Sync, up to 50 ms after it.
#pragma once

#include <array>
#include <cstddef>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "tests/ptp/bed/virtual_clock_line.hpp"
#include "tests/ptp/coverage/recording.hpp"

namespace gnomon::coverage {

/// Mean and standard deviation of the last N values.
class Ring {
 public:
  static constexpr std::size_t kSize = 100;
  void add(double value);
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] double mean() const;
  [[nodiscard]] double deviation() const;

 private:
  std::array<double, kSize> values_{};
  std::size_t next_ = 0;
  std::size_t size_ = 0;
};

class Fbclock {
 public:
  static constexpr std::size_t kNeeded = 8;
  /// The same one again is ignored.
  void hear(const PtpSample& sample);
  /// What it would say at a reading of the clock; nothing before it has heard enough.
  [[nodiscard]] std::optional<time::IntervalOf<bed::VirtualTime>> at(bed::VirtualTime clock) const;

 private:
  Ring accuracy_;
  Ring offset_;
  Ring measure_;
  Ring frequency_change_;
  std::optional<PtpSample> last_;
};

/// A span of the host's time, ends included.
struct Span {
  bed::HostTime from;
  bed::HostTime until;
};

struct Tally {
  std::size_t judged = 0;  // intervals that were given
  std::size_t missed = 0;
  time::Duration worst;  // by how much at most

  void add(time::Duration miss);
  [[nodiscard]] double missed_percent() const;
};

struct Widths {
  time::Duration p50;  // of epsilon: half the width
  time::Duration p99;
  time::Duration most;
};

struct Verdict {
  std::size_t records = 0;
  std::optional<bed::HostTime> first_served;
  double served_percent = 0;  // of the records since then
  Tally holding;              // while the assumptions hold
  Tally broken;
  Widths widths;       // while they hold
  Widths last_second;  // of the recording
  Tally fbclock_holding;
  Tally fbclock_broken;
  Widths fbclock_widths;
  std::optional<Record> first_miss;  // of those while they hold
};

/// By how much it missed: 0 if the truth was inside. Only of a record with an interval.
[[nodiscard]] time::Duration miss_of(const Record& record, const bed::Line& truth);

/// `broken`: when the assumptions do not hold.
[[nodiscard]] Verdict judge(std::span<const Record> records, const bed::Line& truth, std::span<const Span> broken);

/// Whole records only; a torn last one is left out. Throws if there is no such file.
[[nodiscard]] std::vector<Record> read_recording(const std::filesystem::path& file);

/// For people: a few lines.
[[nodiscard]] std::string text_of(const Verdict& verdict);
[[nodiscard]] std::string text_of(const Record& record, const bed::Line& truth);

}  // namespace gnomon::coverage
