// SPDX-License-Identifier: Apache-2.0
//
// What a next_id costs in a server where 100,000 commit-waits are parked, against one where nobody waits: two servers
// side by side, in virtual time (serve_loop.hpp), slot by slot. Two cases:
//
//   asleep    nobody's t comes near: what a crowd costs that only waits
//   flowing   in each burst of 32 next_id one commit-wait is parked and, in the long run, one is released, which is
//             10^5 of them a second of virtual time; their own cost is counted apart
//
// The naive bench parks its crowd far ahead, where the wheel has to look at each of them again in every round; here all
// wait for a second at most, which is what a server allows by default. What a slot costs besides, the writing of its
// requests, is measured in each round as well, and taken off on both sides. A round in which the thread was switched
// out against its will is left out, and counted.
#include <fmt/core.h>

#include <algorithm>
#include <cstdlib>
#include <limits>
#include <memory>
#include <string_view>
#include <vector>

#include "bench/paired.hpp"
#include "bench/serve_loop.hpp"
#include "oracle/page/counters.hpp"
#include "platform/cycle_counter.hpp"
#include "ptp/cycle_calibration.hpp"

namespace gnomon::bench {
namespace {

constexpr std::uint32_t kCrowd = 100'000;
constexpr std::uint32_t kSlack = 1'000;  // a few more or fewer while they flow
constexpr int kBurstsPerSlot = 100;      // 1 ms of virtual time
constexpr double kRequestsPerSlot = kBurstsPerSlot * static_cast<double>(ServeLoop::kDatagrams);
constexpr int kWarmUp = 20;  // rounds

std::uint64_t now() { return platform::read_cycles().count; }

// What lies between two readings of the counter that stand side by side.
std::uint64_t cost_of_reading() {
  std::uint64_t least = std::numeric_limits<std::uint64_t>::max();
  for (int i = 0; i < 10'000; ++i) {
    const std::uint64_t before = now();
    least = std::min(least, now() - before);
  }
  return least;
}

/// In cycles.
struct Slot {
  std::uint64_t requests = 0;  // next_id, and the writing of their bytes
  std::uint64_t waits = 0;     // commit-waits: parked, released, or looked for
};

// Half a second of virtual time passes before anybody's t comes near; then all are let go, and come again.
class Asleep {
 public:
  static Slot slot(ServeLoop& loop) {
    const std::uint64_t before = now();
    for (int i = 0; i < kBurstsPerSlot; ++i)
      loop.burst(1);
    return {.requests = now() - before};
  }
  static void park(ServeLoop& crowded) { crowded.park(kCrowd, ServeLoop::kMaxWait / 2, ServeLoop::kMaxWait); }

  /// Between rounds.
  bool renew(ServeLoop& crowded) {
    if (++rounds_ % kRoundsOfRest != 0) return false;
    if (crowded.parked() != kCrowd) die("somebody was released who was to sleep, so this measured something else");
    crowded.begin_burst_after(ServeLoop::kMaxWait);
    for (crowded.release(); crowded.parked() != 0; crowded.release())
      crowded.begin_burst_after({});  // a burst looks at a part of them
    park(crowded);
    return true;
  }
  void check(ServeLoop& crowded) const {
    if (crowded.parked() != kCrowd) die("somebody was released who was to sleep, so this measured something else");
  }

 private:
  static constexpr int kRoundsOfRest = 450;  // x kBurstsPerSlot x 10 us

  int rounds_ = 0;
};

class Flowing {
 public:
  /// On the empty side nobody comes, but the readings of the counter are the same.
  [[nodiscard]] Slot slot(ServeLoop& loop) const {
    Slot slot;
    const bool crowded = loop.parked() != 0;
    for (int i = 0; i < kBurstsPerSlot; ++i) {
      const std::uint64_t begun = now();
      loop.begin_burst(1);
      loop.answer_all(1);
      const std::uint64_t answered = now();
      if (crowded) loop.ask_commit_wait(ServeLoop::kMaxWait);
      loop.release();
      slot.requests += answered - begun - reading_;
      slot.waits += now() - answered - reading_;
    }
    return slot;
  }
  static void park(ServeLoop& crowded) { crowded.park(kCrowd, {}, ServeLoop::kMaxWait); }
  static bool renew(ServeLoop& /*crowded*/) { return false; }
  static void check(ServeLoop& crowded) {
    const std::size_t waiting = crowded.parked();
    if (waiting < kCrowd - kSlack || waiting > kCrowd + kSlack)
      die(fmt::format("{} wait at the end, and not about {}", waiting, kCrowd));
    if (crowded.count(page::Counter::kCommitWaits) == 0) die("nobody was released who was to flow");
  }

 private:
  std::uint64_t reading_ = cost_of_reading();
};

struct Series {
  std::vector<double> ratios;
  std::vector<double> empty_ns;  // per next_id
  std::vector<double> crowded_ns;
  std::vector<double> wait_ns;  // per commit-wait, parked and released
  std::uint64_t left_out = 0;
};

std::uint64_t feed_slot(ServeLoop& loop) {
  const std::uint64_t before = now();
  for (int i = 0; i < kBurstsPerSlot; ++i)
    loop.feed(1);
  return now() - before;
}

void add(Series& series, const Slot& empty, const Slot& crowded, std::uint64_t fed, double ns_per_cycle) {
  const double feed = static_cast<double>(fed);
  const double alone = static_cast<double>(empty.requests) - feed;
  const double beside = static_cast<double>(crowded.requests) - feed;
  series.ratios.push_back(beside / alone);
  series.empty_ns.push_back(alone * ns_per_cycle / kRequestsPerSlot);
  series.crowded_ns.push_back(beside * ns_per_cycle / kRequestsPerSlot);
  series.wait_ns.push_back((static_cast<double>(crowded.waits) - static_cast<double>(empty.waits)) * ns_per_cycle /
                           kBurstsPerSlot);
}

template <typename Case>
Series measure(int rounds, double ns_per_cycle) {
  const auto empty = std::make_unique<ServeLoop>(ServeLoopOptions{.commit_wait_limit = kCrowd + kSlack});
  const auto crowded = std::make_unique<ServeLoop>(ServeLoopOptions{.commit_wait_limit = kCrowd + kSlack});
  Case how;
  how.park(*crowded);
  if (crowded->parked() != kCrowd) die(fmt::format("{} of {} commit-waits were parked", crowded->parked(), kCrowd));
  Series series;
  int cold = kWarmUp;
  for (int i = 0; i < rounds;) {
    const std::int64_t switches = involuntary_switches();
    const bool empty_first = i % 2 == 0;
    const Slot first = how.slot(empty_first ? *empty : *crowded);
    const std::uint64_t fed = feed_slot(*empty);
    const Slot second = how.slot(empty_first ? *crowded : *empty);
    const bool disturbed = involuntary_switches() != switches;
    if (how.renew(*crowded)) cold = kWarmUp;
    if (cold-- > 0) continue;
    ++i;
    if (disturbed)
      ++series.left_out;
    else
      add(series, empty_first ? first : second, empty_first ? second : first, fed, ns_per_cycle);
  }
  how.check(*crowded);
  return series;
}

void report(std::string_view name, Series& series) {
  fmt::print("{:<44} {:>6.3f}  {:>6.3f} - {:<6.3f} {:>9.2f} {:>9.2f} {:>7} {:>8}\n", name, quantile(series.ratios, 0.5),
             quantile(series.ratios, 0.1), quantile(series.ratios, 0.9), quantile(series.empty_ns, 0.5),
             quantile(series.crowded_ns, 0.5), series.ratios.size(), series.left_out);
}

int run(int rounds) {
  const auto calibration = ptp::calibrate_cycles();
  if (!calibration) die(calibration.error().text);
  const double ns_per_cycle = 1e9 / static_cast<double>(calibration->hz);
  pin_to(0);
  fmt::print("next_id beside {} parked commit-waits, against none; {} rounds of {} requests a side, in virtual time\n",
             kCrowd, rounds, static_cast<int>(kRequestsPerSlot));
  fmt::print("{:<44} {:>6}  {:>15} {:>9} {:>9} {:>7} {:>8}\n", "the parked", "median", "p10 - p90", "alone ns",
             "beside ns", "rounds", "left out");
  Series asleep = measure<Asleep>(rounds, ns_per_cycle);
  report("asleep", asleep);
  Series flowing = measure<Flowing>(rounds, ns_per_cycle);
  report("flowing, 10^5 parked and released a second", flowing);
  fmt::print("  a commit-wait itself, parked and released: {:.0f} ns ({:.0f} - {:.0f})\n",
             quantile(flowing.wait_ns, 0.5), quantile(flowing.wait_ns, 0.1), quantile(flowing.wait_ns, 0.9));
  return 0;
}

}  // namespace
}  // namespace gnomon::bench

int main(int argc, char** argv) {
  const int rounds = gnomon::bench::only_argument(argc, argv, 100, 1'000'000, 20'000, "ROUNDS", "5 s");
  return gnomon::bench::run(rounds);
}
