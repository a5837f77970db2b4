// SPDX-License-Identifier: Apache-2.0
//
// What the journal remembers of one right: enough to see later that a store went back. A header of its own because the
// agent says what to remember, and must not know of files.
#pragma once

#include "control/store.hpp"
#include "oracle/mint/names.hpp"
#include "oracle/time/instant.hpp"

namespace gnomon::control {

struct JournalRight {
  mint::MachineId machine;
  Revision modified;         // of the window key's last acknowledged write
  Nonce nonce{};             // that it carried
  time::SmearedUtc ceiling;  // that it set
  friend bool operator==(const JournalRight&, const JournalRight&) = default;
};

}  // namespace gnomon::control
