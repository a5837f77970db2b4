// SPDX-License-Identifier: Apache-2.0
//
// The windows behind promise U (design, "Windows"). This checker watches the store, not the agent: it takes down every
// window that a landed commit wrote, and holds against it what the agent publishes and the workers issue.
//
//   window    every unit lies in a window that was committed for its token, and windows of one machine id are disjoint
//   release   a release never cuts off a used unit, and nothing is issued under a token once its release was sent
//   durable   what is published was committed before, and in the synced journal before
#pragma once

#include <cstdint>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "control/agent/agent.hpp"
#include "control/store.hpp"
#include "oracle/mint/right.hpp"
#include "tests/sim/check/issue.hpp"
#include "tests/sim/check/report.hpp"

namespace gnomon::sim {

class Windows {
 public:
  explicit Windows(Report& report) : report_(report) {}

  /// A commit is on its way: from now on the rights that it releases are gone.
  void sent(const control::Transaction& transaction);
  /// It is in the store, at this revision.
  void landed(const control::Transaction& transaction, control::Revision revision);
  /// These are in the journal of the host, and will survive a crash.
  void journalled(const std::vector<control::JournalRight>& rights);
  /// A worker can read these from now on.
  void published(const mint::RightSet& rights);
  void issued(const Issue& issue);

 private:
  struct Grant {
    mint::Token token;
    time::SmearedUtc floor;
    time::SmearedUtc ceiling;     // the highest that was committed while it was held
    time::SmearedUtc used_until;  // start of the last unit used + 1 ns; the floor if none was
    bool release_sent = false;
    bool released = false;
  };
  struct Machine {
    std::vector<Grant> grants;                             // oldest first
    time::SmearedUtc free_from = time::SmearedUtc::min();  // final or present ceiling of the newest grant
    control::Revision journal_revision;                    // of the newest that the journal has
    time::SmearedUtc journalled = time::SmearedUtc::min();
  };
  [[nodiscard]] Grant* find(mint::MachineId machine, std::uint32_t token_low);
  void acquired(mint::MachineId machine, const lease::Window& window, control::Revision revision);
  void rewritten(mint::MachineId machine, const lease::Window& window);

  Report& report_;
  std::unordered_map<std::uint16_t, Machine> machines_;
};

}  // namespace gnomon::sim
