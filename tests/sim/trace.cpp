// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/trace.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

namespace gnomon::sim {
namespace {

std::string_view template_of(Happening what) {
  switch (what) {
    case Happening::kStarted: return "daemon {} starts on host {}";
    case Happening::kCrashed: return "daemon {} is killed";
    case Happening::kExited: return "daemon {} exits, failed: {}";
    case Happening::kStopAsked: return "daemon {} is asked to stop";
    case Happening::kCloned: return "daemon {} is told that its machine was cloned";
    case Happening::kPaused: return "daemon {}: thread {} pauses for {} ns";
    case Happening::kClockFault: return "clock fault {} (fault {} of the world)";
    case Happening::kStoreFault: return "store fault {}";
    case Happening::kTakenOver: return "a machine id in use is retired at revision {}";
    case Happening::kAgentNote: return "daemon {}: the agent notes {}";
    case Happening::kPublished: return "worker {} is given generation {} with {} rights";
    case Happening::kNewEra: return "daemon {} asks for a new era";
    case Happening::kCommitSent: return "operation {}: commit of {} keys is sent";
    case Happening::kCommitLanded: return "operation {}: lands at revision {} (0: conflict)";
    case Happening::kAnswered: return "operation {}: answer {}";
    case Happening::kAcknowledged: return "worker {} has acknowledged generation {}";
    case Happening::kIssued: return "worker {} issues {:#x} and following, {} in all";
    case Happening::kRefused: return "worker {} refuses with status {}";
    case Happening::kTimeAnswered: return "worker {} answers operation and status {:#x} with {}";
    case Happening::kHostFault: return "host {}: fault {}, {} ns";
    case Happening::kPhase: return "phase {} begins";
    case Happening::kSealed: return "daemon {} seals the store, outcome {}";
    case Happening::kStartRefused: return "host {}: the start of its daemon is refused, kind {}";
    case Happening::kRestored: return "the store is put back to revision {} from {}; {} hosts can't notice";
    case Happening::kRecovered: return "an operator recovers the store: epoch {}, by the journal of host {}";
    case Happening::kHealed: return "an operator heals machine id {}, done: {}";
    case Happening::kPlanted: return "machine id {} has a ceiling of next year";
    case Happening::kClockMad: return "the clock of host {} goes mad, fault {}";
    case Happening::kClockRepaired: return "the clock of host {} is repaired";
    case Happening::kHardship: return "hardship {} strikes host {}";
    case Happening::kPowerLost: return "host {} loses its power, in the middle of a write: {}; {} files are torn";
    case Happening::kJournalFailed: return "daemon {}: its journal could not be written";
    case Happening::kAdopted: return "an operator lets host {} begin a new journal";
    case Happening::kRestartForTime: return "an operator restarts host {}, which believes a false TAI";
  }
  return "?";
}

}  // namespace

std::string text_of(const TraceLine& line) {
  return fmt::format("{:>14.6f} s  {}", static_cast<double>(line.at.ns) / 1e9,
                     fmt::format(fmt::runtime(template_of(line.what)), line.a, line.b, line.c));
}

void Trace::print_line(const TraceLine& line) { fmt::print("{}\n", text_of(line)); }

std::vector<TraceLine> Trace::last() const {
  std::vector<TraceLine> lines;
  for (std::size_t i = count_ - std::min(count_, kRemembered); i < count_; ++i)
    lines.push_back(last_[i % kRemembered]);
  return lines;
}

}  // namespace gnomon::sim
