// SPDX-License-Identifier: Apache-2.0
//
// A fault as it was carried out: the plan says what and when, the machine and etcd have the last word on both.
#pragma once

#include <cstddef>
#include <string>

#include "oracle/time/instant.hpp"
#include "tests/chaos/plan.hpp"

namespace gnomon::chaos {

/// What became of a fault of the plan.
struct Deed {
  Fault fault{};
  time::Tai began{};       // before anything was done
  time::Tai ended{};       // after everything was undone
  std::size_t victim = 0;  // the daemon, or the member
  std::string note{};      // what else is worth knowing; of a fault that was skipped: why
  bool skipped = false;
};

}  // namespace gnomon::chaos
