// SPDX-License-Identifier: Apache-2.0
//
// The recent history of a store that lives in this process, for its watches: what each commit changed. It is bounded:
// a watch that comes too late is told so (`gap`), as it would be by a store whose history was compacted.
//
// Thread rule: any thread.
#pragma once

#include <cstddef>
#include <deque>
#include <memory>
#include <string>

#include "control/store.hpp"

namespace gnomon::control {

class ChangeLog {
 public:
  static constexpr std::size_t kMaxChanges = 4096;

  /// Nothing is known of what happened up to `at`. A log is shared with its watches and may end before them.
  explicit ChangeLog(Revision at = {});

  /// A commit was made: `transaction` took effect at `revision`, and nothing happened in between.
  void record(const Transaction& transaction, Revision revision);
  [[nodiscard]] std::unique_ptr<Watch> watch(std::string_view prefix, Revision after) const;

 private:
  struct History;
  class LogWatch;
  std::shared_ptr<History> history_;
};

}  // namespace gnomon::control
