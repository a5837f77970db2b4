// SPDX-License-Identifier: Apache-2.0
//
// The life of daemons and the phases. What is checked stands in shared_watch.cpp, what befalls the hosts in
// shared_faults.cpp, and what operators do in shared_operator.cpp.
#include "tests/sim/shared_world.hpp"

#include <fmt/format.h>

#include <string>
#include <utility>

#include "control/agent/hold_against.hpp"
#include "tests/sim/store_door.hpp"

namespace gnomon::sim {
namespace {

constexpr time::Duration kShortestPhase = time::milliseconds(500);
constexpr time::Duration kTryAgainAfter = time::milliseconds(250);  // as a daemon whose store is out of reach
constexpr time::Duration kRoundEvery = time::milliseconds(100);

}  // namespace

SharedWorld::SharedWorld(const Scenario& scenario, bool print_trace)
    : env_(scenario, print_trace),
      turn_(env_.disk),
      disturbances_(scenario.hosts.size()),
      clocks_(scenario.hosts.size()),
      not_poisoned_(env_.report, scenario) {
  std::uint32_t slot = 0;
  for (const HostPlan& host : scenario.hosts) {
    const std::uint32_t number = hosts();
    Seat& seat = seats_.emplace_back();
    seat.host = std::make_unique<Host>(number, host, env_.time_random.fork());
    seat.host->system.set_sane_error(env_.now(), plan().clock_errors[number]);
    seat.link = std::make_unique<StoreLink>(env_, number);
    seat.drive = &env_.disk.drive(folder_of(number));
    seat.first_slot = slot;
    slot += host.workers;
  }
  counts_.hosts = hosts();
}

Outcome SharedWorld::run() {
  begin(Phase::kCalm);
  for (std::uint32_t host = 0; host < hosts(); ++host)
    env_.queue.after(env_.random.between({0}, time::milliseconds(500)), EventKind::kStart, 0, host);
  env_.queue.after(kRoundEvery, EventKind::kLookRound);
  while (!over_ && !env_.report.first()) {
    handle(env_.queue.pop());
    look_at_power();
    look_at_landings();
    for (std::uint32_t host = 0; host < hosts(); ++host)
      if (seats_[host].daemon) check_exit(host);
    advance_phase();
  }
  return outcome();
}

Outcome SharedWorld::outcome() {
  Outcome outcome;
  outcome.seed = env_.scenario.seed;
  outcome.trace_hash = env_.trace.hash();
  outcome.violation = env_.report.first();
  if (outcome.violation)
    for (const TraceLine& line : env_.trace.last())
      outcome.last_lines += "    " + text_of(line) + "\n";
  outcome.lasted = env_.now() - time::Uptime{};
  outcome.ids = env_.unique.ids();
  outcome.served = env_.liveness.served();
  outcome.time_served = env_.clients.served();
  outcome.times_checked = env_.clients.checked();
  outcome.waits_released = env_.clients.released();
  outcome.incarnations = static_cast<std::uint32_t>(host_of_.size());
  outcome.faults = env_.faults.struck();
  outcome.host_faults = env_.host_faults.struck();
  outcome.hardships = env_.hardships;
  outcome.recovery_asked = recovery_is_due();
  outcome.befell = env_.befell();
  outcome.shared = counts_;
  return outcome;
}

void SharedWorld::handle(const Event& event) {
  switch (event.kind) {
    case EventKind::kStart: return start(static_cast<std::uint32_t>(event.argument));
    case EventKind::kFault: return strike();
    case EventKind::kFaultEnds: return link_fault_ends(event.argument);
    case EventKind::kHostFault: return strike_host();
    case EventKind::kClockMoves: return clock_moves(event.argument);
    case EventKind::kOperator: return act(event.argument);
    case EventKind::kHardship: return strike_hardship();
    case EventKind::kHardshipEnds: return hardship_ends(event.argument);
    case EventKind::kLookAtTime: return look_at_time();
    case EventKind::kTimeIsDue: return env_.liveness.time_deadline_passed();
    case EventKind::kPhaseEnds: return phase_ends(static_cast<Phase>(event.argument));
    case EventKind::kLookRound: look_round(); return env_.queue.after(kRoundEvery, EventKind::kLookRound);
    case EventKind::kStoreApply: return seats_[host_of(event.incarnation)].link->apply(event.argument);
    default: break;
  }
  Seat& seat = seats_[host_of(event.incarnation)];
  const bool alive = seat.daemon && seat.daemon->number() == event.incarnation;
  if (event.kind == EventKind::kStoreAnswer) {
    auto answer = seat.link->answer(event.argument);
    if (answer && alive) seat.daemon->deliver(std::move(*answer));
  } else if (event.kind == EventKind::kSessionsAsk) {
    if (alive) seat.daemon->deliver(control::event::SessionsAsk{});
  } else if (alive) {
    seat.daemon->handle(event);
  }
}

// ---- the life of daemons

void SharedWorld::disturb(std::uint32_t host, time::Duration span) {
  disturbances_.disturb(host, env_.now() + span);
  seats_[host].serves = false;
}

void SharedWorld::disturb_clock(std::uint32_t host, time::Duration span) {
  clocks_.disturb(host, env_.now() + span);
  seats_[host].serves = false;
}

void SharedWorld::start(std::uint32_t host) {
  Seat& seat = seats_[host];
  if (seat.daemon || seat.refused || seat.held_back) return;
  if (seat.host->away_until() > env_.now()) return env_.queue.at(seat.host->away_until(), EventKind::kStart, 0, host);
  const bool damaged = is_damaged(host);
  StoreDoor door(env_, seat.link.get(), {Committer::Kind::kOpening, host, 0});
  auto state = control::open_shared(door, paths_of(host), fmt::format("host {}", host));
  if (!state) return start_refused(host, state.error());
  if (damaged) env_.report.fail("damaged", fmt::format("the daemon of host {} starts on a damaged journal", host));
  if (std::exchange(seat.has_old_journal, false)) ++env_.hardships.older_journals;
  if (env_.store.find(control::kSealKey) != nullptr)
    env_.report.fail("sealed", fmt::format("the daemon of host {} starts on a sealed store", host));
  seat.state.emplace(std::move(*state));
  seat.believes = false;
  seat.off_since.reset();
  const control::JournalContent& journal = seat.state->journal.content();
  env_.windows.journal_opened(host, journal.rights);

  host_of_.push_back(host);
  const auto number = static_cast<std::uint32_t>(host_of_.size());
  const std::uint32_t workers = seat.host->plan().workers;
  IncarnationSeat with{.place = {.number = number, .workers = workers, .first_slot = seat.first_slot},
                       .agent = agent_options(env_.scenario, number),
                       .journal = &seat.state->journal,
                       .identity = seat.state->meta.identity};
  with.agent.workers = workers;
  with.agent.exclusive_store = false;
  with.agent.store = seat.state->meta.facts;
  with.agent.heartbeat = plan().heartbeat;
  with.agent.clock_tolerance = plan().tolerance;
  with.agent.pinned.clear();
  if (env_.scenario.pinned)
    for (std::uint32_t i = 0; i < workers * env_.scenario.ids_per_worker; ++i)
      with.agent.pinned.push_back({static_cast<std::uint16_t>(seat.first_slot * env_.scenario.ids_per_worker + i)});
  control::hold_against(journal, with.agent);
  env_.note(Happening::kStarted, number, host);
  seat.daemon = std::make_unique<Incarnation>(env_, *seat.host, *seat.link, with);
  disturb(host);
}

void SharedWorld::start_refused(std::uint32_t host, const control::StateError& error) {
  env_.note(Happening::kStartRefused, host, static_cast<std::uint64_t>(error.kind));
  disturb(host);
  const Drive& drive = *seats_[host].drive;
  const bool for_its_disk = error.kind == control::StateErrorKind::kSystem && (drive.full() || drive.dark());
  if (error.kind == control::StateErrorKind::kUnreachable || for_its_disk)
    return env_.queue.after(kTryAgainAfter, EventKind::kStart, 0, host);
  if (error.kind == control::StateErrorKind::kDamaged) return refused_for_damage(host, error);
  ++counts_.refused_starts;
  seats_[host].refused = true;
  if (!doubtful_)
    env_.report.fail("store",
                     fmt::format("host {}: refused to start on a store that never went back: {}", host, error.text));
}

void SharedWorld::daemon_gone(std::uint32_t host, time::Duration pause_before_next) {
  Seat& seat = seats_[host];
  disturb(host, pause_before_next);
  seat.link->crashed(seat.daemon->number());
  seat.daemon.reset();
  seat.state.reset();
  env_.queue.after(pause_before_next, EventKind::kStart, 0, host);
}

void SharedWorld::check_exit(std::uint32_t host) {
  Incarnation& daemon = *seats_[host].daemon;
  if (!daemon.exited()) return;
  const control::effect::Stopped exit = daemon.exit();
  env_.note(Happening::kExited, daemon.number(), exit.failed ? 1 : 0);
  const auto says = [&](const char* words) { return exit.text.find(words) != std::string::npos; };
  const bool knew_another = daemon.started_at() <= restored_at_ && counts_.restores > 0;
  if (exit.failed && !ends_as_a_copy(host, exit.text) && !knew_another &&
      (says("went back") || says("identity") || says("a copy of this process")))
    env_.report.fail("store",
                     fmt::format("host {}: its daemon ends over a store that never went back: {}", host, exit.text));
  if (phase_ == Phase::kCalm) env_.report.fail("liveness", "the agent stopped without a fault: " + exit.text);
  daemon_gone(host, env_.random.around(time::milliseconds(200)));
}

// ---- phases

void SharedWorld::begin(Phase phase) {
  phase_ = phase;
  env_.faulty = phase == Phase::kFaults;
  env_.liveness.begin(phase);
  env_.clients.begin(phase);
  env_.note(Happening::kPhase, static_cast<std::uint64_t>(phase));
  switch (phase) {
    case Phase::kCalm: return env_.queue.after(env_.scenario.calm_limit(), EventKind::kPhaseEnds, 0, 0);
    case Phase::kFaults:
      env_.begin_strokes();
      return env_.queue.after(env_.scenario.fault_phase, EventKind::kPhaseEnds, 0, 1);
    case Phase::kRecovery:
      heal_all();
      healed_at_ = env_.now();
      return env_.queue.after(env_.scenario.recovery_limit(), EventKind::kPhaseEnds, 0, 2);
  }
}

// Calm and recovery end as soon as every worker of every host serves.
void SharedWorld::advance_phase() {
  if (phase_ == Phase::kFaults || !env_.liveness.all_serve()) return;
  if (phase_ == Phase::kRecovery)
    over_ = env_.now() - healed_at_ > kShortestPhase && !doubtful_;
  else if (env_.now() - time::Uptime{} > kShortestPhase)
    begin(Phase::kFaults);
}

void SharedWorld::phase_ends(Phase phase) {
  if (phase != phase_) return;  // that phase ended early
  if (phase == Phase::kFaults) return begin(Phase::kRecovery);
  if (recovery_is_due()) {
    env_.liveness.time_deadline_passed();
    env_.liveness.deadline_passed();
  }
  over_ = true;
}

// A lone clock that is mad passes its own vote: what it commits keeps ids, and its timeline, where no operator of this
// world helps.
bool SharedWorld::recovery_is_due() const { return believers_ == 0; }

}  // namespace gnomon::sim
