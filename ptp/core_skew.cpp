// SPDX-License-Identifier: Apache-2.0
#include "ptp/core_skew.hpp"

#include <pthread.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <limits>
#include <optional>
#include <system_error>
#include <thread>
#include <vector>

#include "platform/cycle_counter.hpp"

namespace gnomon::ptp {
namespace {

constexpr int kRounds = 500;
constexpr int kNeeded = 1;    // each round is a bound of its own; more of them make it narrower
constexpr int kAttempts = 5;  // a core may be busy with something else for a while
constexpr time::Duration kPatience = time::milliseconds(20);  // for a pair: a busy core shares its time

/// The value that is handed over: round number and counter, on a cache line of its own.
struct alignas(64) Handover {
  std::atomic<std::uint64_t> sequence{0};
  std::atomic<std::uint64_t> count{0};
};

struct Exchange {
  Handover there;  // A to B
  Handover back;   // B to A
  std::atomic<bool> over{false};
  std::int64_t least_there = std::numeric_limits<std::int64_t>::max();  // written by B, read after the join
  std::int64_t least_back = std::numeric_limits<std::int64_t>::max();   // written by A
  int rounds = 0;                                                       // written by A
};

bool pin_to(int cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(static_cast<std::size_t>(cpu), &set);
  return pthread_setaffinity_np(pthread_self(), sizeof set, &set) == 0;
}

void hand_over(Handover& to, std::uint64_t round) {
  to.count.store(platform::read_cycles().count, std::memory_order_relaxed);
  to.sequence.store(round, std::memory_order_release);  // pairs with the load in `receive`
}

// Receiver minus sender, or nothing if it is over.
std::optional<std::int64_t> receive(const Handover& from, std::uint64_t round, const std::atomic<bool>& over) {
  while (from.sequence.load(std::memory_order_acquire) != round)  // pairs with the store in `hand_over`
    if (over.load(std::memory_order_relaxed)) return std::nullopt;
  const std::uint64_t now = platform::read_cycles().count;
  return static_cast<std::int64_t>(now - from.count.load(std::memory_order_relaxed));
}

void answer(Exchange& exchange, int cpu) {
  if (!pin_to(cpu)) return;
  for (std::uint64_t round = 1; round <= kRounds; ++round) {
    const auto difference = receive(exchange.there, round, exchange.over);
    if (!difference) return;
    exchange.least_there = std::min(exchange.least_there, *difference);
    hand_over(exchange.back, round);
  }
}

// Ends after kPatience, also if the other side is not given a processor.
void ask(Exchange& exchange, int cpu, time::CycleRate nominal) {
  if (!pin_to(cpu)) return;
  const std::uint64_t began = platform::read_cycles().count;
  const auto patient = [&] { return nominal.span(platform::read_cycles().count - began) < kPatience; };
  for (std::uint64_t round = 1; round <= kRounds; ++round) {
    hand_over(exchange.there, round);
    while (exchange.back.sequence.load(std::memory_order_acquire) != round)
      if (!patient()) return;
    const auto difference = receive(exchange.back, round, exchange.over);
    if (!difference) return;
    exchange.least_back = std::min(exchange.least_back, *difference);
    ++exchange.rounds;
  }
}

std::optional<PairOffset> measure_pair(int a, int b, time::CycleRate nominal) {
  Exchange exchange;
  try {
    const std::jthread asking([&] {  // joined also if the other can't be had; it ends by itself
      ask(exchange, a, nominal);
      exchange.over.store(true, std::memory_order_relaxed);  // read in a loop; the join orders the rest
    });
    const std::jthread answering([&] { answer(exchange, b); });
  } catch (const std::system_error&) {
    return std::nullopt;  // no thread to be had
  }
  if (exchange.rounds < kNeeded) return std::nullopt;
  return PairOffset{-exchange.least_back, exchange.least_there};
}

// Every CPU that a thread of this process can be put on, also those that the calling thread was moved off: workers are
// pinned there later, and they read what is anchored here.
std::vector<int> usable_cpus() {
  std::vector<int> cpus;
  try {
    std::thread([&cpus] {
      const long configured = std::min<long>(sysconf(_SC_NPROCESSORS_CONF), CPU_SETSIZE);
      for (int cpu = 0; cpu < configured; ++cpu)
        if (pin_to(cpu)) cpus.push_back(cpu);
    }).join();
  } catch (const std::system_error&) {
    cpus.clear();  // no thread to be had; nor for a worker
  }
  return cpus;
}

}  // namespace

std::uint64_t PairOffset::magnitude() const {
  const std::int64_t apart = at_most > -at_least ? at_most : -at_least;
  return apart > 0 ? static_cast<std::uint64_t>(apart) : 0;
}

time::Duration measure_core_skew(time::CycleRate nominal) {
  const std::vector<int> cpus = usable_cpus();
  time::Duration from_first;
  for (std::size_t i = 1; i < cpus.size(); ++i) {
    auto offset = measure_pair(cpus[0], cpus[i], nominal);
    for (int attempt = 1; attempt < kAttempts && !offset; ++attempt)
      offset = measure_pair(cpus[0], cpus[i], nominal);
    const time::Duration apart = offset ? nominal.span(offset->magnitude()) + time::nanoseconds(1) : kUnmeasuredSkew;
    from_first = std::max(from_first, apart);
  }
  return from_first * 2;  // between two that are each that far from the first
}

}  // namespace gnomon::ptp
