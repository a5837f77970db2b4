// SPDX-License-Identifier: Apache-2.0
#include "bench/demo/fetch.hpp"

#include <algorithm>
#include <memory>
#include <thread>

namespace gnomon::demo {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::chrono::milliseconds kWatchPeriod{5};
constexpr int kWatchesPerProgress = 20;
// A load that has not ended by then never will: the demo says so instead of hanging.
constexpr std::chrono::seconds kLimit{120};
constexpr std::uint64_t kMaxFailures = 1000;

// What the client's thread fills and the main thread watches. All callbacks run on one thread, so only what the main
// thread reads meanwhile is atomic; `outstanding` reaching zero (released) hands over the rest. Callbacks share its
// ownership: one that comes after the demo gave up still finds it.
struct Load : std::enable_shared_from_this<Load> {
  Load(client::Client& c, std::uint64_t t, std::uint32_t n) : client(c), target(t), ids_per_request(n) {}

  client::Client& client;
  const std::uint64_t target;
  const std::uint32_t ids_per_request;
  std::uint64_t asked = 0;
  Fetched fetched;
  support::Ledger ledger;
  Latencies latencies;
  Clock::time_point start = Clock::now();
  Clock::time_point end = start;
  std::atomic<bool> stop{false};
  std::atomic<std::uint64_t> ids{0};
  std::atomic<std::uint64_t> outstanding{0};

  void take(const client::Result<client::IdRange>& result) {
    ++fetched.requests;
    end = Clock::now();
    if (!result) {
      fail(result.error().text);
      return;
    }
    // One key for all: with one worker and one socket everything must ascend, across the worker's machine ids too.
    ledger.add({.first = result->first.value, .count = result->count, .layout = id::kSnowflake.value});
    ids.fetch_add(result->count, std::memory_order_relaxed);
  }

  void fail(const std::string& text) {
    if (fetched.failed++ == 0) fetched.first_failure = text;
  }

  // Each answer asks the next question, so the number in flight stays the same until the target is near.
  void ask() {
    if (asked >= target || stop.load(std::memory_order_relaxed) || fetched.failed >= kMaxFailures) return;
    const auto count = static_cast<std::uint32_t>(std::min<std::uint64_t>(ids_per_request, target - asked));
    asked += count;
    outstanding.fetch_add(1, std::memory_order_relaxed);
    const auto sent =
        client.next_range_async(id::kSnowflake, count, [self = shared_from_this(), count](const auto& got) {
          self->take(got);
          self->asked -= count - (got ? got->count : 0);  // a shorter range, or none: ask again for the rest
          self->ask();
          self->outstanding.fetch_sub(1, std::memory_order_release);
        });
    if (sent) return;
    fail(sent.error().text);
    outstanding.fetch_sub(1, std::memory_order_release);
  }

  // Until everything is answered, or `interrupted`, or the limit has passed.
  Fetched watch(const Progress& progress, support::Ledger& into) {
    int watches = 0;
    while (outstanding.load(std::memory_order_acquire) != 0) {
      std::this_thread::sleep_for(kWatchPeriod);
      const bool go_on = ++watches % kWatchesPerProgress != 0 || progress(ids.load(std::memory_order_relaxed));
      if (go_on && Clock::now() - start < kLimit) continue;
      stop = true;
      return {.failed = 1, .first_failure = go_on ? "the load did not end within two minutes" : "interrupted"};
    }
    fetched.ids = ids;
    fetched.took = end - start;
    into.follow_with(std::move(ledger));
    return fetched;
  }
};

}  // namespace

Fetched fetch_pipelined(client::Client& client, std::uint64_t ids, std::uint32_t ids_per_request,
                        std::uint32_t in_flight, support::Ledger& ledger, const Progress& progress) {
  const auto load = std::make_shared<Load>(client, ids, ids_per_request);
  // The first requests are asked from the client's own thread too, so that `asked` has one owner.
  load->outstanding = 1;
  const auto begun = client.next_range_async(id::kSnowflake, 1, [load, in_flight](const auto& first) {
    load->take(first);
    load->asked += first ? 1 : 0;
    for (std::uint32_t i = 0; i < in_flight; ++i)
      load->ask();
    load->outstanding.fetch_sub(1, std::memory_order_release);
  });
  if (!begun) return {.failed = 1, .first_failure = begun.error().text};
  return load->watch(progress, ledger);
}

Fetched fetch_on_schedule(client::Client& client, std::uint32_t per_second, std::uint32_t seconds,
                          support::Ledger& ledger, Latencies& latencies, const Progress& progress) {
  const std::uint64_t requests = std::uint64_t{per_second} * seconds;
  const auto load = std::make_shared<Load>(client, requests, 1);
  load->latencies.reserve(requests);
  for (std::uint64_t i = 0; i < requests; ++i) {
    const auto intended = load->start + std::chrono::nanoseconds(i * 1'000'000'000ULL / per_second);
    std::this_thread::sleep_until(intended);
    load->outstanding.fetch_add(1, std::memory_order_relaxed);
    const auto sent = client.next_range_async(id::kSnowflake, 1, [load, intended](const auto& result) {
      load->take(result);
      load->latencies.add(std::chrono::duration_cast<std::chrono::nanoseconds>(load->end - intended).count());
      load->outstanding.fetch_sub(1, std::memory_order_release);
    });
    if (!sent) return {.failed = 1, .first_failure = sent.error().text};
    if (i % (per_second / 10 + 1) == 0 && !progress(load->ids.load(std::memory_order_relaxed)))
      return {.failed = 1, .first_failure = "interrupted"};
  }
  const Fetched fetched = load->watch(progress, ledger);
  latencies = std::move(load->latencies);
  return fetched;
}

}  // namespace gnomon::demo
