// SPDX-License-Identifier: Apache-2.0
//
// What a worker has that is to be limited by nothing but itself.
#pragma once

#include <cstdint>

#include "oracle/id/layout.hpp"
#include "oracle/mint/right.hpp"
#include "oracle/serve/server.hpp"

namespace gnomon::support {

/// As many machine ids as a worker may hold, for ever.
[[nodiscard]] inline mint::RightSet all_machine_ids() {
  mint::RightSet set;
  set.generation.value = 1;
  set.count = mint::kMaxRightsPerWorker;
  for (std::size_t i = 0; i < set.count; ++i)
    set.slots[i] = {{static_cast<std::uint16_t>(i)}, {1}, time::SmearedUtc{0}, time::SmearedUtc::max()};
  return set;
}

/// Serves every built-in layout.
[[nodiscard]] inline serve::ServerOptions all_layouts() {
  serve::ServerOptions options;
  for (const id::Layout& layout : id::builtin_layouts())
    options.layouts.push_back(layout);
  return options;
}

}  // namespace gnomon::support
