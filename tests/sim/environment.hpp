// SPDX-License-Identifier: Apache-2.0
//
// What the parts of one world share. A world is single-threaded, and so is all of this.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "tests/sim/check/lead.hpp"
#include "tests/sim/check/liveness.hpp"
#include "tests/sim/check/monotone.hpp"
#include "tests/sim/check/report.hpp"
#include "tests/sim/check/unique.hpp"
#include "tests/sim/check/windows.hpp"
#include "tests/sim/committer.hpp"
#include "tests/sim/disk.hpp"
#include "tests/sim/event_queue.hpp"
#include "tests/sim/hardships.hpp"
#include "tests/sim/random.hpp"
#include "tests/sim/scenario.hpp"
#include "tests/sim/simulated_store.hpp"
#include "tests/sim/strokes.hpp"
#include "tests/sim/time_clients.hpp"
#include "tests/sim/trace.hpp"

namespace gnomon::sim {

struct Environment {
  Environment(const Scenario& s, bool print)
      : scenario(s),
        random(Random(s.seed ^ 0x5bf03635f0a31e77ULL).fork()),
        time_random(Random(s.seed ^ 0x1f83d9abfb41bd6bULL).fork()),
        hard_random(Random(s.seed ^ 0x3bf54f1a5e2d8c67ULL).fork()),
        disk(Random(s.seed ^ 0x510e527fade682d1ULL).fork(), hard_random.fork()),
        trace(print),
        unique(report),
        monotone(report),
        windows(report),
        lead(report, s.max_lead),
        liveness(report, s.id_workers(), s.all_workers()),
        clients(report, time_random.fork()) {}
  Environment(const Environment&) = delete;
  Environment& operator=(const Environment&) = delete;
  ~Environment() = default;

  [[nodiscard]] time::Uptime now() const { return queue.now(); }
  void note(Happening what, std::uint64_t a = 0, std::uint64_t b = 0, std::uint64_t c = 0) {
    trace.add(queue.now(), what, a, b, c);
  }
  void landed(const control::Transaction& transaction, control::Revision revision, const Committer& by,
              time::Uptime sent_at) {
    windows.landed(transaction, revision, by.kind, sent_at);
    if (scenario.shared) landings.push_back({transaction, revision, by, sent_at});
  }
  void begin_strokes() {
    for (Strokes* const strokes : {&faults, &host_faults, &hardship_strokes})
      strokes->begin(now());
    schedule_fault();
    schedule_host_fault();
    schedule_hardship();
  }
  void schedule_fault() { schedule(faults, random.around(scenario.fault_gap), EventKind::kFault); }
  void schedule_host_fault() {
    schedule(host_faults, time_random.around(scenario.host_fault_gap), EventKind::kHostFault);
  }
  void schedule_hardship() {
    if (scenario.hardships.kinds.empty()) return;
    schedule(hardship_strokes, hard_random.around(scenario.hardships.gap), EventKind::kHardship);
  }
  void schedule(const Strokes& strokes, time::Duration drawn, EventKind kind) {
    if (const auto at = strokes.next(now() + drawn)) queue.at(*at, kind);
  }
  [[nodiscard]] Befell befell() const {
    Befell befell{faults.began(),
                  faults.log(),
                  host_faults.log(),
                  hardship_strokes.log(),
                  {TroubleKind::kLostAnswers, TroubleKind::kFailedSyncs}};
    if (scenario.network_loss != 0) befell.nuisances.push_back(TroubleKind::kLoss);
    if (scenario.preemption != 0) befell.nuisances.push_back(TroubleKind::kPreemption);
    return befell;
  }
  void check(const Issue& issue) {
    unique.issued(issue);
    monotone.issued(issue);
    windows.issued(issue);
    lead.issued(issue);
  }

  const Scenario scenario;
  Random random;
  Random time_random;  // of what has to do with the time: so that it does not disturb the rest of a seed's history
  Random hard_random;  // of hardships, for the same reason
  Strokes faults{random, TroubleKind::kFault, scenario.replay};
  Strokes host_faults{time_random, TroubleKind::kHostFault, scenario.replay};
  Strokes hardship_strokes{hard_random, TroubleKind::kHardship, scenario.replay};
  EventQueue queue;
  std::uint32_t false_futures = 0;  // times that somebody had reason to believe in the day ahead
  std::uint32_t near_futures = 0;   // likewise in a time that is less than a minute ahead
  bool faulty = false;              // between the calm and the recovery
  SimulatedStore store;
  Disk disk;
  HardshipCounts hardships;
  std::vector<Landing> landings;  // of a shared store, since the world looked at them last
  Trace trace;

  Report report;
  Unique unique;
  Monotone monotone;
  Windows windows;
  LeadBudget lead;
  Liveness liveness;
  TimeClients clients;
};

}  // namespace gnomon::sim
