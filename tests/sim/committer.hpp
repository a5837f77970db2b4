// SPDX-License-Identifier: Apache-2.0
//
// Who a commit came from, and what the world has to know of one that landed.
#pragma once

#include <cstdint>

#include "control/store.hpp"
#include "oracle/time/instant.hpp"

namespace gnomon::sim {

struct Committer {
  enum class Kind : std::uint8_t {
    kAgent,
    kOpening,   // a daemon that starts, or seals as its last act
    kOperator,  // recover, heal
    kStranger,  // whatever else writes to a store
  };
  Kind kind = Kind::kAgent;
  std::uint32_t host = 0;
  std::uint32_t incarnation = 0;
};

struct Landing {
  control::Transaction transaction;
  control::Revision revision;
  Committer by;
  time::Uptime sent_at;
};

}  // namespace gnomon::sim
