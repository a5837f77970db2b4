// SPDX-License-Identifier: Apache-2.0
//
// Hardships of a world of one host: its journal can't be written or takes long, and clocks are 37 s off.
#include "tests/sim/world.hpp"

namespace gnomon::sim {

void World::strike_hardship() {
  if (phase_ != Phase::kFaults) return;
  Strokes::Turn turn(env_.hardship_strokes, env_.now());
  env_.schedule_hardship();
  if (!turn.strikes()) return;
  const HardshipPlan& plan = env_.scenario.hardships;
  const Hardship hardship = plan.kinds[env_.hard_random.below(plan.kinds.size())];
  turn.is(name_of(hardship));
  std::uint32_t host = 0;
  if (!strike_hardship(hardship, host)) return turn.meets_nobody();
  env_.hardships.strike(hardship);
  env_.note(Happening::kHardship, static_cast<std::uint64_t>(hardship), host);
}

/// `host`: whom it hit, if not the first.
bool World::strike_hardship(Hardship hardship, std::uint32_t& host) {
  switch (hardship) {
    case Hardship::kDiskFull:
    case Hardship::kDiskSlow: return trouble_disk(hardship);
    case Hardship::kSystemTaiForUtc: return shift_system_clock();
    case Hardship::kSourceTaiForUtc: return shift_source(host);
    default: return false;
  }
}

bool World::trouble_disk(Hardship hardship) {
  Drive& drive = env_.disk.drive(folder_of(0));
  const time::Duration window = env_.scenario.window;
  if (hardship == Hardship::kDiskFull)
    drive.set_full(true);
  else
    drive.set_slow(env_.hard_random.between(time::milliseconds(10), window / 2));
  env_.queue.after(env_.hard_random.between({0}, window * 2), EventKind::kHardshipEnds, 0, ++disk_faults_);
  return true;
}

void World::disk_is_well(std::uint64_t number) {
  if (number != disk_faults_) return;  // another one has begun meanwhile
  Drive& drive = env_.disk.drive(folder_of(0));
  drive.set_full(false);
  drive.set_slow({});
}

// For less long than it takes to be believed, or longer.
bool World::shift_system_clock() {
  if (clock_excursion_) return false;
  Random& random = env_.hard_random;
  hosts_.front()->system.step(env_.now(), random.below(2) == 0 ? kTaiMinusUtc : -kTaiMinusUtc);
  const time::Duration confirm = env_.scenario.confirm;
  end_excursion_after(random.below(2) == 0 ? random.between(time::milliseconds(50), confirm * 7 / 10)
                                           : confirm * 3 / 2);
  return true;
}

bool World::shift_source(std::uint32_t& on) {
  Random& random = env_.hard_random;
  on = static_cast<std::uint32_t>(random.below(hosts_.size()));
  Host& host = *hosts_[on];
  const std::size_t which = random.below(host.sources().size());
  if (host.plan().sources[which].system) return false;
  const bool briefly = random.below(3) == 0;
  const time::Duration length = briefly ? random.between(time::milliseconds(5), time::milliseconds(60))
                                        : random.between(time::milliseconds(60), time::seconds(6));
  host.sources()[which].lie(env_.now() + length, random.below(2) == 0 ? kTaiMinusUtc : -kTaiMinusUtc);
  if (env_.hardships.of(Hardship::kSourceTaiForUtc) == 0) env_.queue.after(kLookAtTimeEvery, EventKind::kLookAtTime);
  return true;
}

// A process whose first word on the time was 37 s off takes the truth for a wrong UTC offset. Its status says so, and
// what to do: an operator, who has put the source right, starts it again.
void World::look_at_time() {
  env_.queue.after(kLookAtTimeEvery, EventKind::kLookAtTime);
  for (const auto& host : hosts_) {
    Process* const process = process_on(*host);
    if (process == nullptr || !process->puts_an_honest_source_out()) continue;
    env_.note(Happening::kRestartForTime, host->number());
    ++env_.hardships.restarts_for_time;
    if (host->number() == 0) {
      daemon_gone(env_.hard_random.around(time::milliseconds(50)));
      continue;
    }
    peers_[host->number()].reset();
    env_.queue.after(env_.hard_random.around(time::milliseconds(50)), EventKind::kStart, 0, host->number());
  }
}

}  // namespace gnomon::sim
