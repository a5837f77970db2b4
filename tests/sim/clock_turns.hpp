// SPDX-License-Identifier: Apache-2.0
//
// The clock thread of one process: ptp::ClockEstimator, the production code, fed from its host. A turn is cut in two,
// because a scheduler may hold the thread up between its readings and the publication of what follows from them.
//
// Beside the page lies what the world knows of the page's present record, for checkers only.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "oracle/page/clock_page.hpp"
#include "ptp/clock_estimator.hpp"
#include "tests/sim/assumptions.hpp"
#include "tests/sim/environment.hpp"
#include "tests/sim/host.hpp"

namespace gnomon::sim {

/// Where the present record came from.
struct RecordOrigin {
  time::Uptime sampled_at;  // when the clock that orders was read last
  time::SmearedUtc reading;
  std::uint64_t ordering_epoch = 0;  // of the counter at that reading
  std::uint64_t epoch = 0;           // of the counter, when the record's readings were taken
  bool assumptions_hold = false;
  time::TrueTimeLine truth;

  /// Whether C is promised of an answer by this record at `count`. Across the end of an epoch it isn't until the next
  /// sample; but never once the line is void, or the counter reads so far before it that it must have jumped.
  [[nodiscard]] bool promises(std::uint64_t epoch_now, time::Cycles count) const;
};

class ClockTurns {
 public:
  /// On a core whose counter is `core` ahead.
  ClockTurns(Environment& environment, Host& host, std::int64_t core);

  /// Returns how long until the readings are complete.
  [[nodiscard]] time::Duration read();
  void publish();
  void want_new_era() { era_wanted_ = true; }

  [[nodiscard]] const page::ClockPage& page() const { return *page_; }
  [[nodiscard]] const RecordOrigin& origin() const { return origin_; }
  /// What an operator sees who asks for the status: the product holds that this source is off by whole seconds.
  [[nodiscard]] bool is_put_out(std::size_t source) const;
  /// Whether that is to be expected of a source that speaks the truth.
  [[nodiscard]] bool may_be_put_out(std::size_t source) const { return assumptions_.may_be_put_out(source); }

 private:
  [[nodiscard]] time::SmearedUtc ordered_by(const page::ClockRecord& record) const;
  void tell_assumptions();
  void judge_belief();

  Environment& env_;
  Host& host_;
  std::int64_t core_;
  std::unique_ptr<page::ClockPage> page_;
  ptp::ClockEstimator estimator_;
  Assumptions assumptions_;
  Readings readings_;
  std::vector<ptp::News> news_;
  std::uint64_t last_epoch_;
  std::uint64_t readings_taken_ = 0;  // by the ordering timeline
  RecordOrigin origin_;
  bool era_wanted_ = false;
  bool fresh_timeline_ = true;                   // the next good sample sets it, whatever it says
  std::optional<time::Uptime> day_ahead_since_;  // all good samples since then said so
  bool believes_ = false;
};

}  // namespace gnomon::sim
