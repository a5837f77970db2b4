// SPDX-License-Identifier: Apache-2.0
//
// Whom the world has left alone, and since when: by host, until when something that was done to it has a say. What may
// be asked of a host follows from it: to be there for the others' votes, to stand down, to go on serving. It knows only
// what the world did, never what the product made of it. One thread.
#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

#include "oracle/time/instant.hpp"

namespace gnomon::sim {

class Disturbances {
 public:
  explicit Disturbances(std::size_t hosts) : until_(hosts) {}

  void disturb(std::size_t host, time::Uptime until) { until_[host] = std::max(until_[host], until); }
  void disturb_all(time::Uptime until) {
    for (std::size_t host = 0; host < until_.size(); ++host)
      disturb(host, until);
  }
  /// The last instant at which something had a say; it may lie ahead.
  [[nodiscard]] time::Uptime last(std::size_t host) const { return until_[host]; }
  [[nodiscard]] bool left_alone(std::size_t host, time::Duration span, time::Uptime now) const {
    return now - until_[host] >= span;
  }

 private:
  std::vector<time::Uptime> until_;
};

}  // namespace gnomon::sim
