// SPDX-License-Identifier: Apache-2.0
//
// How much of an echo's speed is left once every datagram is answered with an ID: the full handler (oracle/serve) and a
// bare echo take turns in one worker, every 2 ms, over real sockets. Why so, and what is compared: worker_slots.hpp.
#include <fmt/core.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <thread>

#include "bench/paired.hpp"
#include "bench/worker_slots.hpp"
#include "dataplane/echo_step.hpp"
#include "tests/support/raw_client.hpp"

namespace gnomon::bench {
namespace {

// Asks from another core until told to stop. Whether a server or an echo answers makes no difference to it.
void keep_asking(std::uint16_t port, const support::Load& load, const std::atomic<bool>& stop) {
  pin_to(1);
  support::RawClient client(port);
  while (!stop.load(std::memory_order_relaxed))
    client.bounce(load, std::chrono::milliseconds(2));
}

PairSeries measure(const support::Load& load, int pairs) {
  using Slots = WorkerSlots<dataplane::AlternatingStep>;
  WorkerPlace place;
  std::atomic<bool> echo{false};
  std::atomic<bool> stop{false};
  dataplane::AlternatingStep step(place.server(), echo);
  Slots slots(place, step);
  const auto slot = [&](bool echoing) {
    echo.store(echoing, std::memory_order_relaxed);
    return slots.slot();
  };
  std::thread client([&] { keep_asking(place.port(), load, stop); });
  pin_to(0);

  PairSeries series;
  for (int i = -50; i < pairs; ++i) {  // the first ones warm up
    const bool echo_first = i % 2 == 0;
    const WorkerSlot first = slot(echo_first);
    const WorkerSlot second = slot(!echo_first);
    if (i >= 0)
      series.add(echo_first ? first : second, echo_first ? second : first, Slots::kFewestMessages,
                 place.ns_per_cycle());
  }
  stop = true;
  client.join();
  return series;
}

int run(int pairs) {
  fmt::print("{} pairs of slots of 2 ms each; server / echo in messages per busy cycle of the worker\n", pairs);
  print_head("one-ID requests", "echo ns", "serve ns");
  print("1 per datagram, plain, 64 in flight", measure({.messages_per_datagram = 1, .datagrams = 64}, pairs));
  print("22 per datagram, 40 datagrams in flight", measure({.messages_per_datagram = 22, .datagrams = 40}, pairs));
  return 0;
}

}  // namespace
}  // namespace gnomon::bench

int main(int argc, char** argv) {
  const int pairs = gnomon::bench::only_argument(argc, argv, 10, 100'000, 1500, "PAIRS", "6 s a line");
  return gnomon::bench::run(pairs);
}
