// SPDX-License-Identifier: Apache-2.0
//
// What the world looks at: every commit that lands, and ten times a second every host.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <string_view>

#include "oracle/lease/stored_right.hpp"
#include "tests/sim/shared_world.hpp"

namespace gnomon::sim {
namespace {

constexpr std::uint32_t kRoundsPerBackup = 5;
// A host that serves answers several times a second; a unit of the coarsest layout takes half a second, and a thread
// may be preempted now and then.
constexpr time::Duration kLongestSilence = time::seconds(5);

std::optional<mint::MachineId> machine_of_window(std::string_view key) {
  constexpr std::string_view kTail = "/window";
  if (!key.starts_with("right/m/") || !key.ends_with(kTail)) return std::nullopt;
  mint::MachineId machine;
  std::from_chars(key.data() + std::string_view("right/m/").size(), key.data() + key.size() - kTail.size(),
                  machine.value);
  return machine;
}

}  // namespace

// ---- commits

void SharedWorld::look_at_landings() {
  for (const Landing& landing : std::exchange(env_.landings, {})) {
    judge_rights(landing);
    ask_others(landing);
  }
}

void SharedWorld::judge_rights(const Landing& landing) {
  if (landing.by.kind != Committer::Kind::kAgent) return;
  for (const control::Put& put : landing.transaction.puts) {
    const auto machine = machine_of_window(put.key);
    const auto window = machine ? std::optional(lease::parse_window(put.value)) : std::nullopt;
    if (!window || !*window || (*window)->state != lease::WindowState::kHeld) continue;
    if (planted_ == machine)
      env_.report.fail("quarantine", fmt::format("host {} was granted machine id {}, which has a ceiling of next year",
                                                 landing.by.host, machine->value));
    judge_ceiling(landing, *machine, (*window)->ceiling);
  }
}

void SharedWorld::judge_ceiling(const Landing& landing, mint::MachineId machine, time::SmearedUtc ceiling) {
  const auto [at, fresh] = ceilings_.emplace(machine, ceiling);
  if (!fresh && ceiling <= at->second) return;
  at->second = ceiling;
  const std::uint32_t host = landing.by.host;
  const time::SmearedUtc truth = SystemClock::honest(env_.now());
  const time::Duration steps = steps_of(host);
  // Also for as long as its thread or its timeline may not have noticed the repair.
  const bool mad = is_mad(host) || seats_[host].suspect || seats_[host].mad_until >= env_.now();
  if (!seats_[host].believes && (!mad || sane_members(host) > 0)) {
    ++counts_.ceilings_judged;
    return not_poisoned_.raised(host, machine, ceiling, truth, steps);
  }
  ++counts_.ceilings_unjudged;
  if (!not_poisoned_.is_beyond(ceiling, truth, steps)) return;
  seats_[host].believes = true;
  ++believers_;
}

// The watches of the others, which are slower than a list at times, and lose one in eight.
void SharedWorld::ask_others(const Landing& landing) {
  for (const control::Put& put : landing.transaction.puts) {
    if (!put.key.starts_with(lease::kSessionPrefix)) continue;
    const control::Change change{{put.key, put.value, landing.revision}, false};
    for (Seat& seat : seats_) {
      if (!seat.daemon || seat.link->mode() == StoreLink::Mode::kAway) continue;
      if (!control::Membership::asks(change, seat.daemon->nonce()) || env_.random.below(8) == 0) continue;
      env_.queue.after(env_.random.around(env_.scenario.store_delay), EventKind::kSessionsAsk, seat.daemon->number());
    }
  }
}

// ---- hosts

void SharedWorld::look_round() {
  release_held();
  if (++rounds_ % kRoundsPerBackup == 0 && phase_ == Phase::kFaults) {
    take_backup();
    take_images();
  }
  for (std::uint32_t host = 0; host < hosts(); ++host)
    look_at_clock(host);
  for (std::uint32_t host = 0; host < hosts(); ++host) {
    // Against one clock that can't be relied on a host needs another one beside its own.
    const bool contradicted = std::any_of(seats_.begin(), seats_.end(), [&](const Seat& seat) {
      const std::uint32_t other = seat.host->number();
      return other != host && seat.daemon && (seat.suspect || is_mad(other) || clocks_.last(other) >= env_.now());
    });
    if (contradicted && sane_members(host) == 0) excuse(host);
    check_stands_down(host);
    if (phase_ == Phase::kFaults) check_serves_on(host);
  }
}

time::Duration SharedWorld::steps_of(std::uint32_t host) const {
  const time::Uptime left_alone_at = disturbances_.last(host);
  const time::Uptime known_at = std::min(left_alone_at, env_.now()) + -plan().acquaintance();
  time::Duration sum;
  for (const auto& [at, step] : seats_[host].steps)
    if (at >= known_at) sum = sum + std::max(step, time::Duration{0});
  return sum;
}

void SharedWorld::look_at_clock(std::uint32_t host) {
  Seat& seat = seats_[host];
  const auto error = seat.daemon ? seat.daemon->clock_error() : std::nullopt;
  seat.suspect = error && (*error > plan().tolerance * 2 / 3 || *error < plan().tolerance * -2 / 3);
  const bool off = error && (*error > plan().agreement() || *error < -plan().agreement());
  if (!off)
    seat.off_since.reset();
  else if (!seat.off_since)
    seat.off_since = env_.now();
}

bool SharedWorld::is_sane_member(std::uint32_t host) {
  Seat& seat = seats_[host];
  if (!seat.daemon || is_mad(host)) return false;
  return env_.now() - disturbed_at(host) >= plan().acquaintance() && !seat.suspect &&
         seat.daemon->view().standing == lease::Standing::kMember;
}

std::uint32_t SharedWorld::sane_members(std::optional<std::uint32_t> but) {
  std::uint32_t count = 0;
  for (std::uint32_t host = 0; host < hosts(); ++host)
    if (but != host && is_sane_member(host)) ++count;
  return count;
}

void SharedWorld::check_stands_down(std::uint32_t host) {
  Seat& seat = seats_[host];
  const time::Uptime now = env_.now();
  if (!seat.off_since || seat.believes || doubtful_ || sane_members(host) < 2) return;
  const time::Duration due = plan().acquaintance() + time::seconds(2);
  // What else was done to the mad host may keep it from hearing of the vote; the madness itself is no excuse.
  if (now - *seat.off_since < due || !disturbances_.left_alone(host, due, now)) return;
  ++counts_.stood_down;
  for (std::uint32_t worker = 0; worker < seat.host->plan().workers; ++worker) {
    mint::RightSet set;
    std::uint64_t version = 0;
    if (!seat.daemon->process().rights_page().workers[worker].rights.try_read(set, version)) continue;
    for (const mint::Right& right : set.rights())
      if (right.ceiling > SystemClock::honest(now))
        env_.report.fail(
            "stands-down",
            fmt::format("the clock of host {} has been off for {} ms among {} sane members, and its worker "
                        "{} still has a right to machine id {}",
                        host, (now - *seat.off_since).ns / 1'000'000, sane_members(host), worker, right.machine.value));
  }
}

// Of serving; it may vote and be voted on as before.
void SharedWorld::excuse(std::uint32_t host) {
  seats_[host].excused_at = env_.now();
  seats_[host].serves = false;
}

bool SharedWorld::has_served_since(std::uint32_t host, time::Uptime since) const {
  const Seat& seat = seats_[host];
  for (std::uint32_t worker = 0; worker < seat.host->plan().workers; ++worker)
    if (env_.liveness.served_at(seat.first_slot + worker) < since) return false;
  return true;
}

void SharedWorld::check_serves_on(std::uint32_t host) {
  Seat& seat = seats_[host];
  if (is_mad(host)) excuse(host);
  const time::Uptime since = std::max(disturbed_at(host), seat.excused_at);
  if (since >= env_.now() || seat.believes || doubtful_) return;
  if (!seat.serves) {
    seat.serves = has_served_since(host, since);
    if (!seat.serves && env_.now() - since > env_.scenario.recovery_limit())
      env_.report.fail("serves-on", fmt::format("nothing was done to host {} for {} ms, and it does not serve", host,
                                                (env_.now() - since).ns / 1'000'000));
    return;
  }
  ++counts_.served_on;
  if (!has_served_since(host, env_.now() + -kLongestSilence))
    env_.report.fail("serves-on", fmt::format("host {} served, nothing was done to it for {} ms, and it does not serve "
                                              "any more",
                                              host, (env_.now() - since).ns / 1'000'000));
}

}  // namespace gnomon::sim
