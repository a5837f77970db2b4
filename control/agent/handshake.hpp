// SPDX-License-Identifier: Apache-2.0
//
// The handshake of a revocation: empty sets are published, each worker acknowledges that generation when it has dropped
// every older one (parked requests included), and only then is it known how far the rights were used.
//
// Reading last-used values earlier is how a release comes to lower a ceiling below a unit that is opened a microsecond
// later. A worker that never acknowledges has rights that nobody may judge: they are never released, they run out.
#pragma once

#include <cstdint>
#include <vector>

#include "oracle/canary.hpp"
#include "oracle/mint/names.hpp"
#include "oracle/time/instant.hpp"

namespace gnomon::control {

struct WorkerIndex {
  std::uint32_t value = 0;
  friend constexpr auto operator<=>(WorkerIndex, WorkerIndex) = default;
};

/// How far a right was used, as its worker's page says after the acknowledgement.
struct UsedRight {
  mint::MachineId machine;
  mint::Token token;
  time::SmearedUtc used_until;
};

class Handshake {
 public:
  Handshake() = default;  // of nobody: complete
  explicit Handshake(time::Duration attended_now) : begun_(attended_now) {}

  /// This worker was sent an empty set of that generation.
  void expect(WorkerIndex worker, mint::Generation generation) { pending_.push_back({worker, generation}); }

  /// Repeats, older generations and workers that nobody asked are harmless.
  void acknowledged(WorkerIndex worker, mint::Generation generation, const std::vector<UsedRight>& used) {
    for (Pending& pending : pending_) {
      if (pending.worker != worker || pending.done || generation < pending.generation) continue;
      pending.done = true;
      used_.insert(used_.end(), used.begin(), used.end());
    }
  }

  [[nodiscard]] bool complete() const {
    if (canary::planted(canary::Bug::kEarlyLastUsed)) return true;
    for (const Pending& pending : pending_)
      if (!pending.done) return false;
    return true;
  }
  [[nodiscard]] bool has_acknowledged(WorkerIndex worker) const {
    if (canary::planted(canary::Bug::kEarlyLastUsed)) return true;
    for (const Pending& pending : pending_)
      if (pending.worker == worker) return pending.done;
    return true;  // it was never sent anything but empty sets
  }
  /// How far the right was used; its floor if its worker never took it over. Only after the acknowledgement.
  [[nodiscard]] time::SmearedUtc used_until(mint::MachineId machine, mint::Token token, time::SmearedUtc floor) const {
    for (const UsedRight& used : used_)
      if (used.machine == machine && used.token == token) return used.used_until;
    return floor;
  }
  [[nodiscard]] time::Duration begun() const { return begun_; }

 private:
  struct Pending {
    WorkerIndex worker;
    mint::Generation generation;
    bool done = false;
  };

  time::Duration begun_;
  std::vector<Pending> pending_;
  std::vector<UsedRight> used_;
};

}  // namespace gnomon::control
