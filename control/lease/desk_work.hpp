// SPDX-License-Identifier: Apache-2.0
//
// One command that a desk works on, from the question to the reply, and the calls that wait for one name.
//
//   deciding -> committing -> (replied | parked | reading, after a conflict or a lost answer)
//            -> reading    -> deciding
//            -> pausing    -> deciding        the store was away while the outcome of a commit is not known
//            -> following  -> (replied | reading)  a list, until the watch has told of all that it must show
//            -> parked     -> deciding        it has a place in the queue, and something about the name has changed
//
// Plain data; desk_engine.hpp says who moves it.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "control/lease/lease_desk.hpp"

namespace gnomon::control {

struct DeskWork {
  enum class Phase : std::uint8_t { kDeciding, kReading, kCommitting, kPausing, kFollowing, kParked };

  Call call;
  time::Uptime wait_until;
  Phase phase = Phase::kDeciding;
  StoreTaskId task;  // while reading or committing

  bool fresh = false;  // all that it rests on was read after it was asked, and nothing has contradicted it since
  std::set<std::string> read;              // keys and prefixes that were, on the way there
  std::set<std::string> absent;            // of them, keys that were not there
  std::optional<lease::Moment> read_from;  // before the first of them was sent; none: the time was not known
  Revision as_of;                          // of the store, that those reads are not older than
  bool lists_all = false;                  // a list whose entries are read, because the watch is late

  std::uint32_t commits = 0;  // since it was asked, or parked last
  std::uint32_t reads = 0;
  std::optional<lease::Step> step;  // the newest that was sent
  bool doubt = false;               // a commit may have happened: its answer was lost
  time::Duration pause;             // before the store is asked again

  bool has_place = false;          // in the queue, and waits there
  bool had_place = false;          // when the grant was sent: so it was waited for, by an earlier call at least
  lease::answer::Waiting waiting;  // as last decided

  std::optional<time::Uptime> timer;
};

/// The calls of one desk that wait for one name.
struct NameWait {
  std::map<lease::SessionId, std::set<CallId>> parked;
  std::optional<CallId> attempt;  // of them, the one that is trying: nobody else does meanwhile
  bool again = false;             // something changed while it tried
  time::Uptime looked;            // when the store was last read for it
  std::optional<time::Uptime> timer;
};

}  // namespace gnomon::control
