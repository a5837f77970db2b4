// SPDX-License-Identifier: Apache-2.0
//
// The way from one server's desk to the store and back, and the watch that it follows: delays, lost answers, outages,
// commits that land late, a change of the store's leader, a watch that lags or has a gap. Sending, landing and
// answering are three events; the death of the server fits between any two of them. The keys of one read are read at
// different instants, as the desk's effect says.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "control/lease/lease_desk.hpp"
#include "tests/sim/lease/environment.hpp"

namespace gnomon::sim::leases {

class StoreWay {
 public:
  enum class Mood : std::uint8_t { kGood, kAway, kLosesAnswers, kSlow };
  /// `life`: of the server that asked, which may be over.
  using Hear = std::function<void(std::uint32_t life, control::DeskEvent)>;

  StoreWay(Environment& environment, Hear hear) : env_(environment), hear_(std::move(hear)) {}

  void read(std::uint32_t life, const control::desk_effect::Read& effect);
  /// `is_in_time`: by the server's clock, when its turn comes.
  void commit(std::uint32_t life, const control::desk_effect::Commit& effect, const lease::Moment& moment,
              std::function<bool()> is_in_time);
  /// The watch of this life begins now.
  void watch(std::uint32_t life);
  void landed(const control::Transaction& transaction, control::Revision revision);

  void set_mood(Mood mood, time::Uptime until) {
    mood_ = mood;
    mood_until_ = until;
  }
  void stall_watch(time::Uptime until) { stalled_until_ = until; }
  void break_watch();
  void heal() { mood_until_ = stalled_until_ = {}; }
  /// Answers of the next commits are lost, although they land.
  void lose_answers(std::uint32_t commits) { to_lose_ = commits; }

 private:
  struct Reading;
  void read_next(const std::shared_ptr<Reading>& reading);
  void fail(std::uint32_t life, control::StoreTaskId task, control::StoreErrorKind kind, time::Duration after);
  [[nodiscard]] Mood mood() const { return env_.now() < mood_until_ ? mood_ : Mood::kGood; }
  [[nodiscard]] time::Duration draw_delay();
  void hear_watch();

  Environment& env_;
  Hear hear_;
  Mood mood_ = Mood::kGood;
  time::Uptime mood_until_;
  std::uint32_t to_lose_ = 0;
  // The watch.
  std::uint32_t life_ = 0;
  std::uint64_t watch_number_ = 0;  // a broken one tells nothing any more
  std::deque<control::Changes> untold_;
  time::Uptime watch_next_;  // what is told next is told no earlier
  time::Uptime stalled_until_;
};

}  // namespace gnomon::sim::leases
