// SPDX-License-Identifier: Apache-2.0
//
// Hardships of a world of many hosts: what befalls the disks that their journals are on, and clocks that are 37 s off.
//
// Two things are not done, because nobody could notice them (docs/limits.md): no journal is damaged or put back while
// the store has been put back as well and nobody has sealed it yet.
#include <fmt/format.h>

#include "tests/sim/shared_world.hpp"
#include "tests/sim/store_door.hpp"

namespace gnomon::sim {
namespace {

constexpr std::size_t kMostImages = 24;
constexpr std::uint64_t kHostShift = 32;
constexpr std::uint32_t kStepsOfAReplacement = 5;

}  // namespace

void SharedWorld::strike_hardship() {
  if (phase_ != Phase::kFaults) return;
  Strokes::Turn turn(env_.hardship_strokes, env_.now());
  env_.schedule_hardship();
  if (!turn.strikes()) return;
  const HardshipPlan& plan = env_.scenario.hardships;
  const Hardship hardship = plan.kinds[env_.hard_random.below(plan.kinds.size())];
  const auto host = static_cast<std::uint32_t>(env_.hard_random.below(seats_.size()));
  turn.is(name_of(hardship));
  if (!strike_hardship(hardship, host)) return turn.meets_nobody();
  env_.hardships.strike(hardship);
  env_.note(Happening::kHardship, static_cast<std::uint64_t>(hardship), host);
}

bool SharedWorld::strike_hardship(Hardship hardship, std::uint32_t host) {
  switch (hardship) {
    case Hardship::kDiskFull:
    case Hardship::kDiskSlow: return trouble_disk(hardship, host);
    case Hardship::kPowerLost: return endanger_power(host);
    case Hardship::kBitFlips: return flip_a_bit(host);
    case Hardship::kOldDisk: return put_disk_back(host);
    case Hardship::kCopy: return copy_machine(host);
    case Hardship::kSystemTaiForUtc: return shift_system_clock(host);
    case Hardship::kSourceTaiForUtc: return shift_source(host);
  }
  return false;
}

// ---- for a while

bool SharedWorld::trouble_disk(Hardship hardship, std::uint32_t host) {
  Random& random = env_.hard_random;
  Seat& seat = seats_[host];
  const time::Duration window = env_.scenario.window;
  const time::Duration length = random.between({0}, window * 3);
  time::Duration typical;
  if (hardship == Hardship::kDiskFull)
    seat.drive->set_full(true);
  else
    seat.drive->set_slow(typical = random.between(time::milliseconds(10), window / 2));
  disturb(host, length + typical * 4);  // a write may have begun just before the end, and another waits for it
  env_.queue.after(length, EventKind::kHardshipEnds, 0, (std::uint64_t{host} << kHostShift) | ++seat.disk_faults);
  return true;
}

// Also for a power cut that waits for a write that never came: it strikes an idle disk.
void SharedWorld::hardship_ends(std::uint64_t which) {
  Seat& seat = seats_[which >> kHostShift];
  if (seat.disk_faults != (which & UINT32_MAX)) return;  // another one has begun meanwhile
  if (seat.drive->is_to_lose_power()) seat.drive->lose_power_now();
  disk_is_well(seat.host->number());
}

void SharedWorld::disk_is_well(std::uint32_t host) {
  Drive& drive = *seats_[host].drive;
  if (!drive.full() && !drive.slow()) return;
  drive.set_full(false);
  drive.set_slow({});
  disturb(host);
}

// ---- power

bool SharedWorld::endanger_power(std::uint32_t host) {
  Seat& seat = seats_[host];
  if (seat.host->away_until() > env_.now() || seat.drive->is_to_lose_power()) return false;
  seat.drive->lose_power_after(static_cast<std::uint32_t>(env_.hard_random.below(kStepsOfAReplacement)));
  env_.queue.after(env_.hard_random.between({0}, env_.scenario.window * 2), EventKind::kHardshipEnds, 0,
                   (std::uint64_t{host} << kHostShift) | ++seat.disk_faults);
  return true;
}

// Nothing of the host runs on, and its clock stands still for its software; what its operators were about to do there
// has failed.
void SharedWorld::power_is_lost(std::uint32_t host) {
  Seat& seat = seats_[host];
  const bool cut = seat.drive->was_cut();
  const Drive::AfterPower after = seat.drive->power_on();
  env_.note(Happening::kPowerLost, host, cut ? 1 : 0, after.torn);
  env_.hardships.cut_writes += cut ? 1 : 0;
  env_.hardships.torn_files += after.torn;
  if (!after.broken.empty())
    env_.report.fail("durable", fmt::format("host {} lost its power, and {} is neither what was written to it for "
                                            "certain nor what was being written",
                                            host, after.broken));
  if (seat.daemon) daemon_gone(host, {});
  const time::Duration off = env_.hard_random.between(time::milliseconds(50), time::seconds(4));
  seat.host->stop(env_.now(), std::max(off, seat.host->away_until() - env_.now()));
  disturb(host, off);
  disturb_clock(host, off + env_.scenario.confirm + time::seconds(5));
}

void SharedWorld::look_at_power() {
  for (Seat& seat : seats_)
    if (seat.drive->dark()) power_is_lost(seat.host->number());
}

// ---- files at rest

// A host that is not whole, and a store that may be old: nobody could tell then.
bool SharedWorld::may_lose_its_journal(std::uint32_t host) const {
  const Seat& seat = seats_[host];
  return !doubtful_ && !restoring_ && !seat.refused && !seat.held_back && !seat.drive->is_to_lose_power() &&
         !is_damaged(host);
}

bool SharedWorld::is_damaged(std::uint32_t host) const {
  return seats_[host].drive->is_flipped(paths_of(host).journal);
}

void SharedWorld::put_down(std::uint32_t host) {
  Seat& seat = seats_[host];
  disturb(host);
  if (!seat.daemon) return;
  env_.note(Happening::kCrashed, seat.daemon->number());
  seat.daemon->crash();
  daemon_gone(host, env_.hard_random.around(time::milliseconds(50)));
}

bool SharedWorld::flip_a_bit(std::uint32_t host) {
  if (!may_lose_its_journal(host) || !seats_[host].drive->exists(paths_of(host).journal)) return false;
  put_down(host);
  return seats_[host].drive->flip_a_bit(paths_of(host).journal);
}

void SharedWorld::refused_for_damage(std::uint32_t host, const control::StateError& error) {
  if (!is_damaged(host))
    env_.report.fail("damaged",
                     fmt::format("host {}: its journal is refused, and nobody damaged it: {}", host, error.text));
  if (error.text.find("gnomon control adopt") == std::string::npos)
    env_.report.fail("damaged", fmt::format("host {}: the refusal says no way out: {}", host, error.text));
  ++env_.hardships.damaged_refused;
  seats_[host].refused = true;
  later_on(host, Act::kAdopt);
}

// By the documentation: on a store that was not put back the host begins a new journal; on another one only after the
// recovery.
void SharedWorld::adopt(std::uint32_t host) {
  // A recovery by this host's journal began a new one; or the power was lost when the old one was aside already.
  if (!is_damaged(host)) return try_to_start(host);
  if (doubtful_ || restoring_ || seats_[host].host->away_until() > env_.now()) return later_on(host, Act::kAdopt);
  StoreDoor door(env_, nullptr, {Committer::Kind::kOperator, host, 0});
  const auto adopted = control::adopt_shared(door, paths_of(host));
  if (!adopted) {
    if (seats_[host].drive->full() || seats_[host].drive->dark()) return later_on(host, Act::kAdopt);
    return env_.report.fail("operator", "an adoption is refused: " + adopted.error().text);
  }
  if (adopted->aside.empty()) env_.report.fail("operator", "an adoption puts no damaged journal aside");
  env_.note(Happening::kAdopted, host);
  ++env_.hardships.adoptions;
  try_to_start(host);
}

void SharedWorld::try_to_start(std::uint32_t host) {
  seats_[host].refused = false;
  start(host);
}

void SharedWorld::later_on(std::uint32_t host, Act what) {
  env_.queue.after(env_.hard_random.between(time::milliseconds(500), time::seconds(3)), EventKind::kOperator, 0,
                   static_cast<std::uint64_t>(what) | (std::uint64_t{host} << kHostShift));
}

void SharedWorld::take_images() {
  if (!env_.scenario.hardships.has(Hardship::kOldDisk)) return;
  for (Seat& seat : seats_) {
    if (seat.images.size() == kMostImages) seat.images.erase(seat.images.begin());
    seat.images.push_back(seat.drive->image());
  }
}

// As a store that was recovered twice, a journal of another lineage is not older, but another one.
bool SharedWorld::put_disk_back(std::uint32_t host) {
  Seat& seat = seats_[host];
  const control::Entry* entry = env_.store.find(lease::kStoreKey);
  if (!may_lose_its_journal(host) || seat.images.empty() || entry == nullptr) return false;
  const Drive::Image& image = seat.images[env_.hard_random.below(seat.images.size())];
  const auto identity = control::parse_identity(entry->value);
  const auto journal = image.find(paths_of(host).journal);
  if (journal != image.end()) {
    const auto content = control::parse_journal(journal->second);
    const bool is_older = content && identity &&
                          (content->epoch < identity->epoch ||
                           (content->epoch == identity->epoch && content->lineage == identity->machine));
    if (!is_older) return false;
  }
  put_down(host);
  seat.drive->put_back(image);
  seat.has_old_journal = true;
  return true;
}

// ---- clocks

bool SharedWorld::shift_system_clock(std::uint32_t host) {
  if (mad_ || seats_[host].host->plan().order_by_truth) return false;
  Random& random = env_.hard_random;
  const time::Duration confirm = env_.scenario.confirm;
  const time::Duration noticed = plan().acquaintance() * 2 + time::seconds(3);
  mad_ = MadClock{host, 0, {}, ++mad_clocks_};
  ++counts_.mad_clocks;
  seats_[host].host->system.step(env_.now(), random.below(2) == 0 ? kTaiMinusUtc : -kTaiMinusUtc);
  env_.queue.after(random.below(4) == 0 ? random.between({0}, confirm) : confirm + random.between({0}, noticed * 2),
                   EventKind::kClockMoves, 0, mad_->number);
  return true;
}

bool SharedWorld::shift_source(std::uint32_t on) {
  Random& random = env_.hard_random;
  Host& host = *seats_[on].host;
  const std::size_t which = random.below(host.sources().size());
  if (host.plan().sources[which].system) return false;
  const time::Duration length = random.between(time::milliseconds(60), time::seconds(6));
  host.sources()[which].lie(env_.now() + length, random.below(2) == 0 ? kTaiMinusUtc : -kTaiMinusUtc);
  disturb(on, length + time::seconds(1));
  disturb_clock(on, length + env_.scenario.confirm + time::seconds(5));
  if (env_.hardships.of(Hardship::kSourceTaiForUtc) == 0) env_.queue.after(kLookAtTimeEvery, EventKind::kLookAtTime);
  return true;
}

// As in a world of one host (world_hardships.cpp).
void SharedWorld::look_at_time() {
  env_.queue.after(kLookAtTimeEvery, EventKind::kLookAtTime);
  for (Seat& seat : seats_) {
    if (!seat.daemon || !seat.daemon->process().puts_an_honest_source_out()) continue;
    const std::uint32_t host = seat.host->number();
    env_.note(Happening::kRestartForTime, host);
    ++env_.hardships.restarts_for_time;
    put_down(host);
    disturb_clock(host, env_.scenario.confirm + time::seconds(5));
  }
}

}  // namespace gnomon::sim
