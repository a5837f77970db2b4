// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/world.hpp"

#include <utility>

namespace gnomon::sim {
namespace {

constexpr time::Duration kShortestPhase = time::milliseconds(500);
constexpr std::uint32_t kFirstPeerNumber = 1U << 16;  // of processes: those with an agent count from 1

}  // namespace

World::World(const Scenario& scenario, bool print_trace) : env_(scenario, print_trace), link_(env_) {
  for (const HostPlan& plan : scenario.hosts)
    hosts_.push_back(std::make_unique<Host>(static_cast<std::uint32_t>(hosts_.size()), plan, env_.time_random.fork()));
  peers_.resize(hosts_.size());
}

Outcome World::run() {
  begin(Phase::kCalm);
  for (const auto& host : hosts_)
    start(host->number());
  while (!over_ && !env_.report.first()) {
    handle(env_.queue.pop());
    if (daemon_) check_exit();
    advance_phase();
  }
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
  outcome.host_faults = env_.host_faults.struck();
  outcome.hardships = env_.hardships;
  outcome.incarnations = incarnations_;
  outcome.faults = env_.faults.struck();
  outcome.recovery_asked = recovery_is_due();
  outcome.befell = env_.befell();
  return outcome;
}

void World::handle(const Event& event) {
  switch (event.kind) {
    case EventKind::kStart: return start(static_cast<std::uint32_t>(event.argument));
    case EventKind::kFault: return strike();
    case EventKind::kFaultEnds: return fault_ends(event.argument);
    case EventKind::kHostFault: return strike_host();
    case EventKind::kHardship: return strike_hardship();
    case EventKind::kHardshipEnds: return disk_is_well(event.argument);
    case EventKind::kLookAtTime: return look_at_time();
    case EventKind::kTimeIsDue: return env_.liveness.time_deadline_passed();
    case EventKind::kPhaseEnds: return phase_ends(static_cast<Phase>(event.argument));
    case EventKind::kStoreApply: return link_.apply(event.argument);
    case EventKind::kStoreAnswer: {
      auto answer = link_.answer(event.argument);
      if (answer && daemon_ && daemon_->number() == event.incarnation) daemon_->deliver(std::move(*answer));
      return;
    }
    default:
      if (daemon_ && daemon_->number() == event.incarnation) return daemon_->handle(event);
      for (const auto& peer : peers_)
        if (peer && peer->number() == event.incarnation) return peer->handle(event);
  }
}

// ---- the life of daemons: one at a time on each host, and the store has one owner

void World::start(std::uint32_t on) {
  Host& host = *hosts_[on];
  if (process_on(host) != nullptr) return;
  if (host.away_until() > env_.now()) return env_.queue.at(host.away_until(), EventKind::kStart, 0, on);
  if (on == 0) {
    env_.note(Happening::kStarted, ++incarnations_, on);
    daemon_ = std::make_unique<Incarnation>(
        env_, host, link_,
        IncarnationSeat{.place = {.number = incarnations_, .workers = env_.scenario.workers},
                        .agent = agent_options(env_.scenario, incarnations_)});
    return;
  }
  std::uint32_t slot = 0;
  for (std::uint32_t before = 0; before < on; ++before)
    slot += hosts_[before]->plan().workers;
  const ProcessPlace place{.number = kFirstPeerNumber + ++peers_started_,
                           .workers = host.plan().workers,
                           .first_slot = slot,
                           .serves_ids = false};
  env_.note(Happening::kStarted, place.number, on);
  peers_[on] = std::make_unique<Process>(env_, host, place);
}

void World::daemon_gone(time::Duration pause_before_next) {
  link_.crashed(daemon_->number());
  daemon_.reset();
  env_.queue.after(pause_before_next, EventKind::kStart);
}

void World::check_exit() {
  if (!daemon_->exited()) return;
  const control::effect::Stopped exit = daemon_->exit();
  env_.note(Happening::kExited, daemon_->number(), exit.failed ? 1 : 0);
  if (exit.failed && exit.text.find("went back") != std::string::npos)
    env_.report.fail("store", "the agent takes an honest store for one that went back in time: " + exit.text);
  if (phase_ == Phase::kCalm) env_.report.fail("liveness", "the agent stopped without a fault: " + exit.text);
  daemon_gone(env_.random.around(time::milliseconds(200)));
}

// ---- phases

void World::begin(Phase phase) {
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
      heal();
      healed_at_ = env_.now();
      env_.queue.after(env_.scenario.time_limit(), EventKind::kTimeIsDue);
      return env_.queue.after(env_.scenario.recovery_limit(), EventKind::kPhaseEnds, 0, 2);
  }
}

// Calm and recovery end as soon as every worker serves.
void World::advance_phase() {
  if (phase_ == Phase::kFaults || !env_.liveness.all_serve()) return;
  if (phase_ == Phase::kRecovery)
    over_ = env_.now() - healed_at_ > kShortestPhase;
  else if (env_.now() - time::Uptime{} > kShortestPhase)
    begin(Phase::kFaults);
}

void World::phase_ends(Phase phase) {
  if (phase != phase_) return;  // that phase ended early
  if (phase == Phase::kFaults) return begin(Phase::kRecovery);
  // Ids that were taken up to a time 37 s ahead are free when that time has come.
  if (phase == Phase::kRecovery && env_.near_futures > 0 && !std::exchange(waits_for_the_future_, true))
    return env_.queue.after(kTaiMinusUtc + time::seconds(3), EventKind::kPhaseEnds, 0, 2);
  if (phase == Phase::kCalm) env_.liveness.time_deadline_passed();
  if (recovery_is_due()) env_.liveness.deadline_passed();
  over_ = true;
}

bool World::recovery_is_due() const {
  if (env_.false_futures == 0) return true;
  const bool rotates = env_.scenario.policy == mint::LeadPolicy::kRotate;
  return rotates && env_.scenario.machine_ids >= env_.scenario.ids_needed() * (env_.false_futures + 3);
}

}  // namespace gnomon::sim
