// SPDX-License-Identifier: Apache-2.0
//
// What befalls daemons, machines, links and clocks of a world of many hosts.
#include "tests/sim/host_faults.hpp"
#include "tests/sim/shared_world.hpp"

namespace gnomon::sim {
namespace {

constexpr time::Duration kDay = time::seconds(86'400);
constexpr std::uint64_t kHostShift = 32;

}  // namespace

void SharedWorld::strike() {
  if (phase_ != Phase::kFaults) return;
  Strokes::Turn turn(env_.faults, env_.now());
  env_.schedule_fault();
  if (!turn.strikes()) return;
  const SharedFault fault = plan().faults[env_.random.below(plan().faults.size())];
  turn.is(name_of(fault));
  strike(fault);
}

void SharedWorld::strike(SharedFault fault) {
  Random& random = env_.random;
  const time::Duration window = env_.scenario.window;
  const std::uint32_t host = any_host();
  const auto strike_all = [&](StoreLink::Mode mode, time::Duration length) {
    for (std::uint32_t each = 0; each < hosts(); ++each)
      strike_link(each, mode, length);
  };
  switch (fault) {
    case SharedFault::kAway: return strike_link(host, StoreLink::Mode::kAway, random.between({0}, window * 3));
    case SharedFault::kLosesAnswers:
      return strike_link(host, StoreLink::Mode::kLosesAnswers, random.between({0}, window * 2));
    case SharedFault::kSlow: return strike_link(host, StoreLink::Mode::kSlow, random.between({0}, window * 2));
    case SharedFault::kAllAway: return strike_all(StoreLink::Mode::kAway, random.between({0}, window * 2));
    case SharedFault::kAllLoseAnswers:
      return strike_all(StoreLink::Mode::kLosesAnswers, random.between({0}, window * 2));
    case SharedFault::kNudge: return nudge(host);
    case SharedFault::kDayAhead:
    case SharedFault::kDayBehind:
    case SharedFault::kCreeps:
    case SharedFault::kRuns: return go_mad(fault, host);
    case SharedFault::kRestore: return begin_restore();
    case SharedFault::kHeal: return heal_right();
    case SharedFault::kPlant: return plant();
    default: break;
  }
  if (seats_[host].daemon) strike_daemon(fault, host);
}

void SharedWorld::strike_daemon(SharedFault fault, std::uint32_t host) {
  Random& random = env_.random;
  Incarnation& daemon = *seats_[host].daemon;
  const time::Duration window = env_.scenario.window;
  disturb(host);
  switch (fault) {
    case SharedFault::kKill:
      env_.note(Happening::kCrashed, daemon.number());
      daemon.crash();
      return daemon_gone(host, random.around(time::milliseconds(50)));
    case SharedFault::kStop:
      env_.note(Happening::kStopAsked, daemon.number());
      return daemon.deliver(control::event::StopRequested{});
    case SharedFault::kPause: {
      const time::Duration length = random.between(time::milliseconds(1), window * 2);
      disturb(host, length);
      return daemon.process().pause_all(length);
    }
    case SharedFault::kPauseThread: {
      const time::Duration length = random.between(time::milliseconds(1), window * 3 / 2);
      disturb(host, length);
      return daemon.process().pause(static_cast<std::uint32_t>(random.below(daemon.process().threads())), length);
    }
    case SharedFault::kClone:
      env_.note(Happening::kCloned, daemon.number());
      return daemon.deliver(control::event::CloneDetected{});
    default: return;
  }
}

void SharedWorld::strike_link(std::uint32_t host, StoreLink::Mode mode, time::Duration length) {
  Seat& seat = seats_[host];
  env_.note(Happening::kStoreFault, static_cast<std::uint64_t>(mode), host);
  seat.link->set_mode(mode);
  ++seat.link_faults;
  disturb(host, length);
  env_.queue.after(length, EventKind::kFaultEnds, 0, (std::uint64_t{host} << kHostShift) | seat.link_faults);
}

void SharedWorld::link_fault_ends(std::uint64_t which) {
  Seat& seat = seats_[which >> kHostShift];
  if (seat.link_faults != (which & UINT32_MAX)) return;  // another one has begun meanwhile
  seat.link->set_mode(StoreLink::Mode::kGood);
  disturb(seat.host->number());
}

// A machine that slept or was moved has a clock that its timeline follows only once it has insisted.
void SharedWorld::strike_host() {
  if (phase_ != Phase::kFaults || env_.scenario.host_faults.empty()) return;
  Strokes::Turn turn(env_.host_faults, env_.now());
  env_.schedule_host_fault();
  const auto host = static_cast<std::uint32_t>(env_.time_random.below(seats_.size()));
  Seat& seat = seats_[host];
  if (seat.host->away_until() > env_.now()) return turn.meets_nobody();
  if (!turn.strikes()) return;
  Process* const process = seat.daemon ? &seat.daemon->process() : nullptr;
  const HostFault fault = env_.scenario.host_faults[env_.time_random.below(env_.scenario.host_faults.size())];
  turn.is(name_of(fault));
  const time::Duration length = strike_machine(env_, *seat.host, process, true, fault);
  // An agent that reads the counter across a jump takes it for time that passed, and so does its uptime: no jump of the
  // clock. It lasts until the clock thread's next turn.
  if (fault == HostFault::kCounterJumps) seat.steps.emplace_back(env_.now(), length);
  disturb(host, length);
  disturb_clock(host, length + env_.scenario.confirm + time::seconds(5));
}

// ---- clocks

// Sane before, and sane after.
void SharedWorld::nudge(std::uint32_t host) {
  if (plan().clock_errors[host] == time::Duration{0} || is_mad(host)) return;
  const time::Duration error = env_.random.between(plan().tolerance * -2 / 5, plan().tolerance * 2 / 5);
  env_.note(Happening::kClockFault, static_cast<std::uint64_t>(SharedFault::kNudge), host);
  seats_[host].host->system.set_sane_error(env_.now(), error);
  disturb_clock(host, env_.scenario.confirm + time::seconds(2));
}

void SharedWorld::go_mad(SharedFault kind, std::uint32_t host) {
  if (mad_ || seats_[host].host->plan().order_by_truth) return;
  Random& random = env_.random;
  SystemClock& clock = seats_[host].host->system;
  const time::Duration confirm = env_.scenario.confirm;
  const std::int64_t side = random.below(2) == 0 ? 1 : -1;
  const time::Duration noticed = plan().acquaintance() * 2 + time::seconds(3);
  mad_ = MadClock{host, 0, {}, ++mad_clocks_};
  ++counts_.mad_clocks;
  env_.note(Happening::kClockMad, host, static_cast<std::uint64_t>(kind));
  time::Duration first_move;
  switch (kind) {
    case SharedFault::kDayAhead:
    case SharedFault::kDayBehind:
      clock.step(env_.now(), kind == SharedFault::kDayAhead ? kDay : -kDay);
      first_move = random.below(4) == 0 ? random.between({0}, confirm) : confirm + random.between({0}, noticed * 2);
      break;
    case SharedFault::kCreeps:
      mad_->moves_left = static_cast<std::uint32_t>(random.between(2, 12));
      mad_->step = random.between(plan().tolerance / 4, plan().tolerance * 4 / 5) * side;
      break;
    default:
      clock.drift(env_.now(), random.between(2'000, 50'000) * side);
      first_move = random.between(time::seconds(2), time::seconds(15));
      break;
  }
  env_.queue.after(first_move, EventKind::kClockMoves, 0, mad_->number);
}

void SharedWorld::clock_moves(std::uint64_t number) {
  if (!mad_ || mad_->number != number) return;
  if (mad_->moves_left == 0) return repair_clock();
  Seat& seat = seats_[mad_->host];
  seat.host->system.step(env_.now(), mad_->step);
  seat.steps.emplace_back(env_.now(), mad_->step);
  const bool last = --mad_->moves_left == 0;
  const time::Duration gap =
      env_.scenario.confirm * 6 / 5 + env_.random.between(time::milliseconds(100), time::seconds(1));
  env_.queue.after(last ? gap + plan().acquaintance() + env_.random.between({0}, time::seconds(8)) : gap,
                   EventKind::kClockMoves, 0, number);
}

// An operator sets it right; nothing else.
void SharedWorld::repair_clock() {
  const std::uint32_t host = mad_->host;
  mad_.reset();
  env_.note(Happening::kClockRepaired, host);
  seats_[host].host->system.heal(env_.now());
  disturb_clock(host, env_.scenario.confirm + time::seconds(3));
  seats_[host].mad_until = env_.now() + time::seconds(8);  // a clock thread that pauses reads no repaired clock
}

void SharedWorld::heal_all() {
  if (mad_) repair_clock();
  for (Seat& seat : seats_) {
    seat.host->heal();
    seat.link->set_mode(StoreLink::Mode::kGood);
    ++seat.link_faults;
    ++seat.disk_faults;
    seat.drive->keep_power();
    disk_is_well(seat.host->number());
  }
}

}  // namespace gnomon::sim
