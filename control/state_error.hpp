// SPDX-License-Identifier: Apache-2.0
//
// Why the state of a daemon (store and journal) can't be used.
#pragma once

#include <cstdint>
#include <string>

namespace gnomon::control {

enum class StateErrorKind : std::uint8_t {
  kSystem,          // the operating system refused: permissions, space, a missing directory
  kHeld,            // another process has the store open
  kDamaged,         // the database or the journal is not what was written
  kWentBack,        // the store is older than what was acknowledged, or (on one host) another one
  kIncomplete,      // one of database and journal is missing
  kOtherMachine,    // the store belongs to another machine
  kCloned,          // the machine was cloned while a daemon ran on this state
  kOtherStore,      // a shared store, but not the one that this host belongs to
  kSealed,          // the shared store was found to have gone back, and is closed to everybody until it is recovered
  kUnreachable,     // the store does not answer at the moment; nothing is known to be wrong with it
  kLayoutConflict,  // a layout differs from the one that the store has under this number or name
};

struct StateError {
  StateErrorKind kind = StateErrorKind::kSystem;
  std::string text;  // what happened, to what, and what to do
};

}  // namespace gnomon::control
