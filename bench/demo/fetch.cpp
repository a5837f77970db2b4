// SPDX-License-Identifier: Apache-2.0
#include "bench/demo/fetch.hpp"

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <thread>


namespace gnomon::demo {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::chrono::milliseconds kProgressPeriod{100};
// A load that has not ended by then never will: the demo says so instead of hanging.
constexpr std::chrono::seconds kLimit{120};

// What the client's thread fills and the main thread watches. All callbacks run on one thread, so only the counters
// that the main thread reads are atomic; `outstanding` reaching zero (released) hands over the rest.
struct Load {
  client::Client& client;
  support::Ledger& ledger;
  std::uint32_t ids_per_request;
  std::uint64_t target;
  std::uint64_t asked = 0;
  Fetched fetched{};
  std::atomic<std::uint64_t> ids{0};
  std::atomic<std::uint64_t> outstanding{0};

  void take(const client::Result<client::IdRange>& result) {
    ++fetched.requests;
    if (!result) {
      if (fetched.failed++ == 0) fetched.first_failure = result.error().text;
      return;
    }
    // One key for all: with one worker and one socket everything must ascend, across the worker's machine ids too.
    ledger.add({.first = result->first.value, .count = result->count, .layout = id::kSnowflake.value});
    ids.fetch_add(result->count, std::memory_order_relaxed);
  }

  // Each answer asks the next question, so the number in flight stays the same until the target is near.
  void ask() {
    if (asked >= target) return;
    const auto count = static_cast<std::uint32_t>(std::min<std::uint64_t>(ids_per_request, target - asked));
    asked += count;
    outstanding.fetch_add(1, std::memory_order_relaxed);
    const auto sent = client.next_range_async(id::kSnowflake, count, [this, count](const auto& result) {
      take(result);
      asked -= count - (result ? result->count : 0);  // a shorter range, or none: ask again for the rest
      if (fetched.failed < 1000) ask();
      outstanding.fetch_sub(1, std::memory_order_release);
    });
    if (!sent) {
      if (fetched.failed++ == 0) fetched.first_failure = sent.error().text;
      outstanding.fetch_sub(1, std::memory_order_release);
    }
  }

  // False if the limit passed first.
  bool watch(Clock::time_point start, const Progress& progress) {
    while (outstanding.load(std::memory_order_acquire) != 0) {
      std::this_thread::sleep_for(kProgressPeriod);
      progress(ids.load(std::memory_order_relaxed));
      if (Clock::now() - start > kLimit) return false;
    }
    return true;
  }
};

}  // namespace

Fetched fetch_pipelined(client::Client& client, std::uint64_t ids, std::uint32_t ids_per_request,
                        std::uint32_t in_flight, support::Ledger& ledger, const Progress& progress) {
  Load load{.client = client, .ledger = ledger, .ids_per_request = ids_per_request, .target = ids};
  const auto start = Clock::now();
  // The first requests are asked from the client's own thread too, so that `asked` has one owner.
  load.outstanding = 1;
  const auto begun = client.next_range_async(id::kSnowflake, 1, [&load, in_flight](const auto& first) {
    load.take(first);
    load.asked += first ? 1 : 0;
    for (std::uint32_t i = 0; i < in_flight; ++i)
      load.ask();
    load.outstanding.fetch_sub(1, std::memory_order_release);
  });
  if (!begun) return {.failed = 1, .first_failure = begun.error().text};
  if (!load.watch(start, progress)) load.fetched.first_failure = "the load did not end within two minutes";
  load.fetched.took = Clock::now() - start;
  load.fetched.ids = load.ids;
  return load.fetched;
}

Fetched fetch_on_schedule(client::Client& client, std::uint32_t per_second, std::uint32_t seconds,
                          support::Ledger& ledger, Latencies& latencies, const Progress& progress) {
  Load load{.client = client, .ledger = ledger, .ids_per_request = 1, .target = std::uint64_t{per_second} * seconds};
  latencies.reserve(load.target);
  const auto start = Clock::now();
  auto next_progress = start;
  for (std::uint64_t i = 0; i < load.target; ++i) {
    const auto intended = start + std::chrono::nanoseconds(i * 1'000'000'000ULL / per_second);
    std::this_thread::sleep_until(intended);
    load.outstanding.fetch_add(1, std::memory_order_relaxed);
    const auto sent = client.next_range_async(id::kSnowflake, 1, [&load, &latencies, intended](const auto& result) {
      latencies.add(std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now() - intended).count());
      load.take(result);
      load.outstanding.fetch_sub(1, std::memory_order_release);
    });
    if (!sent) return {.failed = 1, .first_failure = sent.error().text};
    if (Clock::now() < next_progress) continue;
    next_progress += kProgressPeriod;
    progress(load.ids.load(std::memory_order_relaxed));
  }
  if (!load.watch(start, progress)) load.fetched.first_failure = "the load did not end within two minutes";
  load.fetched.took = Clock::now() - start;
  load.fetched.ids = load.ids;
  return load.fetched;
}

}  // namespace gnomon::demo
