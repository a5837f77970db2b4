// SPDX-License-Identifier: Apache-2.0
//
// The ordering timeline: what the generators read instead of the clock.
//
// A system clock is stepped, slewed by thousands of ppm and set a day ahead by mistake, and a generator that follows
// it stalls, errs or hands out a false future. This timeline follows the source as well as it can under three rules:
//
//   1. it is not set back: every new line starts where the previous one is at its reading (but see below);
//   2. it slews by at most `max_slew_ppb` against the cycle counter;
//   3. a forward jump which the cycle counter denies is not followed until the source has insisted for `confirm`.
//
// lead = timeline - source. Up to `max_lead` the timeline just goes on (slewing down). Beyond it the state is `behind`:
// nobody is served, the timeline stands still, and so the lead shrinks by a second per second until it is within the
// budget again. By policy `rotate` the agent instead takes fresh machine ids and starts a new era at the right time.
//
// What rule 1 means to a worker: a line is published a moment after its reading, and until then the worker reads the
// old one. If publication is late by d, the new line may read back by up to the change of slew times d, or by d if it
// stands still. No ID goes back: a generator stays at its last unit while the time is older.
//
// The counter itself may jump: back (suspend, restore or migration of a machine), or far ahead (migration). The line
// then goes on from where it was, at the new count; a worker may have read further by up to one sampling period, or by
// the whole jump ahead if it read the old line across it. Generators tolerate that older time, too.
//
// Pure: step(reading) -> snapshot; the cycle counter and the source are fields of the reading. One thread.
#pragma once

#include <cstdint>
#include <optional>

#include "oracle/mint/mint_time.hpp"
#include "oracle/time/cycles.hpp"
#include "oracle/time/instant.hpp"

namespace gnomon::mint {

/// What to do beyond the lead budget.
enum class LeadPolicy : std::uint8_t {
  kRefuse,  // answer clock_behind until the source has caught up
  kRotate,  // fresh machine ids at the right time: unique, but not ordered with the false future
};

enum class OrderingState : std::uint8_t {
  kNoTime,       // no reading yet
  kFollowing,    // within slewing distance of the source, or leading within the budget
  kUnconfirmed,  // the source claims a forward jump that the cycle counter denies; the timeline goes on without it
  kBehind,       // the source is further back than the lead budget: nobody is served
};

struct OrderingOptions {
  time::CycleRate nominal;                                // of the cycle counter
  time::Duration max_lead = time::milliseconds(1000);     // 0 to 60 s
  time::Duration confirm = time::seconds(10);             // how long a forward jump must be insisted on
  time::Duration follow_within = time::milliseconds(10);  // forward differences up to here are slewed
  std::int64_t max_slew_ppb = 500'000;
};

/// One reading of the source, taken at `at`.
struct SourceReading {
  time::Cycles at;
  time::SmearedUtc reading;
};

/// What is published to the workers.
struct OrderingSnapshot {
  time::CycleLine<time::SmearedUtc> line;
  time::Duration lead;        // timeline - source at the last reading; negative: the source is ahead
  time::Duration lead_left;   // max_lead - max(lead, 0), never negative
  time::Duration behind_for;  // in state kBehind: how long until the source is within the budget, if it runs on
  OrderingState state = OrderingState::kNoTime;
  Era era;
};

class OrderingTimeline {
 public:
  explicit OrderingTimeline(const OrderingOptions& options) : options_(options) {}

  /// Takes in one reading. Readings come in ascending order of `at`. One that is a little older than the last, as a
  /// lagging core would make it, is ignored; if it is older by far, the counter has jumped back.
  const OrderingSnapshot& step(const SourceReading& reading);

  /// The counter has jumped to `at`: the timeline goes on from there, at `value` or where it stood at the last reading,
  /// whichever is later. Nothing if there is no time yet.
  void re_anchor(time::Cycles at, time::SmearedUtc value);

  /// Starts a new era: the next reading sets the timeline, also into the past. Only after every right of the present
  /// era was revoked and acknowledged.
  void start_new_era();

  [[nodiscard]] const OrderingSnapshot& snapshot() const { return snapshot_; }

 private:
  static constexpr time::Duration kCoresDiffer = time::milliseconds(1);  // at most; by more, the counter jumped back
  static constexpr int kMinConfirmations = 5;
  static constexpr std::int64_t kServoHorizonNs = 1'000'000'000;  // an error is slewed away within about a second

  struct ForwardJump {
    time::Cycles first_seen;
    time::Duration size;
    int confirmations = 0;
  };

  void set_to(const SourceReading& reading);
  void follow(const SourceReading& reading, time::SmearedUtc predicted, time::Duration error);
  void hold(const SourceReading& reading, time::SmearedUtc predicted);
  [[nodiscard]] bool jump_is_confirmed(const SourceReading& reading, time::Duration error);
  void publish(OrderingState state, time::Duration lead);
  [[nodiscard]] time::Duration resume_lead() const { return options_.max_lead - options_.max_lead / 8; }

  OrderingOptions options_;
  OrderingSnapshot snapshot_;
  std::optional<ForwardJump> jump_;
};

}  // namespace gnomon::mint
