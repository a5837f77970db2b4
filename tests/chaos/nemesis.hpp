// SPDX-License-Identifier: Apache-2.0
//
// Carries a plan out, and writes down what really happened when: who was hit where the plan leaves it to etcd who leads
// at that moment, how long it took to do, and what could not be done.
//
// Each fault has a beginning and an end. The two tracks of a plan meet in time, so both are turned into one list of
// turns, in the order of their times, and one thread goes through it; while it waits it looks after the daemons. A turn
// that is late is done late, never left out: the report has the real times. Nor does one wait for another: what can't
// be ended yet, since etcd is away by a fault of the other track, is tried again later.
// Thread rule: one, that of the bed.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <functional>
#include <utility>
#include <vector>

#include "oracle/time/instant.hpp"
#include "tests/chaos/bed.hpp"
#include "tests/chaos/deed.hpp"
#include "tests/chaos/plan.hpp"

namespace gnomon::chaos {

class Nemesis {
 public:
  /// `meanwhile` is called all the time, and must be quick.
  Nemesis(Bed& bed, std::function<void()> meanwhile) : bed_(bed), meanwhile_(std::move(meanwhile)) {}

  /// The whole plan, from `start` on; returns at its end, with everything undone that it did.
  [[nodiscard]] std::vector<Deed> carry_out(const Plan& plan, time::Tai start);
  /// Waits, and looks after the daemons.
  void wait_until(time::Tai moment);

 private:
  void begin(Deed& deed);
  /// Whether that is done; else it is to be tried again a little later.
  [[nodiscard]] bool end(Deed& deed);
  void cut_one_way(Deed& deed);
  void begin_on_members(Deed& deed);
  void end_on_members(const Deed& deed);
  void begin_on_host(Deed& deed);
  [[nodiscard]] bool end_on_host(Deed& deed);
  /// 0: there is none.
  [[nodiscard]] pid_t wait_for_daemon(std::size_t j);
  void make_bad(Deed& deed);
  void damage(const Deed& deed);
  [[nodiscard]] bool repair(Deed& deed);
  void restore(Deed& deed);
  [[nodiscard]] std::size_t leader_or(std::size_t otherwise, Deed& deed) const;

  Bed& bed_;
  std::function<void()> meanwhile_;
  std::size_t said_before_ = 0;  // by a daemon, until its disk was damaged
};

}  // namespace gnomon::chaos
