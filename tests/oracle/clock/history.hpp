// SPDX-License-Identifier: Apache-2.0
//
// Random histories of processes that send each other messages, and the true happened-before relation of their events.
//
// A clock must be judged by something that is no clock. So the relation is the transitive closure of its two generating
// rules (L. Lamport, CACM 1978): the next event of the same process, and the receipt of a message after its sending.
// It is computed over the whole graph at once, not carried along with the events as the clocks under test do.
//
// Any event may be the sending of a message, and a message may arrive any number of times, late and out of order.
#pragma once

#include <bitset>
#include <cstddef>
#include <optional>
#include <random>
#include <vector>

namespace gnomon::clock {

class History {
 public:
  static constexpr std::size_t kMaxEvents = 64;

  struct Event {
    std::size_t process = 0;
    std::optional<std::size_t> received;  // the event that sent the message, if this is a receipt
  };

  static History random(std::mt19937_64& random, std::size_t processes, std::size_t events) {
    const auto pick = [&](std::size_t end) { return static_cast<std::size_t>(random() % end); };
    const std::size_t receipts_per_256 = pick(192);
    History history;
    for (std::size_t i = 0; i < events; ++i) {
      Event event{pick(processes), std::nullopt};
      if (i > 0 && pick(256) < receipts_per_256) event.received = pick(i);
      history.events_.push_back(event);
    }
    history.close();
    return history;
  }

  [[nodiscard]] const std::vector<Event>& events() const { return events_; }
  [[nodiscard]] std::size_t size() const { return events_.size(); }
  [[nodiscard]] bool happened_before(std::size_t a, std::size_t b) const { return after_[a][b]; }

 private:
  // Warshall's algorithm over the edges of both rules.
  void close() {
    after_.resize(events_.size());
    for (std::size_t b = 0; b < events_.size(); ++b) {
      if (events_[b].received) after_[*events_[b].received].set(b);
      for (std::size_t a = 0; a < b; ++a)
        if (events_[a].process == events_[b].process) after_[a].set(b);
    }
    for (std::size_t through = 0; through < events_.size(); ++through)
      for (auto& row : after_)
        if (row[through]) row |= after_[through];
  }

  std::vector<Event> events_;
  std::vector<std::bitset<kMaxEvents>> after_;
};

}  // namespace gnomon::clock
