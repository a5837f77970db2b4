// SPDX-License-Identifier: Apache-2.0
//
// The desk of lease commands on a store, and nothing else of a daemon: one thread that carries out what the desk asks
// for. It says two things: what the rules and the store cost without threads, sockets and messages; and what a command
// commits, so that the bare commits next to it have exactly its size.
// Thread rule: one thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "bench/lease/lane.hpp"
#include "control/lease/lease_desk.hpp"
#include "control/store.hpp"
#include "oracle/lease/right_rules.hpp"

namespace gnomon::bench {

class DeskAlone {
 public:
  /// `store`: with an identity, as `facts` has it, and changed by nobody else.
  DeskAlone(control::Store& store, const lease::StoreFacts& facts);

  /// What is not granted ends the bench.
  [[nodiscard]] lease::Answer ask(const lease::SessionId& session, control::Command command);
  /// What the last command committed.
  [[nodiscard]] const control::Transaction& committed() const { return committed_; }

 private:
  void step(const control::DeskEvent& event);
  void perform(const control::desk_effect::Read& read);
  void perform(const control::desk_effect::Commit& commit);

  control::Store& store_;
  control::LeaseDesk desk_;
  std::uint64_t asked_ = 0;
  std::deque<control::DeskEvent> events_;
  std::optional<control::Reply> reply_;
  control::Transaction committed_;
};

/// The transaction of each command.
using CommandShapes = std::map<Command, control::Transaction>;

class DeskLane final : public Lane {
 public:
  DeskLane(control::Store& store, const lease::StoreFacts& facts);
  void run(Command command, std::size_t k) override;
  [[nodiscard]] const control::Transaction& committed() const { return desk_.committed(); }

 private:
  struct Slot {
    std::string name;
    mint::Token token;
    lease::SessionId session{};
  };
  Slot& slot(std::size_t k);
  void open(const lease::SessionId& session);

  DeskAlone desk_;
  lease::SessionId session_;
  std::vector<Slot> slots_;
};

/// Carries each command out once.
[[nodiscard]] CommandShapes shapes_of(DeskLane& lane);

}  // namespace gnomon::bench
