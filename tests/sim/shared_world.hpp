// SPDX-License-Identifier: Apache-2.0
//
// A seed's world of the second kind: two to five hosts on one store, each with a daemon whose clock thread, workers and
// agent are the production code, and an operator. The phases are those of world.hpp.
//
// What outlives a daemon on its host is its journal. A start goes through control::open_shared, a daemon that finds the
// store gone back seals it, and only the operator's recovery lets anybody start again. So the one thing that needs a
// human here is a store that was put back (he recovers it some seconds later), and a mad clock (he sets it right).
//
// What nobody can notice is not asked for: that a host returns to a store that was put back, when nothing of its own is
// missing there, before one that knows has sealed it. Such a host is held back until then; and a ceiling of tomorrow
// that a mad clock committed while nobody else was there is not taken back by a restore.
//
// Checked besides what is checked everywhere: `poisoned` (check/poisoned.hpp), and
//   stands-down  a host whose clock is off by more than clocks may differ, among two sane members at least, has no
//                right that is not over, within bounded time
//   serves-on    every host that is not concerned goes on serving, also while faults strike others
//   sealed       no daemon starts on a sealed store
//   store        no start is refused and no daemon ends over a store that never went back
//   quarantine   an id with a ceiling of next year is granted to nobody
//   damaged      no daemon starts on a journal of which a bit has flipped, and none is refused over a sound one
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "control/shared_state.hpp"
#include "tests/sim/check/poisoned.hpp"
#include "tests/sim/disturbances.hpp"
#include "tests/sim/environment.hpp"
#include "tests/sim/host.hpp"
#include "tests/sim/incarnation.hpp"
#include "tests/sim/outcome.hpp"
#include "tests/sim/store_link.hpp"

namespace gnomon::sim {

class SharedWorld {
 public:
  SharedWorld(const Scenario& scenario, bool print_trace);

  [[nodiscard]] Outcome run();

 private:
  /// A host, and what is on it.
  struct Seat {
    std::unique_ptr<Host> host;
    std::unique_ptr<StoreLink> link;
    Drive* drive = nullptr;
    std::optional<control::SharedState> state;  // while a daemon runs
    std::unique_ptr<Incarnation> daemon;
    std::uint32_t first_slot = 0;
    std::uint32_t link_faults = 0;          // the end of an older one ends nothing
    std::uint32_t disk_faults = 0;          // likewise
    std::vector<Drive::Image> images;       // of its disk, the newest last
    std::uint32_t copied = 0;               // this daemon's session was written by its copy
    bool has_old_journal = false;           // its disk was put back since its daemon started last
    bool refused = false;                   // only an operator helps
    bool held_back = false;                 // see above
    bool believes = false;                  // committed a ceiling of tomorrow that nobody could judge
    bool serves = false;                    // since it was last disturbed
    time::Uptime excused_at;                // from serving: when nobody was there to stand by it against a clock
    time::Uptime mad_until;                 // so long may what it said last have a say
    bool suspect = false;                   // its clock is further off than a sane one
    std::optional<time::Uptime> off_since;  // by more than clocks may differ
    std::vector<std::pair<time::Uptime, time::Duration>> steps;  // of its clock, each no jump
  };
  /// One at a time.
  struct MadClock {
    std::uint32_t host = 0;
    std::uint32_t moves_left = 0;
    time::Duration step;
    std::uint64_t number = 0;  // its events
  };
  struct Backup {
    time::Uptime taken_at;
    SimulatedStore::Image image;
  };
  enum class Act : std::uint8_t { kRestore, kRecover, kAdopt };

  // shared_world.cpp
  void handle(const Event& event);
  void start(std::uint32_t host);
  void start_refused(std::uint32_t host, const control::StateError& error);
  void daemon_gone(std::uint32_t host, time::Duration pause_before_next);
  void check_exit(std::uint32_t host);
  void begin(Phase phase);
  void advance_phase();
  void phase_ends(Phase phase);
  [[nodiscard]] bool recovery_is_due() const;
  [[nodiscard]] Outcome outcome();
  [[nodiscard]] std::uint32_t host_of(std::uint32_t incarnation) const { return host_of_[incarnation - 1]; }

  // shared_watch.cpp
  void look_at_landings();
  void judge_rights(const Landing& landing);
  void judge_ceiling(const Landing& landing, mint::MachineId machine, time::SmearedUtc ceiling);
  void ask_others(const Landing& landing);
  void look_round();
  void look_at_clock(std::uint32_t host);
  void check_stands_down(std::uint32_t host);
  void check_serves_on(std::uint32_t host);
  void excuse(std::uint32_t host);
  [[nodiscard]] bool is_mad(std::uint32_t host) const { return mad_ && mad_->host == host; }
  [[nodiscard]] std::uint32_t sane_members(std::optional<std::uint32_t> but);
  [[nodiscard]] bool is_sane_member(std::uint32_t host);
  [[nodiscard]] bool has_served_since(std::uint32_t host, time::Uptime since) const;
  [[nodiscard]] time::Duration steps_of(std::uint32_t host) const;

  // shared_faults.cpp
  void strike();
  void strike(SharedFault fault);
  void strike_daemon(SharedFault fault, std::uint32_t host);
  void strike_link(std::uint32_t host, StoreLink::Mode mode, time::Duration length);
  void link_fault_ends(std::uint64_t which);
  void strike_host();
  void nudge(std::uint32_t host);
  void go_mad(SharedFault kind, std::uint32_t host);
  void clock_moves(std::uint64_t number);
  void repair_clock();
  void heal_all();

  // shared_hardships.cpp
  void strike_hardship();
  [[nodiscard]] bool strike_hardship(Hardship hardship, std::uint32_t host);
  [[nodiscard]] bool trouble_disk(Hardship hardship, std::uint32_t host);
  void hardship_ends(std::uint64_t which);
  void disk_is_well(std::uint32_t host);
  [[nodiscard]] bool endanger_power(std::uint32_t host);
  void power_is_lost(std::uint32_t host);
  void look_at_power();
  [[nodiscard]] bool may_lose_its_journal(std::uint32_t host) const;
  [[nodiscard]] bool is_damaged(std::uint32_t host) const;
  void put_down(std::uint32_t host);
  [[nodiscard]] bool flip_a_bit(std::uint32_t host);
  void refused_for_damage(std::uint32_t host, const control::StateError& error);
  void adopt(std::uint32_t host);
  void try_to_start(std::uint32_t host);
  void later_on(std::uint32_t host, Act what);
  void take_images();
  [[nodiscard]] bool put_disk_back(std::uint32_t host);
  [[nodiscard]] bool shift_system_clock(std::uint32_t host);
  [[nodiscard]] bool shift_source(std::uint32_t on);
  void look_at_time();

  // shared_copies.cpp
  [[nodiscard]] bool copy_machine(std::uint32_t host);
  [[nodiscard]] control::Transaction extension_by_copy(const Incarnation& daemon, const control::Nonce& nonce);
  [[nodiscard]] bool ends_as_a_copy(std::uint32_t host, const std::string& text);

  // shared_operator.cpp
  void later(time::Duration delay, Act what);
  void act(std::uint64_t what);
  void try_again_later();
  void take_backup();
  void begin_restore();
  void restore();
  [[nodiscard]] bool knows_better(std::uint32_t host, control::Revision image) const;
  void recover();
  void release_held();
  void heal_right();
  void plant();
  [[nodiscard]] control::SharedPaths paths_of(std::uint32_t host) const;
  [[nodiscard]] control::RecoveryLimits recovery_limits() const;
  [[nodiscard]] control::Nonce draw_nonce();

  [[nodiscard]] const SharedPlan& plan() const { return *env_.scenario.shared; }
  [[nodiscard]] std::uint32_t hosts() const { return static_cast<std::uint32_t>(seats_.size()); }
  [[nodiscard]] std::uint32_t any_host() { return static_cast<std::uint32_t>(env_.random.below(seats_.size())); }
  void disturb(std::uint32_t host, time::Duration span = {});
  void disturb_clock(std::uint32_t host, time::Duration span = {});
  [[nodiscard]] time::Uptime disturbed_at(std::uint32_t host) const {
    return std::max(disturbances_.last(host), clocks_.last(host));
  }

  Environment env_;
  Disk::Turn turn_;
  std::vector<Seat> seats_;
  std::vector<std::uint32_t> host_of_;  // by incarnation, which count from 1
  Disturbances disturbances_;           // but those that only have to do with the host's own time
  Disturbances clocks_;                 // these: how long they have a say
  NotPoisoned not_poisoned_;
  std::map<mint::MachineId, time::SmearedUtc> ceilings_;  // highest that was committed
  std::optional<MadClock> mad_;
  std::uint64_t mad_clocks_ = 0;
  std::vector<Backup> backups_;
  std::uint32_t rounds_ = 0;

  bool doubtful_ = false;  // the store was put back, and not recovered since
  bool restoring_ = false;
  bool recovery_scheduled_ = false;
  time::Uptime restored_at_;
  std::optional<mint::MachineId> planted_;
  control::Revision planted_at_;

  SharedCounts counts_;
  std::uint32_t believers_ = 0;
  Phase phase_ = Phase::kCalm;
  bool over_ = false;
  time::Uptime healed_at_;
};

}  // namespace gnomon::sim
