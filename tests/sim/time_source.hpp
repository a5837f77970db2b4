// SPDX-License-Identifier: Apache-2.0
//
// A simulated source of the true time: a card's clock, or what a daemon says of its grandmaster. While it is honest its
// error wanders within the bound that it states, and touches it. It can lie (be off by more than it states), hang on to
// its last sample, fall silent, or say itself that it has lost its reference.
//
// A claim is about a moment: the reading is taken somewhere within its bracket, and one that comes from a daemon is
// heard of a turn later than it is about.
#pragma once

#include <cstdint>
#include <optional>

#include "oracle/time/cycles.hpp"
#include "oracle/time/instant.hpp"
#include "ptp/claim.hpp"
#include "tests/sim/clocks.hpp"
#include "tests/sim/random.hpp"

namespace gnomon::sim {

/// Beyond this a lie has nothing in common with what was proved before it: the widest honest interval, a minute of
/// holdover included, is narrower. A smaller one may be let in without anybody noticing.
constexpr time::Duration kGross = time::milliseconds(50);

struct SourcePlan {
  bool system = false;    // it is the system clock, with a stated bound
  time::Duration bound;   // at most 5 ms, as kGross counts on
  time::Duration period;  // between samples; zero: one in each turn
};

/// What it says in one turn, and how the world knows it to be.
struct Statement {
  ptp::News news;
  time::Duration error;  // of the claim's reading at its moment; its terms bound it if it is honest
};

class TimeSource {
 public:
  enum class Mood : std::uint8_t { kSpeaks, kFrozen, kSilent, kLost };

  TimeSource(const SourcePlan& plan, std::uint64_t reference, Random random);

  /// One turn, at which the counter reads `count`; each reading takes `half_width` before and after.
  [[nodiscard]] Statement poll(time::Uptime now, time::Cycles count, time::Duration half_width);
  /// As the production sources: samples that wait for their turn are about another counter.
  void distrust() { waiting_.reset(); }

  void lie(time::Uptime until, time::Duration by) {
    lie_ = by;
    lies_until_ = until;
  }
  void set_mood(Mood mood, time::Uptime until) {
    mood_ = mood;
    mood_until_ = until;
  }
  void heal() { lies_until_ = mood_until_ = time::Uptime{}; }
  [[nodiscard]] bool has_been_honest_for(time::Duration span, time::Uptime now) const {
    return now - lies_until_ >= span;
  }

 private:
  [[nodiscard]] time::Duration honest_error(time::Uptime now);
  [[nodiscard]] Statement read(time::Uptime now, time::Cycles count, time::Duration half_width);

  SourcePlan plan_;
  ptp::Root root_;
  Random random_;
  // The honest error goes straight from one value to the next.
  time::Uptime leg_from_;
  time::Uptime leg_until_;
  time::Duration leg_starts_;
  time::Duration leg_ends_;
  time::Duration lie_;
  time::Uptime lies_until_;
  Mood mood_ = Mood::kSpeaks;
  time::Uptime mood_until_;
  time::Uptime next_sample_;
  std::optional<Statement> waiting_;
};

}  // namespace gnomon::sim
