// SPDX-License-Identifier: Apache-2.0
//
// The faults of hosts and of their sources of time. They end by themselves, or with the phase.
#include "tests/sim/world.hpp"

namespace gnomon::sim {

void World::schedule_host_fault() {
  env_.queue.after(env_.time_random.around(env_.scenario.host_fault_gap), EventKind::kHostFault);
}

void World::strike_host() {
  if (phase_ != Phase::kFaults || env_.scenario.host_faults.empty()) return;
  schedule_host_fault();
  Host& host = *hosts_[env_.time_random.below(hosts_.size())];
  if (host.away_until() > env_.now()) return;
  ++host_faults_;
  strike_host(host, env_.scenario.host_faults[env_.time_random.below(env_.scenario.host_faults.size())]);
}

Process* World::process_on(const Host& host) {
  if (host.number() != 0) return peers_[host.number()].get();
  return daemon_ ? &daemon_->process() : nullptr;
}

void World::strike_host(Host& host, HostFault fault) {
  Random& random = env_.time_random;
  const time::Uptime now = env_.now();
  Process* const process = process_on(host);
  const auto note = [&](std::int64_t amount) {
    env_.note(Happening::kHostFault, host.number(), static_cast<std::uint64_t>(fault),
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
      return;
    case HostFault::kSuspend: {
      const time::Duration asleep = away + time::milliseconds(10);
      note(asleep.ns);
      host.suspend(now, asleep, random.below(2) == 0);
      if (process != nullptr) process->pause_all(asleep);
      return;
    }
    case HostFault::kCounterJumps: {
      const std::int64_t side = random.below(2) == 0 ? 1 : -1;
      // An hour ahead only where there is no agent: one that reads the counter across the jump extends its rights by
      // that hour, and puts off a retry by as much; its ids are then gone as in a day ahead that was believed.
      const bool far = random.below(8) == 0 && (side < 0 || host.number() != 0);
      const std::int64_t cycles = (far ? 3'600'000'000'000 : away.ns) * side;
      note(cycles);
      return host.jump(cycles, away < time::milliseconds(100) || random.below(2) == 0);
    }
    case HostFault::kClockThread: {
      const time::Duration length = random.between(time::milliseconds(100), time::seconds(5));
      note(length.ns);
      if (process != nullptr) process->pause(Process::kClockThread, length);
      return;
    }
    case HostFault::kRestart:
      note(0);
      if (host.number() == 0 || process == nullptr) return;  // the daemon with an agent has faults of its own
      peers_[host.number()].reset();
      return env_.queue.after(random.around(time::milliseconds(50)), EventKind::kStart, 0, host.number());
    default: return strike_source(host, fault);
  }
}

void World::strike_source(Host& host, HostFault fault) {
  Random& random = env_.time_random;
  const time::Uptime now = env_.now();
  const std::size_t which = random.below(host.sources().size());
  TimeSource& source = host.sources()[which];
  const time::Duration length = random.below(2) == 0 ? random.between(time::milliseconds(5), time::milliseconds(60))
                                                     : random.between(time::milliseconds(60), time::seconds(6));
  const std::int64_t side = random.below(2) == 0 ? 1 : -1;
  env_.note(Happening::kHostFault, host.number(), static_cast<std::uint64_t>(fault) | (which << 8),
            static_cast<std::uint64_t>(length.ns));
  switch (fault) {
    case HostFault::kLie:
      return source.lie(now + length, (kGross * 2 + random.between({0}, time::milliseconds(300))) * side);
    case HostFault::kSmallLie: {
      const time::Duration bound = host.plan().sources[which].bound;
      return source.lie(now + length, (bound + random.between({0}, bound * 3)) * side);
    }
    case HostFault::kHangs: return source.set_mood(TimeSource::Mood::kFrozen, now + length);
    case HostFault::kFallsSilent: return source.set_mood(TimeSource::Mood::kSilent, now + length);
    case HostFault::kLosesReference: return source.set_mood(TimeSource::Mood::kLost, now + length);
    default: return;
  }
}

}  // namespace gnomon::sim
