// SPDX-License-Identifier: Apache-2.0
//
// One timer per call, for hundreds of thousands of calls a second that mostly end before their timer does. A heap pays
// log n for each of them; here arming and disarming are a few stores (Varghese and Lauck, SOSP 1987).
//
// A circle of kBuckets buckets of kGranule each; a timer sits in the bucket of its time, rounded up, in a list that is
// linked through arrays by the timers' indices. One that lies beyond the circle waits in the farthest bucket and is put
// in again when that comes round. A timer never fires early, and at most one granule late.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "oracle/time/instant.hpp"

namespace gnomon::client {

class TimerWheel {
 public:
  static constexpr std::int64_t kGranuleNs = std::int64_t{1} << 18;  // 262 us
  static constexpr std::uint64_t kBuckets = 4096;                    // 1.07 s

  explicit TimerWheel(time::Uptime now) : tick_(floor_tick(now)) { heads_.fill(kNone); }

  /// Sets the timer of `index`, replacing an earlier one.
  void arm(std::uint32_t index, time::Uptime at) {
    if (index >= nodes_.size()) nodes_.resize(std::size_t{index} + 1);
    disarm(index);
    nodes_[index].at = at;
    insert(index);
  }

  void disarm(std::uint32_t index) {
    if (index >= nodes_.size() || nodes_[index].bucket == kNone) return;
    Node& node = nodes_[index];
    if (node.previous != kNone)
      nodes_[node.previous].next = node.next;
    else
      heads_[node.bucket] = node.next;
    if (node.next != kNone) nodes_[node.next].previous = node.previous;
    if (heads_[node.bucket] == kNone) used_[node.bucket / 64] &= ~(std::uint64_t{1} << (node.bucket % 64));
    node.bucket = kNone;
  }

  /// Appends the indices whose time is not after `now`, and disarms them.
  void expire(time::Uptime now, std::vector<std::uint32_t>& due) {
    const std::uint64_t until = floor_tick(now);
    if (until < tick_) return;
    const std::uint64_t buckets = std::min(until - tick_ + 1, kBuckets);
    const std::uint64_t from = tick_;
    tick_ = until + 1;
    for (std::uint64_t i = 0; i < buckets; ++i)
      empty_bucket((from + i) % kBuckets, now, due);
  }

  /// Not later than the first timer's time plus a granule; Uptime::max() if none is armed.
  [[nodiscard]] time::Uptime next() const {
    const std::uint64_t start = tick_ % kBuckets;
    for (std::uint64_t i = 0; i <= kWords; ++i) {
      const std::uint64_t word = (start / 64 + i) % kWords;
      std::uint64_t bits = used_[word];
      if (i == 0) bits &= ~std::uint64_t{0} << (start % 64);
      if (i == kWords) bits &= ~(~std::uint64_t{0} << (start % 64));
      if (bits == 0) continue;
      const std::uint64_t bucket = word * 64 + static_cast<std::uint64_t>(std::countr_zero(bits));
      const std::uint64_t ahead = (bucket + kBuckets - start) % kBuckets;
      return {static_cast<std::int64_t>(tick_ + ahead) * kGranuleNs};
    }
    return time::Uptime::max();
  }

 private:
  static constexpr std::uint32_t kNone = 0xffff'ffff;
  static constexpr std::uint64_t kWords = kBuckets / 64;

  struct Node {
    time::Uptime at;
    std::uint32_t next = kNone;
    std::uint32_t previous = kNone;
    std::uint32_t bucket = kNone;
  };

  static std::uint64_t floor_tick(time::Uptime t) {
    return static_cast<std::uint64_t>(std::max<std::int64_t>(t.ns, 0)) / static_cast<std::uint64_t>(kGranuleNs);
  }

  void insert(std::uint32_t index) {
    Node& node = nodes_[index];
    const std::uint64_t wanted = floor_tick(node.at) + (node.at.ns % kGranuleNs != 0 ? 1 : 0);
    const std::uint64_t tick = std::clamp(wanted, tick_, tick_ + kBuckets - 1);
    node.bucket = static_cast<std::uint32_t>(tick % kBuckets);
    node.previous = kNone;
    node.next = heads_[node.bucket];
    if (node.next != kNone) nodes_[node.next].previous = index;
    heads_[node.bucket] = index;
    used_[node.bucket / 64] |= std::uint64_t{1} << (node.bucket % 64);
  }

  void empty_bucket(std::uint64_t bucket, time::Uptime now, std::vector<std::uint32_t>& due) {
    std::uint32_t index = heads_[bucket];
    heads_[bucket] = kNone;
    used_[bucket / 64] &= ~(std::uint64_t{1} << (bucket % 64));
    while (index != kNone) {
      const std::uint32_t next = nodes_[index].next;
      nodes_[index].bucket = kNone;
      if (nodes_[index].at <= now)
        due.push_back(index);
      else
        insert(index);  // it had lain beyond the circle
      index = next;
    }
  }

  std::uint64_t tick_;  // the first bucket that was not emptied yet
  std::array<std::uint32_t, kBuckets> heads_{};
  std::array<std::uint64_t, kWords> used_{};
  std::vector<Node> nodes_;
};

}  // namespace gnomon::client
