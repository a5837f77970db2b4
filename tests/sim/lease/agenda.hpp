// SPDX-License-Identifier: Apache-2.0
//
// Virtual time for a world of leases: what happens next, and the doing of it. What is under way here are messages of a
// dozen kinds between parties that may die at any moment, so an event is a closure, and whoever may die guards it with
// the number of its life. (The other worlds have few kinds of events and millions of them: event_queue.hpp.)
//
// What is due at one instant happens in the order in which it was scheduled, so a world has exactly one history.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <utility>
#include <vector>

#include "oracle/time/instant.hpp"

namespace gnomon::sim::leases {

class Agenda {
 public:
  using Deed = std::function<void()>;

  /// True time since the world began.
  [[nodiscard]] time::Uptime now() const { return now_; }
  [[nodiscard]] bool empty() const { return heap_.empty(); }
  /// Of the next deed. Not when empty.
  [[nodiscard]] time::Uptime next_at() const { return heap_.front().at; }

  void after(time::Duration delay, Deed deed) { at(now_ + std::max(delay, time::Duration{0}), std::move(deed)); }
  void at(time::Uptime instant, Deed deed) {
    heap_.push_back({std::max(instant, now_), next_order_++, std::move(deed)});
    std::push_heap(heap_.begin(), heap_.end(), later);
  }
  /// Not when empty.
  void do_next() {
    std::pop_heap(heap_.begin(), heap_.end(), later);
    const Item item = std::move(heap_.back());
    heap_.pop_back();
    now_ = item.at;
    item.deed();
  }
  /// Does all that is due up to `instant`, and is there.
  void run_until(time::Uptime instant) {
    while (!empty() && next_at() <= instant)
      do_next();
    now_ = std::max(now_, instant);
  }

 private:
  struct Item {
    time::Uptime at;
    std::uint64_t order = 0;
    Deed deed;
  };
  static bool later(const Item& a, const Item& b) { return a.at != b.at ? a.at > b.at : a.order > b.order; }

  std::vector<Item> heap_;
  time::Uptime now_;
  std::uint64_t next_order_ = 0;
};

}  // namespace gnomon::sim::leases
