// SPDX-License-Identifier: Apache-2.0
//
// Somebody who holds n rights and extends them, as the agent does it: the rules make the transaction, the store commits
// it, what is held is read out of it, and the journal is synced. Only the agent's waiting for its turn is missing.
// Thread rule: one thread.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "control/shared_state.hpp"
#include "control/store.hpp"
#include "oracle/lease/right_rules.hpp"

namespace gnomon::bench {

class RightHolder {
 public:
  struct Cost {
    std::int64_t commit_ns = 0;   // until the answer is there and read
    std::int64_t journal_ns = 0;  // after that, until it may be used
  };

  /// Takes the machine ids `first` to `first + count - 1`. `folder`: for its journal.
  RightHolder(control::Store& store, const std::string& folder, std::uint16_t first, std::uint16_t count);

  [[nodiscard]] Cost extend();
  [[nodiscard]] std::size_t count() const { return held_.size(); }
  /// As the last extension.
  [[nodiscard]] const control::Transaction& transaction() const { return transaction_; }

 private:
  [[nodiscard]] std::vector<control::JournalRight> for_journal() const;

  control::Store& store_;
  control::SharedState state_;
  lease::RightPolicy policy_;
  time::SmearedUtc now_;
  std::vector<lease::HeldRight> held_;
  control::Transaction transaction_;
};

}  // namespace gnomon::bench
