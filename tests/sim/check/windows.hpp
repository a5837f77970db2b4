// SPDX-License-Identifier: Apache-2.0
//
// The windows behind promise U (design, "Windows"). This checker watches the store, not the agent: it takes down every
// window that a landed commit wrote, and holds against it what the agent publishes and the workers issue.
//
//   window    every unit lies in a window that was committed for its token, and windows of one machine id are disjoint
//   release   a release never cuts off a used unit, and nothing is issued under a token once its release was sent
//   durable   what is published was committed before, and in the synced journal before
//   token     the tokens of one machine id only grow
//   restored  nobody takes or extends a right, in a history that was put back, that was granted or extended otherwise
//   in
//             the one that is lost
//   copied    nobody uses what only a copy of his machine got, under the token that both have
//   floor     what an operator does (heal, recover) leaves no id with a floor below anything that was ever granted
//
// It forgets nothing when an older image of the store is put back: whatever was granted in the history that is lost may
// have been used. Only what may be said about commits changes, because some that were overtaken there can still land.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "control/agent/agent.hpp"
#include "control/store.hpp"
#include "oracle/mint/right.hpp"
#include "tests/sim/check/issue.hpp"
#include "tests/sim/check/report.hpp"
#include "tests/sim/committer.hpp"
#include "tests/sim/simulated_store.hpp"

namespace gnomon::sim {

class Windows {
 public:
  explicit Windows(Report& report) : report_(report) {}

  /// A commit is on its way: from now on the rights that it releases are gone.
  void sent(const control::Transaction& transaction);
  /// It is in the store, at this revision.
  void landed(const control::Transaction& transaction, control::Revision revision, Committer::Kind by,
              time::Uptime sent_at);
  /// These are in the journal of the host, and will survive a crash.
  void journalled(std::uint32_t host, const std::vector<control::JournalRight>& rights);
  /// A daemon starts there, and this is what the journal has.
  void journal_opened(std::uint32_t host, const std::map<mint::MachineId, control::JournalRight>& rights);
  /// A worker of this host can read these from now on.
  void published(std::uint32_t host, const mint::RightSet& rights);
  void issued(const Issue& issue);
  /// A copy of its holder is about to extend it.
  void copied(mint::MachineId machine, mint::Token token);

  /// An older image of the store was put back.
  void restored(time::Uptime now);
  /// A recovery has come to its end.
  void recovered(const SimulatedStore& store);
  /// Nobody can know any more of what was granted of this id: it never was used.
  void forget(mint::MachineId machine) { machines_.erase(machine.value); }
  /// The highest ceiling up to which anybody may use any id but this one.
  [[nodiscard]] time::SmearedUtc highest_ceiling(std::optional<mint::MachineId> but) const;

 private:
  struct Grant {
    mint::Token token;
    time::SmearedUtc floor;
    time::SmearedUtc ceiling;                // the highest that was committed while it was held
    time::SmearedUtc final_ceiling;          // likewise, or what its release left
    time::SmearedUtc used_until;             // start of the last unit used + 1 ns; the floor if none was
    std::optional<time::SmearedUtc> copied;  // its holder's machine was, at this ceiling: what lies above is the copy's
    bool release_sent = false;
    bool released = false;
    bool lost = false;  // the store has been put back since: to a time before it was written, or changed
  };
  struct Machine {
    std::vector<Grant> grants;                             // oldest first
    time::SmearedUtc free_from = time::SmearedUtc::min();  // final or present ceiling of all grants
  };
  struct Noted {
    control::Revision revision;  // of the newest that the journal has
    time::SmearedUtc ceiling = time::SmearedUtc::min();
  };
  [[nodiscard]] Noted& noted(std::uint32_t host, mint::MachineId machine) {
    return journals_[(std::uint64_t{host} << 16) | machine.value];
  }
  [[nodiscard]] Grant* find(mint::MachineId machine, std::uint32_t token_low, time::SmearedUtc at);
  void acquired(mint::MachineId machine, const lease::Window& window, mint::Token token, time::Uptime sent_at);
  void rewritten(mint::MachineId machine, const lease::Window& window, time::Uptime sent_at);
  void overtaken(mint::MachineId machine, time::Uptime sent_at);
  void lifted(mint::MachineId machine, const lease::Window& window);
  static void settle(Machine& machine);

  Report& report_;
  bool doubtful_ = false;  // between a restore and its recovery
  time::Uptime restored_at_;
  std::unordered_map<std::uint16_t, Machine> machines_;
  std::unordered_map<std::uint64_t, Noted> journals_;  // by host and machine
};

}  // namespace gnomon::sim
