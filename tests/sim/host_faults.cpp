// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/host_faults.hpp"

#include "tests/sim/world.hpp"

namespace gnomon::sim {
namespace {

time::Duration strike_source(Environment& env, Host& host, HostFault fault) {
  Random& random = env.time_random;
  const time::Uptime now = env.now();
  const std::size_t which = random.below(host.sources().size());
  TimeSource& source = host.sources()[which];
  const time::Duration length = random.below(2) == 0 ? random.between(time::milliseconds(5), time::milliseconds(60))
                                                     : random.between(time::milliseconds(60), time::seconds(6));
  const std::int64_t side = random.below(2) == 0 ? 1 : -1;
  env.note(Happening::kHostFault, host.number(), static_cast<std::uint64_t>(fault) | (which << 8),
           static_cast<std::uint64_t>(length.ns));
  switch (fault) {
    case HostFault::kLie:
      source.lie(now + length, (kGross * 2 + random.between({0}, time::milliseconds(300))) * side);
      break;
    case HostFault::kSmallLie: {
      const time::Duration bound = host.plan().sources[which].bound;
      source.lie(now + length, (bound + random.between({0}, bound * 3)) * side);
      break;
    }
    case HostFault::kHangs: source.set_mood(TimeSource::Mood::kFrozen, now + length); break;
    case HostFault::kFallsSilent: source.set_mood(TimeSource::Mood::kSilent, now + length); break;
    case HostFault::kLosesReference: source.set_mood(TimeSource::Mood::kLost, now + length); break;
    default: break;
  }
  return length;
}

}  // namespace

time::Duration strike_machine(Environment& env, Host& host, Process* process, bool has_agent, HostFault fault) {
  Random& random = env.time_random;
  const time::Uptime now = env.now();
  const auto note = [&](std::int64_t amount) {
    env.note(Happening::kHostFault, host.number(), static_cast<std::uint64_t>(fault),
             static_cast<std::uint64_t>(amount));
  };
  // Short enough to hide within a bound, or long.
  const time::Duration away = random.below(2) == 0 ? random.between(time::microseconds(10), time::milliseconds(20))
                                                   : random.between(time::milliseconds(20), time::seconds(4));
  switch (fault) {
    case HostFault::kStop:
      note(away.ns);
      host.stop(now, away);
      if (process != nullptr) process->pause_all(away);
      return away;
    case HostFault::kSuspend: {
      const time::Duration asleep = away + time::milliseconds(10);
      note(asleep.ns);
      host.suspend(now, asleep, random.below(2) == 0);
      if (process != nullptr) process->pause_all(asleep);
      return asleep;
    }
    case HostFault::kCounterJumps: {
      const std::int64_t side = random.below(2) == 0 ? 1 : -1;
      // An hour ahead only where there is no agent: one that reads the counter across the jump extends its rights by
      // that hour, and puts off a retry by as much; its ids are then gone as in a day ahead that was believed.
      const bool far = random.below(8) == 0 && (side < 0 || !has_agent);
      const std::int64_t cycles = (far ? 3'600'000'000'000 : away.ns) * side;
      note(cycles);
      host.jump(cycles, away < time::milliseconds(100) || random.below(2) == 0);
      return away;
    }
    case HostFault::kClockThread: {
      const time::Duration length = random.between(time::milliseconds(100), time::seconds(5));
      note(length.ns);
      if (process != nullptr) process->pause(Process::kClockThread, length);
      return length;
    }
    case HostFault::kRestart: note(0); return {};
    default: return strike_source(env, host, fault);
  }
}

// ---- a world of one host with an agent

void World::strike_host() {
  if (phase_ != Phase::kFaults || env_.scenario.host_faults.empty()) return;
  Strokes::Turn turn(env_.host_faults, env_.now());
  env_.schedule_host_fault();
  Host& host = *hosts_[env_.time_random.below(hosts_.size())];
  if (host.away_until() > env_.now()) return turn.meets_nobody();
  if (!turn.strikes()) return;
  const HostFault fault = env_.scenario.host_faults[env_.time_random.below(env_.scenario.host_faults.size())];
  turn.is(name_of(fault));
  Process* const process = process_on(host);
  strike_machine(env_, host, process, host.number() == 0, fault);
  if (fault != HostFault::kRestart || host.number() == 0 || process == nullptr)
    return;  // an agent has faults of its own
  peers_[host.number()].reset();
  env_.queue.after(env_.time_random.around(time::milliseconds(50)), EventKind::kStart, 0, host.number());
}

Process* World::process_on(const Host& host) {
  if (host.number() != 0) return peers_[host.number()].get();
  return daemon_ ? &daemon_->process() : nullptr;
}

}  // namespace gnomon::sim
