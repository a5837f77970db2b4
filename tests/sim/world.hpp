// SPDX-License-Identifier: Apache-2.0
//
// One seed's world: a store, a host, and one daemon after the other on them; and up to two hosts more, whose daemons
// are only asked for the time. In three phases.
//
//   calm      nothing fails; every worker must serve soon
//   faults    whatever the scenario allows; promises must hold, progress need not
//   recovery  the faults stop and the sources tell the truth again; every worker must serve again in bounded time
//
// Where a daemon legitimately believed in a day that was still to come (the source insisted on it beyond `confirm`, or
// it was all that a new process or era ever saw), its ids are taken up to that day: recovery is then only asked for if
// the policy and the pool leave a way out, `rotate` and enough other ids.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "tests/sim/environment.hpp"
#include "tests/sim/host.hpp"
#include "tests/sim/incarnation.hpp"
#include "tests/sim/outcome.hpp"
#include "tests/sim/process.hpp"
#include "tests/sim/store_link.hpp"

namespace gnomon::sim {

class World {
 public:
  World(const Scenario& scenario, bool print_trace);

  [[nodiscard]] Outcome run();

 private:
  void handle(const Event& event);
  void start(std::uint32_t on);  // which host
  void daemon_gone(time::Duration pause_before_next);
  void check_exit();
  void begin(Phase phase);
  void advance_phase();
  void phase_ends(Phase phase);
  [[nodiscard]] bool recovery_is_due() const;

  // faults.cpp
  void strike();
  void strike(Fault fault);
  void strike_clock(Fault fault);
  void take_over();
  void end_excursion_after(time::Duration length);
  void fault_ends(std::uint64_t which);
  void heal();

  // world_hardships.cpp
  void strike_hardship();
  [[nodiscard]] bool strike_hardship(Hardship hardship, std::uint32_t& host);
  [[nodiscard]] bool trouble_disk(Hardship hardship);
  void disk_is_well(std::uint64_t number);
  [[nodiscard]] bool shift_system_clock();
  [[nodiscard]] bool shift_source(std::uint32_t& on);
  void look_at_time();

  // host_faults.cpp
  void strike_host();
  [[nodiscard]] Process* process_on(const Host& host);

  Environment env_;
  StoreLink link_;
  std::vector<std::unique_ptr<Host>> hosts_;
  std::unique_ptr<Incarnation> daemon_;          // on the first
  std::vector<std::unique_ptr<Process>> peers_;  // by host; none on the first
  std::uint32_t incarnations_ = 0;
  std::uint32_t peers_started_ = 0;
  std::uint32_t disk_faults_ = 0;  // the end of an older one ends nothing
  bool waits_for_the_future_ = false;
  Phase phase_ = Phase::kCalm;
  bool over_ = false;
  time::Uptime healed_at_;

  bool clock_excursion_ = false;  // an hour back, a day ahead, 37 s off, or frozen: until fault_ends
};

}  // namespace gnomon::sim
