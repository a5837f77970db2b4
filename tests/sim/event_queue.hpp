// SPDX-License-Identifier: Apache-2.0
//
// Virtual time: a heap of what happens next. Events of one instant happen in the order in which they were scheduled, so
// a world has exactly one history. Events are plain data, not closures: a crash drops an incarnation's events by
// number, and a world of a minute runs in milliseconds.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "oracle/time/instant.hpp"

namespace gnomon::sim {

enum class EventKind : std::uint8_t {
  // of one incarnation of the daemon
  kClockSample,
  kClockPublish,
  kAgentWake,
  kWorkerStep,
  // of its operations
  kStoreApply,
  kStoreAnswer,
  kJournalDone,
  // of the world
  kStart,
  kFault,
  kFaultEnds,
  kHostFault,
  kTimeIsDue,
  kPhaseEnds,
  // of a world with a shared store
  kSessionsAsk,  // of one incarnation
  kLookRound,
  kOperator,
  kClockMoves,
  // of hardships
  kHardship,
  kHardshipEnds,
  kLookAtTime,
};

struct Event {
  time::Uptime at;  // true time since the world began
  std::uint64_t order = 0;
  EventKind kind = EventKind::kStart;
  std::uint32_t incarnation = 0;
  std::uint64_t argument = 0;
};

class EventQueue {
 public:
  [[nodiscard]] bool empty() const { return heap_.empty(); }
  [[nodiscard]] time::Uptime now() const { return now_; }

  void after(time::Duration delay, EventKind kind, std::uint32_t incarnation = 0, std::uint64_t argument = 0) {
    at(now_ + std::max(delay, time::Duration{0}), kind, incarnation, argument);
  }
  void at(time::Uptime instant, EventKind kind, std::uint32_t incarnation = 0, std::uint64_t argument = 0) {
    heap_.push_back({std::max(instant, now_), next_order_++, kind, incarnation, argument});
    std::push_heap(heap_.begin(), heap_.end(), later);
  }
  /// Not when empty.
  Event pop() {
    std::pop_heap(heap_.begin(), heap_.end(), later);
    const Event event = heap_.back();
    heap_.pop_back();
    now_ = event.at;
    return event;
  }

 private:
  static bool later(const Event& a, const Event& b) { return a.at != b.at ? a.at > b.at : a.order > b.order; }

  std::vector<Event> heap_;
  time::Uptime now_;
  std::uint64_t next_order_ = 0;
};

}  // namespace gnomon::sim
