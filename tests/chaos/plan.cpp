// SPDX-License-Identifier: Apache-2.0
#include "tests/chaos/plan.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <span>
#include <stdexcept>
#include <utility>

#include "tests/sim/random.hpp"

namespace gnomon::chaos {
namespace {

using sim::Random;

constexpr std::array<FaultTraits, 18> kTraits{{
    {FaultKind::kHostCut, "host cut off", "no frame leaves or reaches the host of a daemon", Lane::kDaemon, 2500, 5000},
    {FaultKind::kStoreCut, "cut off from etcd", "a daemon can't reach etcd, and its clients reach it", Lane::kDaemon,
     5000, 7000},
    {FaultKind::kClientsCut, "cut off from clients", "no client reaches a daemon, and it reaches etcd", Lane::kDaemon,
     2000, 4000},
    {FaultKind::kOneWay, "one-way cut", "frames are lost in one direction only", Lane::kDaemon, 3000, 6000},
    {FaultKind::kLeaderCut, "leader cut off", "no frame leaves or reaches the host of etcd's leader", Lane::kMember,
     2000, 4000},
    {FaultKind::kMembersSplit, "leader split off", "etcd's leader can't reach the other members; daemons reach all",
     Lane::kMember, 2000, 4000},
    {FaultKind::kBadLink, "bad link", "what a daemon's host sends is delayed, and some of it lost", Lane::kDaemon, 3000,
     5000},
    {FaultKind::kMemberKilled, "member killed", "kill -9 of a member, which is started again at the end", Lane::kMember,
     2000, 4000},
    {FaultKind::kMajorityKilled, "majority killed", "kill -9 of two members for longer than a window", Lane::kMember,
     5000, 7000},
    {FaultKind::kLeaderPaused, "leader paused", "SIGSTOP of etcd's leader", Lane::kMember, 2000, 4000},
    {FaultKind::kDaemonKilled, "daemon killed", "kill -9 of a daemon; its supervisor starts it again", Lane::kDaemon,
     500, 1000},
    {FaultKind::kSupervisorKilled, "supervisor killed", "kill -9 of a supervisor, upon which its daemon stops",
     Lane::kDaemon, 1000, 3000},
    {FaultKind::kDaemonPaused, "daemon paused", "SIGSTOP of a daemon for longer than its window", Lane::kDaemon, 5000,
     7000},
    {FaultKind::kClockAhead, "clock ahead", "the clock of a daemon jumps ahead, and back at the end", Lane::kDaemon,
     4000, 6000},
    {FaultKind::kClockBehind, "clock behind", "the clock of a daemon jumps back, and ahead at the end", Lane::kDaemon,
     4000, 6000},
    {FaultKind::kDiskFull, "disk full", "the file system of a daemon's state has no byte left", Lane::kDaemon, 4000,
     6000},
    {FaultKind::kDiskDamaged, "disk damaged",
     "kill -9, a bit of the journal flipped, a start that must be refused, then gnomon control adopt", Lane::kDaemon,
     1000, 2000},
    {FaultKind::kRestore, "etcd restored", "etcd is put back from an older snapshot, by the book of docs/etcd.md",
     Lane::kAll, 10'000, 10'000},
}};

constexpr std::size_t kNetworkKinds = 10;  // of the first track; the second has the rest but the last
constexpr time::Duration kShortestGap = time::milliseconds(500);
constexpr time::Duration kLongestGap = time::milliseconds(1500);
// A daemon that starts anew with the page of a clock that was wrong is a trouble that no list would show: so whose
// clock was set right again is left alone for a while.
constexpr time::Duration kRest = time::seconds(6);
// Around the restore both tracks stand still; afterwards a window, what clocks may be apart and the longest TTL have to
// pass before all is served again.
constexpr time::Duration kBeforeRestore = time::seconds(4);
constexpr time::Duration kAfterRestore = time::seconds(60);

struct Span {
  time::Duration from;
  time::Duration until;
};

std::vector<FaultKind> kinds_of(std::span<const FaultTraits> traits) {
  std::vector<FaultKind> kinds;
  kinds.reserve(traits.size());
  for (const FaultTraits& each : traits)
    kinds.push_back(each.kind);
  return kinds;
}

void shuffle(std::vector<FaultKind>& kinds, Random& random) {
  for (std::size_t left = kinds.size(); left > 1; --left)
    std::swap(kinds[left - 1], kinds[random.below(left)]);
}

time::Duration over(const Fault& fault) {
  const bool clock = fault.kind == FaultKind::kClockAhead || fault.kind == FaultKind::kClockBehind;
  return fault.at + fault.lasts + (clock ? kRest : kShortestGap);
}

bool meet(const Fault& a, const Fault& b) {
  return traits_of(a.kind).lane == Lane::kDaemon && traits_of(b.kind).lane == Lane::kDaemon && a.target == b.target &&
         a.at < over(b) && b.at < over(a);
}

// A daemon that is not in trouble already, if there is one.
std::size_t choose_target(const std::vector<Fault>& others, Fault fault, Random& random) {
  const std::size_t all = traits_of(fault.kind).lane == Lane::kMember ? kMembers : kDaemons;
  const std::size_t start = random.below(all);
  for (std::size_t i = 0; i < all; ++i) {
    fault.target = (start + i) % all;
    if (std::none_of(others.begin(), others.end(), [&](const Fault& other) { return meet(fault, other); }))
      return fault.target;
  }
  return start;
}

class Track {
 public:
  Track(std::vector<FaultKind> kinds, Random random) : kinds_(std::move(kinds)), random_(random) {}

  void fill(Span span, std::vector<Fault>& out) {
    time::Duration at = span.from + random_.between(time::Duration{}, kLongestGap);
    for (;;) {
      if (next_ == 0) shuffle(kinds_, random_);
      const FaultTraits& traits = traits_of(kinds_[next_]);
      Fault fault{.kind = traits.kind, .detail = random_.next(), .at = at};
      fault.lasts = random_.between(time::milliseconds(traits.shortest_ms), time::milliseconds(traits.longest_ms));
      if (at + fault.lasts > span.until) return;
      fault.target = choose_target(out, fault, random_);
      out.push_back(fault);
      next_ = (next_ + 1) % kinds_.size();
      at = at + fault.lasts + random_.between(kShortestGap, kLongestGap);
    }
  }

 private:
  std::vector<FaultKind> kinds_;
  Random random_;
  std::size_t next_ = 0;
};

std::string seconds_text(time::Duration d) { return fmt::format("{:.1f}", static_cast<double>(d.ns) / 1e9); }

}  // namespace

const std::array<FaultTraits, 18>& all_traits() { return kTraits; }

const FaultTraits& traits_of(FaultKind kind) { return kTraits.at(static_cast<std::size_t>(kind)); }

Plan make_plan(std::uint64_t seed, time::Duration length) {
  if (length < kShortest) throw std::invalid_argument("a storm that is to show anything takes 20 seconds or more");
  Random random(seed);
  const std::span<const FaultTraits> traits(kTraits);
  Track network(kinds_of(traits.first(kNetworkKinds)), random.fork());
  Track hosts(kinds_of(traits.subspan(kNetworkKinds, traits.size() - kNetworkKinds - 1)), random.fork());
  Plan plan{.seed = seed, .length = length};
  std::vector<Span> spans{{kWarmUp, length}};
  if (length >= kRestoresFrom) {
    const Fault restore{
        .kind = FaultKind::kRestore, .at = length / 2, .lasts = time::milliseconds(traits.back().longest_ms)};
    plan.faults.push_back(restore);
    spans = {{kWarmUp, restore.at - kBeforeRestore}, {restore.at + restore.lasts + kAfterRestore, length}};
  }
  for (const Span& span : spans) {
    network.fill(span, plan.faults);
    hosts.fill(span, plan.faults);
  }
  std::sort(plan.faults.begin(), plan.faults.end(),
            [](const Fault& a, const Fault& b) { return a.at != b.at ? a.at < b.at : a.kind < b.kind; });
  return plan;
}

time::Duration clock_step(const Fault& fault) {
  constexpr time::Duration kSteps[] = {time::seconds(3), time::seconds(37), time::seconds(3600), time::seconds(86'400)};
  const time::Duration step = kSteps[fault.detail % std::size(kSteps)];
  return fault.kind == FaultKind::kClockAhead ? step : -step;
}

std::string text_of(const Plan& plan) {
  std::string out =
      fmt::format("plan of seed {}: {} faults in {} s\n", plan.seed, plan.faults.size(), seconds_text(plan.length));
  for (const Fault& fault : plan.faults) {
    const FaultTraits& traits = traits_of(fault.kind);
    const std::string victim = traits.lane == Lane::kDaemon   ? fmt::format("daemon {}", fault.target)
                               : traits.lane == Lane::kMember ? "etcd"
                                                              : "all";
    out += fmt::format("  {:>7} s for {:>4} s  {:<9} {}\n", seconds_text(fault.at), seconds_text(fault.lasts), victim,
                       traits.name);
  }
  return out;
}

}  // namespace gnomon::chaos
