// SPDX-License-Identifier: Apache-2.0
//
// One range of IDs as the checkers see it: decoded from the bytes of a reply at the moment in which the worker computed
// it. It counts as issued from then on, whether or not the reply ever left the host.
#pragma once

#include <cstdint>

#include "oracle/id/layout.hpp"
#include "oracle/mint/names.hpp"
#include "oracle/time/instant.hpp"

namespace gnomon::sim {

/// What the reply says, and what the world knows about the moment.
struct Issue {
  const id::Layout* layout = nullptr;
  std::uint32_t incarnation = 0;
  std::uint32_t worker = 0;
  mint::Era era;  // of the clock record that the burst used
  id::Id first;
  std::uint32_t count = 0;
  mint::MachineId stated_machine;  // the reply's machine id field
  std::uint32_t token_low = 0;
  time::SmearedUtc source;     // what the source had last said to the clock record in use, run on to the burst
  time::Duration record_age;   // how long before the burst it said so
  bool counter_ran_on = true;  // since then: it neither jumped nor stood still

  [[nodiscard]] std::uint64_t unit() const { return first.value >> layout->time_shift(); }
  [[nodiscard]] time::SmearedUtc start() const { return layout->start_of(unit()); }
  [[nodiscard]] mint::MachineId machine() const {
    return {static_cast<std::uint16_t>((first.value >> layout->sequence_bits) & (layout->machines() - 1))};
  }
  [[nodiscard]] std::uint64_t last() const { return first.value + count - 1; }
};

}  // namespace gnomon::sim
