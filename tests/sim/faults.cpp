// SPDX-License-Identifier: Apache-2.0
//
// The faults of the daemon, its store and its system clock: when they strike, and how they end. Those of the sources of
// time, counters and machines are in host_faults.cpp.
#include <iterator>

#include "oracle/lease/stored_right.hpp"
#include "tests/sim/world.hpp"

namespace gnomon::sim {
namespace {

constexpr time::Duration kHour = time::seconds(3600);
constexpr time::Duration kDay = kHour * 24;

// What kFaultEnds ends.
enum class Ending : std::uint8_t { kClock, kSource, kStore };
constexpr std::uint64_t number_of(Ending ending) { return static_cast<std::uint64_t>(ending); }

}  // namespace

void World::strike() {
  if (phase_ != Phase::kFaults) return;
  Strokes::Turn turn(env_.faults, env_.now());
  env_.schedule_fault();
  if (!turn.strikes()) return;
  const Fault fault = env_.scenario.faults[env_.random.below(env_.scenario.faults.size())];
  turn.is(name_of(fault));
  strike(fault);
}

void World::strike(Fault fault) {
  Random& random = env_.random;
  const time::Duration window = env_.scenario.window;
  const auto store_fault = [&](StoreLink::Mode mode, time::Duration length) {
    env_.note(Happening::kStoreFault, static_cast<std::uint64_t>(mode));
    link_.set_mode(mode);
    env_.queue.after(length, EventKind::kFaultEnds, 0, number_of(Ending::kStore));
  };
  switch (fault) {
    case Fault::kStoreAway: return store_fault(StoreLink::Mode::kAway, random.between({0}, window * 3 / 2));
    case Fault::kStoreLosesAnswers: return store_fault(StoreLink::Mode::kLosesAnswers, random.between({0}, window));
    case Fault::kStoreSlow: return store_fault(StoreLink::Mode::kSlow, random.between({0}, window * 2));
    case Fault::kStoreBreaks: return store_fault(StoreLink::Mode::kBroken, window);
    case Fault::kSourceFails:
      hosts_.front()->system_readable = false;
      return env_.queue.after(random.between({0}, window), EventKind::kFaultEnds, 0, number_of(Ending::kSource));
    case Fault::kStepBackMs:
    case Fault::kStepBackSecond:
    case Fault::kStepBackHour:
    case Fault::kDayAhead:
    case Fault::kFreeze:
    case Fault::kDrift: return strike_clock(fault);
    case Fault::kTakeover: return take_over();
    default: break;
  }
  if (!daemon_) return;  // it is down: the others have nobody to strike
  switch (fault) {
    case Fault::kCrash:
      env_.note(Happening::kCrashed, daemon_->number());
      return daemon_gone(random.around(time::milliseconds(50)));
    case Fault::kCleanStop:
      env_.note(Happening::kStopAsked, daemon_->number());
      return daemon_->deliver(control::event::StopRequested{});
    case Fault::kPauseProcess: return daemon_->process().pause_all(random.between(time::milliseconds(1), window * 2));
    case Fault::kPauseThread:
      return daemon_->process().pause(static_cast<std::uint32_t>(random.below(daemon_->process().threads())),
                                      random.between(time::milliseconds(1), window * 3 / 2));
    case Fault::kClone: {
      // The daemon fails; the next one's start stands for the operator, who knows that there is no other copy.
      env_.note(Happening::kCloned, daemon_->number());
      return daemon_->deliver(control::event::CloneDetected{});
    }
    default: return;
  }
}

// Somebody else writes to a right: a new grant, and an empty window behind the old one's ceiling.
void World::take_over() {
  const control::Listing listing = *env_.store.list(lease::kRightPrefix);
  const lease::RightTable table = lease::read_rights(listing.entries);
  if (table.rights.empty()) return;
  const auto& [machine, right] = *std::next(table.rights.begin(), env_.random.between(0, std::ssize(table.rights) - 1));
  if (!right.window || right.window->value.state != lease::WindowState::kHeld) return;
  control::Nonce nonce;
  for (std::uint8_t& byte : nonce)
    byte = static_cast<std::uint8_t>(env_.random.next());
  lease::Window window = right.window->value;
  window.floor = window.ceiling;
  window.token = {};
  window.state = lease::WindowState::kReleased;
  window.nonce = nonce;
  control::Transaction transaction;
  transaction.puts = {{lease::grant_key(machine), lease::encode(lease::Grant{"operator", nonce, nonce, 0})},
                      {lease::window_key(machine), lease::encode(window)}};
  const control::Revision revision = *env_.store.commit(transaction);
  env_.landed(transaction, revision, {Committer::Kind::kStranger, 0, 0}, env_.now());
  env_.note(Happening::kTakenOver, revision.value);
}

void World::strike_clock(Fault fault) {
  Random& random = env_.random;
  const time::Uptime now = env_.now();
  SystemClock& clock = hosts_.front()->system;
  if (clock_excursion_) return;
  env_.note(Happening::kClockFault, static_cast<std::uint64_t>(fault), env_.faults.number());
  const time::Duration confirm = env_.scenario.confirm;
  switch (fault) {
    case Fault::kStepBackMs: return clock.step(now, time::milliseconds(-1));
    case Fault::kStepBackSecond: return clock.step(now, time::seconds(-1));
    case Fault::kStepBackHour:
      clock.step(now, -kHour);
      return end_excursion_after(random.between(time::milliseconds(100), confirm * 2));
    case Fault::kDayAhead: {
      const bool insists = random.below(4) == 0;
      clock.step(now, kDay);
      return end_excursion_after(insists ? confirm * 3 / 2 : random.between(time::milliseconds(50), confirm * 7 / 10));
    }
    case Fault::kFreeze:
      clock.freeze(now);
      return end_excursion_after(random.between(time::milliseconds(100), time::seconds(3)));
    case Fault::kDrift: return clock.drift(now, random.between(-400, 400));
    default: return;
  }
}

void World::end_excursion_after(time::Duration length) {
  clock_excursion_ = true;
  env_.queue.after(length, EventKind::kFaultEnds, 0, number_of(Ending::kClock));
}

void World::fault_ends(std::uint64_t which) {
  switch (static_cast<Ending>(which)) {
    case Ending::kStore: return link_.set_mode(StoreLink::Mode::kGood);
    case Ending::kSource: hosts_.front()->system_readable = true; return;
    case Ending::kClock:
      clock_excursion_ = false;
      env_.note(Happening::kClockFault, ~std::uint64_t{0}, env_.faults.number());
      return hosts_.front()->system.heal(env_.now());
  }
}

void World::heal() {
  hosts_.front()->system.heal(env_.now());
  for (const auto& host : hosts_)
    host->heal();
  link_.set_mode(StoreLink::Mode::kGood);
  disk_is_well(disk_faults_);
}

}  // namespace gnomon::sim
